//! `weir backup files`: what a restore would write.

use serde_json::{Value as Json, json};
use weir_model::size_in_words;
use weir_proto::backup::v1 as api;

use super::Client;
use crate::connect::refusal;
use crate::terminal::{Failure, moment, say};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The backup's id.
    id: String,
    /// Only paths that begin with this.
    #[arg(default_value = "")]
    prefix: String,
}

pub(super) async fn run(mut client: Client<'_>, arguments: Arguments) -> Result<(), Failure> {
    let request = api::ListFilesRequest {
        id: arguments.id,
        prefix: arguments.prefix,
        project: client.project.clone(),
    };
    let mut told = client.backup.list_files(request).await.map_err(refusal)?.into_inner();
    // There may be a million: each is printed as it comes, in JSON as a line of its own.
    while let Some(some) = told.message().await.map_err(refusal)? {
        for file in &some.files {
            say(&if client.json {
                file_json(file).to_string()
            } else {
                line(file)
            })?;
        }
    }
    Ok(())
}

fn line(file: &api::BackupFile) -> String {
    let (size, at) = (size_in_words(file.bytes), moment(file.modified_unix_ms));
    format!(
        "{:04o} {size:>10} {at} {} {}",
        file.mode & 0o7777,
        file.path,
        file.table
    )
    .trim_end()
    .to_owned()
}

fn file_json(file: &api::BackupFile) -> Json {
    json!({
        "path": file.path,
        "bytes": file.bytes,
        "modified_unix_ms": file.modified_unix_ms,
        "mode": file.mode,
        "checksum": file.checksum,
        "table": file.table,
    })
}
