//! `ListStatements`: the catalogue as a project sees it.

use tonic::Status;
use weir_proto::gateway::v1 as api;
use weir_proto::page::Page;
use weir_proto::status::status;

use super::super::asking::Common;
use super::super::refusal::refusal;
use super::super::session::Sessions;
use super::super::types;
use crate::named::{Check, Named, Parameter, Standing};

impl Sessions {
    /// Lists the statements that a project may call.
    pub(in super::super) fn list_statements(
        &self,
        request: api::ListStatementsRequest,
    ) -> Result<api::ListStatementsResponse, Status> {
        let common = self.common(Common {
            project: request.project,
            ..Common::default()
        });
        let common = common.map_err(|error| refusal(&error, false))?;
        let page = Page::of(request.page.as_ref()).map_err(|error| status(&error))?;
        let settings = self.settings();
        let Some(book) = settings.statements_file.book() else {
            return Ok(api::ListStatementsResponse::default());
        };
        let after = page.after.as_ref().map(|(name, _)| name.as_str());
        let names = book
            .statements
            .keys()
            .filter(|name| after.is_none_or(|after| name.as_str() > after));
        let found = names.filter_map(|name| book.find(&common.project, name));
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let statements: Vec<_> = found.take(size).map(|named| self.listed(named)).collect();
        Ok(api::ListStatementsResponse {
            page: Some(page.answer(&statements, |listed| (listed.name.clone(), String::new()))),
            statements,
            resolves_sessions: book.resolve_for(&common.project).is_some(),
        })
    }

    fn listed(&self, named: &Named) -> api::NamedStatement {
        api::NamedStatement {
            name: named.name.clone(),
            description: named.description.clone(),
            sql: named.sql.clone(),
            parameters: named.parameters.iter().map(parameter).collect(),
            database: named.database.clone().unwrap_or_default(),
            consistency: named
                .consistency
                .map(|level| weir_config::Setting::show(&level))
                .unwrap_or_default(),
            read: named.reads,
            expires_at: named.expires_at.clone().unwrap_or_default(),
            empty_ttl_ms: named
                .empty_ttl
                .map_or(0, |ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)),
            fingerprint: named.fingerprint.clone(),
            checks: self.checks(named),
        }
    }

    fn checks(&self, named: &Named) -> Vec<api::StatementCheck> {
        let own = named.database.clone().unwrap_or_else(|| self.pools.own_database());
        let mut checks: Vec<_> = named
            .standings
            .all()
            .into_iter()
            .map(|(name, found)| check(name, found))
            .collect();
        if named.standings.of(&own).is_none() {
            checks.push(api::StatementCheck {
                database: own,
                state: api::StatementState::Unchecked.into(),
                ..api::StatementCheck::default()
            });
        }
        checks
    }
}

fn parameter(parameter: &Parameter) -> api::NamedParameter {
    api::NamedParameter {
        name: parameter.name.clone(),
        type_name: parameter.type_name.clone(),
        digest: parameter
            .digest
            .map(|digest| digest.as_str().to_owned())
            .unwrap_or_default(),
        secret: parameter.secret,
    }
}

fn check(database: String, found: Check) -> api::StatementCheck {
    let told = api::StatementCheck {
        database,
        checked_unix_ms: found.checked_unix_ms,
        ..api::StatementCheck::default()
    };
    match found.standing {
        Standing::Prepared { parameters, columns } => api::StatementCheck {
            state: api::StatementState::Prepared.into(),
            parameters: parameters.iter().map(|oid| parameter_type(*oid)).collect(),
            columns: columns.into_iter().map(column).collect(),
            ..told
        },
        Standing::Broken(reason) => api::StatementCheck {
            state: api::StatementState::Broken.into(),
            reason,
            ..told
        },
        Standing::Unreached(reason) => api::StatementCheck {
            state: api::StatementState::Unchecked.into(),
            reason,
            ..told
        },
    }
}

fn parameter_type(type_oid: u32) -> api::ParameterType {
    api::ParameterType {
        type_oid,
        type_name: types::name_of(type_oid),
    }
}

fn column(column: weir_upstream::Column) -> api::Column {
    api::Column {
        type_oid: column.type_oid,
        type_name: types::name_of(column.type_oid),
        name: column.name,
    }
}
