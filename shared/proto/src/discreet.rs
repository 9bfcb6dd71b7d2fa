//! Messages with secrets in them, as they are shown: without those, whoever prints a request by mistake.

use std::fmt;

use crate::gateway::v1::{CallStatementRequest, ResolveSessionRequest};

impl fmt::Debug for ResolveSessionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResolveSessionRequest")
            .field("project", &self.project)
            .field("database", &self.database)
            .field("application", &self.application)
            .field("token", &"***")
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CallStatementRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallStatementRequest")
            .field("project", &self.project)
            .field("database", &self.database)
            .field("application", &self.application)
            .field("name", &self.name)
            .field("parameters", &(self.parameters.len() + self.positional.len()))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::v1::Value;
    use crate::common::v1::value::Kind;

    #[test]
    fn what_is_shown_of_a_request_has_no_secret_in_it() {
        let secret = || "swordfish".to_owned();
        let resolve = ResolveSessionRequest {
            token: secret(),
            ..ResolveSessionRequest::default()
        };
        let value = Value {
            kind: Some(Kind::Text(secret())),
        };
        let call = CallStatementRequest {
            name: "sessions".to_owned(),
            parameters: [("token".to_owned(), value.clone())].into(),
            positional: vec![value],
            ..CallStatementRequest::default()
        };
        let shown = format!("{resolve:?} {resolve:#?} {call:?} {call:#?}");
        assert!(shown.contains("sessions") && !shown.contains("swordfish"), "{shown}");
    }
}
