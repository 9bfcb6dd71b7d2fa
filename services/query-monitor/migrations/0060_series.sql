-- Figures over time: what trends are found in. Times are milliseconds since 1970.
create table series (
    id bigint generated always as identity primary key,
    metric text not null,
    project text not null,
    labels jsonb not null,
    unique (metric, project, labels)
);

-- As they were read; kept for some days.
create table series_minutes (
    series bigint not null references series on delete cascade,
    at_unix_ms bigint not null,
    value double precision not null,
    primary key (series, at_unix_ms)
);
create index series_minutes_by_time on series_minutes (at_unix_ms);

-- The same by hours, each named by its beginning; kept for a year.
create table series_hours (
    series bigint not null references series on delete cascade,
    at_unix_ms bigint not null,
    mean double precision not null,
    least double precision not null,
    greatest double precision not null,
    readings integer not null,
    primary key (series, at_unix_ms)
);
create index series_hours_by_time on series_hours (at_unix_ms);

-- Levels of latency that gave way to others, by shape of statement.
create table query_changes (
    id uuid primary key,
    project text not null,
    database text not null,
    fingerprint bigint not null,
    at_unix_ms bigint not null,
    before_ms double precision not null,
    after_ms double precision not null,
    found_unix_ms bigint not null
);
create index query_changes_by_time on query_changes (project, at_unix_ms desc, id desc);
create index query_changes_by_shape on query_changes (fingerprint, project, database, at_unix_ms);
create index query_changes_by_age on query_changes (at_unix_ms);
