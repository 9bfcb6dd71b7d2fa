//! `weir backup import`: an export is brought back.

use serde_json::json;

use super::Client;
use crate::terminal::Failure;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The export's id.
    id: String,
    /// The database to write. Without it: the one it came from.
    #[arg(long, default_value = "")]
    database: String,
    /// The schema to put everything into. Without it: those it came from, which must not hold it.
    #[arg(long, default_value = "")]
    schema: String,
    /// Only this table, as schema.name; may be given several times.
    #[arg(long = "table")]
    tables: Vec<String>,
    /// Where the project's identity is found, by its name in the settings. Without it: the project's own.
    #[arg(long, default_value = "")]
    identity: String,
    /// Wait for its end; the exit status says how it ended.
    #[arg(long)]
    wait: bool,
}

pub(super) async fn run(mut client: Client<'_>, arguments: Arguments) -> Result<(), Failure> {
    let parameters = json!({
        "backup_id": arguments.id,
        "database": arguments.database,
        "schema": arguments.schema,
        "tables": arguments.tables,
        "identity": arguments.identity,
    });
    client.order_and_tell("import", &parameters, arguments.wait).await
}
