//! What applications send: as object-relational mappers, dashboards, benchmarks and people write it.

/// Statements with `{s}` for a text, `{n}` for a number: as they are with values in them, and with parameters.
pub(crate) const STATEMENTS: &[&str] = &[
    // Django
    r#"SELECT "app_user"."id", "app_user"."name" FROM "app_user" WHERE ("app_user"."name" = {s} AND NOT "app_user"."closed") ORDER BY "app_user"."id" ASC LIMIT 21"#,
    r#"SELECT COUNT(*) AS "__count" FROM "app_order" INNER JOIN "app_user" ON ("app_order"."user_id" = "app_user"."id") WHERE ("app_order"."state" IN ({s}, {s}) AND "app_user"."id" = {n})"#,
    r#"SELECT 1 AS "a" FROM "app_user" WHERE "app_user"."email" = {s} LIMIT 1"#,
    r#"SELECT "app_post"."id", (SELECT COUNT(*) FROM "app_comment" U0 WHERE U0."post_id" = ("app_post"."id")) AS "n" FROM "app_post" WHERE (SELECT COUNT(*) FROM "app_comment" U0 WHERE U0."post_id" = ("app_post"."id")) > {n}"#,
    r#"SELECT "app_user"."id" FROM "app_user" WHERE EXISTS(SELECT 1 AS "a" FROM "app_order" U0 WHERE (U0."user_id" = ("app_user"."id") AND U0."state" = {s}) LIMIT 1)"#,
    r#"SELECT "p"."id" FROM "p" WHERE (UPPER("p"."title"::text) LIKE UPPER({s}) OR UPPER("p"."body"::text) LIKE UPPER({s}))"#,
    r#"UPDATE "app_user" SET "last_login" = '2026-11-30T10:00:00+00:00'::timestamptz WHERE "app_user"."id" = {n}"#,
    r#"INSERT INTO "app_order" ("user_id", "total", "note") VALUES ({n}, 12.50, {s}), ({n}, 3.00, {s}) RETURNING "app_order"."id""#,
    r#"SELECT CASE WHEN "o"."total" > {n} THEN 'big' ELSE 'small' END AS "size", COUNT("o"."id") AS "c" FROM "o" GROUP BY 1"#,
    r#"SELECT "t"."id" FROM "t" WHERE ("t"."a" = {n} OR "t"."b" IS NULL OR NOT ("t"."c" AND "t"."c" IS NOT NULL))"#,
    r#"UPDATE "app_stock" SET "n" = ("app_stock"."n" - {n}) WHERE ("app_stock"."id" = {n} AND "app_stock"."n" >= {n})"#,
    r#"SELECT set_config('TimeZone', 'UTC', false)"#,
    // SQLAlchemy
    "SELECT users.id AS users_id, users.name AS users_name \nFROM users \nWHERE users.name = {s} AND users.id > {n} \n LIMIT {n} OFFSET {n}",
    "SELECT users.id FROM users WHERE users.id IN (NULL) AND (1 != 1)",
    "SELECT users.id FROM users WHERE (users.id NOT IN (NULL) OR (1 = 1))",
    "SELECT users.id FROM users WHERE 1 = 1 AND users.name ILIKE {s}",
    "SELECT users.id FROM users WHERE users.id IN (SELECT CAST(NULL AS INTEGER) WHERE 1!=1)",
    "SELECT anon_1.id FROM (SELECT orders.id AS id, orders.user_id AS user_id FROM orders WHERE orders.total > {n}) AS anon_1 JOIN users ON users.id = anon_1.user_id ORDER BY anon_1.id DESC",
    "SELECT pg_catalog.version()",
    "SELECT pg_catalog.pg_class.relname FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_catalog.pg_namespace.oid = pg_catalog.pg_class.relnamespace WHERE pg_catalog.pg_class.relname = {s} AND pg_catalog.pg_table_is_visible(pg_catalog.pg_class.oid) AND pg_catalog.pg_namespace.nspname != 'pg_catalog'",
    "INSERT INTO logs (at, level, text) VALUES (now(), {s}, {s}) ON CONFLICT (id) DO UPDATE SET text = excluded.text WHERE logs.level <> {s}",
    "WITH RECURSIVE tree(id, parent, depth) AS (SELECT id, parent, 0 FROM nodes WHERE id = {n} UNION ALL SELECT n.id, n.parent, tree.depth + 1 FROM nodes n JOIN tree ON n.parent = tree.id) SELECT * FROM tree WHERE depth < {n}",
    // Sequelize, TypeORM, knex, Prisma
    r#"SELECT "id", "name", "createdAt" FROM "Users" AS "User" WHERE ("User"."deletedAt" IS NULL AND ("User"."name" ILIKE {s} OR "User"."mail" ILIKE {s})) ORDER BY "User"."name" ASC LIMIT {n} OFFSET {n};"#,
    r#"SELECT count("User"."id") AS "count" FROM "Users" AS "User" LEFT OUTER JOIN "Teams" AS "Team" ON "User"."teamId" = "Team"."id" AND ("Team"."deletedAt" IS NULL) WHERE "User"."active" = true;"#,
    r#"UPDATE "Users" SET "name"={s},"updatedAt"={s} WHERE "id" = {n} RETURNING "id","name""#,
    r#"SELECT "u"."id" AS "u_id", "u"."name" AS "u_name" FROM "user" "u" WHERE ( ("u"."id" = {n}) AND ("u"."name" = {s}) ) AND ( "u"."deletedAt" IS NULL ) LIMIT 1"#,
    r#"select * from "books" where "author" = {s} and 1 = 0"#,
    r#"SELECT "public"."User"."id", "public"."User"."mail" FROM "public"."User" WHERE ("public"."User"."id" = $1 AND 1=1) LIMIT $2 OFFSET $3"#,
    r#"SELECT "public"."Post"."id" FROM "public"."Post" WHERE 1=0"#,
    r#"select "id", row_number() over (partition by "kind" order by "at" desc) from "events" where "kind" in ({s}, {s}, {s}) and "at" > {s}"#,
    // ActiveRecord, Laravel, GORM
    r#"SELECT "users".* FROM "users" WHERE "users"."id" = {n} AND (1=0)"#,
    r#"SELECT 1 AS one FROM "users" WHERE "users"."email" = {s} AND "users"."id" != {n} LIMIT 1"#,
    r#"SELECT "users".* FROM "users" INNER JOIN "roles" ON "roles"."user_id" = "users"."id" WHERE "roles"."name" = {s} AND (users.name LIKE {s} OR users.nick LIKE {s}) /*application:Shop,controller:users,action:index*/"#,
    r#"select * from "users" where "id" = $1 and 1 = 1 and "users"."deleted_at" is null limit 1"#,
    r#"select * from "users" where 0 = 1 limit 1"#,
    r#"select exists(select * from "users" where "email" = {s}) as "exists""#,
    r#"SELECT * FROM "products" WHERE "products"."code" = {s} AND "products"."deleted_at" IS NULL ORDER BY "products"."id" LIMIT 1"#,
    // Hibernate, jOOQ, MyBatis
    "/* select generatedAlias0 from User as generatedAlias0 where ( generatedAlias0.name=:param0 ) and ( 1=1 ) */ select user0_.id as id1_0_, user0_.name as name2_0_ from users user0_ where user0_.name=$1 and 1=1 and user0_.active=true",
    "select u1_0.id,u1_0.name from users u1_0 where u1_0.name={s} and (u1_0.team_id={n} or u1_0.team_id is null) fetch first {n} rows only",
    "select nextval('users_seq')",
    "SELECT * FROM orders WHERE 1=1 AND customer = {s} AND total > {n}",
    r#"select "t"."id" from "t" where (true and "t"."a" = {s} and "t"."b" between {n} and {n})"#,
    "SELECT * FROM t WHERE ({s} = '' OR name = {s}) AND ({n} = 0 OR kind = {n})",
    "SELECT * FROM t WHERE (name = {s} OR {s} = '') AND (kind = {n} OR {n} IS NULL)",
    "SELECT * FROM t WHERE ({s} IS NULL OR name = {s}) AND (NULL IS NULL OR kind = NULL)",
    // people and services
    "SELECT o.id, (SELECT max(p.at) FROM payments p WHERE p.order_id = o.id) AS paid FROM orders o WHERE o.total > (SELECT avg(total) FROM orders) ORDER BY o.id",
    "SELECT id FROM a WHERE kind = {s} UNION ALL SELECT id FROM b WHERE kind = {s} ORDER BY 1",
    "SELECT 'order' AS kind, id, total FROM orders WHERE user_id = {n} UNION ALL SELECT 'refund', id, -total FROM refunds WHERE user_id = {n}",
    "SELECT 'a', count(*) FROM a UNION ALL SELECT 'b', count(*) FROM b",
    "SELECT (SELECT count(*) FROM a)::int AS a, (SELECT count(*) FROM b WHERE x = {s})::int AS b",
    "SELECT id, name FROM t WHERE tenant_id = current_setting('app.tenant_id')::int AND name = {s}",
    "SELECT id FROM jobs WHERE state = {s} AND run_at <= now() ORDER BY run_at FOR UPDATE SKIP LOCKED LIMIT {n}",
    "WITH due AS (SELECT id FROM jobs WHERE state = {s} LIMIT {n} FOR UPDATE SKIP LOCKED) UPDATE jobs SET state = 'running' FROM due WHERE jobs.id = due.id RETURNING jobs.*",
    "INSERT INTO t (a, b) SELECT x.a, {s} FROM x WHERE NOT EXISTS (SELECT 1 FROM t WHERE t.a = x.a)",
    "DELETE FROM sessions WHERE expires < now() - interval '30 days' OR user_id = {n}",
    "SELECT a.id FROM a LEFT JOIN b ON b.a_id = a.id AND b.kind = {s} WHERE b.id IS NULL AND a.at BETWEEN '2026-01-01' AND '2026-02-01'",
    "SELECT id FROM t WHERE first || ' ' || last = {s} OR nick = {s}",
    "SELECT id, data->>'name' FROM docs WHERE data @> '{\"a\": 1}' AND data->'tags' ? {s} AND (data->>'n')::int > {n}",
    "SELECT id FROM t WHERE tags && ARRAY[{s}, {s}] OR tags @> ARRAY['x']",
    "SELECT id, ts_rank(v, q) FROM docs, plainto_tsquery('english', {s}) q WHERE v @@ q ORDER BY 2 DESC LIMIT {n}",
    "SELECT id FROM places WHERE ST_DWithin(geom, ST_MakePoint({n}, {n})::geography, 1000) AND ST_IsValid(geom)",
    "SELECT coalesce(nullif(name, ''), {s}) FROM t WHERE position({s} in name) > 0 OR length(name) > {n}",
    "SELECT substring(name, 1, 1) AS letter, count(*) FROM t WHERE substring(name, 1, 1) = {s} GROUP BY 1",
    "SELECT * FROM t WHERE name LIKE '%%' OR body LIKE '%%'",
    "SELECT * FROM t WHERE name LIKE '%' || {s} || '%' AND city = {s}",
    "SELECT id, password_hash FROM users WHERE email = {s}",
    "UPDATE users SET password_hash = {s}, reset_token = NULL WHERE id = {n} AND reset_token = {s}",
    "SELECT CASE kind WHEN 1 THEN 'a' WHEN 2 THEN 'b' ELSE 'c' END, CASE WHEN {s} = 'asc' THEN name END ASC FROM t",
    "SELECT * FROM t ORDER BY CASE WHEN state = {s} THEN 0 ELSE 1 END, (SELECT max(at) FROM u WHERE u.t_id = t.id) DESC LIMIT {n}",
    "MERGE INTO stock s USING (VALUES ({n}, {n})) v(id, n) ON s.id = v.id WHEN MATCHED AND s.n > 0 THEN UPDATE SET n = s.n + v.n WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.n)",
    "SELECT id FROM t WHERE (a, b) > ({n}, {s}) ORDER BY a, b LIMIT {n}",
    "COPY t (a, b) FROM STDIN WITH (FORMAT csv)",
    "COPY (SELECT id, name FROM t WHERE kind = {s}) TO STDOUT",
    "BEGIN; UPDATE a SET x = {n}; DELETE FROM b WHERE y = {s}; COMMIT",
    "INSERT INTO t VALUES ({n}, {s}); INSERT INTO t VALUES ({n}, {s})",
    "SET LOCAL statement_timeout = 5000; SELECT * FROM t WHERE name = {s}",
    // pgbench, TPC-H, JOB
    "UPDATE pgbench_accounts SET abalance = abalance + {n} WHERE aid = {n};",
    "SELECT abalance FROM pgbench_accounts WHERE aid = {n};",
    "select l_returnflag, sum(l_quantity) as q, avg(l_discount) as d, count(*) as n from lineitem where l_shipdate <= date '1998-12-01' - interval '90' day group by l_returnflag order by l_returnflag",
    "select s_acctbal, s_name from part, supplier, partsupp where p_partkey = ps_partkey and s_suppkey = ps_suppkey and p_type like '%BRASS' and ps_supplycost = (select min(ps_supplycost) from partsupp, supplier where p_partkey = ps_partkey and s_suppkey = ps_suppkey)",
    "select o_orderpriority, count(*) from orders where o_orderdate >= date '1993-07-01' and exists (select * from lineitem where l_orderkey = o_orderkey and l_commitdate < l_receiptdate) group by o_orderpriority",
    "select sum(l_extendedprice) from lineitem, part where (p_partkey = l_partkey and p_brand = 'Brand#12' and p_size between 1 and 5) or (p_partkey = l_partkey and p_brand = 'Brand#23' and l_quantity >= 10)",
    "select cntrycode, count(*) from (select substring(c_phone from 1 for 2) as cntrycode, c_acctbal from customer where substring(c_phone from 1 for 2) in ('13', '31') and c_acctbal > (select avg(c_acctbal) from customer where c_acctbal > 0.00)) as custsale group by cntrycode",
    "SELECT MIN(t.title), MIN(mi.info) FROM title AS t, movie_info AS mi, info_type AS it WHERE it.info = {s} AND mi.info IN ({s}, {s}) AND t.production_year > {n} AND t.id = mi.movie_id AND it.id = mi.info_type_id AND mi.note NOT LIKE '%(TV)%'",
    // dashboards
    r#"-- Metabase:: userID: 1 queryType: MBQL queryHash: 3c4bd1
SELECT DATE_TRUNC('month', "source"."created_at") AS "m", COUNT(*) AS "count" FROM (SELECT "public"."orders"."created_at" AS "created_at" FROM "public"."orders" WHERE "public"."orders"."total" > {n}) "source" GROUP BY 1 ORDER BY 1 ASC"#,
    r#"SELECT "source"."id", "source"."sum of (total)" FROM (SELECT id, sum(total) AS "sum of (total)" FROM orders GROUP BY id) "source" WHERE "source"."sum of (total)" > {n}"#,
    "SELECT date_bin('1 minute', at, '2000-01-01') AS time, avg(value) FROM m WHERE at BETWEEN '2026-11-30T09:00:00Z' AND '2026-11-30T10:00:00Z' AND host = {s} GROUP BY time ORDER BY time",
    "SELECT datname, pg_database_size(datname) FROM pg_database WHERE datallowconn",
    "SELECT pid, state, query FROM pg_stat_activity WHERE state <> 'idle' AND pid <> pg_backend_pid()",
    "WITH c AS (SELECT current_setting('block_size')::int AS bs), s AS (SELECT schemaname, tablename FROM pg_stats GROUP BY 1, 2) SELECT s.tablename, c.bs FROM s, c",
    "SELECT c.relname, (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid) FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname LIKE 'pg_%')",
    "SELECT table_name FROM information_schema.tables WHERE table_schema = {s} AND table_type = 'BASE TABLE'",
    "SELECT extract(epoch FROM now() - pg_postmaster_start_time())::int, pg_is_in_recovery()::int",
];

/// Values of texts, much of it meant to do harm, and harmless between quotes.
pub(crate) const TEXTS: [&str; 24] = [
    "alice",
    "O'Brien",
    "",
    "50 % off",
    "a@example.com",
    "x' OR 1=1 --",
    "' UNION SELECT 1,2,3 --",
    "'; DROP TABLE users; --",
    "1' AND (SELECT count(*) FROM users) > 0 --",
    "\\' OR 1=1 #",
    "/* */",
    "--",
    "admin'/*",
    "pg_sleep(5)",
    "' || (SELECT password FROM users) || '",
    "%27%20OR%201=1",
    "COPY t TO PROGRAM 'id'",
    "1 OR 1=1",
    "); DELETE FROM a; --",
    "日本語",
    "line\nbreak -- '",
    "$$ quoted $$",
    "it's -- a 'note' /* with */ everything; select 1",
    "chr(65)||chr(66)||chr(67)",
];

/// What programs put around a statement.
pub(crate) const AROUND: [(&str, &str); 7] = [
    ("", ""),
    ("", " /*route='%2Fpolls',db_driver='django',controller='polls'*/"),
    ("/* get the list */ ", ""),
    ("-- name: GetList :many\n", ""),
    ("", ";"),
    ("", " -- found by the nightly report"),
    ("/*+ SeqScan(t) */ ", "\n"),
];

/// A statement with values where the places are; quotes are doubled as every driver does.
pub(crate) fn filled(template: &str, text: &str, number: usize) -> String {
    let quoted = format!("'{}'", text.replace('\'', "''"));
    template.replace("{s}", &quoted).replace("{n}", &number.to_string())
}

/// An optional filter that is given an empty text becomes `name = '' OR '' = ''`, which is to the letter what the oldest
/// of all payloads makes of `name = '…'`.
pub(crate) fn is_ambiguous(sql: &str) -> bool {
    sql.contains("= '' OR '' = ''")
}

/// The same with parameters.
pub(crate) fn parameterised(template: &str) -> String {
    let mut number = 0_usize;
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find("{s}").into_iter().chain(rest.find("{n}")).min() {
        number += 1;
        out.push_str(&rest[..at]);
        out.push_str(&format!("${number}"));
        rest = &rest[at + 3..];
    }
    out + rest
}
