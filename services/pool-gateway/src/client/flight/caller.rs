//! Who calls, and on whose behalf: what the metadata of a call says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tonic::Request;
use tonic::metadata::MetadataMap;

use super::super::asking::{Checked, Common};
use super::super::call::Call;
use super::super::session::Sessions;
use crate::error::Error;

/// The metadata entries that a client's options or URL may set.
const PROJECT: &str = "weir-project";
const DATABASE: &str = "database";
const APPLICATION: &str = "weir-application";
const OPERATION: &str = "weir-operation";

/// Checks who calls, and reads what all calls have in common.
pub(crate) fn common<T>(sessions: &Sessions, request: &Request<T>) -> Result<Checked, Error> {
    let metadata = request.metadata();
    user(sessions, metadata)?;
    let entry = |key| {
        metadata
            .get(key)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let call = Call::of(request);
    sessions.common(Common {
        project: entry(PROJECT),
        database: entry(DATABASE),
        application: entry(APPLICATION),
        operation: entry(OPERATION),
        min_token: String::new(),
        consistency: String::new(),
        timeout: call.allowed,
        traceparent: call.traceparent,
        client: call.client,
    })
}

/// A user who is named has to be the role that this gateway's connections are logged in as.
pub(crate) fn user(sessions: &Sessions, metadata: &MetadataMap) -> Result<(), Error> {
    let Some(given) = metadata.get("authorization") else {
        return Ok(());
    };
    let name = given.to_str().ok().and_then(name_of);
    match name {
        Some(name) if name == sessions.user => Ok(()),
        Some(name) => Err(Error::Unauthenticated(format!(
            "user {name:?} is not the role of this gateway's connections; use that one, or none"
        ))),
        None => Err(Error::Unauthenticated(
            "the authorization is neither Basic nor a token of this gateway".to_owned(),
        )),
    }
}

/// What a client sends from then on instead of its user and password.
pub(crate) fn bearer(sessions: &Sessions) -> String {
    format!("Bearer {}", STANDARD.encode(&sessions.user))
}

fn name_of(authorization: &str) -> Option<String> {
    let (scheme, code) = authorization.split_once(' ')?;
    let text = String::from_utf8(STANDARD.decode(code.trim()).ok()?).ok()?;
    if scheme.eq_ignore_ascii_case("basic") {
        let (name, _password) = text.split_once(':')?;
        Some(name.to_owned())
    } else {
        scheme.eq_ignore_ascii_case("bearer").then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_from_either_form() {
        let basic = format!("Basic {}", STANDARD.encode("ann:se:cret"));
        assert_eq!(name_of(&basic).as_deref(), Some("ann"));
        assert_eq!(
            name_of(&format!("bearer {}", STANDARD.encode("ann"))).as_deref(),
            Some("ann")
        );
        for wrong in ["", "Basic", "Basic !", "Digest YQ==", "Basic YQ=="] {
            assert_eq!(name_of(wrong), None, "{wrong}");
        }
    }
}
