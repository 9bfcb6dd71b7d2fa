//! `CallStatement`: a statement by its name, run as `Execute` would run it.

use prost::Message as _;
use weir_model::Project;
use weir_proto::gateway::v1 as api;

use super::super::asking::{Common, time};
use super::super::call::Call;
use super::super::grpc::answer;
use super::super::idempotency::Key;
use super::super::refusal::Failure;
use super::super::replies::Collected;
use super::super::session::{Ask, Sessions};
use super::asking::{arguments, consistency};
use crate::error::Error;
use crate::named::{End, Named, stricter, unix_us};

/// What a request of this call means for its key.
const NAMED: u8 = b'n';

impl Sessions {
    /// Runs a statement of the catalogue.
    pub(in super::super) async fn call_statement(
        &self,
        request: api::CallStatementRequest,
        call: Call,
    ) -> Result<api::ExecuteResponse, Failure> {
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
        let by_name = |project: &Project| book.and_then(|book| book.find(project, &request.name));
        let (common, named) = self.find(common, by_name, |named| named, "statement of that name")?;
        let level = stricter(named.consistency, consistency(&request.consistency)?);
        let given = arguments(named, request.parameters, request.positional);
        let (given, flaw) = match given {
            Ok(given) => (given, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let statement = api::Statement {
            sql: named.sql.clone(),
            parameters: given,
            handle: String::new(),
        };
        let key = named_key(
            &common.project,
            named,
            &statement,
            request.max_rows,
            request.idempotency_key,
        )?;
        let mut ask = self.statement(common, statement)?;
        ask.flaw = flaw.or(ask.flaw);
        ask.prepared = true;
        ask.consistency = level;
        ask.empty_ttl = named.empty_ttl;
        self.run_named(named, ask, request.max_rows, request.want_token, key)
            .await
    }

    async fn run_named(
        &self,
        named: &Named,
        mut ask: Ask,
        max_rows: u64,
        want_token: bool,
        key: Option<Key>,
    ) -> Result<api::ExecuteResponse, Failure> {
        let database = ask.database.clone();
        if ask.flaw.is_none() {
            let stands = self.stands(named, &database);
            let stands = self.governed(&ask.project, &ask.operation, ask.timeout, stands).await;
            ask.flaw = stands.err();
        }
        let answered = if want_token || key.is_some() {
            self.answer_one(ask, key, max_rows, want_token).await
        } else {
            let mut rows = Collected::new(max_rows, self.settings().reply_bytes_max);
            let done = self.run(ask, &mut rows).await;
            done.map(|done| answer(rows, done)).map_err(Failure::from)
        };
        match answered {
            Ok(answered) => Ok(self.without_ended(named, &database, answered)?),
            Err(failure) => Err(Failure {
                error: Box::new(self.explain_named(named, &database, *failure.error).await),
                ..failure
            }),
        }
    }

    /// Leaves out the rows whose time is over.
    fn without_ended(
        &self,
        named: &Named,
        database: &str,
        mut answered: api::ExecuteResponse,
    ) -> Result<api::ExecuteResponse, Error> {
        let Some(column) = &named.expires_at else {
            return Ok(answered);
        };
        let columns = answered
            .columns
            .iter()
            .map(|column| (column.name.as_str(), column.type_oid));
        if let Some(reason) = named.misfit(columns) {
            return Err(Error::StatementBroken {
                name: named.name.clone(),
                database: database.to_owned(),
                reason,
            });
        }
        let (before, now_us) = (answered.rows.len(), unix_us(self.clock.now()));
        let place = answered.columns.iter().position(|found| found.name == *column);
        answered.rows.retain(|row| is_to_come(row, place, now_us));
        if answered.rows.len() < before {
            answered.rows_affected = answered.rows.len() as u64;
            answered.command_tag = format!("SELECT {}", answered.rows.len());
        }
        Ok(answered)
    }
}

/// Whether the time in this column of a row is still to come.
pub(super) fn is_to_come(row: &api::Row, place: Option<usize>, now_us: i64) -> bool {
    let end = place.and_then(|place| row.values.get(place));
    end.is_some_and(|end| End::of(end).is_to_come(now_us))
}

fn named_key(
    project: &Project,
    named: &Named,
    statement: &api::Statement,
    max_rows: u64,
    key: String,
) -> Result<Option<Key>, Error> {
    if key.is_empty() {
        return Ok(None);
    }
    let mut request = vec![NAMED];
    request.extend_from_slice(&max_rows.to_be_bytes());
    request.extend_from_slice(named.name.as_bytes());
    request.push(0);
    request.extend(statement.encode_length_delimited_to_vec());
    Key::new(project.clone(), key, &request).map(Some)
}
