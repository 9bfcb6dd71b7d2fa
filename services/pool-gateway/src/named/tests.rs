//! The catalogue's file, good and bad; and which of two wishes holds.

use std::time::Duration;

use weir_model::Project;

use super::*;

#[test]
fn what_asks_for_more_holds() {
    use Consistency::{Bounded, Off, Session, Strict};
    for (one, other, found) in [
        (None, None, None),
        (Some(Bounded), None, Some(Bounded)),
        (None, Some(Off), Some(Off)),
        (Some(Strict), Some(Bounded), Some(Strict)),
        (Some(Session), Some(Strict), Some(Strict)),
        (Some(Strict), Some(Off), Some(Off)),
        (Some(Session), Some(Bounded), Some(Session)),
    ] {
        assert_eq!(stricter(one, other), found);
    }
}

const GOOD: &str = r#"
[statements.sessions]
description = """Sessions
  by their tokens"""
sql = "select user_id, expires_at, revoked_at from sessions where token_digest = :token"
projects = ["shop", "blog"]
database = "main"
consistency = "strict"
expires_at = "expires_at"
empty_ttl = "5s"
parameters.token = { digest = "sha256" }

[statements.users]
sql = "select id, role, disabled_at from users where id = $1"
database = "main"
parameters.1 = { type = "int8" }

[statements."log out"]
sql = "delete from sessions where user_id = :user_id"
read = false
parameters.user_id = { type = "bigint", secret = true }

[resolve_session.session]
statement = "sessions"
revoked = "revoked_at"

[resolve_session.user]
statement = "users"
user_id = "1"
roles = "role"
disabled = "disabled_at"

[resolve_session.permissions]
statement = "users"
user_id = "1"
permissions = "role"
"#;

#[test]
fn a_good_file_says_all_that_is_known() {
    let book = read(GOOD).unwrap();
    let (shop, other) = (Project::parse("shop").unwrap(), Project::parse("other").unwrap());
    let sessions = book.find(&shop, "sessions").unwrap();
    assert!(sessions.sql.ends_with("= $1") && sessions.reads && sessions.has_secrets());
    assert_eq!(sessions.description, "Sessions by their tokens");
    assert_eq!(
        (sessions.consistency, sessions.database.as_deref()),
        (Some(Consistency::Strict), Some("main"))
    );
    assert_eq!(sessions.empty_ttl, Some(Duration::from_secs(5)));
    let token = Parameter {
        name: "token".to_owned(),
        type_name: "bytea".to_owned(),
        type_oid: 17,
        digest: Some(Digest::Sha256),
        secret: true,
    };
    assert_eq!(sessions.parameters, [token]);
    assert_eq!(sessions.needs, ["expires_at", "user_id", "revoked_at"]);
    assert!(book.find(&other, "sessions").is_none() && book.find(&shop, "nothing").is_none());
    let log_out = book.find(&other, "log out").unwrap();
    assert_eq!(
        (log_out.types(), log_out.reads, log_out.fingerprint.len()),
        (vec![20], false, 16)
    );
    assert!(book.resolve_for(&shop).is_some(), "who may call all three");
    assert!(book.resolve_for(&other).is_none(), "who may not");
    let resolve = book.resolve.as_ref().unwrap();
    assert_eq!(
        (resolve.session.user_id.as_str(), resolve.consistency()),
        ("user_id", Some(Consistency::Strict))
    );
    assert!(read("").unwrap().statements.is_empty());
}

#[test]
fn columns_that_are_named_have_to_be_there() {
    let book = read(GOOD).unwrap();
    let misfit = |columns: &[(&str, u32)]| {
        let sessions = &book.statements["sessions"];
        sessions.misfit(columns.iter().copied())
    };
    let all = [("user_id", 20), ("expires_at", TIMESTAMPTZ), ("revoked_at", 1184)];
    assert_eq!(misfit(&all), None);
    assert!(misfit(&all[..2]).unwrap().contains("revoked_at"));
    let without_zone = [all[0], ("expires_at", 1114), all[2]];
    assert!(misfit(&without_zone).unwrap().contains("no timestamptz"));
}

/// A file that is wrong in one place, and the line that says so.
const BAD: &[(&str, &str)] = &[
    ("[statements.a]\nsql = 'select 1'\nsql = 'select 2'", "line 3: "),
    ("[statements.a\n", "line 1: "),
    (
        "statement = 1",
        "unknown key statement; there are statements and resolve_session",
    ),
    ("statements = 1", "statements is no table"),
    ("[statements]\na = 1", "statement \"a\": "),
    (
        "[statements.a]\nquery = 'select 1'",
        "statement \"a\": unknown field `query`",
    ),
    (
        "[statements.a]\ndescription = 'x'",
        "statement \"a\": missing field `sql`",
    ),
    (
        "[statements.\"\"]\nsql = 'select 1'",
        "statement \"\": a name has 1 to 128 bytes",
    ),
    ("[statements.\"a\\nb\"]\nsql = 'select 1'", "no control character"),
    (
        "[statements.a]\nsql = ''",
        "no statement that PostgreSQL's grammar knows",
    ),
    (
        "[statements.a]\nsql = 'selec 1'",
        "no statement that PostgreSQL's grammar knows",
    ),
    (
        "[statements.a]\nsql = \"select 'open\"",
        "no statement that PostgreSQL's grammar knows",
    ),
    ("[statements.a]\nsql = 'select 1; select 2'", "its sql has 2 statements"),
    (
        "[statements.a]\nsql = 'begin'",
        "of kind transaction, which cannot be prepared",
    ),
    (
        "[statements.a]\nsql = 'set a.b = 1'",
        "of kind utility, which cannot be prepared",
    ),
    (
        "[statements.a]\nsql = 'drop table t'\nread = false",
        "of kind ddl, which cannot be prepared",
    ),
    (
        "[statements.a]\nsql = 'delete from t'",
        "does not only read; say read = false",
    ),
    (
        "[statements.a]\nsql = 'select 1 from t for update'",
        "does not only read",
    ),
    (
        "[statements.a]\nsql = 'with x as (delete from t returning 1) select 1'",
        "does not only read",
    ),
    ("[statements.a]\nsql = \"select nextval('s')\"", "does not only read"),
    ("[statements.a]\nsql = 'select :a, $1'", "both :a and $1"),
    ("[statements.a]\nsql = 'select $2'", "$2 and no $1"),
    (
        "[statements.a]\nsql = 'select :a'\nparameters.b = {}",
        "parameter b: its sql has no such parameter",
    ),
    (
        "[statements.a]\nsql = 'select :a'\nparameters.a = { type = 'mood' }",
        "parameter a: type \"mood\" is not a built-in one",
    ),
    (
        "[statements.a]\nsql = 'select :a'\nparameters.a = { digest = 'md5' }",
        "parameter a: digest \"md5\" is not sha256",
    ),
    (
        "[statements.a]\nsql = 'select :a'\nparameters.a = { digest = 'sha256', type = 'int8' }",
        "parameter a: a digest is bytea, text or varchar, not int8",
    ),
    (
        "[statements.a]\nsql = 'select :a'\nparameters.a = { typ = 'int8' }",
        "statement \"a\": unknown field `typ`",
    ),
    ("[statements.a]\nsql = 'select 1'\nprojects = []", "projects is empty"),
    ("[statements.a]\nsql = 'select 1'\nprojects = ['A B']", "projects: "),
    ("[statements.a]\nsql = 'select 1'\ndatabase = ''", "database is no name"),
    (
        "[statements.a]\nsql = 'select 1'\nconsistency = 'fresh'",
        "consistency: \"fresh\" is not strict, session, bounded or off",
    ),
    (
        "[statements.a]\nsql = 'select 1'\nempty_ttl = '5'",
        "empty_ttl: \"5\" is not a duration",
    ),
    (
        "[statements.a]\nsql = 'delete from t'\nread = false\nempty_ttl = '5s'",
        "empty_ttl is for what only reads",
    ),
    (
        "[statements.a]\nsql = 'select e from t where e > now()'\nexpires_at = 'e'",
        "asks PostgreSQL for the time (now); the gateway ends rows by \"e\" (expires_at)",
    ),
    ("[resolve_session]\nsessions = 1", "[resolve_session]: "),
    (
        "[resolve_session.session]\nstatement = 'a'",
        "[resolve_session]: missing field `user`",
    ),
];

#[test]
fn a_bad_file_is_told_in_one_line_that_says_where() {
    for (text, words) in BAD {
        let error = read(text).unwrap_err();
        assert!(error.contains(words), "{text}\n{error}");
        assert!(!error.contains('\n'), "{error}");
    }
    let many: String = (0..=1_000)
        .map(|number| format!("[statements.s{number}]\nsql = 'select 1'\n"))
        .collect();
    assert!(read(&many).unwrap_err().contains("at most 1000"));
}

#[test]
fn what_resolves_sessions_has_to_fit_its_statements() {
    for (from, to, words) in [
        (
            "statement = \"sessions\"",
            "statement = \"nothing\"",
            "session: there is no statement \"nothing\"",
        ),
        ("\nexpires_at = \"expires_at\"", "", "has no expires_at"),
        (
            "= :token\"",
            "= :token and user_id = :x\"",
            "is given token and nothing else; its parameters are token, x",
        ),
        (
            "user_id = \"1\"\nroles",
            "roles",
            "user: statement \"users\" is given user_id and nothing else",
        ),
        (
            "statement = \"users\"\nuser_id = \"1\"\nperm",
            "statement = \"log out\"\nperm",
            "does not only read",
        ),
        (
            "database = \"main\"\nparameters.1",
            "parameters.1",
            "of another database than \"sessions\"",
        ),
        ("where id = $1\"", "\"", "its parameters are none"),
    ] {
        let text = GOOD.replacen(from, to, 1).replacen(
            "parameters.1 = { type = \"int8\" }",
            if to == "\"" {
                ""
            } else {
                "parameters.1 = { type = \"int8\" }"
            },
            1,
        );
        assert_ne!(text, GOOD, "{from}");
        let error = read(&text).unwrap_err();
        assert!(
            error.starts_with("[resolve_session]: ") && error.contains(words),
            "{words}\n{error}"
        );
    }
}
