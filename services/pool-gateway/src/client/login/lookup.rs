//! Asks the server for a user's verifier. It is never kept anywhere but in memory.

use weir_model::{Coded, ErrorClass};
use weir_pgwire::backend::DataRow;
use weir_upstream::{Connection, Limits, Parameter, RowStream};

use super::{Method, Refusal, Strangers, Verifier};

/// How a superuser finds a user: PostgreSQL's own table, which nobody else may read.
pub(crate) const AUTH_QUERY: &str = "select rolpassword, rolcanlogin, \
     (rolvaliduntil is not null and rolvaliduntil < now()) from pg_catalog.pg_authid where rolname = $1";

/// One row with a verifier in it. There is nothing larger to be found.
const LIMITS: Limits = Limits {
    row_bytes_max: 64 * 1024,
    reply_bytes_max: 64 * 1024,
};

/// Why nobody can tell who a client is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The query is not allowed.
    #[error(
        "cannot look up the verifiers of users: {0}. As a superuser, create a function that may: \
         create function weir_auth(name) returns table (verifier text, can_login boolean, is_expired boolean) \
         language sql security definer set search_path = pg_catalog as $$select rolpassword::text, rolcanlogin, \
         rolvaliduntil is not null and rolvaliduntil < now() from pg_authid where rolname = $1$$; revoke it from \
         public, grant it to this user, and set gateway.auth_query to: select * from weir_auth($1)"
    )]
    NotAllowed(Box<weir_upstream::ServerError>),
    /// The query does not return what it must.
    #[error("gateway.auth_query {0}")]
    Form(&'static str),
    /// The server said no for another reason, or could not be reached.
    #[error("cannot look up the verifier of a user: {0}")]
    Upstream(weir_upstream::Error),
}

impl From<weir_upstream::Error> for Error {
    fn from(error: weir_upstream::Error) -> Self {
        match error {
            weir_upstream::Error::Server(error) if error.sqlstate == "42501" => Self::NotAllowed(error),
            error => Self::Upstream(error),
        }
    }
}

impl Coded for Error {
    fn class(&self) -> ErrorClass {
        match self {
            Self::NotAllowed(_) | Self::Form(_) => ErrorClass::Internal,
            Self::Upstream(error) => error.class(),
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::NotAllowed(_) => "auth-query-not-allowed",
            Self::Form(_) => "auth-query-form",
            Self::Upstream(error) => error.slug(),
        }
    }
}

/// What the server knows of a user.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    /// Nobody has this name.
    Nobody,
    /// Somebody has.
    User(User),
}

/// A user as the server knows it.
#[derive(Debug, Clone)]
pub(crate) struct User {
    /// What checks the password; `None` where the user has none.
    pub(crate) verifier: Option<Verifier>,
    pub(crate) can_log_in: bool,
    /// The password is no longer valid.
    pub(crate) is_expired: bool,
}

impl Found {
    /// How a client by this name is asked for its password. Those who have none that is valid are asked all the same.
    pub(crate) fn method(&self, strangers: &Strangers, end_point: Option<Vec<u8>>) -> Method {
        let verifier = match self {
            Self::User(user) if !user.is_expired => user.verifier.clone(),
            _ => None,
        };
        match verifier {
            Some(Verifier::Scram(verifier)) => Method::Scram { verifier, end_point },
            Some(Verifier::Md5(hash)) => Method::Md5 { hash },
            None => Method::Stranger {
                strangers: strangers.clone(),
                end_point,
            },
        }
    }

    /// Whether one who has proved who it is may come in.
    pub(crate) const fn admits(&self) -> Result<(), Refusal> {
        match self {
            Self::User(User { can_log_in: true, .. }) => Ok(()),
            _ => Err(Refusal::MayNotLogIn),
        }
    }
}

/// Runs the query with the user as `$1`. It returns no row for nobody, and else one row: the verifier, whether the role
/// may log in, whether the password has expired. The last two may be left out. So may the verifier be the second of two
/// columns, the user being the first: the form of PgBouncer's `auth_query`.
pub(crate) async fn lookup(connection: &mut Connection, query: &str, user: &str) -> Result<Found, Error> {
    let mut rows = connection.query(query, &[Parameter::text(user)]).await?.limited(LIMITS);
    let found = read(&mut rows).await;
    // Whatever the rows were, the connection is in step for the next look-up.
    rows.finish().await?;
    found
}

async fn read(rows: &mut RowStream<'_>) -> Result<Found, Error> {
    let mut found = Found::Nobody;
    while let Some(batch) = rows.next_batch().await? {
        if batch.len() > 1 || matches!(found, Found::User(_)) {
            return Err(Error::Form("returns more than one row for a user"));
        }
        if let Some(row) = batch.rows().next() {
            found = Found::User(User::read(row)?);
        }
    }
    Ok(found)
}

impl User {
    fn read(row: DataRow<'_>) -> Result<Self, Error> {
        let values: Vec<_> = row.values().collect();
        let (verifier, can_log_in, is_expired) = match *values.as_slice() {
            [verifier] | [_, verifier] => (verifier, true, false),
            [verifier, can_log_in, is_expired] => (verifier, flag(can_log_in)?, flag(is_expired)?),
            _ => {
                return Err(Error::Form(
                    "returns another number of columns than 1 (the verifier), 2 (user and verifier) or 3 (the verifier, \
                     whether the role may log in, whether the password has expired)",
                ));
            }
        };
        Ok(Self {
            verifier: verifier.map(read_verifier).transpose()?,
            can_log_in,
            is_expired,
        })
    }
}

fn flag(value: Option<&[u8]>) -> Result<bool, Error> {
    match value {
        Some(b"t") => Ok(true),
        Some(b"f") => Ok(false),
        _ => Err(Error::Form("returns no boolean in its second or third column")),
    }
}

fn read_verifier(value: &[u8]) -> Result<Verifier, Error> {
    let verifier = str::from_utf8(value).ok().and_then(Verifier::parse);
    verifier.ok_or(Error::Form(
        "returns something else than a verifier as pg_authid.rolpassword has it",
    ))
}
