//! Rows out of an export's parts and into tables.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::mpsc;
use weir_upstream::Connection;

use super::index::{Index, Stored};
use super::manifest::{Manifest, RowsHash, Table, place};
use super::part;
use super::readers::Identities;
use super::scope::{qualified, quoted};
use crate::engine::pace::Pace;
use crate::error::Error;
use crate::repo::seal::hexadecimal;
use crate::repo::{self, Repository};

/// Members that wait to be loaded.
const WAITING: usize = 3;

/// An export that is at hand and was found to be whole.
#[derive(Debug)]
pub(crate) struct Opened {
    pub repository: Repository,
    pub index: Index,
    pub manifest: Manifest,
    pub identities: Identities,
}

/// A member of a part.
type Member = (String, Vec<u8>);

/// A part that is being read, on a thread of its own.
type Reading<'a> = (
    mpsc::Receiver<Member>,
    tokio::task::JoinHandle<std::io::Result<()>>,
    &'a str,
);

/// The members of some parts, in order.
struct Members<'a> {
    opened: &'a Opened,
    pace: &'a Pace,
    parts: std::vec::IntoIter<&'a Stored>,
    open: Option<Reading<'a>>,
}

impl Opened {
    /// The objects of a stream, in order; of these places only, if any are named.
    fn stored(&self, stream: u32, only: Option<&BTreeSet<u32>>) -> Result<Vec<&Stored>, Error> {
        let parts = (0_u32..).zip(self.manifest.stream(stream));
        let wanted = parts.filter(|(at, _)| only.is_none_or(|only| only.contains(at)));
        wanted
            .map(|(_, part)| {
                let known = self.index.parts.iter().find(|known| known.path == part.path);
                let same = known.filter(|known| hexadecimal(&known.hash) == part.blake3 && known.bytes == part.bytes);
                same.ok_or_else(|| {
                    repo::Error::corrupt(&part.path, "the catalogue and the export do not agree on it").into()
                })
            })
            .collect()
    }

    fn members<'a>(&'a self, parts: Vec<&'a Stored>, pace: &'a Pace) -> Members<'a> {
        Members {
            opened: self,
            pace,
            parts: parts.into_iter(),
            open: None,
        }
    }

    /// The definitions, as pg_dump wrote them.
    pub(crate) async fn definitions(&self, pace: &Pace) -> Result<BTreeMap<String, Vec<u8>>, Error> {
        let mut members = self.members(self.stored(0, None)?, pace);
        let mut found = BTreeMap::new();
        while let Some((name, content)) = members.next().await? {
            found.insert(name, content);
        }
        Ok(found)
    }

    /// Places of parts with rows of these tables, by stream.
    fn places(&self, tables: &BTreeSet<usize>) -> BTreeMap<u32, BTreeSet<u32>> {
        let mut places: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        let chosen = self
            .manifest
            .tables
            .iter()
            .enumerate()
            .filter(|(at, _)| tables.contains(at));
        for slice in chosen.flat_map(|(_, table)| &table.slices) {
            if let Some((first, last)) = slice.parts {
                places.entry(slice.stream).or_default().extend(first..=last);
            }
        }
        places
    }

    /// Makes sure that all that an import of these tables reads is what was written.
    pub(crate) async fn verify(&self, tables: &BTreeSet<usize>, pace: &Pace) -> Result<(), Error> {
        let mut parts = self.stored(0, None)?;
        for (stream, places) in self.places(tables) {
            parts.extend(self.stored(stream, Some(&places))?);
        }
        pace.progress()
            .begin("check", parts.iter().map(|part| part.bytes).sum());
        for part in parts {
            pace.take(part.bytes).await?;
            part.read(&self.repository).await?;
            pace.progress().add(part.bytes);
        }
        Ok(())
    }

    /// Loads the rows of these tables. `name`: what a table is called there.
    pub(crate) async fn load(
        &self,
        connection: &mut Connection,
        tables: &BTreeSet<usize>,
        name: &impl Fn(&Table) -> String,
        pace: &Pace,
    ) -> Result<(), Error> {
        let mut loaded = BTreeSet::new();
        for (stream, places) in self.places(tables) {
            let mut members = self.members(self.stored(stream, Some(&places))?, pace);
            let mut pending = None;
            loop {
                let first = match pending.take() {
                    Some(first) => Some(first),
                    None => members.next().await?,
                };
                let Some((member, content)) = first else { break };
                let Some((table, slice)) = place(&member).filter(|(table, _)| tables.contains(table)) else {
                    continue;
                };
                pending = self
                    .load_slice(connection, (table, slice), content, &mut members, name)
                    .await?;
                loaded.insert((table, slice));
            }
        }
        self.check_all(tables, &loaded)
    }

    /// Loads a slice from its first member on; returns the member behind its last.
    async fn load_slice(
        &self,
        connection: &mut Connection,
        at: (usize, usize),
        first: Vec<u8>,
        members: &mut Members<'_>,
        name: &impl Fn(&Table) -> String,
    ) -> Result<Option<Member>, Error> {
        let wrong = |reason: &str| repo::Error::corrupt(&super::manifest::folder(at.0, at.1), reason);
        let table = self
            .manifest
            .tables
            .get(at.0)
            .ok_or_else(|| wrong("there is no such table"))?;
        let slice = table.slices.get(at.1).ok_or_else(|| wrong("there is no such slice"))?;
        let mut hash = blake3::Hasher::new();
        let mut copy = connection.copy_in(&format!("copy {} from stdin", name(table))).await?;
        let (mut content, mut behind) = (first, None);
        loop {
            hash.update(&content);
            copy.send(&content).await?;
            members.pace.progress().add(content.len() as u64);
            match members.next().await? {
                Some((member, next)) if place(&member) == Some(at) => content = next,
                next => {
                    behind = next.or(behind);
                    break;
                }
            }
        }
        let done = copy.finish().await?;
        if hexadecimal(hash.finalize().as_bytes()) != slice.blake3 || done.rows != Some(slice.rows) {
            return Err(wrong("its rows are not those that were written").into());
        }
        Ok(behind)
    }

    fn check_all(&self, tables: &BTreeSet<usize>, loaded: &BTreeSet<(usize, usize)>) -> Result<(), Error> {
        let chosen = self
            .manifest
            .tables
            .iter()
            .enumerate()
            .filter(|(at, _)| tables.contains(at));
        for (at, table) in chosen {
            let mut slices = table.slices.iter().enumerate();
            if let Some((slice, _)) = slices.find(|(slice, what)| what.rows > 0 && !loaded.contains(&(at, *slice))) {
                let path = super::manifest::folder(at, slice);
                return Err(repo::Error::corrupt(&path, "its rows are missing").into());
            }
        }
        Ok(())
    }
}

impl Members<'_> {
    async fn next(&mut self) -> Result<Option<Member>, Error> {
        loop {
            if let Some((members, ..)) = &mut self.open
                && let Some(member) = members.recv().await
            {
                return Ok(Some(member));
            }
            if let Some((_, reading, path)) = self.open.take() {
                let read = reading
                    .await
                    .unwrap_or_else(|error| Err(std::io::Error::other(error.to_string())));
                read.map_err(|error| repo::Error::corrupt(path, error.to_string()))?;
            }
            let Some(part) = self.parts.next() else {
                return Ok(None);
            };
            self.pace.take(part.bytes).await?;
            let content = part.read(&self.opened.repository).await?;
            self.pace.progress().moved(part.bytes);
            let (send, members) = mpsc::channel(WAITING);
            let identities = self.opened.identities.clone();
            let reading = tokio::task::spawn_blocking(move || {
                part::members(&content, &identities, |name, content| {
                    let sent = send.blocking_send((name.to_owned(), content));
                    sent.map_err(|_| std::io::Error::other("nobody reads it any more"))
                })
            });
            self.open = Some((members, reading, &part.path));
        }
    }
}

/// A table as COPY names it, with the columns that an export has.
pub(crate) fn copied(schema: &str, table: &Table) -> String {
    let columns: Vec<String> = table.columns.iter().map(|column| quoted(&column.name)).collect();
    let list = if columns.is_empty() {
        String::new()
    } else {
        format!(" ({})", columns.join(", "))
    };
    format!("{}{list}", qualified(schema, &table.name.name))
}

/// Reads a table and makes sure that its rows are those of the export.
pub(crate) async fn compare(connection: &mut Connection, name: &str, table: &Table, pace: &Pace) -> Result<(), Error> {
    let mut rows = connection.copy_out(&format!("copy {name} to stdout")).await?;
    let mut found = RowsHash::default();
    let mut bytes = 0_u64;
    while let Some(row) = rows.next().await? {
        found.add(row);
        bytes += row.len() as u64;
        if bytes >= 1 << 20 {
            pace.take(std::mem::take(&mut bytes)).await?;
        }
    }
    if found.rows != table.rows || found.text() != table.rows_hash {
        return Err(Error::Refused {
            slug: "backup-import-differs",
            reason: format!(
                "{} has {} rows after the import and had {} in the export, or not the same; nothing was imported",
                table.name, found.rows, table.rows
            ),
        });
    }
    Ok(())
}
