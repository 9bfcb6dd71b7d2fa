-- When the window ends that a job runs in, and whether there is none: only what cannot wait is done then.
alter table jobs
    add column window_ends timestamptz,
    add column outside_window boolean not null default false;
