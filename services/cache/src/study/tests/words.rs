//! Explain: the same in words.

use weir_proto::cache::v1 as api;
use weir_proto::common::v1::value::Kind;

use super::world::World;

async fn explain(world: &World, sql: &str, types: &[&str]) -> api::ExplainResponse {
    let request = api::ExplainRequest {
        database: world.database.name().to_owned(),
        sql: sql.to_owned(),
        parameter_types: types.iter().map(|name| (*name).to_owned()).collect(),
        ..api::ExplainRequest::default()
    };
    world.room.explain(&world.followed, &request).await.unwrap()
}

fn tags(answer: &api::ExplainResponse) -> Vec<String> {
    let tag = |tag: &api::Tag| {
        let value = tag.values.first().and_then(|value| value.kind.as_ref());
        let value = match value {
            None => "?".to_owned(),
            Some(Kind::Int64(number)) => number.to_string(),
            Some(Kind::Text(text)) => text.clone(),
            Some(Kind::Bool(flag)) => flag.to_string(),
            Some(Kind::Typed(typed)) => format!("{} {}", typed.type_name, typed.text),
            Some(other) => format!("{other:?}"),
        };
        match tag.columns.as_slice() {
            [] => format!("{} ({})", tag.relation, tag.imprecise_reason),
            columns => format!("{}.{}={value}", tag.relation, columns.join(",")),
        }
    };
    answer.tags.iter().map(tag).collect()
}

#[tokio::test]
async fn a_statement_is_explained_with_its_tags_and_why_they_are_no_finer() {
    let world = World::new().await;
    for (sql, types, expected) in [
        (
            "select * from users where id = $1",
            &["int8"][..],
            &["public.users.id=?"][..],
        ),
        ("select * from users where id = 7", &[], &["public.users.id=7"]),
        (
            "select * from users where id = 7 order by 1",
            &[],
            &["public.users.id=7"],
        ),
        (
            "select * from users where id in (7, -8)",
            &[],
            &["public.users.id=7", "public.users.id=-8"],
        ),
        (
            "select * from names where name = 'it''s'",
            &[],
            &["public.names.name=it's"],
        ),
        (
            "select * from flags where flag = 'f'",
            &[],
            &["public.flags.flag=false"],
        ),
        (
            "select * from sessions where token = '00010203-0405-0607-0809-0A0b0c0d0e0f'",
            &[],
            &["public.sessions.token=uuid 00010203-0405-0607-0809-0a0b0c0d0e0f"],
        ),
        (
            "select * from users where tenant = 3",
            &[],
            &["public.users (replica_identity)"],
        ),
        (
            "select * from users where id > 3",
            &[],
            &["public.users (no_fixed_column)"],
        ),
        ("select (select count(*) from users)", &[], &["public.users (subquery)"]),
        (
            "select id from users union select 1",
            &[],
            &["public.users (set_operation)"],
        ),
        ("select * from active_users", &[], &["public.users (view)"]),
        (
            "select * from documents where id = $1",
            &["integer"],
            &["public.members (policy)", "public.documents.id=?"],
        ),
        (
            "select * from names where name = $1",
            &["character varying"],
            &["public.names.name=?"],
        ),
        ("select $1", &["public.mood"], &[]),
    ] {
        let answer = explain(&world, sql, types).await;
        assert!(
            answer.cacheable && answer.refusals.is_empty(),
            "{sql}: {:?}",
            answer.refusals
        );
        let mut tags = tags(&answer);
        tags.sort();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(tags, expected, "{sql}");
        assert_eq!(answer.fingerprint.len(), 16);
    }
}

#[tokio::test]
async fn a_refusal_says_what_is_wrong_and_what_would_help() {
    let world = World::new().await;
    for (sql, words) in [
        ("select * from logs", &["public.logs", "primary key"][..]),
        ("select * from recent", &["now()", "parameter"]),
        ("select * from scratch", &["public.scratch", "SET LOGGED"]),
        ("select said(1)", &["said(integer)", "IMMUTABLE"]),
        ("select * from locked", &["FOR UPDATE", "view public.locked"]),
        ("select * from clocked", &["now()"]),
        ("select name::date from users", &["date", "to_date"]),
        ("select * from nowhere", &["nowhere", "does not exist"]),
    ] {
        let answer = explain(&world, sql, &[]).await;
        assert!(!answer.cacheable);
        let said: String = answer.refusals.iter().map(|refusal| &*refusal.detail).collect();
        for word in words {
            assert!(said.contains(word), "{sql}: {said}");
        }
    }
    let request = api::ExplainRequest {
        sql: "select $1".to_owned(),
        parameter_types: vec!["nonsense".to_owned()],
        ..api::ExplainRequest::default()
    };
    let failed = world.room.explain(&world.followed, &request).await.unwrap_err();
    assert_eq!(failed.code(), tonic::Code::InvalidArgument);
}
