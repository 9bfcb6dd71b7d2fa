-- Alerts of every rule. At most one is firing for each thing that it is about, however many monitors there are.
-- Times are milliseconds since 1970, as everywhere in Weir's protocols.
create table alerts (
    id uuid primary key,
    project text not null,
    rule text not null,
    severity text not null,
    database text not null,
    fingerprint bigint not null,
    state text not null check (state in ('firing', 'resolved')),
    summary text not null,
    value_ms double precision not null,
    threshold_ms double precision not null,
    sightings bigint not null,
    traceparent text not null,
    since_unix_ms bigint not null,
    last_seen_unix_ms bigint not null,
    resolved_unix_ms bigint not null default 0
);

create unique index alerts_one_firing on alerts (project, rule, database, fingerprint) where state = 'firing';
create index alerts_by_time on alerts (project, since_unix_ms desc, id desc);
