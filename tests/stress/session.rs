//! What a client's session must look like, by what the client has said to it.

use std::collections::HashMap;

use tokio::sync::OwnedSemaphorePermit;

use crate::tally::Oracle;

/// A setting that clients change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Setting {
    /// One that no server knows: only the session itself can keep it.
    AppTag,
    /// One that the server reports to the client.
    ApplicationName,
    /// Another one that it reports.
    TimeZone,
    /// One that it does not report, and that decides what a name means.
    SearchPath,
}

impl Setting {
    /// Each of them.
    pub(crate) const ALL: [Self; 4] = [Self::AppTag, Self::ApplicationName, Self::TimeZone, Self::SearchPath];

    /// Its name in SQL.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AppTag => "app.tag",
            Self::ApplicationName => "application_name",
            Self::TimeZone => "TimeZone",
            Self::SearchPath => "search_path",
        }
    }

    /// A value that tells whose it is, where the setting has room for that. Time zones are few: the server remembers
    /// each one that it has ever seen.
    pub(crate) fn value(self, tag: &str, number: u32) -> String {
        match self {
            Self::AppTag | Self::ApplicationName => tag.to_owned(),
            Self::TimeZone => format!("Etc/GMT+{}", number % 12 + 1),
            Self::SearchPath => format!("{tag}, public"),
        }
    }

    /// The value of a session that never changed it.
    fn initial(self, client: u32) -> String {
        match self {
            Self::AppTag => String::new(),
            Self::ApplicationName => application_name(client),
            Self::TimeZone => INITIAL_TIME_ZONE.to_owned(),
            Self::SearchPath => "\"$user\", public".to_owned(),
        }
    }
}

/// What a client asks for when it logs in, since servers differ.
pub(crate) const INITIAL_TIME_ZONE: &str = "UTC";

/// What a client calls itself when it logs in.
pub(crate) fn application_name(client: u32) -> String {
    format!("c{client}s")
}

/// What binds a server to this client, as long as it lasts.
pub(crate) struct Pin {
    /// How many more such operations until it is given back.
    pub(crate) left: u32,
    /// The value in the temporary table, where there is one.
    pub(crate) temp: Option<String>,
    /// The value in the held cursor, where there is one.
    pub(crate) held: Option<String>,
    /// The value in the statement that SQL's PREPARE made, where there is one.
    pub(crate) prepared: Option<String>,
    /// Whether it listens.
    pub(crate) listens: bool,
    /// Whether it holds its lock.
    pub(crate) locks: bool,
    _permit: OwnedSemaphorePermit,
}

impl Pin {
    /// Nothing yet, but the right to it.
    pub(crate) const fn new(permit: OwnedSemaphorePermit, left: u32) -> Self {
        Self {
            left,
            temp: None,
            held: None,
            prepared: None,
            listens: false,
            locks: false,
            _permit: permit,
        }
    }
}

/// A session as it must be.
pub(crate) struct Session {
    client: u32,
    settings: HashMap<Setting, String>,
    /// Named statements, and which of the shared texts each is.
    pub(crate) prepared: HashMap<String, usize>,
    /// What binds a server.
    pub(crate) pin: Option<Pin>,
}

impl Session {
    /// A fresh one.
    pub(crate) fn new(client: u32) -> Self {
        Self {
            client,
            settings: HashMap::new(),
            prepared: HashMap::new(),
            pin: None,
        }
    }

    /// Remembers what was set.
    pub(crate) fn set(&mut self, setting: Setting, value: String) {
        self.settings.insert(setting, value);
    }

    /// Remembers that it was set back.
    pub(crate) fn reset(&mut self, setting: Setting) {
        self.settings.remove(&setting);
    }

    /// Whether it was set and not set back.
    pub(crate) fn has(&self, setting: Setting) -> bool {
        self.settings.contains_key(&setting)
    }

    /// The value that must be seen.
    pub(crate) fn value(&self, setting: Setting) -> String {
        let set = self.settings.get(&setting).cloned();
        set.unwrap_or_else(|| setting.initial(self.client))
    }

    /// What a value that is seen says.
    pub(crate) fn judge(&self, setting: Setting, seen: &str) -> Option<(Oracle, String)> {
        let expected = self.value(setting);
        if seen == expected {
            return None;
        }
        let is_own = seen == setting.initial(self.client) || seen.starts_with(&application_name(self.client));
        // An empty tag is what a server shows where nobody ever set it.
        let oracle = if is_own || seen.is_empty() {
            Oracle::SetLost
        } else {
            Oracle::SetLeaked
        };
        let what = format!(
            "{} of client {}: expected {expected}, got {seen}",
            setting.name(),
            self.client
        );
        Some((oracle, what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_and_leaked_are_told_apart() {
        let mut session = Session::new(7);
        let judge = |session: &Session, seen| session.judge(Setting::AppTag, seen).map(|(oracle, _)| oracle);
        assert_eq!(judge(&session, ""), None);
        assert_eq!(judge(&session, "c70s1"), Some(Oracle::SetLeaked));
        session.set(Setting::AppTag, "c7s3".to_owned());
        assert_eq!(judge(&session, "c7s3"), None);
        assert_eq!(judge(&session, "c7s2"), Some(Oracle::SetLost));
        assert_eq!(judge(&session, ""), Some(Oracle::SetLost));
        assert_eq!(judge(&session, "c8s3"), Some(Oracle::SetLeaked));
        session.reset(Setting::AppTag);
        assert_eq!(judge(&session, "c7s3"), Some(Oracle::SetLost));
    }
}
