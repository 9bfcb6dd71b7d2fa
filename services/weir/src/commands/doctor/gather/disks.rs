//! Room on the disks that logs, backups and scratch servers are written to, as far as they are on this machine.

use std::path::{Path, PathBuf};

use futures_util::future::join_all;

use super::{Asker, Wishes};
use crate::commands::doctor::facts::{Disk, Server, Space};

pub(super) async fn all(asker: &Asker, wishes: &Wishes, servers: &[Server]) -> Vec<Disk> {
    let asked = places(wishes, servers).into_iter().map(async |(path, holds)| {
        let shown = path.display().to_string();
        // A disk over a dead network holds up this thread, and nothing else.
        let space = tokio::task::spawn_blocking(move || space(&path));
        let space = async { space.await.map_err(|error| error.to_string())? };
        Disk {
            path: shown,
            holds,
            space: asker.within(space).await,
        }
    });
    join_all(asked).await
}

fn places(wishes: &Wishes, servers: &[Server]) -> Vec<(PathBuf, String)> {
    let mut places: Vec<(PathBuf, String)> = Vec::new();
    for server in servers {
        if let Some(directory) = server.seen.as_ref().ok().and_then(|seen| seen.data_directory.as_ref()) {
            places.push((directory.into(), format!("the data of {}", server.place)));
            places.push((
                Path::new(directory).join("pg_wal"),
                format!("the log of {}", server.place),
            ));
        }
    }
    for repository in &wishes.backup.repositories.0 {
        if let Some(path) = repository.url.strip_prefix("file://") {
            places.push((path.into(), format!("the repository {}", repository.name)));
        }
    }
    let backup = [
        (&wishes.backup.scratch_directory, "scratch servers"),
        (&wishes.backup.wal_archive_directory, "archived log on its way"),
    ];
    places.extend(
        backup
            .into_iter()
            .filter_map(|(path, holds)| Some((path.clone()?, holds.to_owned()))),
    );
    let watched = wishes.monitor.disks.0.iter();
    places.extend(watched.map(|path| (path.into(), "what monitor.disks names".to_owned())));
    places
}

fn space(path: &Path) -> Result<Space, String> {
    // A directory that is made at first use lies on the disk of the one above it.
    let there = path.ancestors().find(|above| above.exists()).unwrap_or(path);
    let found = rustix::fs::statvfs(there).map_err(|error| error.to_string())?;
    Ok(Space {
        total_bytes: found.f_blocks.saturating_mul(found.f_frsize),
        available_bytes: found.f_bavail.saturating_mul(found.f_frsize),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_not_there_yet_has_the_room_of_its_disk() {
        let here = Path::new("/");
        let found = space(&here.join("not/there/yet")).unwrap();
        assert_eq!(found.total_bytes, space(here).unwrap().total_bytes);
        assert!(found.total_bytes > 0 && found.available_bytes <= found.total_bytes);
    }
}
