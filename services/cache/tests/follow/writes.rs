//! Every kind of write raises exactly the tags that it must, on a real PostgreSQL.

use crate::harness::{Cache, Touched, canonical, cell, logical, number, oid, text};
use weir_tags::{Family, Tag};

#[tokio::test]
async fn rows_are_told_by_their_keys_old_and_new() {
    let postgres = logical(&[]).await;
    let database = postgres.database().await;
    database
        .psql("create table users (id int primary key, email text, n int); insert into users values (1, 'a', 0), (2, 'b', 0)")
        .await;
    let mut cache = Cache::of(&database).await;
    let users = oid(&database, "users").await;

    let inserted = cache
        .touched(&postgres, &database, "insert into users values (3, 'c', 0)")
        .await;
    assert_eq!(inserted, Touched::only([Tag::table(users), number(users, "id", 3)]));
    let updated = cache
        .touched(&postgres, &database, "update users set n = n + 1 where id = 2")
        .await;
    assert_eq!(updated, Touched::only([Tag::table(users), number(users, "id", 2)]));
    let moved = cache
        .touched(&postgres, &database, "update users set id = 9 where id = 1")
        .await;
    let both = [Tag::table(users), number(users, "id", 1), number(users, "id", 9)];
    assert_eq!(moved, Touched::only(both));
    let deleted = cache
        .touched(&postgres, &database, "delete from users where id = 9")
        .await;
    assert_eq!(deleted, Touched::only([Tag::table(users), number(users, "id", 9)]));
    let rolled_back = cache
        .touched(&postgres, &database, "begin; update users set n = 7; rollback")
        .await;
    assert_eq!(rolled_back, Touched::only([]));
    let truncated = cache.touched(&postgres, &database, "truncate users").await;
    assert_eq!(truncated, Touched::only([Tag::table(users), Tag::all_rows(users)]));
    let copied = cache
        .touched(
            &postgres,
            &database,
            "copy users from stdin;\n20\tx\t1\n21\ty\t1\n\\.\n",
        )
        .await;
    let rows = [Tag::table(users), number(users, "id", 20), number(users, "id", 21)];
    assert_eq!(copied, Touched::only(rows));
    cache.stop().await;
}

#[tokio::test]
async fn an_identity_of_several_columns_an_index_and_whole_rows_are_told_by_each_column() {
    let postgres = logical(&[]).await;
    let database = postgres.database().await;
    database
        .psql(
            "create table member (user_id bigint, role_id int, note text, primary key (user_id, role_id));
             create table session (id int primary key, token text not null, note text);
             create unique index session_token on session (token);
             alter table session replica identity using index session_token;
             create table wide (a int, b text, c uuid);
             create index on wide (b); create index on wide (c, (a + 1));
             alter table wide replica identity full;
             insert into member values (1, 1, ''); insert into session values (1, 'x', '');
             insert into wide values (1, 'p', '00000000-0000-0000-0000-000000000001')",
        )
        .await;
    let mut cache = Cache::of(&database).await;
    let (member, session, wide) = (
        oid(&database, "member").await,
        oid(&database, "session").await,
        oid(&database, "wide").await,
    );
    let touched = cache
        .touched(&postgres, &database, "update member set role_id = 2 where user_id = 1")
        .await;
    let expected = [
        Tag::table(member),
        number(member, "user_id", 1),
        number(member, "role_id", 1),
        number(member, "role_id", 2),
    ];
    assert_eq!(touched, Touched::only(expected));
    let touched = cache
        .touched(&postgres, &database, "update session set token = 'y', id = 5")
        .await;
    let expected = [
        Tag::table(session),
        text(session, "token", "x"),
        text(session, "token", "y"),
    ];
    assert_eq!(
        touched,
        Touched::only(expected),
        "the primary key is not what identifies it"
    );
    let touched = cache.touched(&postgres, &database, "update wide set b = 'q'").await;
    let id = weir_tags::Family::Uuid
        .from_text(b"00000000-0000-0000-0000-000000000001")
        .unwrap();
    let cells = [
        cell(wide, "b", &canonical("p"), "b"),
        cell(wide, "b", &canonical("q"), "b"),
        cell(wide, "c", &id, "b"),
    ];
    let expected = cells.into_iter().flatten().chain([Tag::table(wide)]);
    assert_eq!(
        touched,
        Touched::only(expected),
        "both states are told, so that cells are"
    );
    cache.stop().await;
}

#[tokio::test]
async fn writes_behind_a_write_are_told() {
    let postgres = logical(&[]).await;
    let database = postgres.database().await;
    database
        .psql(
            "create table parent (id int primary key, n int default 0);
             create table child (id int primary key, parent_id int references parent on delete cascade on update cascade);
             create table audit (id bigint generated always as identity primary key, what text);
             create function note() returns trigger language plpgsql as
               $$ begin insert into audit (what) values (tg_op); return null; end $$;
             create trigger note after update on parent for each row execute function note();
             create function touch(int) returns int language sql as
               $$ update child set parent_id = parent_id where id = $1 returning id $$;
             insert into parent values (1), (2); insert into child values (10, 1), (11, 2)",
        )
        .await;
    let mut cache = Cache::of(&database).await;
    let (parent, child, audit) = (
        oid(&database, "parent").await,
        oid(&database, "child").await,
        oid(&database, "audit").await,
    );
    let touched = cache
        .touched(&postgres, &database, "delete from parent where id = 1")
        .await;
    let expected = [
        Tag::table(parent),
        number(parent, "id", 1),
        Tag::table(child),
        number(child, "id", 10),
    ];
    assert_eq!(touched, Touched::only(expected), "a cascade");
    let touched = cache
        .touched(&postgres, &database, "update parent set n = 1 where id = 2")
        .await;
    let expected = [
        Tag::table(parent),
        number(parent, "id", 2),
        Tag::table(audit),
        number(audit, "id", 1),
    ];
    assert_eq!(touched, Touched::only(expected), "a trigger");
    let touched = cache.touched(&postgres, &database, "select touch(11)").await;
    let expected = [Tag::table(child), number(child, "id", 11)];
    assert_eq!(touched, Touched::only(expected), "a function that writes");
    let touched = cache
        .touched(
            &postgres,
            &database,
            "begin; update child set parent_id = 2 where id = 11; prepare transaction 'two'",
        )
        .await;
    assert_eq!(touched, Touched::only([]), "it is not committed");
    let touched = cache.touched(&postgres, &database, "commit prepared 'two'").await;
    let expected = [
        Tag::table(child),
        Tag::cells(child, "id", &Family::Integer.from_text(b"11").unwrap()),
    ];
    assert_eq!(touched, Touched::only(expected), "a transaction in two phases");
    let touched = cache
        .touched(
            &postgres,
            &database,
            "begin; savepoint a; update child set parent_id = 2 where id = 11; release a; savepoint b; \
             update parent set n = 5; rollback to b; commit",
        )
        .await;
    assert_eq!(touched, Touched::only(expected), "parts of a transaction");
    cache.stop().await;
}

#[tokio::test]
async fn what_happens_in_a_partition_or_a_child_happens_in_all_above() {
    let postgres = logical(&[]).await;
    let database = postgres.database().await;
    database
        .psql(
            "create table log (id int, day int, primary key (id, day)) partition by range (day);
             create table log1 partition of log for values from (0) to (10);
             create table log2 partition of log for values from (10) to (20) partition by list (id);
             create table log2a partition of log2 for values in (1, 2);
             create table base (id int primary key); create table derived (primary key (id)) inherits (base);
             insert into log values (1, 5), (1, 15); insert into derived values (3)",
        )
        .await;
    let mut cache = Cache::of(&database).await;
    let mut oids = Vec::new();
    for table in ["log", "log1", "log2", "log2a", "base", "derived"] {
        oids.push(oid(&database, table).await);
    }
    let [log, log1, log2, log2a, base, derived] = oids[..] else {
        panic!("six tables")
    };
    let touched = cache
        .touched(&postgres, &database, "delete from log where id = 1 and day = 15")
        .await;
    let expected = [log, log2, log2a]
        .into_iter()
        .flat_map(|table| [Tag::table(table), number(table, "id", 1), number(table, "day", 15)]);
    assert_eq!(touched, Touched::only(expected));
    let touched = cache
        .touched(&postgres, &database, "update log set day = 11 where day = 5")
        .await;
    let left = [log, log1]
        .into_iter()
        .flat_map(|table| [Tag::table(table), number(table, "id", 1), number(table, "day", 5)]);
    let entered = [log, log2, log2a]
        .into_iter()
        .flat_map(|table| [Tag::table(table), number(table, "id", 1), number(table, "day", 11)]);
    assert_eq!(
        touched,
        Touched::only(left.chain(entered)),
        "a row that moves leaves one and enters another"
    );
    let touched = cache.touched(&postgres, &database, "truncate log1").await;
    let expected = [log, log1]
        .into_iter()
        .flat_map(|table| [Tag::table(table), Tag::all_rows(table)]);
    assert_eq!(touched, Touched::only(expected));
    let touched = cache.touched(&postgres, &database, "truncate log").await;
    let expected = [log, log1, log2, log2a]
        .into_iter()
        .flat_map(|table| [Tag::table(table), Tag::all_rows(table)]);
    assert_eq!(touched, Touched::only(expected));
    let touched = cache
        .touched(&postgres, &database, "update base set id = 4 where id = 3")
        .await;
    let expected = [base, derived]
        .into_iter()
        .flat_map(|table| [Tag::table(table), number(table, "id", 3), number(table, "id", 4)]);
    assert_eq!(touched, Touched::only(expected));
    cache.stop().await;
}

#[tokio::test]
async fn a_huge_transaction_is_told_by_tables() {
    let postgres = logical(&[]).await;
    let database = postgres.database().await;
    database
        .psql("create table big (id int primary key); create table other (id int primary key)")
        .await;
    let bus = weir_bus::Bus::in_memory(weir_bus::Limits::default());
    let mut cache = Cache::start(&database, bus, &[("WEIR_CACHE__TRANSACTION_TAGS_MAX", "5000")]).await;
    let (big, other) = (oid(&database, "big").await, oid(&database, "other").await);
    let write = "begin; insert into big select generate_series(1, 20000); insert into other values (1); commit";
    let touched = cache.touched(&postgres, &database, write).await;
    let expected = [big, other]
        .into_iter()
        .flat_map(|table| [Tag::table(table), Tag::all_rows(table)]);
    assert_eq!(touched, Touched::only(expected));
    let write = "insert into big select generate_series(30001, 34900)";
    let touched = cache.touched(&postgres, &database, write).await;
    assert_eq!(
        touched.tags.len(),
        4_901,
        "just below the limit, in more than one message"
    );
    assert!(cache.view.tag_messages >= 3, "{}", cache.view.tag_messages);
    cache.stop().await;
}

#[tokio::test]
async fn values_that_are_stored_apart_or_null_or_of_no_family_are_told_with_care() {
    let postgres = logical(&[]).await;
    let database = postgres.database().await;
    database
        .psql(
            "create table wide (id numeric primary key, key text, big text);
             alter table wide alter key set storage external; alter table wide alter big set storage external;
             create index on wide (key) ; alter table wide replica identity full;
             create collation loose (provider = icu, locale = 'und', deterministic = false);
             create table blind (name text collate loose primary key, n int);
             insert into wide values (1, 'a', repeat('x', 9000)), (2, repeat('k', 2500), ''), (3, null, '');
             insert into blind values ('A', 0)",
        )
        .await;
    let mut cache = Cache::of(&database).await;
    let (wide, blind) = (oid(&database, "wide").await, oid(&database, "blind").await);
    let touched = cache
        .touched(&postgres, &database, "update wide set big = big || 'y' where id = 2")
        .await;
    let long = "k".repeat(2500);
    let big = cell(wide, "key", &canonical(&long), "big");
    assert_eq!(touched, Touched::only(big.into_iter().chain([Tag::table(wide)])));
    let touched = cache
        .touched(&postgres, &database, "update wide set id = 9 where id = 1")
        .await;
    let id = cell(wide, "key", &canonical("a"), "id");
    assert_eq!(touched, Touched::only(id.into_iter().chain([Tag::table(wide)])));
    let touched = cache
        .touched(&postgres, &database, "update wide set big = 'z' where id = 3")
        .await;
    assert_eq!(touched, Touched::only([Tag::table(wide)]), "nothing is equal to NULL");
    let touched = cache.touched(&postgres, &database, "update blind set n = 1").await;
    assert_eq!(
        touched,
        Touched::only([Tag::table(blind)]),
        "equal is more than the same bytes"
    );
    cache.stop().await;
}

#[tokio::test]
async fn a_row_that_was_seen_is_told_by_the_cells_that_change() {
    let postgres = logical(&[]).await;
    let database = postgres.database().await;
    database
        .psql(
            "create table person (id int primary key, name text, seen timestamptz, mood text);
             alter table person alter mood set storage external;
             insert into person values (1, 'a', '2026-01-01', repeat('m', 9000)), (2, 'b', null, '')",
        )
        .await;
    let mut cache = Cache::of(&database).await;
    let person = oid(&database, "person").await;
    let one = Family::Integer.from_text(b"1").unwrap();
    let mut told = async |sql: &str| cache.touched(&postgres, &database, sql).await;
    let whole = || Touched::only([Tag::table(person), number(person, "id", 1)]);
    let cells = |names: &[&str]| {
        let cells = names.iter().flat_map(|name| cell(person, "id", &one, name));
        Touched::only(cells.chain([Tag::table(person)]))
    };
    let seen = "update person set seen = seen + '1 s' where id = 1";
    assert_eq!(told(seen).await, whole(), "nothing is known of it yet");
    assert_eq!(told(seen).await, cells(&["seen"]));
    let both = "update person set seen = null, name = 'c' where id = 1";
    assert_eq!(told(both).await, cells(&["seen", "name"]));
    // One commit, two updates of which each changes something else, and one that is undone.
    let twice =
        "begin; update person set name = 'd' where id = 1; savepoint s; update person set mood = '' where id = 1;
        rollback to s; update person set seen = '2026-02-02' where id = 1; commit";
    assert_eq!(told(twice).await, cells(&["seen", "name"]));
    let away = "begin; delete from person where id = 1; insert into person values (1, 'd', '2026-02-02'); commit";
    assert_eq!(told(away).await, whole());
    assert_eq!(told(seen).await, cells(&["seen"]), "it was seen when it came");
    // The log describes the table anew after each of these, and as it was.
    for upkeep in ["analyze person", "vacuum person", "create index on person (seen)"] {
        database.psql(upkeep).await;
        let expected = if upkeep.starts_with("create") {
            whole()
        } else {
            cells(&["seen"])
        };
        assert_eq!(told(seen).await, expected, "{upkeep}");
    }
    cache.stop().await;
}
