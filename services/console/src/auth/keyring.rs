//! The tokens as rows: made, listed, revoked. The operators' command uses it too, so that there is a first token.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use sqlx::PgPool;
use uuid::Uuid;
use weir_model::{Clock, Coded, ErrorClass, Project};
use weir_store::StoreError;

/// What every token begins with, so that one that leaked is recognised.
const PREFIX: &str = "weir_";
const NAME_CHARACTERS_MAX: usize = 100;

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// See.
    Viewer,
    /// See and change.
    Operator,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        })
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "viewer" => Ok(Self::Viewer),
            "operator" => Ok(Self::Operator),
            _ => Err(format!("{text:?} is neither viewer nor operator")),
        }
    }
}

/// What a new token allows.
#[derive(Debug, Clone)]
pub struct Grant {
    /// What people call it.
    pub name: String,
    /// Whose data it sees. None: everything.
    pub project: Option<Project>,
    /// What it may do.
    pub role: Role,
    /// When it ends. None: when it is revoked.
    pub expires_unix_ms: Option<i64>,
    /// Who made it.
    pub created_by: String,
}

/// A token as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema, sqlx::FromRow)]
#[schema(as = console::Token)]
pub struct TokenRow {
    /// Identifies it.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// Whose data it sees; null: everything.
    pub project: Option<String>,
    /// `viewer` or `operator`.
    pub role: String,
    /// When it was made.
    pub created_unix_ms: i64,
    /// By whom.
    pub created_by: String,
    /// When it ends; null: when it is revoked.
    pub expires_unix_ms: Option<i64>,
    /// When it was revoked; null: it was not.
    pub revoked_unix_ms: Option<i64>,
    /// When it was last used, to a minute; null: never.
    pub last_used_unix_ms: Option<i64>,
}

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum TokenFailure {
    /// A grant that cannot be.
    #[error("{field}: {reason}")]
    Field {
        /// Which part of it.
        field: &'static str,
        /// Why.
        reason: String,
    },
    /// No such token.
    #[error("there is no token {0} that is not revoked yet")]
    NotFound(Uuid),
    /// The console's tables cannot be had.
    #[error("the console's store failed: {0}")]
    Store(String),
}

impl From<sqlx::Error> for TokenFailure {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.to_string())
    }
}

impl From<StoreError> for TokenFailure {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

impl Coded for TokenFailure {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Field { .. } => ErrorClass::InvalidInput,
            Self::NotFound(_) => ErrorClass::NotFound,
            Self::Store(_) => ErrorClass::Unavailable,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::Field { .. } => "token-field",
            Self::NotFound(_) => "token-not-found",
            Self::Store(_) => "console-store",
        }
    }
}

/// Makes, lists and revokes tokens.
#[derive(Debug, Clone)]
pub struct Keyring {
    pool: PgPool,
    clock: Clock,
}

impl Keyring {
    pub(crate) const fn new(pool: PgPool, clock: Clock) -> Self {
        Self { pool, clock }
    }

    /// Makes a token, and tells it: it cannot be read again.
    pub async fn create(&self, grant: &Grant) -> Result<(TokenRow, String), TokenFailure> {
        self.check(grant)?;
        let token = new_token()?;
        let row = sqlx::query_as(
            "insert into tokens (id, name, project, role, hash, created_unix_ms, created_by, expires_unix_ms)
             values ($1, $2, $3, $4, $5, $6, $7, $8)
             returning id, name, project, role, created_unix_ms, created_by, expires_unix_ms, revoked_unix_ms, last_used_unix_ms",
        )
        .bind(Uuid::now_v7())
        .bind(grant.name.trim())
        .bind(grant.project.as_ref().map(Project::as_str))
        .bind(grant.role.to_string())
        .bind(hash(&token).as_slice())
        .bind(self.clock.unix_ms())
        .bind(&grant.created_by)
        .bind(grant.expires_unix_ms)
        .fetch_one(&self.pool)
        .await?;
        Ok((row, token))
    }

    fn check(&self, grant: &Grant) -> Result<(), TokenFailure> {
        let wrong = |field, reason: &str| {
            Err(TokenFailure::Field {
                field,
                reason: reason.to_owned(),
            })
        };
        let name = grant.name.trim();
        if name.is_empty() || name.chars().count() > NAME_CHARACTERS_MAX || name.chars().any(char::is_control) {
            return wrong("name", "it takes 1 to 100 characters, none of them a control character");
        }
        if grant.expires_unix_ms.is_some_and(|end| end <= self.clock.unix_ms()) {
            return wrong("expires_unix_ms", "it is in the past");
        }
        Ok(())
    }

    /// Tokens that are not revoked, the newest first; with `all`, the revoked too.
    pub async fn list(&self, all: bool) -> Result<Vec<TokenRow>, TokenFailure> {
        Ok(sqlx::query_as(
            "select id, name, project, role, created_unix_ms, created_by, expires_unix_ms, revoked_unix_ms, last_used_unix_ms
             from tokens where $1 or revoked_unix_ms is null order by created_unix_ms desc, id desc limit 1000",
        )
        .bind(all)
        .fetch_all(&self.pool)
        .await?)
    }

    /// Ends a token. Consoles notice within seconds.
    pub async fn revoke(&self, id: Uuid) -> Result<(), TokenFailure> {
        let revoked = sqlx::query("update tokens set revoked_unix_ms = $2 where id = $1 and revoked_unix_ms is null")
            .bind(id)
            .bind(self.clock.unix_ms())
            .execute(&self.pool)
            .await?;
        if revoked.rows_affected() == 0 {
            return Err(TokenFailure::NotFound(id));
        }
        Ok(())
    }
}

/// What is stored of a token.
pub(crate) fn hash(token: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    hash
}

/// 256 random bits, so that a plain hash of it is as good as a slow one.
fn new_token() -> Result<String, TokenFailure> {
    let mut bits = [0; 32];
    let filled = SystemRandom::new().fill(&mut bits);
    filled.map_err(|_| TokenFailure::Store("this machine gives no random numbers".to_owned()))?;
    Ok(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bits)))
}
