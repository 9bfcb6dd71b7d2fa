//! `weir backup key`: makes the key that wraps a repository's keys.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::terminal::{Failure, say};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Write a new key into a file that only its owner can read. A file that is there is never written over.
    New {
        /// The file, for backup.repositories' key_file.
        file: PathBuf,
    },
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Action::New { file } = &arguments.action;
    make(file)?;
    say(&format!(
        "{} has a new key. Keep a copy of it elsewhere: without it, nothing in the repository can be read",
        file.display()
    ))
}

/// Makes the file, and has it lie on the disk before anything depends on it.
fn make(path: &Path) -> Result<(), Failure> {
    let mut key = [0; 32];
    SystemRandom::new()
        .fill(&mut key)
        .map_err(|_| "the system gives no random bytes")?;
    let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let said = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => format!("{} is there already, and is left as it is", path.display()),
        _ => format!("{}: {error}", path.display()),
    };
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = opened.map_err(said)?;
    writeln!(file, "{digits}")
        .and_then(|()| file.sync_all())
        .map_err(said)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = File::open(directory.unwrap_or(Path::new(".")));
    directory.and_then(|directory| directory.sync_all()).map_err(said)?;
    Ok(())
}
