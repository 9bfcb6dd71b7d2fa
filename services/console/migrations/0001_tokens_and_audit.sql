-- Who may call, and what was asked.

create table tokens (
    id uuid primary key,
    name text not null,
    -- Null: the operator's, for every project.
    project text,
    role text not null check (role in ('viewer', 'operator')),
    -- SHA-256 of the token. The token itself is told once and kept nowhere.
    hash bytea not null unique,
    created_unix_ms bigint not null,
    created_by text not null,
    -- Null: it does not expire.
    expires_unix_ms bigint,
    revoked_unix_ms bigint,
    last_used_unix_ms bigint
);

create table audit (
    id bigint generated always as identity primary key,
    at_unix_ms bigint not null,
    actor text not null,
    -- The token, if there was one.
    token uuid,
    -- The project of the token; null: the operator.
    project text,
    -- What was asked: the method and the pattern of the route.
    action text not null,
    -- The path as it was.
    target text not null,
    -- Where from.
    remote text not null,
    -- What was answered; null: the answer is not known (the process ended before).
    status int
);

create index audit_by_time on audit (at_unix_ms desc, id desc);
