-- Every value that was changed on advice, or was about to be: written before the server is asked.
create table changes (
    id            uuid primary key,
    project       text not null,
    advice_id     text not null,
    kind          text not null,
    -- Empty, and so are the next two, for a setting of the server.
    database      text not null,
    table_schema  text not null,
    table_name    text not null,
    -- The object as an id of advice has it.
    object        text not null,
    option        text not null,
    -- In the server's own file, or among the options of the table; null: not set.
    old_value     text,
    new_value     text,
    -- What was in force before, as SHOW has it.
    old_shown     text not null,
    requested_by  text not null,
    reason        text not null,
    state         text not null check (state in
                  ('applying', 'applied', 'pending_restart', 'reverting', 'reverted', 'superseded', 'failed')),
    -- Why it failed, or what is to be known: one line.
    note          text not null default '',
    -- What was counted when it was changed.
    evidence      jsonb,
    superseded_by uuid,
    begun_at      timestamptz not null,
    ended_at      timestamptz
);

create index changes_by_project on changes (project, id desc);
-- Of one value one change at a time is on its way or in force.
create unique index changes_live on changes (object, option)
    where state in ('applying', 'applied', 'pending_restart', 'reverting');

-- What was shown of each piece of advice last: what an operator who asks for it has seen.
create table advice_shown (
    project   text not null,
    advice_id text not null,
    current   text,
    proposed  text,
    shown_at  timestamptz not null,
    primary key (project, advice_id)
);

-- How far sequences were, and how many connections were used at most: one row an hour.
create table advice_samples (
    database text not null,
    object   text not null,
    hour     timestamptz not null,
    value    double precision not null,
    primary key (database, object, hour)
);
