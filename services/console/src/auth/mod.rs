//! Who calls, and what a caller may see and do.

mod gate;
mod keyring;
mod tokens;

pub(crate) use gate::{Gate, Refusal, Visit};
pub use keyring::{Grant, Keyring, Role, TokenFailure, TokenRow};
pub(crate) use tokens::Tokens;

use uuid::Uuid;
use weir_model::Project;

/// Somebody who may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The name of the token; `operator` for a call without one.
    pub(crate) name: String,
    pub(crate) token: Option<Uuid>,
    /// Whose data it sees. None: the operator, who sees all.
    pub(crate) project: Option<Project>,
    pub(crate) role: Role,
}

impl Caller {
    /// Who calls from this machine in development, without a token.
    pub(crate) fn at_home() -> Self {
        Self {
            name: "operator".to_owned(),
            token: None,
            project: None,
            role: Role::Operator,
        }
    }

    pub(crate) const fn may_change(&self) -> bool {
        matches!(self.role, Role::Operator)
    }
}
