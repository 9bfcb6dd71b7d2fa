-- Plans of slow statements, as they were captured. A row is a plan that one shape had from its first capture to its
-- last; the next row of that shape says what changed.
create table plans (
    id bigint generated always as identity primary key,
    project text not null,
    database text not null,
    fingerprint bigint not null,
    first_captured_unix_ms bigint not null,
    captured_unix_ms bigint not null,
    captures bigint not null default 1,
    plan_shape bigint not null,
    plan text not null,
    findings text not null,
    change text,
    total_cost double precision not null,
    shortened boolean not null
);

create index plans_by_shape on plans (project, database, fingerprint, captured_unix_ms desc, id desc);
create index plans_by_project on plans (project, captured_unix_ms desc, id desc);
create index plans_by_age on plans (captured_unix_ms, id);
