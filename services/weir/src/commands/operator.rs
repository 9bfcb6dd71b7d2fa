//! Who calls, where a gateway answers the operator only.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use tonic::Request;

use crate::terminal::Failure;

/// Outside the development profile, a gateway asks who calls.
#[derive(Debug, Args)]
pub(super) struct Operator {
    /// The role of `database.url`, where the gateway does not run in the development profile.
    #[arg(long, requires = "password_file")]
    user: Option<String>,
    /// A file with its password.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl Operator {
    /// What shows that the operator calls.
    pub(super) fn proof(&self) -> Result<Option<String>, Failure> {
        let (Some(user), Some(path)) = (&self.user, &self.password_file) else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let password = text.lines().next().unwrap_or_default();
        Ok(Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))))
    }
}

/// A request with what shows it.
pub(super) fn signed<T>(message: T, proof: Option<&str>) -> Result<Request<T>, Failure> {
    let mut request = Request::new(message);
    if let Some(proof) = proof {
        request.metadata_mut().insert("authorization", proof.parse()?);
    }
    Ok(request)
}
