//! The catalogue of named statements as a setting: its path, and what stands there.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_config::{Error, Setting};

use crate::named::{self, Book};

const KEY: &str = "gateway.statements_file";

/// Where the catalogue is. What is in it is read when the settings are checked, so that both come into force together.
#[derive(Debug, Clone, Default)]
pub struct StatementsFile {
    path: Option<PathBuf>,
    book: Option<Arc<Book>>,
}

impl StatementsFile {
    /// The catalogue in force.
    pub(crate) const fn book(&self) -> Option<&Arc<Book>> {
        self.book.as_ref()
    }

    /// Reads the catalogue, if there is one.
    pub(crate) fn load(&mut self) -> Result<(), Error> {
        self.book = match &self.path {
            Some(path) => Some(Arc::new(read(path)?)),
            None => None,
        };
        Ok(())
    }

    /// Keeps the catalogue that is in force, if it is to come from the same file; else reads the other one.
    pub(crate) fn keep(&mut self, present: &Self) -> Result<(), Error> {
        if self.path == present.path {
            self.book.clone_from(&present.book);
            return Ok(());
        }
        self.load()
    }
}

fn read(path: &Path) -> Result<Book, Error> {
    let wrong = |reason: String| Error::Refused(format!("setting {KEY}: {}: {reason}", path.display()));
    let text = text(path).map_err(&wrong)?;
    named::read(&text).map_err(wrong)
}

fn text(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mut text = String::new();
    let mut bounded = file.take(named::FILE_BYTES_MAX + 1);
    bounded
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot be read: {error}"))?;
    if text.len() as u64 > named::FILE_BYTES_MAX {
        return Err(format!("is longer than {} bytes", named::FILE_BYTES_MAX));
    }
    Ok(text)
}

impl Setting for StatementsFile {
    fn kind() -> String {
        PathBuf::kind()
    }

    fn read(text: &str) -> Result<Self, String> {
        Ok(Self {
            path: Some(PathBuf::read(text)?),
            book: None,
        })
    }

    fn show(&self) -> String {
        self.path.as_ref().map(PathBuf::show).unwrap_or_default()
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}
