//! An export: what a project has at one moment, on its way into the repositories.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use uuid::Uuid;
use weir_upstream::{Connection, Target};

use super::catalog::{self, Scope, Server};
use super::index::{self, Index, Stored};
use super::keys::{self, Current};
use super::manifest::{FORMAT, Manifest, Part, RowsHash, Table};
use super::pack::{Done, Packer, Piece, Sealed};
use super::past::Past;
use super::programs::Programs;
use super::session::Sessions;
use super::settings;
use super::stores::Stores;
use super::take::{self, SLICE_BYTES, Taking};
use crate::engine::pace::Pace;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::orders::ExportOrder;
use crate::repo::state::{BackupEntry, BackupKind, BackupState};
use crate::repo::{self, Repository};
use crate::settings::FileProject;

/// How often the tables are looked at again, while they are changed under our eyes.
const LOOKS: u32 = 5;
/// Sessions that read at once, at most.
const STREAMS_MAX: usize = 8;
/// Parts that are stored at once.
const PUTS: usize = 2;
/// The level of compression at most: a higher one would hold back the snapshot for little.
const LEVEL_MAX: u32 = 19;

/// Exports a project as it is now.
#[cfg(test)]
pub(crate) async fn export(keeper: &Keeper, id: Uuid, order: &ExportOrder, pace: &Pace) -> Result<BackupEntry, Error> {
    export_at(keeper, id, order, pace, None).await
}

/// Exports a project, as it is now or as it was at the moment of the order.
pub(crate) async fn export_at(
    keeper: &Keeper,
    id: Uuid,
    order: &ExportOrder,
    pace: &Pace,
    past: Option<&dyn Past>,
) -> Result<BackupEntry, Error> {
    let project = settings(keeper, &order.project)?;
    let (repositories, each) = repositories(keeper, order).await?;
    if let Some(entry) = finish_earlier(&repositories, id, pace).await? {
        return Ok(entry);
    }
    let Some(moment) = &order.target else {
        let programs = keeper.settings.postgres_bin.clone();
        let source = Source {
            target: keeper.cluster.target.in_database(&project.database),
            programs,
        };
        return begin(
            keeper,
            id,
            order,
            pace,
            project,
            &source,
            Stores::of(repositories, each),
        )
        .await;
    };
    let past = past.ok_or_else(|| Error::Refused {
        slug: "backup-export-past",
        reason: "an export of an earlier moment needs a server restored beside the live one, and this service has none"
            .to_owned(),
    })?;
    let standing = past.open(keeper, moment, pace).await?;
    let source = Source {
        target: standing.target().in_database(&project.database),
        programs: standing
            .programs()
            .map(Path::to_owned)
            .or_else(|| keeper.settings.postgres_bin.clone()),
    };
    begin(
        keeper,
        id,
        order,
        pace,
        project,
        &source,
        Stores::of(repositories, each),
    )
    .await
}

/// Where an export reads.
#[derive(Debug)]
struct Source {
    target: Target,
    programs: Option<std::path::PathBuf>,
}

/// The repositories that an order means, and whether each is needed.
async fn repositories(keeper: &Keeper, order: &ExportOrder) -> Result<(Vec<Repository>, bool), Error> {
    let each = !order.repositories.is_empty();
    let names: Vec<String> = if each {
        order.repositories.clone()
    } else {
        keeper.repositories.names().map(str::to_owned).collect()
    };
    let (mut open, mut trouble) = (Vec::new(), None);
    for name in names {
        match reachable(keeper, &name).await {
            Ok(repository) => open.push(repository),
            Err(error) if each => return Err(error),
            Err(error) => {
                tracing::warn!(repository = name, error = %error, "an export does not reach a repository");
                trouble = Some(error);
            }
        }
    }
    match trouble {
        Some(error) if open.is_empty() => Err(error),
        None if open.is_empty() => keeper.repositories.first().await.map(|first| (vec![first], each)),
        _ => Ok((open, each)),
    }
}

async fn reachable(keeper: &Keeper, name: &str) -> Result<Repository, Error> {
    let repository = keeper.repositories.get(name).await?;
    repository.state().await?;
    Ok(repository)
}

/// Where an earlier attempt was cut off after it was listed: has it in all repositories, and returns it.
async fn finish_earlier(repositories: &[Repository], id: Uuid, pace: &Pace) -> Result<Option<BackupEntry>, Error> {
    let (mut there, mut missing) = (None, Vec::new());
    for repository in repositories {
        match repository.state().await?.backup(&id.to_string()) {
            Ok(entry) if there.is_none() => there = Some((repository, entry.clone())),
            Ok(_) => {}
            Err(_) => missing.push(repository),
        }
    }
    let Some((from, entry)) = there else {
        return Ok(None);
    };
    for to in missing {
        copy(from, to, &entry, pace).await?;
    }
    Ok(Some(entry))
}

/// Has an export in another repository as well. Takes no key of the project's.
pub(crate) async fn copy(
    from: &Repository,
    to: &Repository,
    entry: &BackupEntry,
    pace: &Pace,
) -> Result<BackupEntry, Error> {
    let id = Uuid::parse_str(&entry.id).map_err(|_| repo::Error::NoBackup(entry.id.clone()))?;
    let index = index::get(from, entry).await?;
    if index.made {
        keys::carry(from, to, &entry.project, &entry.key_id).await?;
    }
    let holder = format!("export {} copy-{}", entry.project, fastrand::u32(..));
    index::begin(to, id, &holder).await?;
    for part in index.parts.iter().chain(&index.manifest) {
        pace.take(part.bytes).await?;
        to.shelf().put_own(&part.path, part.read(from).await?).await?;
        pace.progress().moved(part.bytes);
    }
    index::commit(to, id, &holder, &index, entry).await
}

/// One attempt: nothing of it is listed before all of it is there, and nothing of it stays if it fails.
async fn begin(
    keeper: &Keeper,
    id: Uuid,
    order: &ExportOrder,
    pace: &Pace,
    project: &FileProject,
    source: &Source,
    stores: Stores,
) -> Result<BackupEntry, Error> {
    let open: Vec<Repository> = stores.alive().cloned().collect();
    let current = keys::current(project, &open).await?;
    let token = format!("{:08x}", fastrand::u32(..));
    let holder = format!("export {} {token}", project.project);
    stores.begin(id, &holder).await?;
    let sessions = Sessions::default();
    let attempt = Attempt {
        keeper,
        id,
        order,
        pace,
        project,
        source,
        stores: &stores,
        current: &current,
        sessions: &sessions,
        token: &token,
        holder: &holder,
    };
    let done = sessions.watch(pace, attempt.run()).await;
    if done.is_err() {
        stores.abandon(id, &holder, &token).await;
    }
    done
}

/// What an attempt is made with.
struct Attempt<'a> {
    keeper: &'a Keeper,
    id: Uuid,
    order: &'a ExportOrder,
    pace: &'a Pace,
    project: &'a FileProject,
    source: &'a Source,
    stores: &'a Stores,
    current: &'a Current,
    sessions: &'a Sessions,
    token: &'a str,
    holder: &'a str,
}

impl Attempt<'_> {
    async fn run(&self) -> Result<BackupEntry, Error> {
        let started = self.keeper.clock.unix_ms();
        tokio::select! {
            done = self.take(started) => done,
            error = self.stay() => Err(error),
        }
    }

    /// Renews the leases, until that fails.
    async fn stay(&self) -> Error {
        let every = (self.keeper.settings.lease_dead_after / 5).max(Duration::from_secs(1));
        loop {
            tokio::time::sleep(every).await;
            if let Err(error) = self.stores.renew(self.id, self.holder).await {
                return error;
            }
        }
    }

    async fn take(&self, started: i64) -> Result<BackupEntry, Error> {
        self.pace.progress().begin("copy", 0);
        let name = format!("weir-backup export {}", self.project.project);
        let mut leader = self.sessions.open(&self.source.target, &name).await?;
        let (scope, snapshot) = self.snapshot(&mut leader).await?;
        let server = catalog::server(&mut leader).await?;
        self.check_cluster(&server).await?;
        let mut manifest = self.describe(&mut leader, &scope, &server, started).await?;
        let programs = Programs::of(self.source.programs.as_deref(), server.version)?;
        let mut definitions = Vec::new();
        for (member, what) in catalog::wanted(&scope) {
            definitions.push((
                member,
                programs.definitions(&self.source.target, &snapshot, &what).await?,
            ));
            manifest.definitions.push(member.to_owned());
        }
        let sizes = catalog::sizes(&mut leader, &scope).await?;
        let parts = Mutex::new(BTreeMap::new());
        let done = self
            .rows(
                &name,
                &snapshot,
                &scope,
                &server,
                &sizes,
                definitions,
                &manifest,
                &parts,
            )
            .await?;
        leader.close().await;
        add_rows(&mut manifest, done);
        let parts = parts.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.finish(manifest, parts).await
    }

    /// Locks the tables first and takes the snapshot then, so that nobody empties or rewrites one in between; and looks
    /// again whether they are still the same.
    async fn snapshot(&self, leader: &mut Connection) -> Result<(Scope, String), Error> {
        let all = self.keeper.settings.projects.0.iter();
        let others: Vec<&FileProject> = all
            .filter(|other| other.project != self.project.project && other.database == self.project.database)
            .collect();
        for _ in 0..LOOKS {
            let seen = catalog::scope(leader, self.project, &others).await?;
            leader
                .simple_query("begin isolation level repeatable read read only")
                .await?;
            match catalog::lock(leader, &seen).await {
                Ok(()) => {}
                // Somebody removed one of them meanwhile.
                Err(Error::Upstream(weir_upstream::Error::Server(error))) if error.sqlstate.starts_with("42") => {
                    leader.simple_query("rollback").await?;
                    continue;
                }
                Err(error) => return Err(error),
            }
            let rows = leader
                .simple_query("select pg_catalog.pg_export_snapshot() as name")
                .await?;
            let scope = catalog::scope(leader, self.project, &others).await?;
            if scope == seen {
                let name = rows.first().and_then(|row| row.get("name")).unwrap_or_default();
                return Ok((scope, name.to_owned()));
            }
            leader.simple_query("rollback").await?;
        }
        Err(Error::Refused {
            slug: "backup-project-scope",
            reason: "the project's tables change faster than they can be looked at".to_owned(),
        })
    }

    /// A repository holds one cluster only.
    async fn check_cluster(&self, server: &Server) -> Result<(), Error> {
        for repository in self.stores.alive() {
            let name = repository.name();
            let this = server.system_identifier;
            let checked = repository.state().await?.system_identifier;
            if checked != 0 && checked != this {
                let repository = name.to_owned();
                return Err(repo::Error::Foreign {
                    repository,
                    holds: checked,
                    this,
                }
                .into());
            }
            if checked == 0 {
                let set = repository.change(|state| {
                    if state.system_identifier == 0 {
                        state.system_identifier = this;
                    }
                    Ok(())
                });
                set.await?;
            }
        }
        Ok(())
    }

    async fn describe(
        &self,
        leader: &mut Connection,
        scope: &Scope,
        server: &Server,
        started: i64,
    ) -> Result<Manifest, Error> {
        let sequences = catalog::sequences(leader, scope).await?;
        let (foreign_keys, mut left_out) = catalog::foreign_keys(leader, scope).await?;
        let foreign = scope.tables.iter().filter(|table| table.kind == "f");
        left_out.extend(foreign.map(|table| format!("rows of the foreign table {}", table.name)));
        let tables = scope.tables.iter().map(|table| Table {
            name: table.name.clone(),
            oid: table.oid,
            kind: table.kind.clone(),
            parent_oid: table.parent_oid,
            columns: table.columns.clone(),
            condition: table.shared.as_ref().map(|(_, condition)| condition.clone()),
            rows_hash: RowsHash::default().text(),
            ..Table::default()
        });
        Ok(Manifest {
            format: FORMAT,
            export: self.id.to_string(),
            project: self.project.project.clone(),
            cluster: self.keeper.cluster.name.clone(),
            database: self.project.database.clone(),
            server_version: server.version,
            encoding: server.encoding.clone(),
            started_unix_ms: started,
            snapshot_lsn: server.lsn.clone(),
            timeline: server.timeline,
            schemas: scope.schemas.clone(),
            tables: tables.collect(),
            names: catalog::names(leader, scope, &sequences).await?,
            views: catalog::filled_views(leader, scope).await?,
            sequences,
            foreign_keys,
            left_out,
            ..Manifest::default()
        })
    }

    /// Reads and stores everything: definitions in a stream of their own, rows in as many as there are sessions.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a different thing that was just found out"
    )]
    async fn rows(
        &self,
        name: &str,
        snapshot: &str,
        scope: &Scope,
        server: &Server,
        sizes: &BTreeMap<u32, (u64, u64)>,
        definitions: Vec<(&'static str, Vec<u8>)>,
        manifest: &Manifest,
        parts: &Mutex<BTreeMap<(u32, u32), Stored>>,
    ) -> Result<Vec<Done>, Error> {
        let work = take::work(scope, sizes, server, SLICE_BYTES);
        self.pace
            .progress()
            .begin("copy", work.iter().map(|work| work.bytes).sum());
        let level = i32::try_from(self.keeper.settings.compression_level.min(LEVEL_MAX)).unwrap_or(3);
        let taking = Taking {
            target: &self.source.target,
            sessions: self.sessions,
            snapshot,
            encoding: &server.encoding,
            readers: &self.current.readers,
            level,
            pace: self.pace,
            name: name.to_owned(),
        };
        let (out, sealed) = mpsc::channel(1);
        let streams = self
            .keeper
            .settings
            .threads
            .clamp(1, STREAMS_MAX)
            .min(work.len().max(1));
        let next = AtomicUsize::new(0);
        let readings: Vec<_> = (1..=streams)
            .map(|number| {
                let number = u32::try_from(number).unwrap_or(u32::MAX);
                take::stream(&taking, number, &work, &next, out.clone())
            })
            .collect();
        let first = first_stream(self.current, level, out, definitions, manifest.by_hand());
        let reading = futures_util::future::try_join(first, futures_util::future::try_join_all(readings));
        let ((), ((), done)) = futures_util::future::try_join(self.store(sealed, parts), reading).await?;
        Ok(done.into_iter().flatten().collect())
    }

    /// Stores parts as they come, until every stream has ended.
    async fn store(
        &self,
        mut sealed: mpsc::Receiver<Sealed>,
        parts: &Mutex<BTreeMap<(u32, u32), Stored>>,
    ) -> Result<(), Error> {
        let mut under_way = JoinSet::new();
        let mut number = 0_u32;
        while let Some(next) = sealed.recv().await {
            if under_way.len() >= PUTS {
                settled(under_way.join_next().await)?;
            }
            number += 1;
            let path = format!("{}/{}-{number:06}", index::folder(&self.id.to_string()), self.token);
            let stored = Stored::of(path, &next.bytes);
            parts
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert((next.stream, next.order), stored.clone());
            let (stores, progress) = (self.stores.clone(), self.pace.progress().clone());
            under_way.spawn(async move {
                stores.put(&stored.path, &next.bytes).await?;
                progress.moved(stored.bytes);
                Ok(())
            });
        }
        while let Some(ended) = under_way.join_next().await {
            settled(Some(ended))?;
        }
        Ok(())
    }

    /// Stores what says what is in the parts, and has the export listed.
    async fn finish(&self, mut manifest: Manifest, parts: BTreeMap<(u32, u32), Stored>) -> Result<BackupEntry, Error> {
        self.pace.progress().begin("seal", 0);
        manifest.parts = parts
            .iter()
            .map(|((stream, _), stored)| Part {
                path: stored.path.clone(),
                stream: *stream,
                bytes: stored.bytes,
                blake3: repo::seal::hexadecimal(&stored.hash),
            })
            .collect();
        let sealed = sealed_manifest(&manifest, self.current)?;
        let path = format!("{}/{}-manifest", index::folder(&self.id.to_string()), self.token);
        let stored = Stored::of(path, &sealed);
        self.stores.put(&stored.path, &sealed).await?;
        let mut index = Index {
            parts: parts.into_values().collect(),
            recipients: self.current.readers.texts(),
            made: self.current.made,
            manifest: Some(stored),
        };
        index.parts.sort_by(|one, other| one.path.cmp(&other.path));
        let entry = self.entry(&manifest, &index);
        self.stores.commit(self.id, self.holder, &index, &entry).await
    }

    /// What the catalogue may know.
    fn entry(&self, manifest: &Manifest, index: &Index) -> BackupEntry {
        let objects = index.parts.iter().chain(&index.manifest);
        let mut entry = BackupEntry {
            id: self.id.to_string(),
            project: self.project.project.clone(),
            started_unix_ms: manifest.started_unix_ms,
            ended_unix_ms: self.keeper.clock.unix_ms(),
            source_bytes: manifest
                .tables
                .iter()
                .flat_map(|table| &table.slices)
                .map(|slice| slice.bytes)
                .sum(),
            stored_bytes: objects.map(|object| object.bytes).sum(),
            stored_objects: index.parts.len() as u64 + 2,
            server_version: manifest.server_version,
            compression: 1,
            key_id: self.current.key_id.clone(),
            note: self.order.note.clone(),
            ..BackupEntry::default()
        };
        entry.set_kind(BackupKind::Project);
        entry.set_state(BackupState::Unproven);
        entry
    }
}

/// The stream with the definitions, and with what a person needs who restores by hand.
async fn first_stream(
    current: &Current,
    level: i32,
    out: mpsc::Sender<Sealed>,
    definitions: Vec<(&'static str, Vec<u8>)>,
    by_hand: String,
) -> Result<(), Error> {
    let (send, pieces) = mpsc::channel(1);
    let packer = Packer::new(0, current.readers.clone(), level, out);
    let packing = tokio::task::spawn_blocking(move || packer.run(pieces));
    for (name, content) in definitions.into_iter().chain([("load.sql", by_hand.into_bytes())]) {
        let name = name.to_owned();
        // If nobody listens, packing has failed, and says why.
        let _ = send.send(Piece::Member { name, content }).await;
    }
    let _ = send.send(Piece::End).await;
    drop(send);
    let packed = packing.await.map_err(|error| Error::Program {
        program: "packing".to_owned(),
        said: error.to_string(),
    })?;
    packed.map(drop)
}

fn sealed_manifest(manifest: &Manifest, current: &Current) -> Result<Bytes, Error> {
    let sealed = serde_json::to_vec_pretty(manifest)
        .map_err(std::io::Error::other)
        .and_then(|plain| zstd::stream::encode_all(plain.as_slice(), 3))
        .and_then(|packed| current.readers.encrypt(&packed));
    let sealed = sealed.map_err(|error| Error::file(Path::new("an export's manifest"), error))?;
    Ok(sealed.into())
}

fn add_rows(manifest: &mut Manifest, mut done: Vec<Done>) {
    done.sort_by_key(|done| (done.table, done.slice));
    let mut sums: BTreeMap<usize, RowsHash> = BTreeMap::new();
    for done in done {
        sums.entry(done.table).or_default().join(&done.rows);
        if let Some(table) = manifest.tables.get_mut(done.table) {
            table.slices.push(done.what);
        }
    }
    for (at, sum) in sums {
        if let Some(table) = manifest.tables.get_mut(at) {
            (table.rows, table.rows_hash) = (sum.rows, sum.text());
        }
    }
}

fn settled(ended: Option<Result<Result<(), Error>, tokio::task::JoinError>>) -> Result<(), Error> {
    match ended {
        Some(Ok(stored)) => stored,
        Some(Err(error)) => Err(Error::Program {
            program: "storing".to_owned(),
            said: error.to_string(),
        }),
        None => Ok(()),
    }
}
