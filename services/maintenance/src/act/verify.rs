//! An index checked against its table, so that damage is seen before anybody reads through it.

use super::{Guard, Halt, Session};
use crate::act::sweep::halt;
use crate::observe::index::index;
use crate::observe::literal;
use crate::plan::rewrites::{IndexName, is_systems};

const AMCHECK: &str = "
    select pg_catalog.quote_ident(n.nspname) as schema from pg_catalog.pg_extension e
        join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'amcheck'";

/// What a check says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verified {
    /// Nothing is wrong with it.
    Sound,
    /// It is damaged: which and how, in the server's words.
    Corrupt(String),
    /// It was not checked: why.
    Left(String),
}

/// Checks one index; with `heap`, also that every row of the table is in it. Readers and writers are not held up.
pub(crate) async fn verify(
    session: &mut Session,
    guard: &Guard<'_>,
    name: &IndexName,
    heap: bool,
) -> Result<Verified, Halt> {
    let rows = session.connection().simple_query(AMCHECK).await?;
    let Some(schema) = rows
        .first()
        .map(|row| row.text("schema").map(str::to_owned))
        .transpose()?
    else {
        return Ok(Verified::Left(
            "the extension amcheck is not in the database".to_owned(),
        ));
    };
    let facts = index(session.connection(), name).await.map_err(halt)?;
    let reason = match facts {
        None => Some("there is no such index"),
        Some(_) if is_systems(&name.schema) => Some("it belongs to the system's own tables"),
        Some(facts) if facts.kind == 'I' => Some("it is an index of a partitioned table, and holds nothing itself"),
        Some(facts) if facts.method != "btree" => Some("only B-trees can be checked"),
        Some(facts) if !facts.is_valid => Some("it is invalid"),
        Some(facts) if facts.is_temporary => Some("its table goes with its session"),
        Some(_) => None,
    };
    if let Some(reason) = reason {
        return Ok(Verified::Left(format!("index {name} is not checked: {reason}")));
    }
    let sql = format!(
        "select {schema}.bt_index_check({}::pg_catalog.regclass, {heap})",
        literal(&name.quoted())
    );
    judged(name, session.run(&sql, guard).await.map(drop))
}

/// Damage has error codes of its own.
fn judged(name: &IndexName, checked: Result<(), Halt>) -> Result<Verified, Halt> {
    match checked {
        Ok(()) => Ok(Verified::Sound),
        Err(Halt::Failed(error)) => match error.server() {
            Some(server) if matches!(server.sqlstate.as_str(), "XX001" | "XX002") => {
                let detail = server
                    .detail
                    .as_ref()
                    .map_or_else(String::new, |detail| format!(" ({detail})"));
                Ok(Verified::Corrupt(format!(
                    "index {name} is corrupt: {}{detail}",
                    server.message
                )))
            }
            Some(server) if server.sqlstate == "55P03" => Ok(Verified::Left(format!(
                "index {name} is not checked: its table is locked"
            ))),
            _ => Err(Halt::Failed(error)),
        },
        Err(halt) => Err(halt),
    }
}
