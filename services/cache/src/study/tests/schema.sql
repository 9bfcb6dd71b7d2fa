create table users (
    id bigint primary key, name text not null, email varchar(100), code char(5), active bool not null default true,
    tenant int, born date, seen timestamptz, data jsonb, tags text[]);
create table user_roles (user_id bigint, role_id int, primary key (user_id, role_id));
create table roles (id int primary key, name text not null);
create table sessions (token uuid primary key, user_id bigint, expires_at timestamptz, note text);
create index on sessions (user_id);
alter table sessions replica identity full;
create table pairs (a int, b int primary key);
create index on pairs (a);
alter table pairs replica identity full;
create table names (name text primary key, short varchar(20), n smallint);
create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create table insensitive (name text collate ci primary key, other text);
create table blobs (key bytea primary key, flag bool, v int);
create table flags (flag bool primary key, v int);
create table fixed_codes (code char(5) primary key, v int);
create table logs (at timestamptz, line text);
create unlogged table scratch (id int primary key, v int);
create sequence counter;
create type mood as enum ('sad', 'ok', 'happy');
create domain positive as int check (value > 0);
create domain dubious as int check (value > extract(day from now()));
create domain naming as text;
create table moods (mood mood primary key, level positive, odd dubious, named naming, low time, zoned timetz);

create table events (id bigint, day date, v int, primary key (id, day)) partition by range (day);
create table events_old partition of events for values from ('2000-01-01') to ('2020-01-01');
create table events_new partition of events for values from ('2020-01-01') to ('2040-01-01');
create table mixed (id int primary key) partition by range (id);
create table mixed_a partition of mixed for values from (0) to (10);
create unlogged table mixed_b partition of mixed for values from (10) to (20);
create table base (id int primary key, v int);
create table derived (extra int, primary key (id)) inherits (base);
create table orphan () inherits (base);

create view active_users as select id, name, tenant from users where active;
create view active_names as select a.id, a.name, r.role_id from active_users a left join user_roles r on r.user_id = a.id;
create view recent as select * from sessions where expires_at > now();
create view frozen as select * from users where seen > '2026-01-01'::timestamptz;
create view frozen_now as select * from users where born > 'today'::date;
create view late_now as select * from users where born > 'today'::text::date;
create view locked as select * from roles for update;
create materialized view totals as select tenant, count(*) from users group by tenant;

create table members (tenant int, login name, primary key (tenant, login));
create table documents (id int primary key, tenant int, body text);
alter table documents enable row level security;
create policy tenancy on documents using (tenant in (select m.tenant from members m where m.login = current_user));
create table notes (id int primary key, owner text);
alter table notes enable row level security;
create policy own on notes for select using (owner = current_setting('app.user', true));
create policy writing on notes for insert with check (random() > 0.5);
create table clocked (id int primary key, until timestamptz);
alter table clocked enable row level security;
create policy fresh on clocked using (until > now());

create function twice(int) returns int language sql immutable as 'select $1 * 2';
create function said(int) returns int language sql stable as 'select $1 * 2';
create function wild(int) returns int language sql as 'select $1 * 2';
create function quietly_reads(int) returns bigint language sql immutable
    begin atomic select count(*) from users where tenant = $1; end;
create function defaulted(a int, b timestamptz default now()) returns text language sql immutable as 'select ''x''';
create function plain(a int) returns int language plpgsql immutable as 'begin return a; end';
create function wild_eq(int, text) returns bool language sql volatile as 'select true';
create operator === (leftarg = int, rightarg = text, function = wild_eq);
create function summed(int, int) returns int language sql as 'select $1 + $2';
create aggregate wild_sum(int) (sfunc = summed, stype = int, initcond = '0');
create aggregate tame_sum(int) (sfunc = int4pl, stype = int, initcond = '0');

create type pair as (a int, b int);
create function pair_json(pair) returns json language sql volatile as 'select null::json';
create cast (pair as json) with function pair_json(pair);

create schema other;
create table other.users (id bigint primary key, name text);
create table other.roles (id int, name text);
insert into users select n, 'n' || n, n || '@x', 'c', true, n % 3 from generate_series(1, 300) n;
analyze users;
