-- What verifications and benchmarks found.

create table reports (
    id uuid primary key,
    started_unix_ms bigint not null,
    report jsonb not null
);

create index reports_by_time on reports (started_unix_ms desc, id desc);
