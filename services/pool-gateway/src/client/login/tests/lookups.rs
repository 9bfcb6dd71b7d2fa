//! What is found out about users, and what is said where nothing can be.

use std::time::Duration;

use tokio::time::Instant;
use weir_model::Coded as _;

use super::*;
use crate::client::login::lookup::{Error, User};

const USERS: &str = "create role scram_user login password 'secret';
    create role expired login password 'secret' valid until '2001-01-01';
    create role lasting login password 'secret' valid until '2999-01-01';
    create role endless login password 'secret' valid until 'infinity';
    create role group_role password 'secret';
    create role bare login;
    create role \"o'b\"\"rien; drop\" login password 'secret';
    set password_encryption = md5;
    create role md5_user login password 'secret';";

fn user(found: Found) -> User {
    match found {
        Found::User(user) => user,
        Found::Nobody => panic!("nobody was found"),
    }
}

#[tokio::test]
async fn users_are_found_with_all_that_matters() {
    let postgres = Postgres::start().await;
    postgres.psql("postgres", USERS).await;
    let mut connection = connected(&postgres).await;
    for (name, kind, can_log_in, is_expired) in [
        ("scram_user", "scram", true, false),
        ("md5_user", "md5", true, false),
        ("expired", "scram", true, true),
        ("lasting", "scram", true, false),
        ("endless", "scram", true, false),
        ("group_role", "scram", false, false),
        ("bare", "none", true, false),
        ("o'b\"rien; drop", "scram", true, false),
    ] {
        let found = lookup(&mut connection, AUTH_QUERY, name).await.unwrap();
        assert_eq!(found.admits().is_ok(), can_log_in, "{name}");
        let found = user(found);
        let found_kind = match found.verifier {
            Some(Verifier::Scram(verifier)) => {
                assert_eq!((verifier.iterations, verifier.salt.len()), (4096, 16));
                "scram"
            }
            Some(Verifier::Md5(_)) => "md5",
            None => "none",
        };
        assert_eq!((found_kind, found.is_expired), (kind, is_expired), "{name}");
    }
    for name in ["nobody", "", "SCRAM_USER", "scram_user' or 'x'='x"] {
        let found = lookup(&mut connection, AUTH_QUERY, name).await.unwrap();
        assert!(matches!(found, Found::Nobody), "{name}");
        assert_eq!(found.admits(), Err(Refusal::MayNotLogIn));
    }
}

#[tokio::test]
async fn who_has_no_valid_password_is_refused_like_a_stranger() {
    let postgres = Postgres::start().await;
    postgres.psql("postgres", USERS).await;
    let (mut connection, strangers) = (connected(&postgres).await, Strangers::random().unwrap());
    for (name, is_right) in [
        ("scram_user", true),
        ("expired", false),
        ("bare", false),
        ("nobody", false),
    ] {
        let found = lookup(&mut connection, AUTH_QUERY, name).await.unwrap();
        assert_eq!(
            scram(found.method(&strangers, None), "secret").is_ok(),
            is_right,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_changed_password_counts_from_the_next_log_in_on() {
    let postgres = Postgres::start().await;
    postgres.psql("postgres", USERS).await;
    let (mut connection, strangers) = (connected(&postgres).await, Strangers::random().unwrap());
    let mut verifiers = Verifiers::new(8.try_into().unwrap(), Duration::ZERO);
    let mut log_in = async |password: &str| {
        let begun_at = Instant::now();
        assert!(verifiers.find("scram_user", begun_at).is_none());
        let found = lookup(&mut connection, AUTH_QUERY, "scram_user").await.unwrap();
        verifiers.keep("scram_user", found, begun_at);
        let found = verifiers.find("scram_user", begun_at).unwrap();
        scram(found.method(&strangers, None), password).is_ok()
    };
    assert!(log_in("secret").await);
    postgres
        .psql("postgres", "alter role scram_user password 'another'")
        .await;
    assert!(log_in("another").await);
    assert!(!log_in("secret").await);
}

#[tokio::test]
async fn one_who_may_not_look_is_told_how_to() {
    let postgres = Postgres::start().await;
    postgres.psql("postgres", USERS).await;
    postgres.psql("postgres", "create role service login").await;
    let mut service = upstream(&postgres, "service", Credentials::None).await.unwrap();
    assert!(service.was_trusted());
    let error = lookup(&mut service, AUTH_QUERY, "scram_user").await.unwrap_err();
    assert_eq!(error.slug(), "auth-query-not-allowed");
    let said = error.to_string();
    for part in [
        "permission denied for table pg_authid",
        "gateway.auth_query",
        "security definer",
    ] {
        assert!(said.contains(part), "{said}");
    }
    // What it says to do, done.
    let create = said.split("may: ").nth(1).unwrap().split("; revoke").next().unwrap();
    let query = said.split("auth_query to: ").nth(1).unwrap();
    let rights = "revoke all on function weir_auth from public; grant execute on function weir_auth to service";
    postgres.psql("postgres", &format!("{create}; {rights}")).await;
    let found = user(lookup(&mut service, query, "scram_user").await.unwrap());
    assert!(found.verifier.is_some() && found.can_log_in && !found.is_expired);
    assert!(user(lookup(&mut service, query, "expired").await.unwrap()).is_expired);
    assert!(matches!(
        lookup(&mut service, query, "nobody").await.unwrap(),
        Found::Nobody
    ));
    let mut other = upstream(&postgres, "bare", Credentials::None).await.unwrap();
    assert!(matches!(
        lookup(&mut other, query, "scram_user").await,
        Err(Error::NotAllowed(_))
    ));
}

#[tokio::test]
async fn a_query_of_another_form_is_read_or_refused() {
    let postgres = Postgres::start().await;
    postgres.psql("postgres", USERS).await;
    let mut connection = connected(&postgres).await;
    let from = "from pg_authid where rolname = $1";
    for query in [
        format!("select rolpassword {from}"),
        format!("select rolname, rolpassword {from}"),
    ] {
        let found = user(lookup(&mut connection, &query, "scram_user").await.unwrap());
        assert!(
            found.verifier.is_some() && found.can_log_in && !found.is_expired,
            "{query}"
        );
        assert!(
            user(lookup(&mut connection, &query, "bare").await.unwrap())
                .verifier
                .is_none()
        );
    }
    for (query, reason) in [
        ("select 'secret' where $1 <> ''", "something else than a verifier"),
        ("select rolpassword from pg_authid where $1 <> ''", "more than one row"),
        ("select null, 1, 2 where $1 <> ''", "no boolean"),
        ("select null, true, null::boolean where $1 <> ''", "no boolean"),
        ("select 1, 2, 3, 4 where $1 <> ''", "another number of columns"),
    ] {
        let error = lookup(&mut connection, query, "scram_user").await.unwrap_err();
        assert_eq!(error.slug(), "auth-query-form");
        assert!(
            error.to_string().starts_with("gateway.auth_query returns ") && error.to_string().contains(reason),
            "{error}"
        );
        assert!(!error.to_string().contains("'secret'"));
        assert!(connection.is_clean(), "{query}");
    }
    let error = lookup(&mut connection, "select nonsense", "bob").await.unwrap_err();
    assert!(
        error.to_string().starts_with("cannot look up the verifier of a user: "),
        "{error}"
    );
    let huge = "select repeat('x', 1000000) where $1 <> ''";
    assert!(lookup(&mut connection, huge, "bob").await.is_err());
    lookup(&mut connection, AUTH_QUERY, "bob").await.unwrap();
}
