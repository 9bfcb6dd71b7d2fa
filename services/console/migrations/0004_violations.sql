-- Rules that were broken at the gateways, as these told of them.

create table violations (
    -- Rows become visible in the order of their ids.
    id bigint generated always as identity primary key,
    -- The event that told of it: one that comes twice is one.
    event_id text not null unique,
    at_unix_ms bigint not null,
    project text not null,
    rule text not null,
    action text not null check (action in ('unspecified', 'reported', 'blocked')),
    severity text not null check (severity in ('unspecified', 'info', 'warning', 'critical')),
    upstream text not null,
    database text not null,
    username text not null,
    application text not null,
    client text not null,
    door text not null,
    -- Empty: it was not about a statement.
    fingerprint text not null,
    summary text not null,
    traceparent text not null,
    -- How often it happened: one event may tell of a minute.
    count bigint not null check (count > 0),
    -- How suspicious the statement looked. 0: it was not judged by its looks.
    score int not null,
    -- Every rule that the statement broke, the gravest first.
    rules text[] not null
);

create index violations_by_time on violations (project, at_unix_ms desc, id desc);
create index violations_by_id on violations (project, id desc);
create index violations_by_age on violations (at_unix_ms);
