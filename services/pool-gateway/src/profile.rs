//! What a client's session looks like to its statements: the settings that differ from a fresh connection's.
//!
//! A profile is shared by all who have the same, so that "does this connection fit this client" is one comparison.
//! Pure but for the register of profiles in use, which is a lock held for moments.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// How a setting got its value, and gets it again on another connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Setting {
    /// By its text form, as in a start-up packet.
    Value(Box<str>),
    /// By this statement of the client's.
    Statement(Box<str>),
}

type Settings = Vec<(Box<str>, Setting)>;

/// The settings of a session, in the order in which they were made.
#[derive(Debug)]
pub(crate) struct Profile {
    id: u64,
    settings: Settings,
}

/// Every profile in use.
#[derive(Debug)]
pub(crate) struct Profiles {
    known: Mutex<HashMap<Settings, Weak<Profile>>>,
    last_id: AtomicU64,
    baseline: Arc<Profile>,
}

/// Who the session runs as. What may be set depends on it, so it goes first on the way out and last on the way in.
pub(crate) const IDENTITY: [&str; 2] = ["session_authorization", "role"];
/// A value of this setting may leave one of its two halves as it is.
pub(crate) const DATE_STYLE: &str = "datestyle";
/// What names in statements are read by.
const SCOPE: [&str; 3] = ["search_path", "session_authorization", "role"];
/// Profiles in the register before those that nobody uses any more are thrown out.
const SWEEP_AT: usize = 1_024;

impl Profiles {
    pub(crate) fn new() -> Self {
        let baseline = Arc::new(Profile {
            id: 0,
            settings: Vec::new(),
        });
        Self {
            known: Mutex::default(),
            last_id: AtomicU64::new(0),
            baseline,
        }
    }

    /// The profile of a fresh connection.
    pub(crate) fn baseline(&self) -> Arc<Profile> {
        self.baseline.clone()
    }

    /// The profile with just these settings; the last of equal names counts.
    pub(crate) fn of(&self, settings: impl IntoIterator<Item = (Box<str>, Setting)>) -> Arc<Profile> {
        let mut unique: Settings = Vec::new();
        for (name, setting) in settings {
            unique.retain(|(known, _)| *known != name);
            unique.push((name, setting));
        }
        self.intern(unique)
    }

    /// A profile with one setting more, or with another value of it.
    pub(crate) fn with(&self, profile: &Profile, name: &str, setting: Setting) -> Arc<Profile> {
        let own = profile.settings.iter().cloned();
        self.of(own.chain([(Box::from(name), setting)]))
    }

    /// A profile without this setting.
    pub(crate) fn without(&self, profile: &Profile, name: &str) -> Arc<Profile> {
        let rest = profile.settings.iter().filter(|(known, _)| **known != *name);
        self.intern(rest.cloned().collect())
    }

    /// The part of a profile by which names in statements are read: search path and role.
    pub(crate) fn scope_of(&self, profile: &Profile) -> Arc<Profile> {
        let scope = profile.settings.iter().filter(|(name, _)| SCOPE.contains(&&**name));
        self.intern(scope.cloned().collect())
    }

    fn intern(&self, settings: Settings) -> Arc<Profile> {
        if settings.is_empty() {
            return self.baseline();
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(profile) = known.get(&settings).and_then(Weak::upgrade) {
            return profile;
        }
        if known.len() >= SWEEP_AT {
            known.retain(|_, profile| profile.strong_count() > 0);
        }
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let profile = Arc::new(Profile {
            id,
            settings: settings.clone(),
        });
        known.insert(settings, Arc::downgrade(&profile));
        profile
    }
}

impl Profile {
    /// Equal for profiles that are the same.
    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    /// The setting of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Setting> {
        self.settings
            .iter()
            .find(|(known, _)| **known == *name)
            .map(|(_, setting)| setting)
    }

    /// All settings, in the order in which they were made.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Box<str>, Setting)> {
        self.settings.iter().cloned()
    }

    /// The statements that lead a session from this profile to another, as one text; none where they are the same.
    pub(crate) fn path_to(&self, wanted: &Self) -> Option<String> {
        if self.id == wanted.id {
            return None;
        }
        let mut steps = Steps::default();
        let is_identity = |name: &str| IDENTITY.contains(&name);
        let identity_changes = IDENTITY.iter().any(|name| self.get(name) != wanted.get(name));
        if identity_changes {
            // The role lies on top of the authorisation.
            for name in IDENTITY.iter().rev().filter(|name| self.get(name).is_some()) {
                steps.reset(name);
            }
        }
        let plain = |(name, _): &&(Box<str>, Setting)| !is_identity(name);
        for (name, _) in self.settings.iter().filter(plain) {
            if wanted.get(name).is_none() {
                steps.reset(name);
            }
        }
        for (name, setting) in wanted.settings.iter().filter(plain) {
            if self.get(name) != Some(setting) {
                if &**name == DATE_STYLE && self.get(name).is_some() {
                    steps.reset(name);
                }
                steps.set(name, setting);
            }
        }
        if identity_changes {
            for name in IDENTITY {
                if let Some(setting) = wanted.get(name) {
                    steps.set(name, setting);
                }
            }
        }
        Some(steps.0)
    }
}

/// Statements, one behind the other.
#[derive(Default)]
struct Steps(String);

impl Steps {
    fn add(&mut self, statement: &str) {
        if !self.0.is_empty() {
            self.0.push(';');
        }
        self.0.push_str(statement);
    }

    fn reset(&mut self, name: &str) {
        if name == "session_authorization" {
            self.add("RESET SESSION AUTHORIZATION");
        } else {
            self.add(&format!("RESET {}", quoted_name(name)));
        }
    }

    fn set(&mut self, name: &str, setting: &Setting) {
        match setting {
            Setting::Statement(text) => self.add(text.trim().trim_end_matches(';')),
            // A value such as a list of schemas is read as in the settings file, not as one quoted word.
            Setting::Value(value) => self.add(&format!(
                "SELECT pg_catalog.set_config({},{},false)",
                literal(name),
                literal(value)
            )),
        }
    }
}

/// A name as an identifier; the parts of a custom setting's name are quoted apart.
fn quoted_name(name: &str) -> String {
    let parts = name.split('.').map(|part| format!("\"{}\"", part.replace('"', "\"\"")));
    parts.collect::<Vec<_>>().join(".")
}

/// A text as a literal, whatever `standard_conforming_strings` says.
pub(crate) fn literal(text: &str) -> String {
    if text.contains('\\') {
        format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Setting {
        Setting::Value(text.into())
    }

    fn statement(text: &str) -> Setting {
        Setting::Statement(text.into())
    }

    #[test]
    fn equal_settings_are_one_profile() {
        let profiles = Profiles::new();
        let one = profiles.of([("a".into(), value("1"))]);
        let other = profiles.with(&profiles.baseline(), "a", value("1"));
        assert_eq!(one.id(), other.id());
        assert_ne!(one.id(), profiles.with(&one, "a", value("2")).id());
        assert_eq!(profiles.without(&one, "a").id(), profiles.baseline().id());
    }

    #[test]
    fn the_way_changes_what_differs_and_nothing_else() {
        let profiles = Profiles::new();
        let from = profiles.of([
            ("a".into(), value("1")),
            ("b.c".into(), value("x")),
            ("same".into(), value("s")),
        ]);
        let to = profiles.of([
            ("same".into(), value("s")),
            ("a".into(), statement("SET a TO 2;")),
            ("d".into(), value("it's \\")),
        ]);
        assert_eq!(
            from.path_to(&to).unwrap(),
            r#"RESET "b"."c";SET a TO 2;SELECT pg_catalog.set_config('d',E'it''s \\',false)"#
        );
        assert_eq!(from.path_to(&from), None);
        assert_eq!(
            to.path_to(&profiles.baseline()).unwrap(),
            r#"RESET "same";RESET "a";RESET "d""#
        );
    }

    #[test]
    fn the_role_is_left_first_and_taken_last() {
        let profiles = Profiles::new();
        let from = profiles.of([("role".into(), statement("SET ROLE a")), ("x".into(), value("1"))]);
        let to = profiles.of([("role".into(), statement("SET ROLE b")), ("y".into(), value("2"))]);
        assert_eq!(
            from.path_to(&to).unwrap(),
            r#"RESET "role";RESET "x";SELECT pg_catalog.set_config('y','2',false);SET ROLE b"#
        );
    }
}
