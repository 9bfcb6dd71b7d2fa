-- How healthy everything was: each change, and how it was each minute. Several consoles write the same.

create table health_changes (
    id bigint generated always as identity primary key,
    at_unix_ms bigint not null,
    -- The part, such as `connectivity` or `bus`; `database` for the whole.
    part text not null,
    kind text not null check (kind in ('aspect', 'service', 'dependency', 'whole')),
    state text not null check (state in ('up', 'degraded', 'down', 'unknown')),
    previous text not null,
    reason text not null,
    latency_ms double precision
);

create index health_changes_by_part on health_changes (kind, part, at_unix_ms desc, id desc);
create index health_changes_by_time on health_changes (at_unix_ms desc);

create table health_samples (
    minute_unix_ms bigint primary key,
    state text not null check (state in ('up', 'degraded', 'down', 'unknown')),
    -- How long a statement took through the gateway; null: none was answered.
    connect_ms double precision,
    queries_per_second double precision,
    error_ratio double precision,
    p95_ms double precision,
    -- Parts that were degraded or down.
    not_up int not null
);
