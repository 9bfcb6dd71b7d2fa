-- Alerts of any rule about anything: the key (a hash of rule, project, labels and statement) says which they are.
-- Slow-query alerts that fire while this runs go on; their key is found when they are read.
drop index alerts_one_firing;
alter table alerts drop constraint alerts_state_check;
alter table alerts add constraint alerts_state_check check (state in ('pending', 'firing', 'resolved'));
alter table alerts rename column value_ms to value;
alter table alerts rename column threshold_ms to threshold;
alter table alerts alter column fingerprint drop not null;
alter table alerts
    add column key text not null default '',
    add column labels jsonb not null default '{}',
    add column source text not null default 'slow',
    -- Since when the condition has been as bad as each of three severities; null where it is not.
    add column held jsonb not null default '[null, null, null]',
    add column fired_unix_ms bigint not null default 0,
    add column ceased_unix_ms bigint,
    add column turned_unix_ms bigint not null default 0,
    add column flapping boolean not null default false,
    add column runbook text not null default '',
    add column note text not null default '',
    add column traces jsonb not null default '[]',
    -- The worst severity that channels were told of.
    add column told text not null default '',
    add column silenced_by uuid,
    add column inhibited_by uuid,
    add column acknowledged_by text not null default '',
    add column acknowledged_note text not null default '',
    add column acknowledged_unix_ms bigint not null default 0;
update alerts set
    labels = jsonb_build_object('database', database),
    held = jsonb_build_array(since_unix_ms, since_unix_ms, null),
    fired_unix_ms = since_unix_ms,
    turned_unix_ms = last_seen_unix_ms,
    runbook = 'docs/runbooks/slow-query.md';
alter table alerts drop column database, drop column sightings, drop column last_seen_unix_ms;

create unique index alerts_one_of_a_key on alerts (key) where state <> 'resolved' and key <> '';
create index alerts_not_resolved on alerts (id) where state <> 'resolved';
create index alerts_resolved on alerts (resolved_unix_ms) where state = 'resolved';
