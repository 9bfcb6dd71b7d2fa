//! Files that settings name: certificates and keys. Of keys nothing is read.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use weir_upstream::valid_until;

use super::Wishes;
use crate::commands::doctor::facts::{Certificate, Key, KeyFile};

pub(super) fn certificates(wishes: &Wishes) -> Vec<Certificate> {
    let of = |(setting, path): &(&'static str, std::path::PathBuf)| Certificate {
        setting,
        path: path.display().to_string(),
        until_ms: first_end(path),
    };
    wishes.certificates.iter().map(of).collect()
}

/// When the first certificate of a file ends.
fn first_end(path: &Path) -> Result<i64, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let all = all.map_err(|error| error.to_string())?;
    let ends = all
        .iter()
        .map(|certificate| valid_until(certificate).ok_or("a certificate in it cannot be read"));
    let ends: Vec<i64> = ends.collect::<Result<_, _>>()?;
    let first = ends.into_iter().min().ok_or("there is no certificate in it")?;
    Ok(first.saturating_mul(1_000))
}

pub(super) fn keys(wishes: &Wishes) -> Vec<Key> {
    let repositories = wishes.backup.repositories.0.iter();
    let keys = repositories.filter_map(|repository| {
        let path = repository.key_file.as_ref()?;
        Some(Key {
            repository: repository.name.clone(),
            path: path.display().to_string(),
            file: look(path, repository.url.strip_prefix("file://")),
        })
    });
    keys.collect()
}

fn look(path: &Path, repository: Option<&str>) -> Result<KeyFile, String> {
    let found = std::fs::metadata(path).map_err(|error| error.to_string())?;
    let beside = repository.and_then(|directory| std::fs::metadata(directory).ok());
    Ok(KeyFile {
        mode: found.mode() & 0o777,
        is_beside_backups: beside.is_some_and(|directory| directory.dev() == found.dev()),
    })
}
