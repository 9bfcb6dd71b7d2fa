//! What has to be in a database so that its log tells all: event triggers and a publication.
//!
//! Where the settings or the server's rights do not allow it, an operator makes the same by hand; here it is only seen
//! whether it is there.

use weir_upstream::{Connection, Error};

use super::lost::Lost;
use super::tables::{Changes, Facts, quoted};

/// The event triggers, as the guide shows them, for a publication of this name.
const TRIGGERS: &str = include_str!("triggers.sql");
const GUIDED_NAME: &str = "'weir_cache'";
/// A change of the publication waits for nobody longer than this, so that nobody waits behind it either.
const LOCK_TIMEOUT: &str = "set lock_timeout = '1s'";
/// What all four triggers look like when they are as they should be.
const WATCHED: &str = "select count(*) = 4 as complete from pg_catalog.pg_event_trigger t \
    join pg_catalog.pg_proc p on p.oid = t.evtfoid join pg_catalog.pg_namespace n on n.oid = p.pronamespace \
    where n.nspname = 'weir_follow' and p.proname = 'mark' and t.evtenabled = 'A' and p.prosrc = $mark$";
const PUBLICATION: &str = "select pubinsert and pubupdate and pubdelete and pubtruncate and not pubviaroot as complete, \
    puballtables as everything from pg_catalog.pg_publication where pubname = ";
/// Somebody else made it in the same moment.
const ALREADY: [&str; 2] = ["42710", "23505"];

/// A publication as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Publication {
    /// It has every table, whatever we think of it.
    pub(crate) is_everything: bool,
}

/// How things may be changed.
#[derive(Debug, Clone)]
pub(crate) struct Manager {
    /// Event triggers and publication are made and kept.
    pub(crate) may_change: bool,
    pub(crate) publication: String,
}

impl Manager {
    /// Sees to it that the triggers and the publication are there.
    pub(crate) async fn prepare(&self, connection: &mut Connection) -> Result<Publication, Lost> {
        connection.simple_query(LOCK_TIMEOUT).await?;
        self.ensure_triggers(connection).await?;
        self.ensure_publication(connection).await
    }

    /// Whether every change of definitions is told.
    pub(crate) async fn is_watched(&self, connection: &mut Connection) -> Result<bool, Error> {
        let triggers = self.triggers();
        let body = mark_body(&triggers);
        let sql = WATCHED.replace("$mark$", &format!("$w$\n{body}\n$w$"));
        let rows = connection.simple_query(&sql).await?;
        rows.first().map_or(Ok(false), |row| row.flag("complete"))
    }

    async fn ensure_triggers(&self, connection: &mut Connection) -> Result<(), Lost> {
        if self.is_watched(connection).await? {
            return Ok(());
        }
        const ADVICE: &str = "have a superuser run the statements of docs/guides/cache-server.md in it";
        if !self.may_change {
            return Err(Lost::blocked(format!(
                "the database has no event triggers of Weir; {ADVICE}"
            )));
        }
        match connection.simple_query(&self.triggers()).await {
            Ok(_) => Ok(()),
            Err(error) if sqlstate(&error) == Some("42501") => Err(Lost::blocked(format!(
                "the role of database.url may not create event triggers; {ADVICE}"
            ))),
            Err(error) => Err(error.into()),
        }
    }

    fn triggers(&self) -> String {
        TRIGGERS.replace(GUIDED_NAME, &literal(&self.publication))
    }

    async fn ensure_publication(&self, connection: &mut Connection) -> Result<Publication, Lost> {
        if let Some(found) = self.find_publication(connection).await? {
            return Ok(found);
        }
        let name = quoted(&self.publication);
        if !self.may_change {
            return Err(Lost::blocked(format!(
                "there is no publication {name}; CREATE PUBLICATION {name}, or let cache.manage be true"
            )));
        }
        match connection.simple_query(&format!("create publication {name}")).await {
            Err(error) if !sqlstate(&error).is_some_and(|state| ALREADY.contains(&state)) => Err(error.into()),
            _ => Ok(Publication { is_everything: false }),
        }
    }

    async fn find_publication(&self, connection: &mut Connection) -> Result<Option<Publication>, Lost> {
        let rows = connection
            .simple_query(&format!("{PUBLICATION}{}", literal(&self.publication)))
            .await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let found = Publication {
            is_everything: row.flag("everything")?,
        };
        if row.flag("complete")? {
            return Ok(Some(found));
        }
        let name = quoted(&self.publication);
        let repair = format!(
            "alter publication {name} set (publish = 'insert, update, delete, truncate', publish_via_partition_root = false)"
        );
        if !self.may_change {
            return Err(Lost::blocked(format!(
                "publication {name} leaves something out; {repair}"
            )));
        }
        connection.simple_query(&repair).await?;
        Ok(Some(found))
    }

    /// Changes the publication, table by table, so that one that cannot be had now keeps no other from it. Returns
    /// whether all could be done.
    pub(crate) async fn apply(
        &self,
        connection: &mut Connection,
        facts: &Facts,
        changes: &Changes,
    ) -> Result<bool, Lost> {
        if !self.may_change {
            return Ok(true);
        }
        let mut is_done = true;
        for (verb, oids) in [("drop", &changes.remove), ("add", &changes.add)] {
            let wanted = facts.tables.iter().filter(|table| oids.contains(&table.oid));
            for batch in wanted.map(|table| table.quoted()).collect::<Vec<_>>().chunks(100) {
                is_done &= self.change(connection, verb, batch).await?;
            }
        }
        Ok(is_done)
    }

    async fn change(&self, connection: &mut Connection, verb: &str, tables: &[String]) -> Result<bool, Lost> {
        if self.alter(connection, verb, &tables.join(", ")).await? {
            return Ok(true);
        }
        let mut is_done = true;
        for table in tables {
            is_done &= self.alter(connection, verb, table).await?;
        }
        Ok(is_done)
    }

    async fn alter(&self, connection: &mut Connection, verb: &str, tables: &str) -> Result<bool, Lost> {
        let sql = format!(
            "alter publication {} {verb} table only {tables}",
            quoted(&self.publication)
        );
        match connection.simple_query(&sql).await {
            Ok(_) => Ok(true),
            Err(error @ Error::Server(_)) if !connection.is_broken() => {
                tracing::warn!(error = %error, "the publication could not be changed for these tables");
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Has the log say that tables have become ripe. The change of nothing makes those who decode the log look at the
    /// publication anew, which some versions of PostgreSQL forget after a transaction that began before it changed.
    pub(crate) async fn announce(&self, connection: &mut Connection) -> Result<(), Error> {
        let name = quoted(&self.publication);
        let sql = if self.may_change {
            format!("alter publication {name} set (publish = 'insert, update, delete, truncate')")
        } else {
            "select pg_catalog.pg_logical_emit_message(true, 'weir.ddl', '')".to_owned()
        };
        connection.simple_query(&sql).await.map(drop)
    }
}

/// The body of the function, as the catalogue keeps it.
fn mark_body(triggers: &str) -> &str {
    let mut parts = triggers.split("$$");
    parts.nth(1).unwrap_or_default().trim_matches('\n')
}

fn sqlstate(error: &Error) -> Option<&str> {
    error.server().map(|server| server.sqlstate.as_str())
}

/// A text as SQL has it.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
