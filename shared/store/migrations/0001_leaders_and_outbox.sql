-- Who leads, for each thing that one instance at a time may do. The epoch only grows: it is the fencing token.
create table leaders (
    name        text primary key,
    epoch       bigint not null,
    holder      text not null,
    acquired_at timestamptz not null,
    -- Set when a leader steps down by itself; null while one leads, or when it vanished.
    released_at timestamptz
);

-- Facts that were committed and still have to be told. A relay publishes them in the order of seq.
create table outbox (
    id           uuid primary key,
    seq          bigint generated always as identity,
    stream       text not null,
    subject      text not null,
    headers      jsonb not null,
    payload      bytea not null,
    created_at   timestamptz not null default now(),
    published_at timestamptz,
    -- The bus will never take this one; it is kept for a person to look at, and stands in nobody's way.
    refused_at   timestamptz,
    attempts     integer not null default 0,
    error        text
);

create index outbox_untold on outbox (seq) where published_at is null;
create index outbox_published on outbox (published_at) where published_at is not null;

-- Says that there is something new in a table, to those who listen on 'schema.table', once the transaction commits.
create function weir_tell() returns trigger language plpgsql as $$
begin
    perform pg_notify(tg_table_schema || '.' || tg_table_name, '');
    return null;
end
$$;

create trigger outbox_tells after insert on outbox for each statement execute function weir_tell();
