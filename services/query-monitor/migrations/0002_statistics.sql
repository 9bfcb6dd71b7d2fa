-- What was counted of statements, by project, database, fingerprint and span of time. Rows are only ever added: what
-- several monitors, or one at several times, counted of the same line in the same span adds up. Fingerprint 0 is
-- everything that is not told apart, fingerprint -1 a project as a whole. Times are milliseconds since 1970.
create table statistics_seconds (
    span_unix_ms bigint not null,
    project text not null,
    database text not null,
    fingerprint bigint not null,
    calls bigint not null,
    errors bigint not null,
    slow bigint not null,
    row_count bigint not null,
    bytes_in bigint not null,
    bytes_out bigint not null,
    cache_hits bigint not null,
    cache_misses bigint not null,
    wait_us bigint not null,
    server_us bigint not null,
    drain_us bigint not null,
    max_us bigint not null,
    first_seen_unix_ms bigint not null,
    last_seen_unix_ms bigint not null,
    -- Sketches of latencies and errors by class, as only the monitor reads them.
    detail bytea not null
) partition by range (span_unix_ms);

create table statistics_minutes (like statistics_seconds) partition by range (span_unix_ms);
create table statistics_hours (like statistics_seconds) partition by range (span_unix_ms);
create table statistics_days (like statistics_seconds) partition by range (span_unix_ms);

create index on statistics_seconds (project, span_unix_ms);
create index on statistics_seconds (span_unix_ms);
create index on statistics_minutes (project, span_unix_ms);
create index on statistics_minutes (span_unix_ms);
create index on statistics_hours (project, span_unix_ms);
create index on statistics_hours (span_unix_ms);
create index on statistics_days (project, span_unix_ms);
create index on statistics_days (span_unix_ms);

-- Up to when each level has been made from the finer one. What comes in later for a time before that counts for then.
create table levels (
    level text primary key,
    made_until_unix_ms bigint not null default 0
);
insert into levels (level) values ('minutes'), ('hours'), ('days');

-- The number of the last batch that each monitor has written: a batch is written once, however often it is tried.
create table monitors (
    monitor text primary key,
    batch bigint not null,
    written_unix_ms bigint not null
);

-- What fingerprints stand for.
create table shapes (
    fingerprint bigint primary key,
    text text not null,
    kind integer not null,
    writes boolean not null,
    told_unix_ms bigint not null
);

-- What each monitor has counted of each gateway; what is missing in the numbers of all together was lost.
create table intake (
    monitor text not null,
    gateway text not null,
    first_sequence bigint not null,
    events_before_first bigint not null,
    last_sequence bigint not null,
    events_through_last bigint not null,
    batches bigint not null,
    events bigint not null,
    dropped bigint not null,
    heard_unix_ms bigint not null,
    primary key (monitor, gateway)
);
