//! What is told of a session, its user and the permissions is of one moment.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;
use weir_proto::common::v1::value::Kind;
use weir_upstream::{ConnectOptions, Connection, Target};

use super::Scene;

const SCHEMA: &str = "
    create table s (token text primary key, user_id int, generation int, expires_at timestamptz);
    create table u (user_id int primary key, role text);
    create table p (user_id int, permission text);
    insert into s values ('t', 1, 0, 'infinity');
    insert into u values (1, '0');
    insert into p values (1, '0')";
const BOOK: &str = r#"
[statements.s]
sql = "select user_id, generation, expires_at from s where token = :token"
expires_at = "expires_at"
[statements.u]
sql = "select role from u where user_id = :user_id"
[statements.p]
sql = "select permission from p where user_id = :user_id"
[resolve_session]
session = { statement = "s" }
user = { statement = "u", roles = "role" }
permissions = { statement = "p", permissions = "permission" }
"#;
const READERS: usize = 3;
const LASTS: Duration = Duration::from_secs(2);

async fn write(scene: &Scene, until: Instant) -> u64 {
    let target = Target::parse(&scene.database.url()).unwrap();
    let mut writer = Connection::connect(&target, ConnectOptions::default()).await.unwrap();
    let mut number = 0;
    while Instant::now() < until {
        number += 1;
        // In the order in which they are read: who reads without a snapshot finds new ones behind old ones.
        let flip = format!(
            "update s set generation = {number}; update u set role = '{number}'; update p set permission = '{number}'"
        );
        writer.simple_query(&flip).await.unwrap();
    }
    number
}

async fn read(scene: &Scene, until: Instant) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    while Instant::now() < until {
        let found = scene.resolve("t").await.unwrap();
        assert!(found.found);
        let session = found.session.unwrap().row.unwrap();
        let Some(Kind::Int64(generation)) = session.values[1].kind else {
            panic!("{session:?}")
        };
        let generation = generation.to_string();
        assert_eq!(
            (&found.roles, &found.permissions),
            (&vec![generation.clone()], &vec![generation.clone()])
        );
        seen.insert(generation);
    }
    seen
}

#[tokio::test]
async fn a_role_and_a_permission_that_change_together_are_never_mixed() {
    let scene = Scene::set(SCHEMA, BOOK).await;
    let until = Instant::now() + LASTS;
    let readers = futures_util::future::join_all((0..READERS).map(|_| read(&scene, until)));
    let (written, seen) = tokio::join!(write(&scene, until), readers);
    let seen = seen.into_iter().flatten().collect::<BTreeSet<_>>().len();
    assert!(
        written > 100 && seen > 50,
        "too little happened: {written} written, {seen} seen"
    );
    let newest = scene.resolve("t").await.unwrap();
    assert_eq!(newest.roles, [written.to_string()], "the last of all is seen");
}
