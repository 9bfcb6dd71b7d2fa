-- Users, their roles and permissions, and sessions: an example of tables that `ResolveSession` reads, for
-- deploy/auth/statements.toml. `deploy/run --demo` loads it beside the shop, and recognises it by the schema's comment.
--
-- What is asked for by a key has that key in its replica identity, which is the primary key here: a change of one user's
-- roles then ends what is kept of that user, and of nobody else.

create schema auth;
comment on schema auth is 'Weir demo, version 1';

create table auth.users (
    id bigint generated always as identity primary key,
    name text not null,
    email text not null unique,
    -- When the user was shut out; null: may come in.
    disabled_at timestamptz
);

create table auth.roles (
    id integer generated always as identity primary key,
    name text not null unique
);

create table auth.user_roles (
    user_id bigint not null references auth.users on delete cascade,
    role_id integer not null references auth.roles on delete cascade,
    primary key (user_id, role_id)
);

create table auth.role_permissions (
    role_id integer not null references auth.roles on delete cascade,
    permission text not null,
    primary key (role_id, permission)
);

-- The token itself is nowhere: who reads this table, or a backup of it, can open nothing.
create table auth.sessions (
    token_digest bytea primary key check (octet_length(token_digest) = 32),
    user_id bigint not null references auth.users on delete cascade,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    revoked_at timestamptz
);

-- For those who end all sessions of a user, or all of a time; and for the cascades.
create index sessions_by_user on auth.sessions (user_id);
create index sessions_by_end on auth.sessions (expires_at);
create index user_roles_by_role on auth.user_roles (role_id);
