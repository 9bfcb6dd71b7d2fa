//! Pure. What transactions of the log touched.
//!
//! Whatever is not understood touches more than it need: a value that is not told touches all rows of its table, a
//! message that is not known kills everything. Nothing here grows with the size of a transaction beyond a bound.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use weir_pgwire::replication::{Change, Identity, Pgoutput, Relation, Tuple, Value};
use weir_tags::{Canonical, Family, Tag};

use super::rows::{Changed, Comparison, Rows, tuple_of};
use super::tables::Catalogue;

/// Who a message in the log is for: definitions changed.
const DDL: &[u8] = b"weir.ddl";
/// The same: somebody ordered that results be made invalid.
const ORDER: &[u8] = b"weir.invalidate";
/// Tables that one transaction may touch before it touches everything.
const TABLES_MAX: usize = 1_000;
/// Orders that one transaction may give.
const ORDERS_MAX: usize = 1_000;

/// What a tag is about, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) relation: Arc<str>,
    pub(crate) column: Option<Arc<str>>,
}

/// A transaction that was committed.
#[derive(Debug, Default)]
pub(crate) struct Committed {
    pub(crate) xid: u32,
    pub(crate) end_lsn: u64,
    pub(crate) tags: HashMap<Tag, About>,
    /// Results read before are invalid, whatever they depend on.
    pub(crate) kills: bool,
    /// Definitions may have changed.
    pub(crate) is_ddl: bool,
    /// It touched more than is told one by one.
    pub(crate) is_collapsed: bool,
    /// What was ordered by hand, as it was written.
    pub(crate) orders: Vec<Box<[u8]>>,
    tables: HashSet<u32>,
}

/// A transaction under way, or none.
#[derive(Debug)]
pub(crate) struct Decoder {
    catalogue: Arc<Catalogue>,
    relations: HashMap<u32, Plan>,
    open: Option<Committed>,
    rows: Rows,
    /// Descriptions of tables so far.
    descriptions: u32,
    tags_max: usize,
}

/// How the rows of one table become tags.
#[derive(Debug)]
struct Plan {
    name: Arc<str>,
    /// The table and all above it.
    tables: Vec<u32>,
    columns: Vec<PlannedColumn>,
    /// A column that should be told is not in the rows, or not with its old value.
    is_unsure: bool,
    /// As it was described, to plan anew when the catalogue has changed.
    described: Described,
}

#[derive(Debug)]
struct PlannedColumn {
    at: usize,
    name: Arc<str>,
    family: Family,
}

#[derive(Debug)]
struct Described {
    identity: Identity,
    columns: Vec<(Arc<str>, bool)>,
    /// How its rows are compared with what they were, if they can be.
    comparison: Option<Comparison>,
}

impl Decoder {
    /// Reads with this catalogue; transactions that touch more tags than `tags_max` touch whole tables.
    pub(crate) fn new(catalogue: Arc<Catalogue>, tags_max: usize) -> Self {
        Self {
            catalogue,
            relations: HashMap::new(),
            open: None,
            rows: Rows::new(),
            descriptions: 0,
            tags_max,
        }
    }

    /// The catalogue has changed.
    pub(crate) fn set_catalogue(&mut self, catalogue: Arc<Catalogue>) {
        // A table that was not published for a while was changed unseen.
        self.rows.forget_all();
        for (oid, plan) in &mut self.relations {
            let described = std::mem::replace(&mut plan.described, Described::none());
            *plan = Plan::of(*oid, described, &catalogue);
        }
        self.catalogue = catalogue;
    }

    /// The catalogue that it reads with.
    pub(crate) const fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// Takes a message; returns the transaction that it ends.
    pub(crate) fn take(&mut self, message: &Pgoutput<'_>) -> Option<Committed> {
        match message {
            Pgoutput::Begin { xid, .. } => self.begin(*xid),
            Pgoutput::Commit { end, .. } => return Some(self.commit(*end)),
            Pgoutput::Relation(relation) => self.describe(relation),
            Pgoutput::Change(change) => self.change(change),
            Pgoutput::Truncate(truncated) => truncated.relations().for_each(|oid| self.all_rows(oid)),
            Pgoutput::Message(marker) if marker.prefix == DDL => self.definitions(),
            Pgoutput::Message(marker) if marker.prefix == ORDER => self.order(marker.content),
            Pgoutput::Message(_) | Pgoutput::Origin | Pgoutput::Type => {}
            Pgoutput::Unknown(_) => self.definitions(),
        }
        None
    }

    fn begin(&mut self, xid: u32) {
        self.open = Some(Committed {
            xid,
            ..Committed::default()
        });
    }

    fn commit(&mut self, end_lsn: u64) -> Committed {
        // A commit without a beginning is one of which nothing is known.
        let unknown = || Committed {
            kills: true,
            is_ddl: true,
            ..Committed::default()
        };
        let mut committed = self.open.take().unwrap_or_else(unknown);
        committed.end_lsn = end_lsn;
        committed
    }

    fn open(&mut self) -> &mut Committed {
        self.open.get_or_insert_with(Committed::default)
    }

    fn describe(&mut self, relation: &Relation<'_>) {
        self.descriptions = self.descriptions.wrapping_add(1);
        let mut described = Described::of(relation, self.descriptions);
        if let Some(plan) = self.relations.get(&relation.oid) {
            described.goes_on_from(&plan.described);
        }
        let plan = Plan::of(relation.oid, described, &self.catalogue);
        self.relations.insert(relation.oid, plan);
    }

    fn definitions(&mut self) {
        let open = self.open();
        open.kills = true;
        open.is_ddl = true;
    }

    fn order(&mut self, content: &[u8]) {
        let open = self.open();
        if open.orders.len() < ORDERS_MAX {
            open.orders.push(content.into());
        } else {
            open.kills = true;
        }
    }

    fn change(&mut self, change: &Change<'_>) {
        let Some(plan) = self.relations.get(&change.relation) else {
            return self.all_rows(change.relation);
        };
        // Always, for what a row was is what was seen of it last.
        let comparison = plan.described.comparison.as_ref();
        let changed = comparison.map_or(Changed::Row, |comparison| self.rows.take(comparison, change));
        let mut open = self.open.take().unwrap_or_default();
        if open.touch(change.relation, plan) && !plan.tell(change, &changed, &mut open) {
            open.touch_all_rows(plan);
        }
        open.collapse_beyond(self.tags_max, &self.catalogue);
        self.open = Some(open);
    }

    fn all_rows(&mut self, oid: u32) {
        let (tables, name) = (self.catalogue.with_ancestors(oid).collect(), self.catalogue.name(oid));
        let open = self.open();
        open.tables.insert(oid);
        open.add_all_rows(tables, &name);
        if open.tables.len() > TABLES_MAX {
            open.kill_instead();
        }
    }
}

impl Committed {
    /// Whether it does anything to anybody's results.
    pub(crate) fn is_news(&self) -> bool {
        self.kills || self.is_ddl || !self.tags.is_empty() || !self.orders.is_empty()
    }

    /// A row of this table was changed. False: rows of it need not be told any more.
    fn touch(&mut self, oid: u32, plan: &Plan) -> bool {
        if self.tables.insert(oid) {
            for table in &plan.tables {
                self.add(Tag::table(*table), &plan.name, None);
            }
            if self.is_collapsed {
                self.touch_all_rows(plan);
            }
        }
        !self.is_collapsed && !self.kills
    }

    fn touch_all_rows(&mut self, plan: &Plan) {
        self.add_all_rows(plan.tables.clone(), &plan.name);
    }

    fn add_all_rows(&mut self, tables: Vec<u32>, name: &Arc<str>) {
        for table in tables {
            self.add(Tag::table(table), name, None);
            self.add(Tag::all_rows(table), name, None);
        }
    }

    /// Has a tag touched.
    pub(crate) fn add(&mut self, tag: Tag, relation: &Arc<str>, column: Option<&Arc<str>>) {
        self.tags.entry(tag).or_insert_with(|| About {
            relation: relation.clone(),
            column: column.cloned(),
        });
    }

    /// Too many rows are all rows, and too many tables are everything.
    fn collapse_beyond(&mut self, tags_max: usize, catalogue: &Catalogue) {
        if self.tables.len() > TABLES_MAX {
            self.kill_instead();
        } else if self.tags.len() > tags_max && !self.is_collapsed {
            self.is_collapsed = true;
            self.tags = HashMap::new();
            for oid in self.tables.clone() {
                let name = catalogue.name(oid);
                self.add_all_rows(catalogue.with_ancestors(oid).collect(), &name);
            }
        }
    }

    fn kill_instead(&mut self) {
        self.kills = true;
        self.is_collapsed = true;
        self.tags = HashMap::new();
        self.tables = HashSet::new();
    }
}

impl Described {
    const fn none() -> Self {
        Self {
            identity: Identity::Nothing,
            columns: Vec::new(),
            comparison: None,
        }
    }

    fn of(relation: &Relation<'_>, number: u32) -> Self {
        let columns = relation.columns.iter();
        let named = columns.map(|column| (String::from_utf8_lossy(column.name).into(), column.is_key));
        Self {
            identity: relation.identity,
            columns: named.collect(),
            comparison: Comparison::of(relation, number),
        }
    }

    /// The log describes a table anew whenever its statistics change, not only when its definition does; that is told as a
    /// change of definitions besides, and rows are forgotten then.
    fn goes_on_from(&mut self, before: &Self) {
        if let (Some(comparison), Some(known)) = (&mut self.comparison, &before.comparison)
            && self.columns == before.columns
        {
            comparison.goes_on_from(known);
        }
    }

    /// Where a column is whose old values are told.
    fn place(&self, name: &str) -> Option<usize> {
        let at = self.columns.iter().position(|(known, _)| **known == *name)?;
        let (_, is_key) = self.columns.get(at)?;
        match self.identity {
            Identity::Full => Some(at),
            Identity::Default | Identity::Index => is_key.then_some(at),
            Identity::Nothing => None,
        }
    }
}

impl Plan {
    fn of(oid: u32, described: Described, catalogue: &Catalogue) -> Self {
        let wanted = catalogue.columns.get(&oid).map_or(&[][..], Vec::as_slice);
        let planned = wanted.iter().filter_map(|(name, family)| {
            Some(PlannedColumn {
                at: described.place(name)?,
                name: name.as_str().into(),
                family: *family,
            })
        });
        let columns: Vec<PlannedColumn> = planned.collect();
        Self {
            name: catalogue.name(oid),
            tables: catalogue.with_ancestors(oid).collect(),
            is_unsure: columns.len() != wanted.len() || !catalogue.columns.contains_key(&oid),
            columns,
            described,
        }
    }

    /// Tells old and new values of each column. False: one of them is not known.
    fn tell(&self, change: &Change<'_>, changed: &Changed, open: &mut Committed) -> bool {
        let is_told = |column: &PlannedColumn| self.tell_column(column, change, changed, open);
        !self.is_unsure && self.columns.iter().all(is_told)
    }

    fn tell_column(
        &self,
        column: &PlannedColumn,
        change: &Change<'_>,
        changed: &Changed,
        open: &mut Committed,
    ) -> bool {
        let old = change.old.map(|old| value(&tuple_of(old), column.at));
        let new = change.new.map(|new| value(&new, column.at));
        let new = match (new, old) {
            // A value stored apart that did not change: the old state has it, where it is told.
            (Some(Some(Value::Unchanged)), Some(old)) => Some(old),
            (new, _) => new,
        };
        let states = [old, new];
        states
            .into_iter()
            .flatten()
            .all(|value| self.tell_value(column, value, changed, open))
    }

    fn tell_value(
        &self,
        column: &PlannedColumn,
        value: Option<Value<'_>>,
        changed: &Changed,
        open: &mut Committed,
    ) -> bool {
        match value {
            // No result depends on a column being equal to NULL.
            Some(Value::Null) => true,
            Some(Value::Text(text)) => {
                let canonical = column.family.from_text(text);
                canonical.is_some_and(|canonical| {
                    self.add_row(column, &canonical, changed, open);
                    true
                })
            }
            Some(Value::Unchanged | Value::Binary(_)) | None => false,
        }
    }

    fn add_row(&self, column: &PlannedColumn, value: &Canonical, changed: &Changed, open: &mut Committed) {
        let mut add = |tag: Tag| open.add(tag, &self.name, Some(&column.name));
        for table in &self.tables {
            let Changed::Cells(cells) = changed else {
                add(Tag::row(*table, &column.name, value));
                continue;
            };
            add(Tag::cells(*table, &column.name, value));
            let names = cells.iter().filter_map(|at| self.described.columns.get(*at));
            names.for_each(|(cell, _)| add(Tag::cell(*table, &column.name, value, cell)));
        }
    }
}

fn value<'a>(tuple: &Tuple<'a>, at: usize) -> Option<Value<'a>> {
    tuple.values().nth(at)
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
