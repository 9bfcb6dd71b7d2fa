//! Statements with what they should depend on, or why not. `t.c=$1` is a tag of rows, `t` one of a whole table.

use weir_testkit::eventually;

use super::cases::{CASES, LITERALS};
use super::world::{Case, SOON, World, case, line};

#[tokio::test]
async fn every_statement_depends_on_what_it_should() {
    let world = World::new().await;
    let mut wrong = Vec::new();
    for (sql, expected) in CASES {
        let verdict = world.verdict(&case(sql)).await;
        if verdict != *expected {
            wrong.push(format!("{sql}\n   expected: {expected}\n   is:       {verdict}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        CASES.len(),
        wrong.join("\n")
    );
}

#[tokio::test]
async fn literals_are_told_apart_from_what_they_decide() {
    let world = World::new().await;
    let mut wrong = Vec::new();
    for (sql, expected) in LITERALS {
        let answer = world.study(&case(sql)).await;
        let scope = if answer.any_literals { "any" } else { "this" };
        let verdict = format!("{scope}: {}", line(&answer));
        if verdict != *expected {
            wrong.push(format!("{sql}\n   expected: {expected}\n   is:       {verdict}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn assert_all(world: &World, cases: &[(Case, &str)]) {
    for (case, expected) in cases {
        assert_eq!(world.verdict(case).await, *expected, "{case:?}");
    }
}

#[tokio::test]
async fn types_that_a_client_gives_count() {
    let world = World::new().await;
    let typed = |sql: &str, types: &[u32]| Case {
        types: types.to_vec(),
        ..case(sql)
    };
    let names = "select * from names where name = $1";
    let users = "select * from users where id = $1";
    assert_all(
        &world,
        &[
            (typed(names, &[25]), "names.name=$1"),
            (typed(names, &[1043]), "names.name=$1"),
            (typed(names, &[0]), "names.name=$1"),
            // `text = character` compares without blanks at the end; `text = name` in a way of its own.
            (typed(names, &[1042]), "names"),
            (typed(names, &[19]), "names"),
            (typed(users, &[21]), "users.id=$1"),
            (typed(users, &[23]), "users.id=$1"),
            (typed(users, &[20]), "users.id=$1"),
            (typed(users, &[1700]), "users"),
            (typed(users, &[701]), "users"),
            (typed(users, &[25]), "no: parse"),
            (typed(users, &[4_000_000]), "no: type"),
            (typed("select $1", &[4_000_000]), "no: type"),
            (typed("select $1", &[1184]), "dated $1"),
            (typed("select $1", &[2205]), "no: type"),
        ],
    )
    .await;
    let answer = world
        .study(&case("select * from users where id = $1 and name = $2 limit $3"))
        .await;
    assert_eq!(answer.parameter_types, [20, 25, 20]);
    assert_eq!((answer.studied_lsn, &*answer.epoch), (4711, "1/1/1/test"));
}

#[tokio::test]
async fn texts_of_another_encoding_are_no_tags() {
    let world = World::new().await;
    let other = |sql: &str| Case {
        utf8: false,
        ..case(sql)
    };
    assert_all(
        &world,
        &[
            (other("select * from names where name = $1"), "names"),
            (other("select * from names where name = 'a'"), "names"),
            (other("select * from names where name = 'a' order by 1"), "names"),
            (other("select * from users where id = $1"), "users.id=$1"),
        ],
    )
    .await;
}

#[tokio::test]
async fn names_mean_what_they_mean_to_the_role() {
    let world = World::new().await;
    let name = world.database.name().to_owned();
    world
        .database
        .psql(&format!(
            "create role \"r {name}\"; create role \"s {name}\"; create schema \"s {name}\"; create schema hidden;
             create table \"s {name}\".users (id int primary key); create table hidden.users (id int primary key, x int);
             grant usage on schema other to \"r {name}\"; grant usage on schema \"s {name}\" to \"s {name}\";
             alter role \"s {name}\" set search_path = nowhere, \"$user\", public;
             alter role \"r {name}\" in database {name} set search_path = hidden, other, public"
        ))
        .await;
    let mut world = world;
    world.follow().await;
    let sql = "select * from users where id = $1";
    let of = |role: &str, path: &str| Case {
        role: role.to_owned(),
        search_path: path.to_owned(),
        ..case(sql)
    };
    let (r, s) = (format!("r {name}"), format!("s {name}"));
    let of_s = format!("s {name}.users.id=$1");
    assert_all(
        &world,
        &[
            (of("postgres", ""), "users.id=$1"),
            (of("postgres", "other"), "other.users.id=$1"),
            (of("postgres", "other, public"), "other.users.id=$1"),
            (of("postgres", "\"other\",public"), "other.users.id=$1"),
            (of("postgres", "public, other"), "users.id=$1"),
            (of("postgres", "hidden"), "hidden.users.id=$1"),
            (of("postgres", "pg_catalog"), "no: parse"),
            (of("postgres", "nonsense, \"x"), "no: search_path"),
            // A schema without USAGE is not searched.
            (of(&r, ""), "other.users.id=$1"),
            (of(&r, "hidden, public"), "users.id=$1"),
            (of(&s, ""), &of_s),
            (of(&s, "\"$user\""), &of_s),
            (of("nobody at all", ""), "no: role"),
            (of("none", ""), "no: role"),
            (of("", ""), "no: role"),
        ],
    )
    .await;
    // A table that nobody tells of stands in front.
    let shadowed = Case {
        search_path: "other, public".to_owned(),
        ..case("select * from roles where id = $1")
    };
    assert_eq!(world.verdict(&shadowed).await, "no: no_replica_identity");
}

#[tokio::test]
async fn a_user_without_rights_says_what_it_needs() {
    let world = World::new().await;
    let name = world.database.name().to_owned();
    world
        .database
        .psql(&format!(
            "create role \"low_{name}\" login; create role \"high_{name}\";
             create schema closed; create table closed.users (id int primary key);
             grant usage on schema closed to \"high_{name}\"; grant \"high_{name}\" to \"low_{name}\";
             alter role \"low_{name}\" noinherit"
        ))
        .await;
    let mut world = world;
    world.follow().await;
    let url = world.database.url().replace("postgres@", &format!("low_{name}@"));
    world.followed.target = weir_upstream::Target::parse(&url).unwrap();
    let of = |role: &str, path: &str| Case {
        role: format!("{role}_{name}"),
        search_path: path.to_owned(),
        ..case("select * from users where id = $1")
    };
    assert_eq!(world.verdict(&of("low", "public")).await, "no: study_rights");
    world
        .database
        .psql(&format!("grant create on database {name} to \"low_{name}\""))
        .await;
    // What was said before is remembered for a moment.
    let (world, low) = (&world, of("low", "public"));
    eventually("the rights to be known", SOON, || async {
        (world.verdict(&low).await == "users.id=$1").then_some(())
    })
    .await;
    assert_eq!(world.verdict(&of("high", "closed, public")).await, "closed.users.id=$1");
    assert_eq!(
        world.verdict(&case("select 1")).await,
        "no: study_rights",
        "it may not become postgres"
    );
}
