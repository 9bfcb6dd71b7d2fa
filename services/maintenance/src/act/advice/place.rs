//! Where a value is: in the server's own file, or among the options of a table.

use weir_upstream::Connection;

use super::error::AdviceError;
use super::{LOCK, server};
use crate::advise::{Activation, Object, Proposal, Seen};
use crate::error::Error;
use crate::observe::advice as observe;
use crate::plan::TableName;
use crate::store::advice::ChangeRow;

/// "canceling statement due to lock timeout", and the table is held by others.
const LOCK_NOT_AVAILABLE: &str = "55P03";
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// One value that can be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The table; none for the server.
    pub(super) table: Option<TableName>,
    /// The setting or option.
    pub(super) option: String,
}

/// Waits for whoever changes something now. Given back with the session.
pub(super) async fn lock(connection: &mut Connection) -> Result<(), Error> {
    let locked = connection
        .simple_query(&format!("select pg_catalog.pg_advisory_lock({LOCK})"))
        .await;
    match locked {
        Err(error)
            if error
                .server()
                .is_some_and(|server| server.sqlstate == LOCK_NOT_AVAILABLE) =>
        {
            Err(AdviceError::Busy.into())
        }
        other => Ok(other.map(|_| ())?),
    }
}

/// The same without waiting. True if nobody changes anything.
pub(super) async fn try_lock(connection: &mut Connection) -> Result<bool, Error> {
    let sql = format!("select pg_catalog.pg_try_advisory_lock({LOCK}) as free");
    let rows = connection.simple_query(&sql).await?;
    Ok(rows.first().and_then(|row| row.get("free")) == Some("t"))
}

/// For a session that goes on to do other things.
pub(super) async fn unlock(connection: &mut Connection) -> Result<(), Error> {
    let sql = format!("select pg_catalog.pg_advisory_unlock({LOCK})");
    connection.simple_query(&sql).await?;
    Ok(())
}

impl Place {
    pub(super) fn of(object: &Object, option: &str) -> Self {
        Self {
            table: object.table.clone(),
            option: option.to_owned(),
        }
    }

    pub(super) fn of_row(row: &ChangeRow) -> Self {
        let table = TableName {
            schema: row.table_schema.clone(),
            name: row.table_name.clone(),
        };
        Self {
            table: (!row.database.is_empty()).then_some(table),
            option: row.option.clone(),
        }
    }

    /// The statement that gives it a value, or takes it away.
    fn statement(&self, value: Option<&str>) -> String {
        let object = match &self.table {
            Some(table) => Object::table("", table),
            None => Object::server(),
        };
        let proposal = Proposal {
            option: self.option.clone(),
            current: None,
            proposed: value.map(str::to_owned),
            activation: Activation::Immediate,
        };
        proposal.statement(&object)
    }

    /// Whether the value is one that can be, and this user may set it.
    pub(super) async fn is_allowed(&self, connection: &mut Connection, proposal: &Proposal) -> Result<(), Error> {
        let name = self.option.strip_prefix("toast.").unwrap_or(&self.option);
        let setting = observe::setting(connection, name).await?;
        if let (Some(setting), Some(value)) = (&setting, &proposal.proposed) {
            setting.accepts(value).map_err(|reason| AdviceError::Refused {
                option: self.option.clone(),
                reason: format!("{value} {reason}"),
            })?;
        }
        if self.table.is_some() {
            return Ok(());
        }
        server::is_allowed(connection, &self.option, self.statement(proposal.proposed.as_deref())).await
    }

    /// What is written there now.
    pub(super) async fn entry(&self, connection: &mut Connection) -> Result<Option<String>, Error> {
        match &self.table {
            Some(table) => observe::option(connection, table, &self.option).await,
            None => observe::auto_conf_entry(connection, &self.option).await,
        }
    }

    /// What the server has, and whether it waits for a restart.
    pub(super) async fn seen(&self, connection: &mut Connection) -> Result<Seen, Error> {
        let entry = self.entry(connection).await?;
        if let Some(table) = &self.table {
            return Ok(Seen {
                is_there: observe::table_exists(connection, table).await?,
                entry,
                pending_restart: false,
            });
        }
        let setting = observe::setting(connection, &self.option).await?;
        Ok(Seen {
            is_there: setting.is_some(),
            entry,
            pending_restart: setting.is_some_and(|setting| setting.pending_restart),
        })
    }

    /// Changes it and looks whether the server took it; puts back what was before if it did not. True where the
    /// server has to be restarted before it is in force.
    pub(super) async fn change(
        &self,
        connection: &mut Connection,
        to: Option<&str>,
        before: Option<&str>,
    ) -> Result<bool, Error> {
        self.write(connection, to).await?;
        if self.table.is_some() {
            return Ok(false);
        }
        let taken = server::reload(connection, &self.option, to).await;
        if taken.is_err() && !connection.is_broken() {
            self.write(connection, before).await?;
            server::ask_to_reload(connection).await?;
        }
        taken
    }

    async fn write(&self, connection: &mut Connection, value: Option<&str>) -> Result<(), Error> {
        let statement = self.statement(value);
        let Err(error) = connection.simple_query(&statement).await else {
            return Ok(());
        };
        let Some(said) = error.server() else {
            return Err(error.into());
        };
        let reason = match said.sqlstate.as_str() {
            LOCK_NOT_AVAILABLE => "somebody holds the table; try again later".to_owned(),
            INSUFFICIENT_PRIVILEGE => {
                let missing = format!("the user of maintenance may not do that: {}", said.message);
                return Err(AdviceError::Rights { missing, statement }.into());
            }
            _ => said.message.clone(),
        };
        Err(AdviceError::Refused {
            option: self.option.clone(),
            reason,
        }
        .into())
    }
}
