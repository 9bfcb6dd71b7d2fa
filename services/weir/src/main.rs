//! The operators' command. One subcommand a file; nothing is decided here that a service should decide.

mod commands;
mod connect;
mod http;
mod terminal;
mod text;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    if let Some(status) = log_helper() {
        return status;
    }
    commands::Command::parse().run()
}

/// `weir backup wal-push` and `weir backup wal-fetch`: what PostgreSQL calls for its log. Their words and exit statuses
/// are those that `archive_command` and `restore_command` know, and not this command's.
fn log_helper() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    (words.next()? == "backup").then_some(())?;
    weir_backup::wal_helper(words)
}
