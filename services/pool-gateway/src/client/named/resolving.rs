//! `ResolveSession`: whose a token is, and what that user may do.
//!
//! A token is nobody's business but its holder's: it goes to PostgreSQL as a parameter, best as a digest, and nowhere else.
//! What it opens is an answer; an error means that nobody knows, and then nobody is let in.

use weir_model::Project;
use weir_proto::common::v1::Value;
use weir_proto::common::v1::value::Kind;
use weir_proto::gateway::v1 as api;
use weir_proto::gateway::v1::SessionOutcome;

use super::super::asking::{Checked, Common, time};
use super::super::call::Call;
use super::super::replies::Collected;
use super::super::session::{Argument, Ask, Sessions};
use super::asking::{consistency, only_argument};
use super::checking::discreet;
use super::cut::{Cut, Plan};
use super::judging::{Opened, nothing, session, user, valid};
use crate::error::Error;
use crate::named::{Named, Resolve, stricter, unix_us};
use crate::settings::Consistency;

/// No token that was ever given out is longer, and nobody is asked about such a one.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// What the three reads have in common.
struct Terms {
    common: Checked,
    consistency: Option<Consistency>,
}

impl Terms {
    fn ask(&self, named: &Named, argument: Argument) -> Ask {
        let Checked {
            project,
            database,
            application,
            traceparent,
            client,
            operation,
            timeout,
            min_position,
            consistency: _,
        } = self.common.clone();
        Ask {
            project,
            database,
            sql: named.sql.clone(),
            arguments: vec![argument],
            flaw: None,
            timeout,
            application,
            traceparent,
            client,
            operation,
            prepared: true,
            min_position,
            consistency: self.consistency,
            empty_ttl: named.empty_ttl,
        }
    }
}

impl Sessions {
    /// Says what a token opens.
    pub(in super::super) async fn resolve_session(
        &self,
        request: api::ResolveSessionRequest,
        call: Call,
    ) -> Result<api::ResolveSessionResponse, Error> {
        let common = Common {
            project: request.project,
            database: request.database,
            application: request.application,
            operation: request.operation,
            min_token: request.min_token,
            consistency: String::new(),
            timeout: time(request.timeout_ms, call.allowed),
            traceparent: call.traceparent,
            client: call.client,
        };
        let settings = self.settings();
        let book = settings.statements_file.book();
        let of_project = |project: &Project| book.and_then(|book| book.resolve_for(project));
        let (common, resolve) = self.find(common, of_project, first, "[resolve_session]")?;
        let asked = consistency(&request.consistency)?;
        let terms = Terms {
            consistency: stricter(resolve.consistency(), asked),
            common,
        };
        match token(&resolve.session.statement, request.token) {
            Some(token) => self.resolve(resolve, &terms, token).await,
            None => Ok(nothing(SessionOutcome::Unknown)),
        }
    }

    async fn resolve(
        &self,
        resolve: &Resolve,
        terms: &Terms,
        token: Argument,
    ) -> Result<api::ResolveSessionResponse, Error> {
        let (now_us, database) = (|| unix_us(self.clock.now()), &terms.common.database);
        let then = |found: &Collected| {
            fits(&resolve.session.statement, found, database)?;
            match session(&resolve.session, found, now_us())? {
                Opened::Session { user_id, .. } => of_user(resolve, terms, &user_id).map(Some),
                Opened::Nothing(_) => Ok(None),
            }
        };
        let mut ask = terms.ask(&resolve.session.statement, token);
        // What is wrong is told like any other statement that cannot be run.
        ask.flaw = self.all_stand(resolve, terms).await.err();
        let (user, permissions) = (&resolve.user.statement, &resolve.permissions.statement);
        let plan = Plan {
            session: ask,
            others: [(&user.sql, user.types()), (&permissions.sql, permissions.types())],
            then: &then,
        };
        // The clock is read again: this is when it is answered.
        let judged = self
            .cut(plan)
            .await
            .and_then(|cut| judge(resolve, database, &cut, now_us()));
        match judged {
            Ok(judged) => Ok(judged),
            Err(error) => Err(self.explain_cut(resolve, database, error).await),
        }
    }

    /// Sees that all three statements can be used, within the time of the call.
    async fn all_stand(&self, resolve: &Resolve, terms: &Terms) -> Result<(), Error> {
        let Checked {
            project,
            database,
            operation,
            timeout,
            ..
        } = &terms.common;
        let work = async {
            for named in resolve.statements() {
                self.stands(named, database).await?;
            }
            Ok(())
        };
        self.governed(project, operation, *timeout, work).await
    }

    /// What a caller is told of an error of any of the three.
    async fn explain_cut(&self, resolve: &Resolve, database: &str, error: Error) -> Error {
        let mut error = error;
        for named in resolve.statements() {
            error = self.explain_named(named, database, error).await;
        }
        discreet(&resolve.session.statement, error)
    }
}

/// The statement whose database is that of all three.
fn first(resolve: &Resolve) -> &Named {
    &resolve.session.statement
}

/// A token as its statement takes it; none for what cannot be one.
fn token(statement: &Named, token: String) -> Option<Argument> {
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let kind = Some(Kind::Text(token));
    only_argument(statement, Value { kind })
}

fn of_user(resolve: &Resolve, terms: &Terms, user_id: &Value) -> Result<[Ask; 2], Error> {
    let ask = |named: &Named| {
        let argument = only_argument(named, user_id.clone()).ok_or_else(|| Error::StatementBroken {
            name: named.name.clone(),
            database: terms.common.database.clone(),
            reason: "it cannot be given the user's id".to_owned(),
        })?;
        Ok::<Ask, Error>(terms.ask(named, argument))
    };
    Ok([ask(&resolve.user.statement)?, ask(&resolve.permissions.statement)?])
}

/// Whether a result has what the catalogue names; its tables may have changed since it was checked.
fn fits(named: &Named, rows: &Collected, database: &str) -> Result<(), Error> {
    let columns = rows.header.iter().map(|column| (column.name.as_str(), column.type_oid));
    match named.misfit(columns) {
        None => Ok(()),
        Some(reason) => Err(Error::StatementBroken {
            name: named.name.clone(),
            database: database.to_owned(),
            reason,
        }),
    }
}

fn judge(resolve: &Resolve, database: &str, cut: &Cut, now_us: i64) -> Result<api::ResolveSessionResponse, Error> {
    let (user_id, end) = match session(&resolve.session, &cut.session, now_us)? {
        Opened::Session { user_id, end } => (user_id, end),
        Opened::Nothing(outcome) => return Ok(nothing(outcome)),
    };
    // It was asked for, unless the clock was set back meanwhile.
    let Some([of_user, permissions]) = &cut.of_user else {
        return Ok(nothing(SessionOutcome::Expired));
    };
    fits(&resolve.user.statement, of_user, database)?;
    fits(&resolve.permissions.statement, permissions, database)?;
    Ok(match user(&resolve.user, of_user) {
        SessionOutcome::Valid => valid(resolve, (user_id, end), (&cut.session, of_user, permissions), now_us),
        outcome => nothing(outcome),
    })
}
