//! How a token is resolved: which three statements, and which of their columns say what. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::Named;
use crate::settings::Consistency;

/// How a token is resolved.
#[derive(Debug)]
pub(crate) struct Resolve {
    pub(crate) session: OfSession,
    pub(crate) user: OfUser,
    pub(crate) permissions: OfPermissions,
}

/// The statement that finds a session by its token.
#[derive(Debug)]
pub(crate) struct OfSession {
    pub(crate) statement: Arc<Named>,
    /// The column that says whose it is.
    pub(crate) user_id: String,
    /// The column that says when it ends.
    pub(crate) expires_at: String,
    /// The column that says whether it was revoked.
    pub(crate) revoked: Option<String>,
}

/// The statement that finds a user with its roles by its id.
#[derive(Debug)]
pub(crate) struct OfUser {
    pub(crate) statement: Arc<Named>,
    /// The column of roles.
    pub(crate) roles: String,
    /// The column that says whether the user may not come in.
    pub(crate) disabled: Option<String>,
}

/// The statement that finds a user's permissions by its id.
#[derive(Debug)]
pub(crate) struct OfPermissions {
    pub(crate) statement: Arc<Named>,
    /// The column of permissions.
    pub(crate) permissions: String,
}

impl Resolve {
    /// Its three statements.
    pub(crate) const fn statements(&self) -> [&Arc<Named>; 3] {
        [
            &self.session.statement,
            &self.user.statement,
            &self.permissions.statement,
        ]
    }

    /// What the strictest of its statements asks for.
    pub(crate) fn consistency(&self) -> Option<Consistency> {
        let levels = self.statements().map(|named| named.consistency);
        levels.into_iter().fold(None, super::stricter)
    }
}

/// `[resolve_session]` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    session: WrittenSession,
    user: WrittenUser,
    permissions: WrittenPermissions,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSession {
    statement: String,
    #[serde(default = "token")]
    token: String,
    #[serde(default = "user_id")]
    user_id: String,
    revoked: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenUser {
    statement: String,
    #[serde(default = "user_id")]
    user_id: String,
    #[serde(default = "roles")]
    roles: String,
    disabled: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPermissions {
    statement: String,
    #[serde(default = "user_id")]
    user_id: String,
    #[serde(default = "permissions")]
    permissions: String,
}

fn token() -> String {
    "token".to_owned()
}

fn user_id() -> String {
    "user_id".to_owned()
}

fn roles() -> String {
    "roles".to_owned()
}

fn permissions() -> String {
    "permissions".to_owned()
}

/// A statement, and the rule that it has to keep.
fn fit<'s>(
    statements: &'s mut BTreeMap<String, Named>,
    (part, name, parameter): (&str, &str, &str),
    needs: &[Option<&String>],
) -> Result<&'s mut Named, String> {
    let Some(named) = statements.get_mut(name) else {
        return Err(format!("{part}: there is no statement {name:?}"));
    };
    if !named.reads {
        return Err(format!("{part}: statement {name:?} does not only read"));
    }
    match named.parameters.as_slice() {
        [only] if only.name == parameter => {}
        found => {
            let found: Vec<&str> = found.iter().map(|parameter| parameter.name.as_str()).collect();
            let found = if found.is_empty() {
                "none".to_owned()
            } else {
                found.join(", ")
            };
            return Err(format!(
                "{part}: statement {name:?} is given {parameter} and nothing else; its parameters are {found}"
            ));
        }
    }
    named.needs.extend(needs.iter().filter_map(|column| column.cloned()));
    Ok(named)
}

/// Checks what is written against the statements, which are told what is needed of them.
pub(super) fn check(written: &Written, statements: &mut BTreeMap<String, Named>) -> Result<(), String> {
    let Written {
        session,
        user,
        permissions,
    } = written;
    let place = ("session", session.statement.as_str(), session.token.as_str());
    let named = fit(statements, place, &[Some(&session.user_id), session.revoked.as_ref()])?;
    if named.expires_at.is_none() {
        let name = &named.name;
        return Err(format!(
            "session: statement {name:?} has no expires_at, and a session without an end is none; select 'infinity'::timestamptz for one"
        ));
    }
    named.parameters.iter_mut().for_each(|token| token.secret = true);
    let place = ("user", user.statement.as_str(), user.user_id.as_str());
    fit(statements, place, &[Some(&user.roles), user.disabled.as_ref()])?;
    let place = (
        "permissions",
        permissions.statement.as_str(),
        permissions.user_id.as_str(),
    );
    fit(statements, place, &[Some(&permissions.permissions)])?;
    one_database(written, statements)
}

/// What one transaction reads is in one database.
fn one_database(written: &Written, statements: &BTreeMap<String, Named>) -> Result<(), String> {
    let Written {
        session,
        user,
        permissions,
    } = written;
    let database = |name: &str| statements.get(name).and_then(|named| named.database.clone());
    let first = database(&session.statement);
    for (part, name) in [("user", &user.statement), ("permissions", &permissions.statement)] {
        if database(name) != first {
            return Err(format!(
                "{part}: statement {name:?} is of another database than {:?}; all three are read in one transaction",
                session.statement
            ));
        }
    }
    Ok(())
}

/// What is written, with the statements that it names.
pub(super) fn bind(written: Written, statements: &BTreeMap<String, Arc<Named>>) -> Option<Resolve> {
    let Written {
        session,
        user,
        permissions,
    } = written;
    let named = |name: &str| statements.get(name).cloned();
    let of_session = named(&session.statement)?;
    Some(Resolve {
        session: OfSession {
            expires_at: of_session.expires_at.clone()?,
            statement: of_session,
            user_id: session.user_id,
            revoked: session.revoked,
        },
        user: OfUser {
            statement: named(&user.statement)?,
            roles: user.roles,
            disabled: user.disabled,
        },
        permissions: OfPermissions {
            statement: named(&permissions.statement)?,
            permissions: permissions.permissions,
        },
    })
}
