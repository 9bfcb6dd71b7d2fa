//! Orders as jobs carry them: read, and held against what can be. Pure.

use std::path::{Component, Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use weir_model::Project;

use crate::error::Error;
use crate::orders::{
    BackupOrder, ExpireOrder, ExportOrder, ImportOrder, ProofOrder, RestoreOrder, RestoreTarget, RotateKeysOrder,
    VerifyOrder, id_of,
};
use crate::settings::BackupSettings;

/// Longest note.
pub(crate) const NOTE_BYTES_MAX: usize = 4_096;
/// Longest name of a restore point, as at the server.
const NAME_BYTES_MAX: usize = 63;

/// What one operation is told.
pub(crate) trait Order: DeserializeOwned + Send + Sync + 'static {
    /// The operation.
    const OPERATION: &'static str;

    /// What its form does not rule out.
    fn check(&self, settings: &BackupSettings) -> Result<(), Error>;

    /// Of the jobs with the same key, one runs at a time.
    fn exclusive_key(&self) -> String;

    /// On whose behalf it may be done: what concerns the whole cluster is the operator's.
    fn is_for(&self, project: &Project) -> bool {
        *project == Project::default()
    }
}

/// Reads what a job is told.
pub(crate) fn read<O: Order>(parameters: &Json) -> Result<O, Error> {
    serde_json::from_value(parameters.clone()).map_err(|error| Error::Field {
        field: "parameters",
        reason: format!("{error}; docs/guides/backup.md says what {} takes", O::OPERATION),
    })
}

impl Order for BackupOrder {
    const OPERATION: &'static str = "backup";

    fn check(&self, settings: &BackupSettings) -> Result<(), Error> {
        cluster(&self.cluster, settings)?;
        self.repositories
            .iter()
            .try_for_each(|name| repository(name, settings))?;
        note(&self.note)
    }

    fn exclusive_key(&self) -> String {
        // A worker has one cluster.
        "cluster".to_owned()
    }
}

impl Order for RestoreOrder {
    const OPERATION: &'static str = "restore";

    fn check(&self, settings: &BackupSettings) -> Result<(), Error> {
        cluster(&self.cluster, settings)?;
        target(&self.target)?;
        optional_id("backup_id", &self.backup_id)?;
        directory("directory", &self.directory)?;
        let places = self.tablespaces.values();
        places
            .into_iter()
            .try_for_each(|place| directory("tablespaces", place))?;
        optional_repository(&self.repository, settings)
    }

    fn exclusive_key(&self) -> String {
        plain(&self.directory).display().to_string()
    }
}

impl Order for ProofOrder {
    const OPERATION: &'static str = "prove";

    fn check(&self, settings: &BackupSettings) -> Result<(), Error> {
        optional_id("backup_id", &self.backup_id)?;
        self.target.as_ref().map_or(Ok(()), target)?;
        optional_repository(&self.repository, settings)
    }

    fn exclusive_key(&self) -> String {
        "scratch".to_owned()
    }
}

impl Order for ExportOrder {
    const OPERATION: &'static str = "export";

    fn check(&self, settings: &BackupSettings) -> Result<(), Error> {
        project(&self.project)?;
        self.target.as_ref().map_or(Ok(()), target)?;
        self.repositories
            .iter()
            .try_for_each(|name| repository(name, settings))?;
        note(&self.note)
    }

    fn exclusive_key(&self) -> String {
        self.project.clone()
    }

    fn is_for(&self, project: &Project) -> bool {
        *project == Project::default() || self.project == project.as_str()
    }
}

impl Order for ImportOrder {
    const OPERATION: &'static str = "import";

    fn check(&self, _: &BackupSettings) -> Result<(), Error> {
        id_of(&self.backup_id).map_err(|reason| field("backup_id", reason))?;
        Ok(())
    }

    fn exclusive_key(&self) -> String {
        format!("{}/{}", self.database, self.schema)
    }

    /// Whose export it is, the catalogue knows: whoever does the work has to look.
    fn is_for(&self, _: &Project) -> bool {
        true
    }
}

impl Order for ExpireOrder {
    const OPERATION: &'static str = "expire";

    fn check(&self, settings: &BackupSettings) -> Result<(), Error> {
        cluster(&self.cluster, settings)?;
        optional_repository(&self.repository, settings)
    }

    fn exclusive_key(&self) -> String {
        "collection".to_owned()
    }
}

impl Order for VerifyOrder {
    const OPERATION: &'static str = "verify-backups";

    fn check(&self, settings: &BackupSettings) -> Result<(), Error> {
        optional_repository(&self.repository, settings)
    }

    fn exclusive_key(&self) -> String {
        format!("verify {}", self.repository)
    }
}

impl Order for RotateKeysOrder {
    const OPERATION: &'static str = "rotate-keys";

    fn check(&self, settings: &BackupSettings) -> Result<(), Error> {
        if !self.project.is_empty() {
            project(&self.project)?;
        }
        optional_repository(&self.repository, settings)
    }

    fn exclusive_key(&self) -> String {
        "keys".to_owned()
    }
}

fn field(field: &'static str, reason: impl Into<String>) -> Error {
    let reason = reason.into();
    Error::Field { field, reason }
}

fn cluster(name: &str, settings: &BackupSettings) -> Result<(), Error> {
    if name.is_empty() || name == settings.cluster {
        return Ok(());
    }
    let reason = format!("there is no cluster {name:?}; this worker has {:?}", settings.cluster);
    Err(field("cluster", reason))
}

fn repository(name: &str, settings: &BackupSettings) -> Result<(), Error> {
    let known = &settings.repositories.0;
    if known.iter().any(|known| known.name == name) {
        return Ok(());
    }
    let names: Vec<&str> = known.iter().map(|known| known.name.as_str()).collect();
    let reason = format!("there is no repository {name:?}; known are {}", names.join(", "));
    Err(field("repository", reason))
}

fn optional_repository(name: &str, settings: &BackupSettings) -> Result<(), Error> {
    if name.is_empty() {
        Ok(())
    } else {
        repository(name, settings)
    }
}

fn optional_id(name: &'static str, text: &str) -> Result<(), Error> {
    if text.is_empty() {
        return Ok(());
    }
    id_of(text).map(drop).map_err(|reason| field(name, reason))
}

/// A note is for people, who do not read more than that.
pub(crate) fn note(text: &str) -> Result<(), Error> {
    if text.len() > NOTE_BYTES_MAX {
        let reason = format!("{} bytes are more than {NOTE_BYTES_MAX}", text.len());
        return Err(field("note", reason));
    }
    Ok(())
}

fn project(name: &str) -> Result<(), Error> {
    let read = Project::parse(name);
    read.map(drop).map_err(|error| field("project", error.to_string()))
}

fn directory(name: &'static str, path: &Path) -> Result<(), Error> {
    if path.as_os_str().is_empty() {
        return Err(field(name, "it says where to write, and is missing"));
    }
    if !path.is_absolute() || path.components().any(|part| part == Component::ParentDir) {
        let reason = format!("{} is not an absolute path without ..", path.display());
        return Err(field(name, reason));
    }
    if path.parent().is_none() {
        return Err(field(name, "the root of the file system is no data directory"));
    }
    Ok(())
}

/// The same directory, however it is written.
fn plain(path: &Path) -> PathBuf {
    path.components().collect()
}

/// At most one moment, and one that can be.
pub(crate) fn target(target: &RestoreTarget) -> Result<(), Error> {
    let moments = [
        target.time_unix_ms.is_some(),
        target.position.is_some(),
        target.restore_point.is_some(),
        target.xid.is_some(),
        target.consistent.is_some(),
    ];
    if moments.into_iter().filter(|is_set| *is_set).count() > 1 {
        return Err(field("target", "more than one moment is named"));
    }
    if target.before && !moments.contains(&true) {
        return Err(field("target", "before which moment is not said"));
    }
    if target.time_unix_ms.is_some_and(|time| time <= 0) {
        return Err(field("target", "time_unix_ms lies before 1970"));
    }
    if let Some(name) = &target.restore_point
        && !(1..=NAME_BYTES_MAX).contains(&name.len())
    {
        let reason = format!("restore_point has not between 1 and {NAME_BYTES_MAX} bytes");
        return Err(field("target", reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use weir_config::Sources;

    use super::*;

    fn settings() -> BackupSettings {
        let repositories = r#"[{ name = "here", url = "file:///r", key_file = "/k" }]"#;
        let named = ("WEIR_BACKUP__REPOSITORIES".to_owned(), repositories.to_owned());
        Sources::load(None, [named]).unwrap().section().unwrap()
    }

    fn refused<O: Order>(parameters: Json) -> String {
        let checked = read::<O>(&parameters).and_then(|order| order.check(&settings()));
        checked.unwrap_err().to_string()
    }

    fn accepted<O: Order>(parameters: Json) -> O {
        let order: O = read(&parameters).unwrap();
        order.check(&settings()).unwrap();
        order
    }

    #[test]
    fn orders_say_what_they_need_and_nothing_else() {
        accepted::<BackupOrder>(json!({}));
        let order: BackupOrder =
            accepted(json!({"kind": "BACKUP_KIND_FULL", "repositories": ["here"], "cluster": "main"}));
        assert_eq!(order.kind, crate::orders::Kind::Full);
        accepted::<ProofOrder>(json!({"depth": "full"}));
        accepted::<ExpireOrder>(json!({}));
        accepted::<RestoreOrder>(json!({"directory": "/d", "target": {"xid": 7, "before": true}}));
        for (said, word) in [
            (refused::<BackupOrder>(json!({"kind": "weekly"})), "weekly"),
            (refused::<BackupOrder>(json!({"kinds": "full"})), "kinds"),
            (refused::<BackupOrder>(json!({"cluster": "other"})), "\"main\""),
            (
                refused::<BackupOrder>(json!({"repositories": ["there"]})),
                "known are here",
            ),
            (refused::<BackupOrder>(json!({"note": "x".repeat(5000)})), "4096"),
            (refused::<RestoreOrder>(json!({})), "directory"),
            (refused::<RestoreOrder>(json!({"directory": "data"})), "absolute"),
            (refused::<RestoreOrder>(json!({"directory": "/a/../b"})), "absolute"),
            (refused::<RestoreOrder>(json!({"directory": "/"})), "root"),
            (
                refused::<RestoreOrder>(json!({"directory": "/d", "backup_id": "x"})),
                "backup_id",
            ),
            (
                refused::<RestoreOrder>(json!({"directory": "/d", "target": {"xid": 1, "time_unix_ms": 5}})),
                "more than one",
            ),
            (
                refused::<RestoreOrder>(json!({"directory": "/d", "target": {"before": true}})),
                "before which",
            ),
            (
                refused::<RestoreOrder>(json!({"directory": "/d", "target": {"restore_point": ""}})),
                "restore_point",
            ),
            (
                refused::<RestoreOrder>(json!({"directory": "/d", "tablespaces": {"7": "x"}})),
                "tablespaces",
            ),
            (refused::<ExportOrder>(json!({})), "project"),
            (refused::<ImportOrder>(json!({})), "backup_id"),
            (refused::<ProofOrder>(json!({"depth": "deep"})), "deep"),
            (refused::<RotateKeysOrder>(json!({"repository": "there"})), "there"),
        ] {
            assert!(said.contains(word), "{word}: {said}");
        }
    }

    #[test]
    fn what_concerns_the_cluster_is_the_operators_and_an_export_its_projects() {
        let (operator, shop) = (Project::default(), Project::parse("shop").unwrap());
        let backup: BackupOrder = accepted(json!({}));
        let restore: RestoreOrder = accepted(json!({"directory": "/d"}));
        let export: ExportOrder = accepted(json!({"project": "shop"}));
        let other: ExportOrder = accepted(json!({"project": "bank"}));
        assert!(backup.is_for(&operator) && restore.is_for(&operator) && export.is_for(&operator));
        assert!(!backup.is_for(&shop) && !restore.is_for(&shop) && export.is_for(&shop));
        assert!(!other.is_for(&shop));
    }

    #[test]
    fn one_directory_is_restored_into_by_one_however_it_is_written() {
        let key = |directory: &str| accepted::<RestoreOrder>(json!({"directory": directory})).exclusive_key();
        assert_eq!(key("/a/b"), key("/a//b/./"));
        assert_ne!(key("/a/b"), key("/a/c"));
    }
}
