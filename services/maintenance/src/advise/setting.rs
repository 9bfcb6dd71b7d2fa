//! One setting of the server as `pg_settings` has it, and what it accepts. Pure.

/// The settings that rules look at.
pub(crate) const NAMES: [&str; 43] = [
    "allow_alter_system",
    "autovacuum",
    "autovacuum_analyze_scale_factor",
    "autovacuum_analyze_threshold",
    "autovacuum_max_workers",
    "autovacuum_naptime",
    "autovacuum_vacuum_cost_delay",
    "autovacuum_vacuum_cost_limit",
    "autovacuum_vacuum_insert_scale_factor",
    "autovacuum_vacuum_insert_threshold",
    "autovacuum_vacuum_max_threshold",
    "autovacuum_vacuum_scale_factor",
    "autovacuum_vacuum_threshold",
    "autovacuum_work_mem",
    "autovacuum_worker_slots",
    "block_size",
    "checkpoint_completion_target",
    "checkpoint_timeout",
    "default_statistics_target",
    "effective_cache_size",
    "effective_io_concurrency",
    "fsync",
    "full_page_writes",
    "huge_pages",
    "huge_pages_status",
    "idle_in_transaction_session_timeout",
    "jit",
    "log_autovacuum_min_duration",
    "maintenance_work_mem",
    "max_connections",
    "max_wal_size",
    "min_wal_size",
    "random_page_cost",
    "shared_buffers",
    "shared_memory_size_in_huge_pages",
    "synchronous_commit",
    "track_counts",
    "track_io_timing",
    "vacuum_cost_limit",
    "wal_buffers",
    "wal_compression",
    "wal_level",
    "work_mem",
];

const BYTES: [(&str, f64); 5] = [
    ("TB", 1_099_511_627_776.0),
    ("GB", 1_073_741_824.0),
    ("MB", 1_048_576.0),
    ("kB", 1024.0),
    ("B", 1.0),
];
const MS: [(&str, f64); 6] = [
    ("ms", 1.0),
    ("us", 0.001),
    ("min", 60_000.0),
    ("s", 1_000.0),
    ("h", 3_600_000.0),
    ("d", 86_400_000.0),
];

/// One setting.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Setting {
    /// Its name.
    pub(crate) name: String,
    /// Its value in its unit.
    pub(crate) value: String,
    /// Its value as SHOW has it.
    pub(crate) shown: String,
    /// What its value counts, such as `8kB` or `ms`.
    pub(crate) unit: String,
    /// When it can change: `postmaster` at a restart only.
    pub(crate) context: String,
    /// Where its value comes from.
    pub(crate) source: String,
    /// Whether the file has another value, for which the server has to be restarted.
    pub(crate) pending_restart: bool,
    /// `bool`, `enum`, `integer`, `real` or `string`.
    pub(crate) vartype: String,
    /// The least value.
    pub(crate) min: Option<f64>,
    /// The greatest value.
    pub(crate) max: Option<f64>,
    /// The words of an enum.
    pub(crate) words: Vec<String>,
    /// The value of a server that nobody configured.
    pub(crate) boot_value: String,
}

impl Setting {
    /// Its value as a number in its own unit.
    pub(crate) fn number(&self) -> f64 {
        self.value.parse().unwrap_or_default()
    }

    /// Its value in bytes.
    pub(crate) fn bytes(&self) -> f64 {
        self.number() * scale(&BYTES, &self.unit).unwrap_or(1.0)
    }

    /// Its value in milliseconds.
    pub(crate) fn ms(&self) -> f64 {
        self.number() * scale(&MS, &self.unit).unwrap_or(1.0)
    }

    pub(crate) fn is(&self, word: &str) -> bool {
        self.value == word
    }

    /// Whether the server has to be restarted before another value is in force.
    pub(crate) fn needs_restart(&self) -> bool {
        self.context == "postmaster"
    }

    /// Whether its value is that of the whole server, and not of the role or database that asks.
    pub(crate) fn is_of_server(&self) -> bool {
        !matches!(
            self.source.as_str(),
            "database" | "user" | "database user" | "client" | "session" | "global" | "interactive" | "test"
        )
    }

    /// Whether a file cannot change it, because the server was started with it.
    pub(crate) fn is_fixed_at_start(&self) -> bool {
        matches!(self.source.as_str(), "command line" | "environment variable")
    }

    /// Whether its value is another than that of a server that nobody configured.
    pub(crate) fn differs_from_default(&self) -> bool {
        self.value != self.boot_value && self.source != "default"
    }

    /// Whether it could have this value; the error completes the sentence "`value` …".
    pub(crate) fn accepts(&self, text: &str) -> Result<(), String> {
        match self.vartype.as_str() {
            "bool" if matches!(text, "on" | "off") => Ok(()),
            "bool" => Err("is neither on nor off".to_owned()),
            "enum" if self.words.iter().any(|word| word == text) => Ok(()),
            "enum" => Err(format!("is none of {}", self.words.join(", "))),
            "integer" | "real" => self.accepts_number(text),
            _ => Ok(()),
        }
    }

    fn accepts_number(&self, text: &str) -> Result<(), String> {
        let Some(number) = self.in_unit(text) else {
            return Err("is no number with a unit that fits".to_owned());
        };
        let (least, most) = (self.min.unwrap_or(f64::MIN), self.max.unwrap_or(f64::MAX));
        if number < least || number > most {
            return Err(format!("is not between {least} and {most} {}", self.unit)
                .trim_end()
                .to_owned());
        }
        Ok(())
    }

    /// A text such as `4GB` in the unit of this setting.
    pub(crate) fn in_unit(&self, text: &str) -> Option<f64> {
        let text = text.trim();
        let end = text
            .find(|letter: char| letter.is_ascii_alphabetic())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(end)?;
        let number: f64 = number.trim().parse().ok().filter(|number: &f64| number.is_finite())?;
        if unit.is_empty() {
            return Some(number);
        }
        let units: &[(&str, f64)] = if scale(&BYTES, &self.unit).is_some() {
            &BYTES
        } else {
            &MS
        };
        let (of_text, own) = (scale(units, unit)?, scale(units, &self.unit)?);
        Some(number * of_text / own)
    }

    /// Whether its value now is what this text says.
    pub(crate) fn holds(&self, text: &str) -> bool {
        if self.value == text || self.shown == text {
            return true;
        }
        let numeric = matches!(self.vartype.as_str(), "integer" | "real");
        numeric
            && self
                .in_unit(text)
                .is_some_and(|wanted| (wanted - self.number()).abs() < 0.5e-6_f64.max(wanted * 1e-9))
    }
}

/// What a unit such as `8kB` is in the smallest of its kind.
fn scale(units: &[(&str, f64)], unit: &str) -> Option<f64> {
    let letters = unit.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let times = unit.strip_suffix(letters).unwrap_or_default();
    let times: f64 = if times.is_empty() { 1.0 } else { times.parse().ok()? };
    let (_, factor) = units.iter().find(|(name, _)| *name == letters)?;
    Some(times * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages() -> Setting {
        Setting {
            value: "16384".to_owned(),
            shown: "128MB".to_owned(),
            unit: "8kB".to_owned(),
            vartype: "integer".to_owned(),
            min: Some(16.0),
            max: Some(1_073_741_823.0),
            ..Setting::default()
        }
    }

    #[test]
    fn a_value_is_read_in_the_unit_of_its_setting() {
        let buffers = pages();
        assert_eq!(buffers.bytes(), 128.0 * 1024.0 * 1024.0);
        assert_eq!(buffers.in_unit("1GB"), Some(131_072.0));
        assert!(buffers.holds("128MB") && buffers.holds("131072kB") && !buffers.holds("129MB"));
        let delay = Setting {
            value: "600000".to_owned(),
            unit: "ms".to_owned(),
            vartype: "integer".to_owned(),
            ..Setting::default()
        };
        assert!(delay.holds("10min"));
        assert_eq!(delay.in_unit("10MB"), None);
    }

    #[test]
    fn a_value_outside_of_the_bounds_is_refused() {
        for bad in ["8kB", "99999TB", "one", "", "1e999", "NaN", "4GB; drop table x"] {
            assert!(pages().accepts(bad).is_err(), "{bad}");
        }
        assert_eq!(pages().accepts("4GB"), Ok(()));
        let word = Setting {
            vartype: "enum".to_owned(),
            words: vec!["off".to_owned(), "lz4".to_owned()],
            ..Setting::default()
        };
        assert!(word.accepts("zstd").is_err());
        assert_eq!(word.accepts("lz4"), Ok(()));
    }
}
