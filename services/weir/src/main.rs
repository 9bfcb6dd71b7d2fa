//! The operators' command. One subcommand a file; nothing is decided here that a service should decide.

mod commands;
mod connect;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    commands::Command::parse().run()
}
