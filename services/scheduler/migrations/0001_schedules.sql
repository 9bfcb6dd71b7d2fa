-- What is to run when, and every run that was asked for. A schedule only inserts runs; an operator's button inserts the
-- same row. Times are milliseconds since 1970, as everywhere in Weir's protocols.
create table schedules (
    id uuid primary key,
    project text not null,
    name text not null,
    operation text not null,
    cron text not null,
    time_zone text not null,
    parameters jsonb not null,
    misfire text not null check (misfire in ('skip', 'run_once')),
    jitter_ms bigint not null check (jitter_ms >= 0),
    paused boolean not null default false,
    -- Schedules of the settings file are kept in step with it; the others belong to whoever made them.
    from_file boolean not null,
    next_run_unix_ms bigint not null,
    unique (project, name)
);

create index schedules_due on schedules (next_run_unix_ms) where not paused;

create table runs (
    id uuid primary key,
    schedule_id uuid references schedules (id) on delete set null,
    project text not null,
    operation text not null,
    parameters jsonb not null,
    requested_by text not null,
    dry_run boolean not null,
    state text not null check (state in ('requested', 'running', 'succeeded', 'failed', 'cancelled')),
    requested_unix_ms bigint not null,
    started_unix_ms bigint not null default 0,
    ended_unix_ms bigint not null default 0,
    progress_done bigint not null default 0,
    progress_total bigint not null default 0,
    progress_note text not null default '',
    attempts bigint not null default 0,
    effect jsonb,
    error text not null default '',
    error_slug text not null default ''
);

create index runs_by_time on runs (project, requested_unix_ms desc, id desc);
create index runs_open on runs (schedule_id) where state in ('requested', 'running');
