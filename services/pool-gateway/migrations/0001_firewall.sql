-- The shapes of statement that the firewall knows, for each project, database and user, and those that wait for a person.
-- Every gateway writes what it sees and reads what the others wrote: by the transaction that changed a row last, so that
-- one that commits late is not overlooked. Times are milliseconds since 1970.
create table firewall_shapes (
    project text not null,
    database text not null,
    user_name text not null,
    -- The exact identity of the shape, and its fingerprint: 64 bits each, taken as signed.
    id bigint not null,
    fingerprint bigint not null,
    -- 0: it was taken out, which others have yet to hear. 1: nobody has judged it. 2: it was learned. 3: it was approved.
    standing smallint not null check (standing between 0 and 3),
    -- Without literals.
    text text not null,
    score integer not null,
    -- Divided by commas.
    rules text not null,
    count bigint not null,
    first_seen_ms bigint not null,
    last_seen_ms bigint not null,
    approved_by text not null default '',
    approved_ms bigint not null default 0,
    approved_score integer not null default 0,
    changed_by xid8 not null default pg_current_xact_id(),
    changed_at timestamptz not null default now(),
    primary key (project, database, user_name, id)
);

create index firewall_shapes_changed_by on firewall_shapes (changed_by);

-- Modes that were set by a call; an empty part means all.
create table firewall_modes (
    project text not null,
    database text not null,
    user_name text not null,
    mode text not null check (mode in ('off', 'learn', 'monitor', 'enforce')),
    set_by text not null,
    set_ms bigint not null,
    primary key (project, database, user_name)
);
