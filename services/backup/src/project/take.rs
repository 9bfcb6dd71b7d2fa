//! Reading a project's rows: several sessions that see one moment, each feeding a stream of parts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;
use weir_upstream::{Connection, Target};

use super::catalog::{Found, Scope, Server};
use super::pack::{Done, Packer, Piece, Sealed};
use super::part::MEMBER_BYTES;
use super::readers::Readers;
use super::scope::{constant, qualified, quoted};
use super::session::Sessions;
use crate::engine::pace::Pace;
use crate::error::Error;

/// A table is read in slices of so much, so that several sessions share it. Less in tests, as with parts.
pub(crate) const SLICE_BYTES: u64 = if cfg!(test) { 1024 * 1024 } else { 64 * 1024 * 1024 };
/// From this version on a range of places in a table is read without reading what is before it.
const RANGES_SINCE: u32 = 140_000;
/// Pieces that wait for a stream's thread.
const WAITING: usize = 3;

/// Rows to be read with one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Work {
    pub table: usize,
    pub slice: usize,
    pub sql: String,
    /// Bytes of the table that this reads, about.
    pub bytes: u64,
}

/// How to read.
#[derive(Debug)]
pub(crate) struct Taking<'a> {
    pub target: &'a Target,
    pub sessions: &'a Sessions,
    pub snapshot: &'a str,
    pub encoding: &'a str,
    pub readers: &'a Readers,
    pub level: i32,
    pub pace: &'a Pace,
    pub name: String,
}

/// What there is to read, the biggest first. Pure.
pub(crate) fn work(scope: &Scope, sizes: &BTreeMap<u32, (u64, u64)>, server: &Server, slice_bytes: u64) -> Vec<Work> {
    let mut work = Vec::new();
    for (at, table) in scope.tables.iter().enumerate().filter(|(_, table)| table.kind == "r") {
        let (main, whole) = sizes.get(&table.oid).copied().unwrap_or_default();
        let pages = main / server.block_bytes.max(1);
        let per_slice = (slice_bytes / server.block_bytes.max(1)).max(1);
        let splits = server.version >= RANGES_SINCE && pages >= 2 * per_slice;
        let slices = if splits { pages.div_ceil(per_slice) } else { 1 };
        work.extend((0..slices).map(|slice| Work {
            table: at,
            slice: usize::try_from(slice).unwrap_or(usize::MAX),
            sql: statement(
                table,
                splits.then(|| (slice * per_slice, (slice + 1 < slices).then(|| (slice + 1) * per_slice))),
            ),
            bytes: whole / slices,
        }));
    }
    work.sort_by_key(|work| std::cmp::Reverse(work.bytes));
    work
}

/// The statement for a table's rows, or for those on some of its pages. Pure.
fn statement(table: &Found, pages: Option<(u64, Option<u64>)>) -> String {
    let name = qualified(&table.name.schema, &table.name.name);
    let columns: Vec<String> = table.columns.iter().map(|column| quoted(&column.name)).collect();
    let columns = columns.join(", ");
    if table.shared.is_none() && pages.is_none() {
        let list = if columns.is_empty() {
            String::new()
        } else {
            format!(" ({columns})")
        };
        return format!("copy {name}{list} to stdout");
    }
    // A condition may name its table, also where the rows are in a partition of that.
    let alias = table
        .shared
        .as_ref()
        .map(|(root, _)| format!(" as {}", quoted(&root.name)));
    let mut conditions = Vec::new();
    if let Some((from, to)) = pages {
        conditions.push(format!("ctid >= '({from},0)'::pg_catalog.tid"));
        conditions.extend(to.map(|to| format!("ctid < '({to},0)'::pg_catalog.tid")));
    }
    // What ends with a comment ends with its line.
    conditions.extend(table.shared.as_ref().map(|(_, condition)| format!("({condition}\n)")));
    format!(
        "copy (select {columns} from only {name}{} where {}) to stdout",
        alias.unwrap_or_default(),
        conditions.join(" and ")
    )
}

/// Reads what is left of the work, until nothing is. Several do so at once.
pub(crate) async fn stream(
    taking: &Taking<'_>,
    number: u32,
    work: &[Work],
    next: &AtomicUsize,
    out: mpsc::Sender<Sealed>,
) -> Result<Vec<Done>, Error> {
    let mut connection = taking.sessions.open(taking.target, &taking.name).await?;
    let setting = format!(
        "select pg_catalog.set_config('client_encoding', {}, false)",
        constant(taking.encoding)
    );
    connection.simple_query(&setting).await?;
    let begin = format!(
        "begin isolation level repeatable read read only; set transaction snapshot {}",
        constant(taking.snapshot)
    );
    connection.simple_query(&begin).await?;
    let (send, pieces) = mpsc::channel(WAITING);
    let packer = Packer::new(number, taking.readers.clone(), taking.level, out);
    let packing = tokio::task::spawn_blocking(move || packer.run(pieces));
    let reading = async {
        while let Some(work) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            if read(taking, &mut connection, work, &send).await?.is_none() {
                break;
            }
            taking.pace.progress().add(work.bytes);
        }
        // If nobody listens, packing has failed, and says why.
        let _ = send.send(Piece::End).await;
        Ok::<_, Error>(())
    };
    let read = reading.await;
    drop(send);
    let packed = packing.await.map_err(|error| Error::Program {
        program: "packing".to_owned(),
        said: error.to_string(),
    })?;
    read?;
    connection.close().await;
    packed
}

/// Reads the rows of one piece of work. None: what packs them has failed.
async fn read(
    taking: &Taking<'_>,
    connection: &mut Connection,
    work: &Work,
    send: &mpsc::Sender<Piece>,
) -> Result<Option<()>, Error> {
    let (table, slice) = (work.table, work.slice);
    if send.send(Piece::Begin { table, slice }).await.is_err() {
        return Ok(None);
    }
    let mut rows = connection.copy_out(&work.sql).await?;
    let (mut content, mut ends) = (Vec::new(), Vec::new());
    let mut count = 0_u64;
    while let Some(row) = rows.next().await? {
        content.extend_from_slice(row);
        ends.push(content.len());
        count += 1;
        if content.len() >= MEMBER_BYTES {
            taking.pace.take(content.len() as u64).await?;
            let piece = Piece::Rows {
                content: std::mem::replace(&mut content, Vec::with_capacity(MEMBER_BYTES + MEMBER_BYTES / 8)),
                ends: std::mem::take(&mut ends),
            };
            if send.send(piece).await.is_err() {
                return Ok(None);
            }
        }
    }
    if rows.rows().is_some_and(|said| said != count) {
        return Err(Error::Refused {
            slug: "backup-project-rows",
            reason: format!("the server sent {count} rows and says that it sent {:?}", rows.rows()),
        });
    }
    if !content.is_empty() {
        taking.pace.take(content.len() as u64).await?;
        if send.send(Piece::Rows { content, ends }).await.is_err() {
            return Ok(None);
        }
    }
    let whole = send.send(Piece::Whole { table, slice }).await;
    Ok(whole.ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::manifest::{Column, Name};

    fn table(shared: bool) -> Found {
        let name = Name {
            schema: "s".to_owned(),
            name: "t".to_owned(),
        };
        Found {
            shared: shared.then(|| {
                (
                    Name {
                        name: "root".to_owned(),
                        ..name.clone()
                    },
                    "a = 1 -- so".to_owned(),
                )
            }),
            name,
            oid: 7,
            kind: "r".to_owned(),
            columns: vec![Column {
                name: "a".to_owned(),
                kind: "integer".to_owned(),
            }],
            ..Found::default()
        }
    }

    #[test]
    fn slices_of_a_big_table_cover_each_page_once() {
        let server = Server {
            version: 150_000,
            encoding: "UTF8".to_owned(),
            block_bytes: 8192,
            system_identifier: 1,
            timeline: 1,
            lsn: String::new(),
        };
        let scope = Scope {
            schemas: Vec::new(),
            tables: vec![table(false)],
        };
        let of = |pages: u64, server: &Server| {
            let sizes = BTreeMap::from([(7, (pages * 8192, pages * 8192))]);
            work(&scope, &sizes, server, 10 * 8192)
                .into_iter()
                .map(|work| work.sql)
                .collect::<Vec<_>>()
        };
        assert_eq!(of(19, &server), ["copy \"s\".\"t\" (\"a\") to stdout"]);
        let sliced = of(25, &server);
        assert_eq!(sliced.len(), 3);
        assert!(
            sliced[0].contains("ctid >= '(0,0)'::pg_catalog.tid and ctid < '(10,0)'"),
            "{}",
            sliced[0]
        );
        assert!(
            sliced[1].contains("ctid >= '(10,0)'::pg_catalog.tid and ctid < '(20,0)'"),
            "{}",
            sliced[1]
        );
        assert!(
            sliced[2].contains("ctid >= '(20,0)'::pg_catalog.tid) to stdout"),
            "{}",
            sliced[2]
        );
        let old = Server {
            version: 130_000,
            ..server
        };
        assert_eq!(of(25, &old).len(), 1);
    }

    #[test]
    fn rows_of_a_shared_table_are_those_of_the_condition() {
        let sql = statement(&table(true), None);
        assert_eq!(
            sql,
            "copy (select \"a\" from only \"s\".\"t\" as \"root\" where (a = 1 -- so\n)) to stdout"
        );
    }
}
