//! What rules are given. Pure.

use std::collections::BTreeMap;

use super::advice::Object;
use super::counters::Counters;
use super::report::Report;
use super::setting::Setting;
use crate::plan::TableName;

/// What the server's files lie on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    Ssd,
    Hdd,
}

/// The machine on which the server runs, as far as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Machine {
    pub(crate) memory_bytes: Option<f64>,
    pub(crate) cores: Option<f64>,
    pub(crate) storage: Option<Storage>,
}

/// The most connections that were seen at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Peak {
    pub(crate) connections: f64,
    /// For how long they were watched.
    pub(crate) hours: f64,
}

/// How long statements were compiled and ran, as `pg_stat_statements` has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Jit {
    pub(crate) compiling_ms: f64,
    pub(crate) running_ms: f64,
}

/// What Weir changed, and nobody has changed since.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KnownChange {
    /// The object as an id has it.
    pub(crate) object: String,
    pub(crate) option: String,
    pub(crate) new_value: Option<String>,
    /// What was counted when it was changed.
    pub(crate) evidence: Option<Counters>,
}

/// The TOAST table of a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Toast {
    pub(crate) size_bytes: f64,
    pub(crate) options: BTreeMap<String, String>,
    /// `live`, `dead`, `ins`, `upd`, `del`.
    pub(crate) counters: Counters,
}

/// One table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    pub(crate) name: TableName,
    /// Whether it is the parent of partitions.
    pub(crate) is_parent: bool,
    pub(crate) is_partition: bool,
    pub(crate) is_unlogged: bool,
    pub(crate) size_bytes: f64,
    pub(crate) rows: f64,
    pub(crate) options: BTreeMap<String, String>,
    /// `dead`, `ins`, `upd`, `del`, `hot`, and `newpage` from PostgreSQL 16 on.
    pub(crate) counters: Counters,
    pub(crate) toast: Option<Toast>,
    pub(crate) has_primary_key: bool,
    /// `d` by primary key, `n` nothing, `f` the whole row, `i` an index.
    pub(crate) replica_identity: String,
    /// Whether a publication tells of updates or deletes of it.
    pub(crate) is_published: bool,
    /// Whether it has columns that are in no index.
    pub(crate) has_plain_columns: bool,
}

/// One column of an index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its name, or the expression.
    pub(crate) text: String,
    /// Its number in the table; 0 for an expression.
    pub(crate) number: i64,
    /// Operator class, collation and order, as numbers of the catalogue.
    pub(crate) class: String,
    pub(crate) collation: String,
    pub(crate) order: String,
}

/// One index.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Index {
    pub(crate) table: TableName,
    pub(crate) name: String,
    pub(crate) method: String,
    pub(crate) keys: Vec<Column>,
    pub(crate) includes: Vec<String>,
    /// Its condition; empty where it has none.
    pub(crate) predicate: String,
    pub(crate) is_unique: bool,
    pub(crate) nulls_not_distinct: bool,
    pub(crate) is_primary: bool,
    pub(crate) is_exclusion: bool,
    /// The constraint that it is there for; empty where there is none.
    pub(crate) constraint: String,
    /// Whether a foreign key points at it.
    pub(crate) is_referenced: bool,
    pub(crate) is_replica_identity: bool,
    pub(crate) is_clustered: bool,
    pub(crate) is_valid: bool,
    pub(crate) is_being_built: bool,
    /// Whether it is the parent of indexes of partitions.
    pub(crate) is_parent: bool,
    /// Whether it belongs to an index of the parent table, and cannot be dropped alone.
    pub(crate) is_attached: bool,
    pub(crate) size_bytes: f64,
    pub(crate) scans: f64,
    /// The older has the smaller number.
    pub(crate) oid: i64,
}

/// One foreign key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ForeignKey {
    pub(crate) name: String,
    pub(crate) table: TableName,
    /// Names and numbers of its columns.
    pub(crate) columns: Vec<(String, i64)>,
    pub(crate) referenced: TableName,
}

/// How far a sequence was at an earlier moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SequenceSample {
    pub(crate) at_unix_ms: i64,
    pub(crate) used: f64,
}

/// One sequence.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sequence {
    pub(crate) name: TableName,
    pub(crate) last_value: Option<f64>,
    pub(crate) increment: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) cycles: bool,
    /// `smallint`, `integer` or `bigint`.
    pub(crate) of_type: String,
    /// The narrowest column that is filled from it, with its type.
    pub(crate) column: Option<(TableName, String, String)>,
    /// What it was at the earliest moment that is known.
    pub(crate) earlier: Option<SequenceSample>,
}

/// Everything that is known of a server and one of its databases.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Facts {
    pub(crate) now_unix_ms: i64,
    /// As `server_version_num` has it.
    pub(crate) version: u32,
    pub(crate) database: String,
    pub(crate) machine: Machine,
    pub(crate) settings: BTreeMap<String, Setting>,
    /// `temp_files`, `temp_bytes`, `blocks_hit`, `blocks_read`, `checkpoints_timed`, `checkpoints_requested`,
    /// `wal_bytes`, `wal_records`, `wal_page_images`, `wal_buffers_full`.
    pub(crate) workload: Counters,
    pub(crate) peak: Option<Peak>,
    /// All databases together; none where it cannot be seen.
    pub(crate) data_bytes: Option<f64>,
    /// Servers that follow this one.
    pub(crate) replicas: u32,
    pub(crate) jit: Option<Jit>,
    pub(crate) tables: Vec<Table>,
    pub(crate) indexes: Vec<Index>,
    pub(crate) foreign_keys: Vec<ForeignKey>,
    pub(crate) sequences: Vec<Sequence>,
    pub(crate) changes: Vec<KnownChange>,
    /// After how long without a scan an index counts as unused.
    pub(crate) unused_after_hours: f64,
}

impl Facts {
    pub(super) fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.get(name)
    }

    /// A setting's number in its own unit; zero where there is no such setting.
    pub(super) fn number(&self, name: &str) -> f64 {
        self.setting(name).map_or(0.0, Setting::number)
    }

    /// A setting that can be advised upon: the server has it, it is the server's own, and nothing waits for a restart.
    pub(super) fn open(&self, name: &str, report: &mut Report) -> Option<&Setting> {
        let setting = self.setting(name)?;
        if setting.pending_restart {
            report.leave(
                name,
                "another value is in the file already and waits for a restart of the server",
            );
            return None;
        }
        if !setting.is_of_server() {
            let reason = format!(
                "the value that maintenance's own session sees is not the server's: it comes from {:?} (ALTER ROLE or ALTER DATABASE)",
                setting.source
            );
            report.leave(name, reason);
            return None;
        }
        Some(setting)
    }

    /// Whether an operator chose the value: it is no default, and Weir did not set it.
    pub(super) fn is_by_hand(&self, setting: &Setting) -> bool {
        let ours = self
            .change("server", &setting.name)
            .and_then(|change| change.new_value.as_deref());
        setting.differs_from_default() && !ours.is_some_and(|value| setting.holds(value))
    }

    fn change(&self, object: &str, option: &str) -> Option<&KnownChange> {
        self.changes
            .iter()
            .find(|change| change.object == object && change.option == option)
    }

    /// What was counted since Weir changed this setting, or since the counters began.
    pub(super) fn workload_under(&self, setting: &str) -> Counters {
        self.since_change("server", setting, &self.workload)
    }

    /// The same of a table's option.
    pub(super) fn counted_under(&self, object: &Object, option: &str, counters: &Counters) -> Counters {
        self.since_change(&object.to_string(), option, counters)
    }

    fn since_change(&self, object: &str, option: &str, counters: &Counters) -> Counters {
        let evidence = self.change(object, option).and_then(|change| change.evidence.as_ref());
        evidence.map_or_else(|| counters.clone(), |before| counters.after(before))
    }

    /// Whether an operator set an option of a table: it is set, and not by Weir.
    pub(super) fn is_option_by_hand(&self, object: &Object, option: &str, value: Option<&str>) -> bool {
        let ours = self.change(&object.to_string(), option);
        value.is_some() && ours.and_then(|change| change.new_value.as_deref()) != value
    }

    pub(super) fn table(&self, name: &TableName) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == *name)
    }
}
