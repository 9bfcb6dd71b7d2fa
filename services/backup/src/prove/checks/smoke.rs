//! A user's own question to the restored server.

use tokio_util::sync::CancellationToken;

use super::{Asking, Said, literal};
use crate::error::Error;
use crate::prove::evidence::Check;
use crate::prove::scratch::{HOME, Scratch};
use crate::settings::FileSmoke;

/// A question may take so long.
const WITHIN_MS: u32 = 600_000;
/// The server's words for a statement that took too long.
const TOO_LONG: &str = "57014";

/// Asks it. It passes if it ends without an error and its first value is not false.
pub(in crate::prove) async fn ask(
    scratch: &mut Scratch,
    smoke: &FileSmoke,
    check: &mut Check,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let there = format!("select 1 from pg_database where datname = {}", literal(&smoke.database));
    if Asking::begin(scratch, HOME, stop).await?.ask(&there).await?.is_empty() {
        check.found(format!("there is no database {}", smoke.database));
        return Ok(());
    }
    let mut asking = Asking::begin(scratch, &smoke.database, stop).await?;
    // A question changes nothing, so that the next one and the next proof find what was restored.
    let settings = format!("set statement_timeout = {WITHIN_MS}; set default_transaction_read_only = on");
    asking.ask(&settings).await?;
    check.examined = 1;
    match asking.try_ask(&smoke.sql).await {
        Ok(Said::Rows(rows)) => {
            let first = rows.first().and_then(|row| row.values().next().flatten());
            if first == Some("f") {
                check.found("its answer is false");
            }
        }
        Ok(Said::Wrong(said)) => check.found(said),
        Err(Error::Upstream(weir_upstream::Error::Server(error))) if error.sqlstate == TOO_LONG => {
            check.found(format!("it took longer than {} minutes", WITHIN_MS / 60_000));
        }
        Err(error) => return Err(error),
    }
    Ok(())
}
