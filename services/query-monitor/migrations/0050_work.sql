-- What alerts on the work of others are judged by: how jobs ended, by project and operation, and broken rules of
-- security of late. Events may come more than once, and to any monitor; every row here is the same whoever writes it
-- and however often. Times are milliseconds since 1970, as everywhere in Weir's protocols.
create table work_endings (
    project text not null,
    operation text not null,
    last_success_unix_ms bigint not null default 0,
    last_failure_unix_ms bigint not null default 0,
    -- The name of the last failure's error.
    error_slug text not null default '',
    primary key (project, operation)
);

-- Jobs that failed for good. Those since the last success are the failures in a row; others are let go.
create table work_failures (
    job_id text primary key,
    project text not null,
    operation text not null,
    ended_unix_ms bigint not null
);

create index work_failures_by_time on work_failures (project, operation, ended_unix_ms);

-- Jobs that only say what they would do: how they end proves nothing.
create table work_dry_runs (
    job_id text primary key,
    seen_unix_ms bigint not null
);

create index work_dry_runs_by_time on work_dry_runs (seen_unix_ms);

-- Violations that were counted, so that none is counted twice.
create table work_violations_seen (
    event_id text primary key,
    seen_unix_ms bigint not null
);

create index work_violations_seen_by_time on work_violations_seen (seen_unix_ms);

-- How many there were, by the time when they were heard of.
create table work_violations (
    project text not null,
    rule text not null,
    action text not null,
    from_unix_ms bigint not null,
    count bigint not null,
    summary text not null,
    traceparent text not null,
    primary key (project, rule, action, from_unix_ms)
);
