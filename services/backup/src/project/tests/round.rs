//! What is exported comes back as it was: of every sort, under writes, in another schema, and table by table.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::world::{World, content, exported, import_of, imported, slug};
use crate::orders::ImportOrder;

/// One of everything that a schema may hold.
const SHOP: &str = r#"
create schema shop;
create type shop.mood as enum ('fine', 'so-so', 'it''s "bad"');
create domain shop.percent as numeric(5, 2) check (value between 0 and 100);
create type shop.pair as (a int, b text);
create sequence shop.free start 7 increment 3;
select nextval('shop.free'), nextval('shop.free');
create function shop.twice(n int) returns int language sql immutable as $$ select n * 2; -- shop.items
$$;
create function shop.touch() returns trigger language plpgsql as $x$ begin new.note := coalesce(new.note, 'set'); return new; end $x$;
create table shop.types (
    id bigserial primary key, flag boolean, small smallint, real_ real, double_ double precision, num numeric,
    note text, c char(5), v varchar(20), b bytea, j json, jb jsonb, u uuid, d date, t time, tz timestamptz, ts timestamp,
    i interval, ip inet, cidr_ cidr, mac macaddr, p point, bx box, r int4range, tsr tstzrange, arr int[], texts text[],
    m shop.mood, moods shop.mood[], pct shop.percent, pair_ shop.pair, x xml, bits bit varying(9), tsv tsvector, cash money,
    doubled bigint generated always as (small * 2) stored, "odd ""name" int default shop.twice(4));
insert into shop.types (flag, small, real_, double_, num, note, c, v, b, j, jb, u, d, t, tz, ts, i, ip, cidr_, mac, p, bx, r, tsr,
    arr, texts, m, moods, pct, pair_, x, bits, tsv, cash)
select n % 2 = 0, n, 1.1 * n, 0.1 * n + 1e-15, n * 1.000000000000000000001, string_agg(chr(c), '') || E'\\N\\.\t\r\n\b\f\v''"', 'ab', 'é',
    decode(md5(n::text), 'hex'), '{"a": [1,  2]}', '{"b": "\u00e9\n"}', gen_random_uuid(), date 'infinity', '23:59:59.999999',
    timestamptz '0044-03-15 12:00:00+01 BC', '-infinity', '1 year -2 mons 3 days 04:05:06.789', '::1/64', '10.0.0.0/8',
    '08:00:2b:01:02:03', '(1.5,-2)', '(1,1),(0,0)', '[1,)', '(,infinity)', '{{1,NULL},{3,4}}', array['', 'NULL', 'a,b', '"', E'\\'],
    'it''s "bad"', '{fine,"it''s \"bad\""}', 99.99, row(n, E'a"b\\c')::shop.pair, '<a>&lt;</a>', B'1010', 'a fat:2 cat'::tsvector, 12.34
from generate_series(1, 50) n, generate_series(1, 700) c where c not between 55296 and 57343 group by n;
insert into shop.types (note) values (null), (''), ('NaN'), (repeat('long ', 300000));
update shop.types set real_ = 'NaN', double_ = '-Infinity', num = 'NaN' where note = 'NaN';
create table shop.items (id int generated always as identity primary key, note text, twice int generated always as (id * 2) stored);
insert into shop.items (note) select 'item ' || n from generate_series(1, 200000) n;
delete from shop.items where id % 7 = 0;
create trigger touched before insert on shop.items for each row execute function shop.touch();
create index on shop.items (shop.twice(id)) where note is not null;
create table shop.orders (id int primary key, item int not null references shop.items, parent int references shop.orders, mood shop.mood default 'fine');
insert into shop.orders select n, 1 + n % 6, case when n > 1 then n - 1 end from generate_series(1, 1000) n;
alter table shop.orders add column gone int; alter table shop.orders drop column gone;
create table shop.parts (id int, day date, note text) partition by range (day);
create table shop.parts_1 partition of shop.parts for values from ('2020-01-01') to ('2021-01-01');
create table shop.parts_2 partition of shop.parts for values from ('2021-01-01') to ('2022-01-01') partition by list (id);
create table shop.parts_2_1 partition of shop.parts_2 for values in (1, 2, 3);
create table shop.parts_rest partition of shop.parts default;
insert into shop.parts select n % 3 + 1, date '2019-06-01' + n, 'p' from generate_series(1, 1200) n;
create unique index on shop.parts (id, day);
create table shop.base (a int); create table shop.child (b int) inherits (shop.base);
insert into shop.base values (1); insert into shop.child values (2, 3);
create table shop.empty (a int, b text);
create table shop.nothing ();
insert into shop.nothing default values; insert into shop.nothing default values;
create unlogged table shop.quick (a int); insert into shop.quick values (1);
create view shop.seen as select i.id, o.mood from shop.items i join shop.orders o on o.item = i.id where i.note like 'item%';
create materialized view shop.counted as select mood, count(*) from shop.seen group by mood;
create materialized view shop.never as select 1 as a with no data;
create rule ignore as on delete to shop.empty do instead nothing;
create statistics shop.both on id, item from shop.orders;
alter table shop.empty enable row level security;
create policy few on shop.empty using (a > 0);
comment on column shop.orders.item is 'what; was -- ordered';
create table shop."Odd "" name." ("select" int, "Ünï" text); insert into shop."Odd "" name." values (1, 'ü');
"#;

async fn shop(repositories: usize) -> World {
    let mut world = World::new(repositories).await;
    world.database.psql(SHOP).await;
    world.project("shop", "schemas = [\"shop\"]");
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_of_a_schema_comes_back_in_another_database() {
    let world = shop(1).await;
    let keeper = world.keeper().await;
    let entry = exported(&keeper, "shop").await.unwrap();
    let before = content(&world.database, "shop").await;
    let other = world.other().await;
    let order = ImportOrder {
        database: other.name().to_owned(),
        ..import_of(&entry)
    };
    let done = imported(&keeper, &order).await.unwrap();
    assert_eq!(content(&other, "shop").await, before);
    assert!(done.rows > 170_000 && done.left_out.is_empty(), "{done:?}");
    assert_eq!(
        other
            .psql("select nextval('shop.free'), obj_description('shop.orders'::regclass)")
            .await,
        "13|"
    );
    assert_eq!(
        other
            .psql("select nextval(pg_get_serial_sequence('shop.items', 'id'))")
            .await,
        "200001"
    );
    assert_eq!(
        other
            .psql("select relispopulated from pg_class where relname = 'never'")
            .await,
        "f"
    );
    assert_eq!(slug(imported(&keeper, &order).await), "backup-import-exists");
    assert_eq!(
        content(&other, "shop").await.len(),
        before.len(),
        "the second import changed something"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_the_original_everything_lies_in_a_schema_of_its_own() {
    let world = shop(1).await;
    let keeper = world.keeper().await;
    let entry = exported(&keeper, "shop").await.unwrap();
    let before = content(&world.database, "shop").await;
    assert_eq!(
        slug(imported(&keeper, &import_of(&entry)).await),
        "backup-import-exists"
    );
    let order = ImportOrder {
        schema: "back \"again".to_owned(),
        ..import_of(&entry)
    };
    imported(&keeper, &order).await.unwrap();
    let db = &world.database;
    assert_eq!(content(db, "shop").await, before, "the original was touched");
    let rows = |text: &str| -> Vec<String> {
        let lines = text.lines().take_while(|line| line.starts_with('"'));
        lines
            .map(|line| line.split_once('.').unwrap().1.split_once("\" ").unwrap().1.to_owned())
            .collect()
    };
    let copy = r#""back ""again""#;
    db.psql(&format!(
        "create schema back; do $$ declare r record; begin for r in select relname from pg_class where relnamespace = '{copy}'::regnamespace
        and relkind in ('r', 'm') and relispopulated loop execute format('create table back.%I as select * from only {copy}.%I', r.relname, r.relname); end loop; end $$"
    ))
    .await;
    // An own copy of each, only to be able to use one function for both.
    assert_eq!(rows(&content(db, "back").await), rows(&before));
    let refers = format!(
        "select count(*) from pg_depend d join pg_class c on c.oid = d.objid and c.relnamespace = '{copy}'::regnamespace
         join pg_class r on d.refobjid = r.oid and d.refclassid = 'pg_class'::regclass where r.relnamespace = 'shop'::regnamespace"
    );
    assert_eq!(db.psql(&refers).await, "0", "something refers to the original");
    let inserted = db.psql(&format!("insert into {copy}.types (note) values ('x') returning id, \"odd \"\"name\", (select count(*) from {copy}.seen)")).await;
    assert_eq!(inserted, "55|8|1000");
    let failed = db.psql(&format!("do $$ begin insert into {copy}.orders values (5000, 999999); raise 'no key'; exception when foreign_key_violation then null; end $$")).await;
    assert_eq!(failed, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn single_tables_come_with_what_they_need_and_nothing_else() {
    let world = shop(1).await;
    let keeper = world.keeper().await;
    let entry = exported(&keeper, "shop").await.unwrap();
    let other = world.other().await;
    let order = |tables: &[&str]| ImportOrder {
        database: other.name().to_owned(),
        tables: tables.iter().map(|&table| table.to_owned()).collect(),
        ..import_of(&entry)
    };
    assert_eq!(slug(imported(&keeper, &order(&["shop.missing"])).await), "backup-field");
    let done = imported(&keeper, &order(&["shop.orders", "shop.parts"])).await.unwrap();
    let tables = "select string_agg(relname, ' ' order by relname) from pg_class where relnamespace = 'shop'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S')";
    assert_eq!(
        other.psql(tables).await,
        "orders parts parts_1 parts_2 parts_2_1 parts_rest"
    );
    assert_eq!(other.psql("select count(*) from shop.parts").await, "1200");
    assert_eq!(
        other
            .psql("select count(*) from pg_constraint where conrelid = 'shop.orders'::regclass and contype = 'f'")
            .await,
        "1"
    );
    assert!(
        done.left_out.iter().any(|key| key.contains("orders_item_fkey")),
        "{done:?}"
    );
    imported(
        &keeper,
        &ImportOrder {
            schema: "two".to_owned(),
            ..order(&["shop.items", "shop.orders"])
        },
    )
    .await
    .unwrap();
    assert_eq!(
        other
            .psql("select count(*) from two.orders join two.items on items.id = item")
            .await,
        "1000"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_of_one_moment() {
    let mut world = World::new(1).await;
    // Rows of 100 bytes in two tables, so that they are read one after the other.
    let made = "create schema bank; create table bank.a (id int primary key, money bigint, pad text);
        create table bank.b (like bank.a including all); create table bank.log (amount bigint);
        insert into bank.a select n, 100, repeat('x', 100) from generate_series(1, 20000) n;
        insert into bank.b select n, 100, repeat('x', 100) from generate_series(1, 20000) n";
    world.database.psql(made).await;
    world.project("bank", "schemas = [\"bank\"]");
    let keeper = world.keeper().await;
    let stop = Arc::new(AtomicBool::new(false));
    let writing = {
        let (stop, database) = (Arc::clone(&stop), world.database.clone());
        async move {
            let mut moved = 0;
            while !stop.load(Ordering::Relaxed) {
                let each = "begin; update bank.a set money = money - 7 where id = (select 1 + floor(random() * 20000)::int);
                    update bank.b set money = money + 7 where id = (select 1 + floor(random() * 20000)::int); insert into bank.log values (7); commit;";
                database.psql(&each.repeat(20)).await;
                moved += 1;
            }
            moved
        }
    };
    let exporting = async {
        let mut entries = Vec::new();
        for _ in 0..4 {
            entries.push(exported(&keeper, "bank").await.unwrap());
        }
        stop.store(true, Ordering::Relaxed);
        entries
    };
    let (entries, moved) = tokio::join!(exporting, writing);
    assert!(moved > 2, "nobody wrote meanwhile");
    let mut amounts = Vec::new();
    for entry in entries {
        let other = world.other().await;
        let order = ImportOrder {
            database: other.name().to_owned(),
            ..import_of(&entry)
        };
        imported(&keeper, &order).await.unwrap();
        let sums = "select (select sum(money) from bank.a) + (select sum(money) from bank.b), (select sum(money) from bank.b) - 2000000 - (select coalesce(sum(amount), 0) from bank.log), (select count(*) from bank.log)";
        let found = other.psql(sums).await;
        let (invariants, amount) = found.rsplit_once('|').unwrap();
        assert_eq!(invariants, "4000000|0");
        amounts.push(amount.parse::<u64>().unwrap());
    }
    assert!(
        amounts.windows(2).all(|pair| pair[0] <= pair[1]) && amounts[0] < amounts[3],
        "{amounts:?}"
    );
}

/// What the guide says about reading an export by hand, done with the programs that it names.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_can_be_read_without_weir() {
    if ["age", "zstd"]
        .iter()
        .any(|program| std::process::Command::new(program).arg("--version").output().is_err())
    {
        tracing::warn!("age or zstd is not installed: reading an export by hand is not tested");
        return;
    }
    let mut world = World::new(1).await;
    world.database.psql(SHOP).await;
    let identity = world.identity("shop.age");
    world.project("shop", &format!("schemas = [\"shop\"]\n{identity}"));
    let keeper = world.keeper().await;
    let entry = exported(&keeper, "shop").await.unwrap();
    let other = world.other().await;
    let script = format!(
        "set -euo pipefail; mkdir {dir}/by-hand; cd {dir}/by-hand; PATH={bin}:$PATH
        for part in {place}/exports/{id}/????????-0*; do age -d -i {dir}/shop.age $part | zstd -dc | tar x; done
        age -d -i {dir}/shop.age {place}/exports/{id}/????????-manifest | zstd -dc > manifest.json
        db='{url}'; psql -qXd $db -c 'create schema shop'
        sql() {{ pg_restore --no-owner --no-privileges --section=$1 -f - definitions/own.dump | grep -v '^CREATE SCHEMA '; }}
        sql pre-data | psql -qXd $db -v ON_ERROR_STOP=1 >&2
        psql -qXd $db -f load.sql >&2
        sql post-data | psql -qXd $db -v ON_ERROR_STOP=1 >&2
        grep -c '\"schema\": \"shop\"' manifest.json",
        dir = world.dir.path().display(),
        bin = weir_testkit::Postgres::shared().await.bin_dir().display(),
        place = world.place(0).display(),
        id = entry.id,
        url = other.url(),
    );
    let done = tokio::process::Command::new("bash")
        .args(["-c", &script])
        .output()
        .await
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(content(&other, "shop").await, content(&world.database, "shop").await);
}
