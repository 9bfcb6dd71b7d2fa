-- Every piece of work that was done to a relation, or begun: what was expected of it and what came of it.
create table pieces (
    id               uuid primary key,
    job_id           uuid not null,
    project          text not null,
    kind             text not null,
    database         text not null,
    -- schema.table, and for an index the index's own name.
    relation         text not null,
    index_name       text not null default '',
    -- Bytes that were expected back: surely, most probably, at most.
    reclaim_low      bigint not null default 0,
    reclaim_likely   bigint not null default 0,
    reclaim_high     bigint not null default 0,
    -- Bytes that were expected to be read and written, and how long that would take.
    cost_bytes       bigint not null default 0,
    predicted_ms     bigint not null default 0,
    bytes_before     bigint,
    bytes_after      bigint,
    -- What 95 of 100 calls of the database kept to, before and during the work.
    p95_before_ms    double precision,
    p95_during_ms    double precision,
    started_at       timestamptz not null,
    ended_at         timestamptz,
    -- When the window ends in which it was done. Null: there was none.
    window_ends      timestamptz,
    -- It was halted because users suffered.
    for_users        boolean not null default false,
    outcome          text not null default 'running'
                     check (outcome in ('running', 'done', 'left', 'halted', 'failed')),
    -- Why it was left or halted, or what it remarked: one line.
    reason           text not null default '',
    effect           jsonb
);

create index pieces_by_project on pieces (project, started_at desc, id desc);
create index pieces_by_relation on pieces (database, relation, index_name, kind, started_at desc);
