//! The statements of the battery. `t.c=$1` is a tag of rows, `t` one of a whole table, `#0` the first literal.

/// What is studied as user `postgres` with inferred types.
pub(super) const CASES: &[(&str, &str)] = &[
    // One table.
    ("select * from users where id = $1", "users.id=$1"),
    ("select * from users where $1 = id", "users.id=$1"),
    ("select * from users where id = 7 and $1::int is null", "users.id=7"),
    ("select * from users where id = $1::int8", "users.id=$1"),
    ("select * from users where id = $1::int4", "users.id=$1"),
    ("select * from users where id::int4 = $1", "users.id=$1"),
    ("select * from users where id = -7 and $1::int is null", "users.id=-7"),
    (
        "select * from users where id = 12345678901 and $1::int is null",
        "users.id=12345678901",
    ),
    ("select * from users where id = $1 + 1", "users"),
    ("select * from users where id + 0 = $1", "users"),
    ("select * from users where id > $1", "users"),
    ("select * from users where id <> $1", "users"),
    ("select * from users where not id = $1", "users"),
    ("select * from users where id = $1 or id = $2", "users"),
    (
        "select * from users where id = $1 and (active or tenant = 3)",
        "users.id=$1",
    ),
    (
        "select * from users where tenant = 3 and (active and id = $1)",
        "users.id=$1",
    ),
    ("select * from users where id = null", "users"),
    ("select * from users where id is null", "users"),
    ("select * from users where id is not distinct from $1", "users"),
    (
        "select * from users where id in (1, 2) and $1::int is null",
        "users.id=1, users.id=2",
    ),
    (
        "select * from users where id in ($1, $2, 3)",
        "users.id=$1, users.id=$2, users.id=3",
    ),
    ("select * from users where id in (1, null)", "users"),
    ("select * from users where id not in (1, 2)", "users"),
    ("select * from users where id = any($1)", "users"),
    ("select * from users where id = any('{1,2}')", "users"),
    ("select * from users where id = all(array[1, 2])", "users"),
    (
        "select * from users where id = any(array[$1, $2]::int8[])",
        "users.id=$1, users.id=$2",
    ),
    ("select * from users where id in (1, tenant)", "users"),
    ("select * from users where id = 1.5", "users"),
    ("select * from users where tenant = $1", "users"),
    ("select * from users", "users"),
    ("table users", "users"),
    ("select * from only users where id = $1", "users.id=$1"),
    ("select count(*), max(name) from users where id = $1", "users.id=$1"),
    (
        "select tenant, count(*) from users where id = $1 group by tenant having count(*) > 1",
        "users.id=$1",
    ),
    (
        "select tenant, count(*) from users where id = $1 group by rollup (tenant)",
        "users.id=$1",
    ),
    (
        "select distinct on (name) * from users where id = $1 order by name, 1",
        "users.id=$1",
    ),
    (
        "select *, row_number() over (partition by name order by tenant) from users where id = $1",
        "users.id=$1",
    ),
    (
        "select * from users where id = $1 order by 1 limit $2 offset $3",
        "users.id=$1",
    ),
    ("select * from users where id = $1 limit 10", "users.id=$1"),
    ("select * from users having count(*) > 0", "no: parse"),
    ("select 1", ""),
    ("values (1, 'a'), (2, 'b')", ""),
    ("select $1::text || 'x'", ""),
    // The best of several columns.
    ("select * from user_roles where user_id = $1", "user_roles.user_id=$1"),
    ("select * from user_roles where role_id = $1", "user_roles.role_id=$1"),
    (
        "select * from sessions where token = $1 and user_id = $2",
        "sessions.token=$1",
    ),
    (
        "select * from sessions where user_id = $2 and token = $1",
        "sessions.token=$1",
    ),
    (
        "select * from sessions where user_id = $1 and note = $2",
        "sessions.user_id=$1",
    ),
    (
        "select * from sessions where user_id in (1, 2) and token = $1",
        "sessions.token=$1",
    ),
    ("select * from pairs where a = $1 and b = $2", "pairs.b=$2"),
    (
        "select * from users u, pairs p where p.a = u.tenant and p.b = $1",
        "pairs.b=$1, users",
    ),
    ("select * from sessions where note = $1", "sessions"),
    (
        "select * from user_roles where user_id in (1, 2) and role_id = $1",
        "user_roles.role_id=$1",
    ),
    // Types and collations.
    ("select * from names where name = $1", "names.name=$1"),
    (
        "select * from names where name = 'it''s' and $1::int is null",
        "names.name=it's",
    ),
    (
        "select * from names where name = 'héé' and $1::int is null",
        "names.name=héé",
    ),
    ("select * from names where name = '' and $1::int is null", "names.name="),
    ("select * from names where name = $1::varchar(3)", "names"),
    ("select * from names where name = $1::varchar", "names.name=$1"),
    ("select * from names where name = $1::char(3)", "names"),
    ("select * from names where name = $1::name", "names"),
    ("select * from names where name like $1", "names"),
    ("select * from names where lower(name) = $1", "names"),
    ("select * from names where name = $1 collate \"C\"", "names.name=$1"),
    ("select * from names where name = $1 collate ci", "names"),
    ("select * from names where name collate \"C\" = $1", "names.name=$1"),
    ("select * from insensitive where name = $1", "insensitive"),
    (
        "select * from insensitive where name = $1 collate \"C\"",
        "insensitive.name=$1",
    ),
    ("select * from fixed_codes where code = $1", "fixed_codes"),
    ("select * from fixed_codes where code = 'ab'", "fixed_codes"),
    ("select * from blobs where key = $1", "blobs.key=$1"),
    (
        "select * from blobs where key = '\\x00ff' and $1::int is null",
        "blobs.key=00ff",
    ),
    ("select * from flags where flag = $1", "flags.flag=$1"),
    ("select * from flags where flag = true", "flags.flag=01"),
    ("select * from flags where flag", "flags"),
    (
        "select * from sessions where token = '00010203-0405-0607-0809-0a0b0c0d0e0f' and $1::int is null",
        "sessions.token=000102030405060708090a0b0c0d0e0f",
    ),
    ("select * from moods where mood = $1", "moods"),
    ("select * from moods where mood = 'sad'", "moods"),
    // Joins.
    (
        "select * from users u join user_roles r on r.user_id = u.id where u.id = $1",
        "user_roles.user_id=$1, users.id=$1",
    ),
    (
        "select * from users u, user_roles r where r.user_id = u.id and u.id = $1",
        "user_roles.user_id=$1, users.id=$1",
    ),
    (
        "select * from users u, user_roles r where r.user_id = u.id and r.user_id = $1",
        "user_roles.user_id=$1, users.id=$1",
    ),
    (
        "select * from users u join user_roles r on r.user_id = u.id and u.id = $1",
        "user_roles.user_id=$1, users.id=$1",
    ),
    (
        "select * from users join user_roles on user_id = id join roles o on o.id = role_id where users.id = $1",
        "roles, user_roles.user_id=$1, users.id=$1",
    ),
    (
        "select * from users u left join user_roles r on r.user_id = u.id where u.id = $1",
        "user_roles.user_id=$1, users.id=$1",
    ),
    (
        "select * from users u left join user_roles r on r.user_id = $1",
        "user_roles.user_id=$1, users",
    ),
    (
        "select * from users u left join user_roles r on r.user_id = u.id and u.id = $1",
        "user_roles.user_id=$1, users",
    ),
    (
        "select * from user_roles r right join users u on r.user_id = u.id where u.id = $1",
        "user_roles.user_id=$1, users.id=$1",
    ),
    (
        "select * from users u full join user_roles r on r.user_id = u.id where u.id = $1",
        "user_roles, users.id=$1",
    ),
    (
        "select * from users u full join user_roles r on r.user_id = u.id and u.id = $1",
        "user_roles, users",
    ),
    (
        "select * from users u left join user_roles r on r.user_id = u.id where r.user_id = $1",
        "user_roles.user_id=$1, users",
    ),
    (
        "select * from users u left join user_roles r on r.user_id = u.id or u.id = $1 where u.id = $1",
        "user_roles, users.id=$1",
    ),
    (
        "select * from user_roles a join user_roles b using (user_id) where user_id = $1",
        "user_roles.user_id=$1",
    ),
    (
        "select * from user_roles a left join user_roles b using (user_id) where user_id = $1",
        "user_roles.user_id=$1",
    ),
    (
        "select * from user_roles a full join user_roles b using (user_id) where user_id = $1",
        "user_roles",
    ),
    (
        "select * from user_roles a natural join user_roles b where a.user_id = $1",
        "user_roles.user_id=$1",
    ),
    ("select * from users a, users b where a.id = $1", "users"),
    (
        "select * from users a, users b where a.id = $1 and b.id = $2",
        "users.id=$1, users.id=$2",
    ),
    (
        "select * from users u, names n where n.n = u.tenant and n.name = u.name and u.id = $1",
        "names, users.id=$1",
    ),
    (
        "select * from users u, sessions s where s.user_id = u.id::int8 and u.id = $1",
        "sessions.user_id=$1, users.id=$1",
    ),
    ("select * from users u where (id, tenant) = ($1, $2)", "users.id=$1"),
    (
        "select * from users u cross join lateral (select * from user_roles r where r.user_id = u.id) x where u.id = $1",
        "user_roles, users.id=$1",
    ),
    // What is inside something.
    ("select * from (select * from users where id = $1) u", "users"),
    ("with u as (select * from users where id = $1) select * from u", "users"),
    (
        "with recursive u(n) as (select 1 union all select n + 1 from u where n < 5) select * from u",
        "",
    ),
    (
        "select * from users where id = $1 and exists (select from user_roles where user_id = $1)",
        "user_roles, users.id=$1",
    ),
    (
        "select * from users where id = (select user_id from sessions where token = $1)",
        "sessions, users",
    ),
    (
        "select *, (select count(*) from users) from users where id = $1",
        "users",
    ),
    (
        "select array(select role_id from user_roles r where r.user_id = u.id) from users u where id = $1",
        "user_roles, users.id=$1",
    ),
    (
        "select * from users where id = $1 union all select * from users where id = $2",
        "users",
    ),
    (
        "(select id from users where id = $1) except select user_id from user_roles order by 1",
        "user_roles, users",
    ),
    ("select * from unnest($1::int[]) x join users u on u.id = x", "users"),
    (
        "select * from users u, generate_series(1, u.tenant) where id = $1",
        "users.id=$1",
    ),
    // Views.
    ("select * from active_users where id = $1", "users"),
    ("select * from active_names where id = $1", "user_roles, users"),
    (
        "select * from active_users v join users u on u.id = v.id where u.id = $1",
        "users",
    ),
    ("select * from recent", "no: clock"),
    ("select * from frozen", "users"),
    ("select * from frozen_now", "users"),
    ("select * from late_now", "no: clock_word"),
    ("select * from locked", "no: locking"),
    ("select * from totals", "totals"),
    // Rights on rows.
    ("select * from documents where id = $1", "documents.id=$1, members"),
    (
        "select * from users u join documents d on d.id = u.id where u.id = $1",
        "documents.id=$1, members, users.id=$1",
    ),
    ("select * from members where tenant = $1", "members.tenant=$1"),
    (
        "select d.* from documents d join members m on m.tenant = d.tenant where m.tenant = $1",
        "documents, members",
    ),
    ("select * from notes where id = $1", "notes.id=$1"),
    ("select * from clocked", "no: clock"),
    // Parts and heirs.
    ("select * from events where id = $1", "events.id=$1"),
    (
        "select * from events_new where id = $1 and day = $2",
        "events_new.id=$1, dated $2",
    ),
    ("select * from mixed where id = $1", "no: unlogged_table"),
    ("select * from mixed_a where id = $1", "mixed_a.id=$1"),
    ("select * from base where id = $1", "no: no_replica_identity"),
    ("select * from derived where id = $1", "derived.id=$1"),
    // Tables that nobody tells of.
    ("select * from logs", "no: no_replica_identity"),
    ("select * from scratch", "no: unlogged_table"),
    ("select last_value from counter", "no: sequence"),
    ("select * from pg_class", "no: system_catalogue type"),
    (
        "select * from information_schema.tables",
        "no: system_catalogue stable_function type",
    ),
    ("select * from pg_stat_activity", "no: system_catalogue stable_function"),
    ("select ctid, * from users where id = $1", "no: system_column"),
    ("select xmin from users where id = $1", "no: system_column"),
    ("select tableoid, * from users where id = $1", "users.id=$1"),
    // What is no reading.
    ("select * from users where id = $1 for update", "no: locking"),
    ("select * from users where id = $1 for key share", "no: locking"),
    ("select * from (select * from users for share) u", "no: locking"),
    (
        "with x as (delete from roles returning *) select * from x",
        "no: writes not_select",
    ),
    ("insert into roles values (1, 'x') returning *", "no: not_select"),
    ("select * into x from users", "no: parse"),
    ("explain select 1", "no: not_select"),
    ("select 1; select 2", "no: not_select"),
    ("select * from users tablesample system (10)", "no: sample"),
    ("", "no: not_select"),
    ("select 1 from nowhere", "no: parse"),
    ("selec 1", "no: parse"),
    // Functions and what else reads the clock.
    ("select now()", "no: clock"),
    ("select current_date", "no: clock"),
    ("select * from users where born < current_timestamp", "no: clock"),
    ("select age(seen) from users", "no: clock"),
    ("select age(seen, seen) from users", "users"),
    ("select localtime(3)", "no: clock"),
    ("select random()", "no: volatile_function"),
    ("select nextval('counter')", "no: volatile_function type"),
    ("select clock_timestamp()", "no: volatile_function"),
    ("select * from users order by random()", "no: volatile_function"),
    ("select pg_sleep(0)", "no: volatile_function"),
    ("select gen_random_uuid()", "no: volatile_function"),
    ("select txid_current()", "no: stable_function"),
    (
        "select pg_size_pretty(pg_relation_size('users'))",
        "no: volatile_function type",
    ),
    ("select current_user, session_user, current_catalog, current_schema", ""),
    ("select current_setting('app.user')", ""),
    ("select current_setting('App.User', true)", ""),
    ("select current_setting('TimeZone')", ""),
    ("select current_setting('is_superuser')", "no: session_state"),
    ("select current_setting($1)", "no: session_state"),
    ("select current_setting(name) from users", "no: session_state"),
    ("select set_config('app.user', 'x', true)", "no: volatile_function"),
    ("select has_table_privilege('users', 'select')", "no: stable_function"),
    ("select pg_typeof(id) from users", "no: stable_function type"),
    ("select 'users'::regclass", "no: type"),
    ("select twice(tenant) from users where id = $1", "users.id=$1"),
    ("select plain(tenant) from users where id = $1", "users.id=$1"),
    ("select said(1)", "no: user_function"),
    ("select wild(1)", "no: volatile_function"),
    ("select quietly_reads(1)", "no: reading_function"),
    ("select defaulted(1)", "no: clock"),
    ("select * from users where tenant === name", "no: volatile_function"),
    ("select wild_sum(tenant) from users", "no: volatile_function"),
    ("select tame_sum(tenant) from users", "users"),
    ("select * from generate_series(1, wild(1))", "no: volatile_function"),
    ("select * from users order by wild(tenant)", "no: volatile_function"),
    (
        "select case when active then 1 else wild(1) end from users",
        "no: volatile_function",
    ),
    (
        "select sum(tenant) filter (where wild(1) > 0) over () from users",
        "no: volatile_function",
    ),
    // Values written and read.
    (
        "select id::text, seen::text, seen::date, to_char(seen, 'YYYY'), date_trunc('day', seen) from users where id = $1",
        "users.id=$1",
    ),
    (
        "select to_json(u), row_to_json(u), u from users u where id = $1",
        "users.id=$1",
    ),
    (
        "select data->'a'->>'b', data @> $2, jsonb_agg(data) from users where id = $1 group by data",
        "users.id=$1",
    ),
    (
        "select json_agg(u) from users u where tags && array['a'] and id = $1",
        "users.id=$1",
    ),
    (
        "select format('%s %L', name, id), concat(name, id), name || id from users where id = $1",
        "users.id=$1",
    ),
    (
        "select to_tsvector(name) @@ to_tsquery('x') from users where id = $1",
        "users.id=$1",
    ),
    ("select * from users where seen > $1", "users, dated $1"),
    (
        "select * from users where seen > $1 and id = $2 and born = $3",
        "users.id=$2, dated $1, dated $3",
    ),
    (
        "select * from users where seen > $1::text::timestamptz",
        "users, dated $1",
    ),
    ("select * from users where seen > any($1::date[])", "users, dated $1"),
    ("select $1::tstzrange", "dated $1"),
    (
        "select * from users where born = any($1::text::date[])",
        "users, dated $1",
    ),
    (
        "select * from users where seen > '2026-01-01' and $1::int is null",
        "users",
    ),
    ("select * from users where seen > 'now'", "no: clock_word"),
    (
        "select * from users where seen > timestamptz 'Tomorrow'",
        "no: clock_word",
    ),
    ("select * from users where born > ' today '::date", "no: clock_word"),
    (
        "select * from users where born > any('{now}'::date[])",
        "no: clock_word",
    ),
    ("select '[now,)'::tstzrange", "no: clock_word"),
    ("select * from users where born > E'n\\x6fw'::date", "no: clock_word"),
    (
        "select * from users where seen > 'now'::text::timestamptz",
        "no: clock_word",
    ),
    ("select * from users where name = 'now'", "users"),
    (
        "select * from users where seen > '2026-01-01'::timestamptz - interval '1 day' and $1::int is null",
        "users",
    ),
    ("select name::date from users", "no: runtime_date_cast"),
    ("select (data->>'at')::timestamptz from users", "no: runtime_date_cast"),
    ("select tags::date[] from users", "no: runtime_date_cast"),
    (
        "select to_date(name, 'YYYY-MM-DD'), to_timestamp(name, 'YYYY') from users",
        "users",
    ),
    ("select '12:00'::timetz", "no: clock"),
    ("select * from moods where zoned = $1", "no: clock"),
    ("select zoned from moods", "moods"),
    ("select low::timetz from moods", "no: stable_function"),
    ("select * from json_to_record($1) as x(a date)", "no: stable_function"),
    ("select xmlelement(name a, id) from users where id = $1", "users.id=$1"),
    (
        "select * from xmltable('/a' passing ('<a/>'::xml) columns b text path 'b')",
        "no: unknown_expression",
    ),
    ("select to_json(row(1, 2)::pair)", "no: volatile_function"),
    ("select array_agg(row(1, 2)::pair)", "no: volatile_function"),
    // Domains.
    ("select * from moods where level = $1", "moods"),
    ("select $1::positive", ""),
    ("select $1::dubious", "no: clock"),
    ("select odd from moods", "moods"),
    ("select * from moods where odd = $1::dubious", "no: clock"),
    ("select '{99}'::dubious[]", "no: clock"),
    ("select data::int::dubious from users", "no: clock"),
    ("select * from names where name = $1::naming", "names"),
    ("select level from moods", "moods"),
    // Names made to deceive.
    (
        "select id as \":relid\", 1 as \"{QUERY :commandType 2}\", 2 as \"(\" from users where id = $1",
        "users.id=$1",
    ),
    ("select id as \"now\" from users \"today\" where id = $1", "users.id=$1"),
    ("select * from users where id = $1 -- and a comment", "users.id=$1"),
    ("select * from users where id = $1 /* and another */;", "users.id=$1"),
    ("select 1; end; drop table users; --", "no: not_select"),
    ("select 1 end", ""),
    ("select 1 \n;\nend", "no: not_select"),
];

/// Texts without parameters, and what holds for all texts that differ in the values of literals.
pub(super) const LITERALS: &[(&str, &str)] = &[
    ("select * from users where id = 7", "any: users.id=#0"),
    ("select * from users where id = -7", "any: users.id=#0"),
    ("select * from users where id = '7'", "any: users.id=#0"),
    ("select * from users where id = 12345678901", "any: users.id=#0"),
    ("select * from users where id = 7.0", "any: users"),
    (
        "select * from users where id in (1, 2) and name = 'x'",
        "any: users.id=#0, users.id=#1",
    ),
    (
        "select 'a' as b, * from users where id = 5 limit 10",
        "any: users.id=#1",
    ),
    ("select * from names where name = 'it''s'", "any: names.name=#0"),
    ("select * from names where name = $$x$$", "any: names.name=#0"),
    ("select * from names where name = E'x'", "any: names.name=#0"),
    ("select * from names where name = E'\\x78'", "this: names.name=x"),
    ("select * from names where name = U&'\\0078'", "this: names.name=x"),
    ("select * from names where name = 'x'\n'y'", "this: names.name=xy"),
    ("select * from blobs where key = '\\x00ff'", "any: blobs.key=#0"),
    ("select * from flags where flag = 't'", "any: flags.flag=#0"),
    ("select * from flags where flag = true", "any: flags.flag=01"),
    ("select * from moods where mood = 'sad'", "any: moods"),
    (
        "select * from sessions where token = '00010203-0405-0607-0809-0a0b0c0d0e0f'",
        "any: sessions.token=#0",
    ),
    (
        "select * from users u left join user_roles r on r.user_id = u.id and r.role_id = 3 where u.id = 4",
        "any: user_roles.user_id=#1, users.id=#1",
    ),
    ("select * from users", "any: users"),
    // Where the value of a literal makes the statement another one.
    ("select * from users where id = 7 order by 2", "this: users.id=7"),
    (
        "select tenant, count(*) from users where id = 7 group by 1",
        "this: users.id=7",
    ),
    ("select name::varchar(3) from users where id = 7", "this: users.id=7"),
    (
        "select current_setting('app.user') from users where id = 7",
        "this: users.id=7",
    ),
    ("select -5::int8 from users where id = 7", "this: users.id=7"),
    // Dates.
    ("select * from users where seen > '2026-01-01'", "any: users, dated #0"),
    (
        "select * from users where seen > timestamptz '2026-01-01' and id = 7",
        "any: users.id=#1, dated #0",
    ),
    (
        "select * from users where seen > '2026-01-01'::timestamptz - interval '1 day'",
        "any: users, dated #0",
    ),
    (
        "select * from users where born = '2026-01-01'::text::date",
        "any: users, dated #0",
    ),
    (
        "select * from users where seen > '2026-01-01' order by 1",
        "this: users",
    ),
    ("select * from users where seen > 'now'", "this: no: clock_word"),
    (
        "select * from users where seen > 'now' order by 1",
        "this: no: clock_word",
    ),
    (
        "select * from users where seen > '2026-01-01' and name = 'today'",
        "any: users, dated #0",
    ),
    // One verdict for all, also against.
    ("select random() + 5", "any: no: volatile_function"),
    (
        "select * from pg_class where relname = 'x'",
        "any: no: system_catalogue type",
    ),
    ("select * from users where id = 7 for update", "any: no: locking"),
    ("select current_setting('is_superuser'), 5", "this: no: session_state"),
];
