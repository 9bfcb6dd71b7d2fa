//! `weir backup`: orders for the backup service, and what it knows.
//!
//! Work is ordered at the scheduler, like all work, and followed at the service that does it.

mod annotate;
mod cancel;
mod commits;
mod create;
mod drill;
mod expire;
mod export;
mod files;
mod import;
mod jobs;
mod key;
mod keys;
mod list;
mod order;
mod proofs;
mod restore;
mod rotate_keys;
mod show;
mod shred;
mod status;
mod target;
mod verify;
mod windows;
mod words;

use clap::{Args, Subcommand};
use tonic::transport::Channel;
use weir_config::Sources;
use weir_proto::backup::v1::backup_service_client::BackupServiceClient;

use crate::connect::Services;
use crate::terminal::Failure;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    /// The project. Empty: the operator, who sees everything.
    #[arg(long, default_value = "", global = true)]
    project: String,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Take a backup.
    Create(create::Arguments),
    /// List backups and exports, the newest first.
    List(list::Arguments),
    /// Show one backup with its proofs and tables.
    Show(show::Arguments),
    /// Show the repositories, how the log reaches them, and to which moments one can restore.
    Status,
    /// Restore a cluster into a directory on the worker's machine.
    Restore(restore::Arguments),
    /// Restore a backup on a scratch server, check it, and print the evidence.
    Drill(drill::Arguments),
    /// List proofs, the newest first.
    Proofs(proofs::Arguments),
    /// Read and authenticate everything that repositories hold.
    Verify(verify::Arguments),
    /// List the files that a restore of a backup would write.
    Files(files::Arguments),
    /// List commits in the archived log, the latest first.
    Commits(commits::Arguments),
    /// List the spans of time to which one can restore.
    Windows(windows::Arguments),
    /// Write a note to a backup, or have retention leave it alone.
    Annotate(annotate::Arguments),
    /// Give up what retention does not need, and remove what nothing needs any more.
    Expire(expire::Arguments),
    /// Take a logical export of a project.
    Export(export::Arguments),
    /// Bring an export back.
    Import(import::Arguments),
    /// Destroy a project's key, so that nobody can read its exports again. Cannot be undone.
    Shred(shred::Arguments),
    /// List the keys in use and their age.
    Keys(keys::Arguments),
    /// Wrap keys anew; nothing that is stored is written again.
    RotateKeys(rotate_keys::Arguments),
    /// List the jobs of the backup service, the newest first.
    Jobs(jobs::Arguments),
    /// Stop a job.
    Cancel(cancel::Arguments),
    /// Make a key.
    Key(key::Arguments),
}

impl Arguments {
    /// Whether it is done without a service.
    pub(super) const fn needs_no_settings(&self) -> bool {
        matches!(self.action, Action::Key(_))
    }
}

/// What is done without a service.
pub(super) fn write(arguments: Arguments) -> Result<(), Failure> {
    match arguments.action {
        Action::Key(arguments) => key::run(&arguments),
        _ => Ok(()),
    }
}

/// What a subcommand asks with.
struct Client<'a> {
    services: Services<'a>,
    backup: BackupServiceClient<Channel>,
    project: String,
    json: bool,
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let services = Services(&sources);
    let backup = services.backup().await?;
    let Arguments { action, project, json } = arguments;
    let client = Client {
        services,
        backup,
        project,
        json,
    };
    match action {
        Action::Create(arguments) => create::run(client, arguments).await,
        Action::List(arguments) => list::run(client, arguments).await,
        Action::Show(arguments) => show::run(client, arguments).await,
        Action::Status => status::run(client).await,
        Action::Restore(arguments) => restore::run(client, arguments).await,
        Action::Drill(arguments) => drill::run(client, arguments).await,
        Action::Proofs(arguments) => proofs::run(client, arguments).await,
        Action::Verify(arguments) => verify::run(client, arguments).await,
        Action::Files(arguments) => files::run(client, arguments).await,
        Action::Commits(arguments) => commits::run(client, arguments).await,
        Action::Windows(arguments) => windows::run(client, arguments).await,
        Action::Annotate(arguments) => annotate::run(client, arguments).await,
        Action::Expire(arguments) => expire::run(client, arguments).await,
        Action::Export(arguments) => export::run(client, arguments).await,
        Action::Import(arguments) => import::run(client, arguments).await,
        Action::Shred(arguments) => shred::run(client, arguments).await,
        Action::Keys(arguments) => keys::run(client, arguments).await,
        Action::RotateKeys(arguments) => rotate_keys::run(client, arguments).await,
        Action::Jobs(arguments) => jobs::run(client, arguments).await,
        Action::Cancel(arguments) => cancel::run(client, arguments).await,
        Action::Key(arguments) => key::run(&arguments),
    }
}
