-- When maintenance of a project may run. Hours are minutes of the local day; one that does not end after its start ends
-- on the next day. Those of operators and of the settings file count before learned ones.
create table windows (
    project text not null,
    name text not null,
    -- Monday is bit 0.
    weekdays smallint not null check (weekdays between 1 and 127),
    start_minute smallint not null check (start_minute between 0 and 1439),
    end_minute smallint not null check (end_minute between 0 and 1440),
    time_zone text not null,
    enabled boolean not null,
    source text not null check (source in ('file', 'operator', 'learned')),
    primary key (project, name)
);

-- Whether runs are held to windows, how often each is tried (0: as the worker likes), and how long it may wait for one.
alter table schedules
    add column ignores_windows boolean not null default false,
    add column attempt_max bigint not null default 0 check (attempt_max >= 0),
    add column begin_within_ms bigint not null default 3600000 check (begin_within_ms > 0);

-- What the request said of the windows. An end of 0 is none.
alter table runs
    add column window_ends_unix_ms bigint not null default 0,
    add column outside_window boolean not null default false;
