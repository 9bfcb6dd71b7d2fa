//! The rules of the settings file.

use std::collections::HashSet;
use std::sync::Arc;

use weir_config::{Error, Origin};

use crate::policy::{Rule, WrittenRule};

const SETTING: &str = "cache.rules";

/// Rules of the file, once they were checked.
#[derive(Debug, Clone)]
pub(super) struct FileRules {
    rules: Arc<[Rule]>,
    digest: Arc<str>,
}

impl FileRules {
    /// What cannot be read was refused before.
    pub(super) fn new(written: &[WrittenRule]) -> Self {
        let mut rules: Vec<Rule> = written.iter().filter_map(|rule| rule.read_from_file().ok()).collect();
        rules.sort_by(|a, b| a.id.cmp(&b.id));
        let text = format!("{rules:?}");
        Self {
            rules: rules.into(),
            digest: blake3::hash(text.as_bytes()).to_hex().as_str().into(),
        }
    }

    pub(super) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Other where any rule is.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }
}

/// Refuses a file with a rule that cannot be, or with two about the same.
pub(crate) fn check_file(written: &[WrittenRule]) -> Result<(), Error> {
    let mut ids = HashSet::new();
    for (place, rule) in written.iter().enumerate() {
        let wrong = |reason: String| Error::invalid(SETTING, Origin::File, format!("rule {}: {reason}", place + 1));
        let rule = rule.read_from_file().map_err(|error| wrong(error.to_string()))?;
        let about = format!("there is another about {} of project {}", rule.subject, rule.project);
        if !ids.insert(rule.id) {
            return Err(wrong(about));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use weir_config::Sources;

    use crate::settings::CacheSettings;

    fn checked(rules: &str) -> Result<CacheSettings, weir_config::Error> {
        let variables = [
            ("WEIR_CACHE__RULES", rules),
            ("DATABASE_URL", "postgres://weir@127.0.0.1/orders"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        crate::check(&Sources::load(None, variables).unwrap()).map(|(settings, _)| settings)
    }

    #[test]
    fn a_rule_needs_little_and_every_mistake_is_named() {
        let good = checked(
            r#"[{ mode = "never" }, { table = "public.users", consistency = "strict" },
                { project = "shop", fingerprint = "00ab00ab00ab00ab", consistency = "ttl", ttl = "5m" }]"#,
        );
        assert_eq!(good.unwrap().rules.0.len(), 3);
        for (rules, word) in [
            (r#"[{ mode = "often" }]"#, "mode"),
            (
                r#"[{ mode = "never" }, { mode = "always" }]"#,
                "rule 2: there is another about project",
            ),
            (r#"[{ table = "users" }]"#, "schema.name"),
            (
                r#"[{ table = "public.users", fingerprint = "00ab00ab00ab00ab" }]"#,
                "not both",
            ),
            (r#"[{ fingerprint = "xyz" }]"#, "fingerprint"),
            (r#"[{ project = "A B" }]"#, "project"),
            (r#"[{ consistency = "eventual" }]"#, "consistency"),
            (r#"[{ consistency = "ttl" }]"#, "ttl"),
            (r#"[{ consistency = "bounded", bound = "10ms" }]"#, "bound"),
            (r#"[{ bound = "1s" }]"#, "bound"),
            (
                r#"[{ consistency = "bounded", stale_while_revalidate = "1s" }]"#,
                "stale_while_revalidate",
            ),
            (r#"[{ ttl = "soon" }]"#, "ttl"),
            (r#"[{ ttl = "800d", consistency = "ttl" }]"#, "ttl"),
            (
                r#"[{ table = "public.users", memory_bytes_max = 5 }]"#,
                "memory_bytes_max",
            ),
            (r#"[{ moed = "never" }]"#, "moed"),
        ] {
            let error = checked(rules).unwrap_err().to_string();
            assert!(
                error.contains("cache.rules") && error.contains(word),
                "{rules}: {error}"
            );
        }
    }
}
