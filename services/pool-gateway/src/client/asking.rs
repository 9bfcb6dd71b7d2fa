//! What callers send, checked and turned into what is run.

use std::sync::Arc;
use std::time::Duration;

use weir_model::Project;
use weir_proto::events::v1::Door;
use weir_proto::gateway::v1 as api;
use weir_sql::trace;

use super::encode::encode;
use super::operations::OPERATION_BYTES_MAX;
use super::session::{Argument, Ask, Sessions};
use super::transaction::Scope;
use super::types;
use crate::error::Error;
use crate::firewall::Stranger;
use crate::pool::Lsn;
use crate::rules::Caller;
use crate::settings::Consistency;

/// Names in PostgreSQL are no longer.
const DATABASE_BYTES_MAX: usize = 63;

/// What all calls have in common, as it was sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Common {
    pub(crate) project: String,
    pub(crate) database: String,
    pub(crate) application: String,
    pub(crate) operation: String,
    pub(crate) min_token: String,
    /// How fresh an answer from memory has to be. Empty: as the settings say.
    pub(crate) consistency: String,
    pub(crate) timeout: Option<Duration>,
    pub(crate) traceparent: String,
    /// Where the caller is.
    pub(crate) client: Arc<str>,
}

/// The same, checked.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) project: Project,
    pub(crate) database: String,
    pub(crate) application: String,
    pub(crate) traceparent: String,
    pub(crate) client: Arc<str>,
    pub(crate) operation: String,
    pub(crate) timeout: Option<Duration>,
    /// The token, as a position in the log.
    pub(crate) min_position: Option<Lsn>,
    pub(crate) consistency: Option<Consistency>,
}

/// The same within a transaction, which has its own limits.
pub(crate) fn within(scope: &Scope) -> Checked {
    Checked {
        project: scope.project.clone(),
        database: scope.database.clone(),
        application: scope.application.clone(),
        traceparent: scope.traceparent.clone(),
        client: scope.client.clone(),
        operation: String::new(),
        timeout: None,
        min_position: None,
        consistency: None,
    }
}

/// The shorter of the time that a request gives in milliseconds, 0 for none, and what is left of its call's deadline.
pub(crate) fn time(timeout_ms: u32, allowed: Option<Duration>) -> Option<Duration> {
    let asked = (timeout_ms > 0).then(|| Duration::from_millis(u64::from(timeout_ms)));
    [asked, allowed].into_iter().flatten().min()
}

impl Sessions {
    /// Checks what all calls have in common.
    pub(crate) fn common(&self, common: Common) -> Result<Checked, Error> {
        let asked = match common.project.as_str() {
            "" => None,
            name => Some(Project::parse(name).map_err(|error| Error::Request(error.to_string()))?),
        };
        let database = match common.database.as_str() {
            "" => self.pools.common().target.database(),
            name => name,
        };
        let caller = Caller {
            database,
            user: &self.user,
            application: &common.application,
            project: None,
        };
        let project = self.settings().project_of(caller, asked);
        let project = project.inspect_err(|refused| {
            self.guard.project_refused(Stranger {
                project: &refused.own,
                database,
                user: &self.user,
                application: &common.application,
                client: &common.client,
                door: Door::Grpc,
            });
        })?;
        let wrong = |reason: String| Err(Error::Request(reason));
        if common.database.contains('\0') {
            return wrong("sql and database cannot hold a zero byte".to_owned());
        }
        let bytes = common.database.len();
        if bytes > DATABASE_BYTES_MAX {
            let most = format!("PostgreSQL's names have at most {DATABASE_BYTES_MAX}");
            return wrong(format!("database has {bytes} bytes; {most}"));
        }
        if common.operation.len() > OPERATION_BYTES_MAX {
            return wrong(format!("operation has at most {OPERATION_BYTES_MAX} bytes"));
        }
        // The primary has everything that was ever written, so a token asks for nothing more there than for a form.
        if !common.min_token.is_empty() && !is_token(&common.min_token) {
            return wrong("min_token is none that an answer had".to_owned());
        }
        let consistency = match common.consistency.as_str() {
            "" => None,
            named => match Consistency::named(named) {
                None => return wrong("consistency is strict, session, bounded or off".to_owned()),
                level => level,
            },
        };
        Ok(Checked {
            consistency,
            project,
            database: common.database,
            application: common.application,
            traceparent: common.traceparent,
            client: common.client,
            operation: common.operation,
            timeout: common.timeout,
            min_position: Lsn::parse(&common.min_token).map(Lsn::end_of_last),
        })
    }

    /// A statement as it is run: its own text, or that of its handle.
    pub(crate) fn statement(&self, common: Checked, statement: api::Statement) -> Result<Ask, Error> {
        let api::Statement {
            sql,
            parameters,
            handle,
        } = statement;
        let (sql, types, prepared) = if handle.is_empty() {
            (sql, Vec::new(), false)
        } else if sql.is_empty() {
            let declared = self.catalogue.by_handle(&handle, &common.project, &common.database)?;
            (declared.sql.clone(), declared.types.clone(), true)
        } else {
            return Err(Error::Request("a statement has sql or a handle, not both".to_owned()));
        };
        // It is refused when it is run, so that it is told of like every other.
        let no_text = sql
            .contains('\0')
            .then(|| Error::Request("sql and database cannot hold a zero byte".to_owned()));
        let traceparent = match common.traceparent {
            // The text may name one as well, as programs that know nothing of this door let it.
            none if none.is_empty() => trace(sql.as_bytes())
                .map(|trace| trace.parent.to_owned())
                .unwrap_or_default(),
            given => given,
        };
        let types = types.into_iter().chain(std::iter::repeat(0));
        let arguments = parameters.iter().zip(types).enumerate();
        let arguments = arguments.map(|(index, (given, declared))| argument(index + 1, given, declared));
        let (arguments, flaw) = match no_text.map_or_else(|| arguments.collect(), Err) {
            Ok(arguments) => (arguments, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        Ok(Ask {
            project: common.project,
            database: common.database,
            arguments,
            flaw,
            sql,
            timeout: common.timeout,
            application: common.application,
            traceparent,
            client: common.client,
            operation: common.operation,
            prepared,
            min_position: common.min_position,
            consistency: common.consistency,
            empty_ttl: None,
        })
    }
}

/// A position in the log as PostgreSQL writes it: two hexadecimal numbers of up to eight digits.
fn is_token(token: &str) -> bool {
    let is_number = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    token
        .split_once('/')
        .is_some_and(|(high, low)| is_number(high) && is_number(low))
}

fn argument(position: usize, given: &api::Parameter, declared: u32) -> Result<Argument, Error> {
    let wrong = |reason| Error::Parameter { position, reason };
    let text = encode(given.value.as_ref()).map_err(wrong)?;
    let type_oid = match given.type_name.as_str() {
        "" => declared,
        name => type_oid(name).map_err(wrong)?,
    };
    Ok(Argument { text, type_oid })
}

/// The number of a type by its name.
pub(crate) fn type_oid(name: &str) -> Result<u32, String> {
    types::oid_of(name)
        .ok_or_else(|| format!("type {name:?} is not a built-in one; leave it out, and PostgreSQL infers it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_postgresqls_form() {
        for good in ["0/0", "16/B374D848", "FFFFFFFF/ffffffff"] {
            assert!(is_token(good), "{good}");
        }
        for bad in ["", "/", "0/", "/0", "0", "0/0/0", "123456789/0", "0/g", "-1/0", "0/ 1"] {
            assert!(!is_token(bad), "{bad}");
        }
    }

    #[test]
    fn the_shorter_time_counts() {
        let second = Some(Duration::from_secs(1));
        assert_eq!(time(0, None), None);
        assert_eq!(time(0, second), second);
        assert_eq!(time(200, second), Some(Duration::from_millis(200)));
        assert_eq!(time(2_000, second), second);
    }
}
