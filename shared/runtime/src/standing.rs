//! The settings of a service as they stand: what is in force, where it came from, and what waits for a restart.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use weir_config::{DatabaseSettings, Effective, Error, SectionInfo, Setting as _, Sources};
use weir_telemetry::TelemetrySettings;

use crate::ground::Service;
use crate::reload::Reloader;
use crate::settings::RuntimeSettings;

/// The key of the profile, which is of no section.
const PROFILE: &str = "profile";
/// Settings that every process takes over by itself.
const ALWAYS: [&str; 3] = ["telemetry.log_filter", "runtime.shutdown_grace", "runtime.ops_token"];

/// Every setting of one service as its process has it. Secrets are masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The name of its binary.
    pub service: String,
    /// Tells its process from others.
    pub process: String,
    /// The active profile.
    pub profile: String,
    /// The settings file; null: it has none.
    pub file: Option<String>,
    /// By section.
    pub settings: Vec<InForce>,
}

/// A setting in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// Its name, such as `gateway.pool_max`.
    pub key: String,
    /// Its value; null: it has none.
    pub value: Option<String>,
    /// Where it came from.
    pub origin: String,
    /// What it means.
    pub meaning: String,
    /// Whether a reload takes it over; if not, the next start does.
    pub reloads: bool,
    /// What waits for the next start; null: nothing does.
    pub waiting: Option<Waiting>,
}

/// A value that was read and is not in force yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The value; null: none.
    pub value: Option<String>,
    /// Where it came from.
    pub origin: String,
}

/// The settings of one service, to be asked for and to be read again. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Standing(Arc<Inner>);

struct Inner {
    service: Service,
    reloader: Reloader,
    /// Where the service says what is in force, if that is more than files and environment say.
    shown: OnceLock<Box<dyn Fn() -> Sources + Send + Sync>>,
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standing")
            .field("service", &self.0.service.name)
            .finish()
    }
}

impl Standing {
    pub(crate) fn new(service: Service, reloader: Reloader) -> Self {
        Self(Arc::new(Inner {
            service,
            reloader,
            shown: OnceLock::new(),
        }))
    }

    /// Has the service itself say what is in force. Only the first who is told counts.
    pub fn shown_by(&self, shown: impl Fn() -> Sources + Send + Sync + 'static) {
        let _ = self.0.shown.set(Box::new(shown));
    }

    /// What reads them again.
    pub fn reloader(&self) -> &Reloader {
        &self.0.reloader
    }

    /// Every setting that the service reads.
    pub fn settings(&self) -> Result<Settings, Error> {
        let start = self.0.reloader.start();
        let now = self
            .0
            .shown
            .get()
            .map_or_else(|| self.0.reloader.now(), |shown| shown());
        let mut settings = vec![profile(start, &now)];
        for section in sections(&self.0.service) {
            settings.extend(of_section(&self.0.service, &section, start, &now)?);
        }
        Ok(Settings {
            service: self.0.service.name.to_owned(),
            process: self.0.reloader.process().to_owned(),
            profile: start.profile().show(),
            file: now.path().map(|path| path.display().to_string()),
            settings,
        })
    }
}

/// A profile decides over defaults of settings that are read at the start, so it is one.
fn profile(start: &Sources, now: &Sources) -> InForce {
    let (own, read) = (start.effective_profile(), now.effective_profile());
    let waits = own.value != read.value;
    in_force(
        own,
        "The set of defaults in force.".to_owned(),
        false,
        waits.then_some(read),
    )
}

fn of_section(service: &Service, section: &SectionInfo, start: &Sources, now: &Sources) -> Result<Vec<InForce>, Error> {
    let changed = (section.changed)(start, now)?;
    let read: BTreeMap<String, Effective> = ((section.effective)(now)?.into_iter())
        .map(|read| (read.key.clone(), read))
        .collect();
    let all = (section.effective)(start)?.into_iter().zip((section.fields)());
    let listed = all.map(|(begun, field)| {
        let reloads = reloads(service, &begun.key);
        let read = read.get(&begun.key).cloned();
        let (own, waiting) = match read {
            Some(read) if reloads => (read, None),
            read => (begun, read.filter(|_| changed.contains(&field.key))),
        };
        in_force(own, field.doc, reloads, waiting)
    });
    Ok(listed.collect())
}

fn in_force(own: Effective, meaning: String, reloads: bool, waiting: Option<Effective>) -> InForce {
    InForce {
        key: own.key,
        value: own.value,
        origin: own.origin.to_string(),
        meaning,
        reloads,
        waiting: waiting.map(|read| Waiting {
            value: read.value,
            origin: read.origin.to_string(),
        }),
    }
}

/// Every section that a service reads: what each process has, and its own.
pub(crate) fn sections(service: &Service) -> Vec<SectionInfo> {
    let mut all = vec![
        SectionInfo::of::<TelemetrySettings>(),
        SectionInfo::of::<RuntimeSettings>(),
        SectionInfo::of::<DatabaseSettings>(),
    ];
    all.extend((service.sections)());
    all
}

/// Whether a reload takes the setting over.
pub(crate) fn reloads(service: &Service, key: &str) -> bool {
    ALWAYS.contains(&key) || (service.reloads)(key)
}

/// The keys of a service, as `section.key`, that differ between two sources.
pub(crate) fn changed(service: &Service, before: &Sources, after: &Sources) -> Result<Vec<String>, Error> {
    let mut all = Vec::new();
    if before.profile() != after.profile() {
        all.push(PROFILE.to_owned());
    }
    for section in sections(service) {
        let keys = (section.changed)(before, after)?;
        all.extend(keys.iter().map(|key| format!("{}.{key}", section.name)));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use weir_telemetry::Telemetry;

    use super::*;

    const SERVICE: Service = Service {
        name: "tea",
        sections: Vec::new,
        metrics: Vec::new,
        check: |_| Ok(()),
        reloads: |_| false,
    };

    #[tokio::test]
    async fn what_cannot_be_taken_over_waits_and_a_bad_file_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weir.toml");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        write("[telemetry]\nlog_filter = \"warn\"\n");
        let start = Sources::load(Some(path.clone()), []).unwrap();
        let telemetry = Telemetry::init(&start.section().unwrap(), "tea").unwrap();
        let standing = Reloader::new(start, &[SERVICE], telemetry.filter()).standing(SERVICE);
        let of = |key: &str| {
            let all = standing.settings().unwrap().settings;
            all.into_iter().find(|setting| setting.key == key).unwrap()
        };
        let url = "postgres://u:hunter2@h/d";
        write(&format!(
            "profile = \"staging\"\n[telemetry]\nlog_filter = \"error\"\n[database]\nurl = \"{url}\"\n"
        ));
        let told = standing.reloader().reload().unwrap().services.remove(0);
        assert_eq!(told.taken_over, ["telemetry.log_filter"]);
        assert_eq!(told.restart, ["profile", "telemetry.log_format", "database.url"]);
        assert_eq!(of("telemetry.log_filter").value.as_deref(), Some("error"));
        let waits = of("database.url");
        assert_eq!((waits.value, waits.reloads), (None, false));
        assert_eq!(waits.waiting.unwrap().value.as_deref(), Some("postgres://u:***@h/d"));

        write("[telemetry]\nlog_filter = \"no=such=thing\"\n");
        assert!(standing.reloader().reload().is_err());
        write("[telemetri]\n");
        let refused = standing.reloader().reload().unwrap_err().to_string();
        assert!(refused.contains("unknown setting telemetri"), "{refused}");
        assert_eq!(of("telemetry.log_filter").value.as_deref(), Some("error"));

        // Asked once more, only what still waits is told.
        write(&format!(
            "[telemetry]\nlog_filter = \"error\"\n[database]\nurl = \"{url}\"\n"
        ));
        let told = standing.reloader().reload().unwrap().services.remove(0);
        assert_eq!(
            (told.taken_over.len(), told.restart),
            (0, vec!["database.url".to_owned()])
        );
    }
}
