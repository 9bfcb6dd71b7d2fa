-- What channels have to be told of alerts. The alert engine writes notices in its own transaction; whoever delivers
-- shares them out to the groups of each channel, in the order of seq, and forgets them here.
--
-- Notices are JSON in a column of text: a statement or a name may hold what jsonb refuses.
create table notices (
    seq        bigint generated always as identity primary key,
    notice     text not null,
    created_at timestamptz not null default now()
);

create trigger notices_tell after insert on notices for each statement execute function weir_tell();

-- One group of alerts at one channel: what the receiver knows, what it has to be told, and the notification under way.
-- Times are milliseconds since 1970 by this server's clock, so that instances with different clocks agree.
create table notice_groups (
    channel         text not null,
    name            text not null,
    state           text not null,
    due_ms          bigint not null,
    -- Alerts of which there is something to tell, and failed attempts at telling it.
    pending         integer not null,
    failures        integer not null,
    -- Who sends it at present, and until when that is believed.
    leased_by       uuid,
    leased_until_ms bigint not null default 0,
    primary key (channel, name)
);

create index notice_groups_due on notice_groups (channel, greatest(due_ms, leased_until_ms));

-- How each channel fares, for people.
create table notice_channels (
    name                 text primary key,
    last_success_unix_ms bigint not null default 0,
    last_error_unix_ms   bigint not null default 0,
    last_error           text not null default '',
    seen_ms              bigint not null
);

create function notices_now_ms() returns bigint language sql volatile as
    $$ select (extract(epoch from clock_timestamp()) * 1000)::bigint $$;
