//! Modes that were set by calls: for whom, and which of them decides. Pure.

use super::scope::ScopeKey;
use crate::settings::FirewallMode;

/// For whom; an empty part means all.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Whom {
    pub(crate) project: String,
    pub(crate) database: String,
    pub(crate) user: String,
}

impl Whom {
    fn covers(&self, scope: &ScopeKey) -> bool {
        let fits = |own: &str, name: &str| own.is_empty() || own == name;
        fits(&self.project, scope.project.as_str())
            && fits(&self.database, &scope.database)
            && fits(&self.user, &scope.user)
    }

    /// The more parts the closer; of as many parts, a user before a database, and that before a project.
    fn closeness(&self) -> (usize, bool, bool) {
        let named = [&self.project, &self.database, &self.user];
        let parts = named.iter().filter(|part| !part.is_empty()).count();
        (parts, !self.user.is_empty(), !self.database.is_empty())
    }
}

/// One mode that was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModeSet {
    pub(crate) whom: Whom,
    pub(crate) mode: FirewallMode,
    pub(crate) by: String,
    pub(crate) at_ms: i64,
}

/// The one that decides for a scope.
pub(crate) fn deciding<'m>(modes: impl IntoIterator<Item = &'m ModeSet>, scope: &ScopeKey) -> Option<&'m ModeSet> {
    let about = modes.into_iter().filter(|set| set.whom.covers(scope));
    about.max_by_key(|set| set.whom.closeness())
}

#[cfg(test)]
mod tests {
    use weir_model::Project;

    use super::*;

    #[test]
    fn the_closest_decides() {
        let set = |project: &str, database: &str, user: &str, mode| ModeSet {
            whom: Whom {
                project: project.to_owned(),
                database: database.to_owned(),
                user: user.to_owned(),
            },
            mode,
            by: String::new(),
            at_ms: 0,
        };
        use FirewallMode::{Enforce, Learn, Monitor, Off};
        let modes = [
            set("", "", "", Monitor),
            set("shop", "", "", Learn),
            set("", "", "app", Enforce),
            set("shop", "orders", "", Off),
        ];
        let of = |project: &str, database: &str, user: &str| {
            let scope = ScopeKey {
                project: Project::parse(project).unwrap(),
                database: database.to_owned(),
                user: user.to_owned(),
            };
            deciding(&modes, &scope).map(|set| set.mode)
        };
        assert_eq!(of("blog", "b", "u"), Some(Monitor));
        assert_eq!(of("shop", "b", "u"), Some(Learn));
        assert_eq!(of("shop", "b", "app"), Some(Enforce));
        assert_eq!(of("shop", "orders", "app"), Some(Off));
        assert_eq!(
            deciding(
                &[],
                &ScopeKey {
                    project: Project::default(),
                    database: String::new(),
                    user: String::new(),
                }
            ),
            None
        );
    }
}
