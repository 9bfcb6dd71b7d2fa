//! Pure. Which tables are told, by which columns, and why others are not.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use weir_tags::Family;

use super::Told;

/// A table, a partitioned one or one of another server, as the catalogue has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) oid: u32,
    pub(crate) schema: String,
    pub(crate) table: String,
    pub(crate) kind: Kind,
    pub(crate) is_logged: bool,
    pub(crate) identity: bool,
    /// The publication has it.
    pub(crate) is_published: bool,
    /// The publication has parts of it only: a row filter or a list of columns.
    pub(crate) is_partial: bool,
}

/// What sort of table it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It has rows.
    Plain,
    /// Its rows are in its partitions.
    Partitioned,
    /// Its rows are elsewhere.
    Foreign,
}

/// A column whose old and new values the log has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToldColumn {
    pub(crate) relation: u32,
    pub(crate) name: String,
    pub(crate) type_oid: u32,
}

/// What the catalogue says, as it was read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(crate) tables: Vec<Listed>,
    pub(crate) columns: Vec<ToldColumn>,
    /// Each child with its parent.
    pub(crate) inherits: Vec<(u32, u32)>,
}

/// What is told, and how.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    pub(crate) tables: Arc<HashMap<u32, Told>>,
    pub(crate) untold: Arc<HashMap<u32, (String, String)>>,
    /// Names of all tables, told or not.
    pub(crate) names: HashMap<u32, Arc<str>>,
    /// All tables above a table.
    pub(crate) ancestors: HashMap<u32, Vec<u32>>,
    /// All tables below a table.
    pub(crate) descendants: HashMap<u32, Vec<u32>>,
    /// Columns by which rows of a table are told, for tables with rows.
    pub(crate) columns: HashMap<u32, Vec<(String, Family)>>,
}

/// What to change in the publication.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) add: Vec<u32>,
    pub(crate) remove: Vec<u32>,
}

impl Listed {
    /// `schema.name`, for people.
    pub(crate) fn name(&self) -> String {
        format!("{}.{}", self.schema, self.table)
    }

    /// As SQL has it.
    pub(crate) fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.table))
    }

    /// Whether the publication may have it: with anything less, the application could not write to it any more, or it
    /// would tell nothing.
    const fn is_eligible(&self) -> bool {
        matches!(self.kind, Kind::Plain) && self.is_logged && self.identity
    }
}

/// A name as SQL has it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Facts {
    /// What the publication should have and has not, and the other way round.
    pub(crate) fn changes(&self) -> Changes {
        let pick = |wanted: fn(&Listed) -> bool| {
            let found = self.tables.iter().filter(|table| wanted(table));
            found.map(|table| table.oid).collect()
        };
        Changes {
            add: pick(|table| table.is_eligible() && !table.is_published),
            remove: pick(|table| matches!(table.kind, Kind::Plain) && table.is_published && !table.identity),
        }
    }

    /// The tables that the publication has.
    pub(crate) fn published(&self) -> HashSet<u32> {
        let published = self.tables.iter().filter(|table| table.is_published);
        published.map(|table| table.oid).collect()
    }

    /// What is told. A table that is not in `ripe` is published, but not for long enough: a transaction under way may
    /// have changed it before.
    pub(crate) fn catalogue(&self, ripe: &HashSet<u32>, publication: &str) -> Catalogue {
        let mut catalogue = Catalogue {
            names: self
                .tables
                .iter()
                .map(|table| (table.oid, table.name().into()))
                .collect(),
            ancestors: closure(self.inherits.iter().copied()),
            descendants: closure(self.inherits.iter().map(|(child, parent)| (*parent, *child))),
            columns: self.columns(),
            ..Catalogue::default()
        };
        let own = self.own_hindrances(ripe, publication);
        let (mut tables, mut untold) = (HashMap::new(), HashMap::new());
        for table in &self.tables {
            match catalogue.hindrance(table.oid, &own) {
                Some(hindrance) => drop(untold.insert(table.oid, hindrance)),
                None => drop(tables.insert(table.oid, catalogue.told(table))),
            }
        }
        (catalogue.tables, catalogue.untold) = (Arc::new(tables), Arc::new(untold));
        catalogue
    }

    fn columns(&self) -> HashMap<u32, Vec<(String, Family)>> {
        let with_rows = self.tables.iter().filter(|table| matches!(table.kind, Kind::Plain));
        let mut columns: HashMap<u32, Vec<(String, Family)>> = with_rows.map(|table| (table.oid, Vec::new())).collect();
        for column in &self.columns {
            let known = columns.entry(column.relation).or_default();
            if let Some(family) = Family::of_type(column.type_oid) {
                known.push((column.name.clone(), family));
            }
        }
        columns
    }

    fn own_hindrances(&self, ripe: &HashSet<u32>, publication: &str) -> HashMap<u32, (String, String)> {
        let with_hindrance = |table: &Listed| Some((table.oid, own_hindrance(table, ripe, publication)?));
        self.tables.iter().filter_map(with_hindrance).collect()
    }
}

/// Why a table's own rows are not told, with what would help.
fn own_hindrance(table: &Listed, ripe: &HashSet<u32>, publication: &str) -> Option<(String, String)> {
    let (name, publication) = (table.quoted(), quoted(publication));
    let said = |reason: &str, advice: String| Some((reason.to_owned(), advice));
    match table.kind {
        Kind::Partitioned => return None,
        Kind::Foreign => return said("foreign", String::new()),
        Kind::Plain => {}
    }
    if !table.is_logged {
        said("unlogged", format!("ALTER TABLE {name} SET LOGGED"))
    } else if !table.identity {
        let advice = format!("ALTER TABLE {name} ADD PRIMARY KEY (…), or ALTER TABLE {name} REPLICA IDENTITY FULL");
        said("no_replica_identity", advice)
    } else if !table.is_published {
        said(
            "not_published",
            format!("ALTER PUBLICATION {publication} ADD TABLE ONLY {name}"),
        )
    } else if table.is_partial {
        let again = format!("ALTER PUBLICATION {publication} DROP TABLE ONLY {name}");
        let advice = format!("{again}; ALTER PUBLICATION {publication} ADD TABLE ONLY {name}");
        said("published_in_part", advice)
    } else if !ripe.contains(&table.oid) {
        let advice = "transactions that began before it was published have to end";
        said("published_just_now", advice.to_owned())
    } else {
        None
    }
}

impl Catalogue {
    /// Why a table, with all below it, is not told.
    fn hindrance(&self, oid: u32, own: &HashMap<u32, (String, String)>) -> Option<(String, String)> {
        if let Some(hindrance) = own.get(&oid) {
            return Some(hindrance.clone());
        }
        let below = self.descendants.get(&oid)?;
        let (child, (reason, advice)) = below.iter().find_map(|child| Some((child, own.get(child)?)))?;
        let name = self.names.get(child).map_or("", |name| name);
        Some((reason.clone(), format!("its partition or child {name}: {advice}")))
    }

    /// How a table's changes are told: by columns by which those of all below it are told.
    fn told(&self, table: &Listed) -> Told {
        let below = self.descendants.get(&table.oid).map_or(&[][..], Vec::as_slice);
        let all = std::iter::once(&table.oid).chain(below);
        let sources: Vec<u32> = all.filter(|oid| self.columns.contains_key(oid)).copied().collect();
        Told {
            name: table.name(),
            columns: self.common(&sources),
        }
    }

    fn common(&self, relations: &[u32]) -> Vec<String> {
        let of = |relation: &u32| self.columns.get(relation).map_or(&[][..], Vec::as_slice);
        let Some((first, others)) = relations.split_first() else {
            return Vec::new();
        };
        let everywhere = |column: &&(String, Family)| others.iter().all(|other| of(other).contains(column));
        of(first)
            .iter()
            .filter(everywhere)
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// A table and all above it.
    pub(crate) fn with_ancestors(&self, oid: u32) -> impl Iterator<Item = u32> {
        let above = self.ancestors.get(&oid).map_or(&[][..], Vec::as_slice);
        std::iter::once(oid).chain(above.iter().copied())
    }

    /// A table's name, for people.
    pub(crate) fn name(&self, oid: u32) -> Arc<str> {
        self.names.get(&oid).cloned().unwrap_or_default()
    }
}

/// For each left side everything that can be reached from it.
fn closure(pairs: impl Iterator<Item = (u32, u32)>) -> HashMap<u32, Vec<u32>> {
    let mut next: HashMap<u32, Vec<u32>> = HashMap::new();
    pairs.for_each(|(from, to)| next.entry(from).or_default().push(to));
    let reach = |from: &u32| (*from, reached(*from, &next));
    next.keys().map(reach).collect()
}

fn reached(from: u32, next: &HashMap<u32, Vec<u32>>) -> Vec<u32> {
    let mut found = Vec::new();
    let mut left = next.get(&from).cloned().unwrap_or_default();
    let mut seen = HashSet::from([from]);
    while let Some(one) = left.pop() {
        if seen.insert(one) {
            found.push(one);
            left.extend(next.get(&one).into_iter().flatten());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(oid: u32, name: &str) -> Listed {
        Listed {
            oid,
            schema: "public".to_owned(),
            table: name.to_owned(),
            kind: Kind::Plain,
            is_logged: true,
            identity: true,
            is_published: true,
            is_partial: false,
        }
    }

    fn column(relation: u32, name: &str, type_oid: u32) -> ToldColumn {
        ToldColumn {
            relation,
            name: name.to_owned(),
            type_oid,
        }
    }

    fn partitioned(oid: u32) -> Listed {
        Listed {
            kind: Kind::Partitioned,
            ..table(oid, "all")
        }
    }

    fn catalogue(facts: &Facts) -> Catalogue {
        facts.catalogue(&facts.published(), "weir_cache")
    }

    #[test]
    fn what_is_above_is_told_by_what_all_below_have_in_common() {
        let mut facts = Facts {
            tables: vec![partitioned(1), table(2, "a"), table(3, "b")],
            columns: vec![
                column(2, "id", 23),
                column(2, "day", 23),
                column(3, "id", 20),
                column(3, "day", 25),
                column(2, "price", 1700),
            ],
            inherits: vec![(2, 1), (3, 1)],
        };
        let told = catalogue(&facts);
        assert_eq!(told.tables[&1].columns, ["id"], "day is a number here and a text there");
        assert_eq!(
            told.tables[&2].columns,
            ["id", "day"],
            "and a price is compared otherwise"
        );
        assert_eq!(told.with_ancestors(2).collect::<Vec<_>>(), [2, 1]);
        // One without any column that is told leaves nothing in common.
        facts.tables.push(table(4, "c"));
        facts.inherits.push((4, 1));
        assert!(catalogue(&facts).tables[&1].columns.is_empty());
        // And one that is not told at all takes what is above along.
        facts.tables[3].is_published = false;
        let told = catalogue(&facts);
        assert!(!told.tables.contains_key(&1) && told.tables.contains_key(&2));
        let (reason, advice) = &told.untold[&1];
        assert_eq!(reason, "not_published");
        assert!(advice.contains("public.c"), "{advice}");
    }

    #[test]
    fn every_reason_has_its_advice() {
        let mut facts = Facts {
            tables: vec![
                table(1, "odd \"name"),
                table(2, "b"),
                table(3, "c"),
                table(4, "d"),
                table(5, "e"),
            ],
            ..Facts::default()
        };
        facts.tables[0].identity = false;
        facts.tables[1].is_logged = false;
        facts.tables[2].is_partial = true;
        facts.tables[3].kind = Kind::Foreign;
        let told = facts.catalogue(&HashSet::new(), "p");
        let reasons: Vec<&str> = (1..=5).map(|oid| told.untold[&oid].0.as_str()).collect();
        let expected = [
            "no_replica_identity",
            "unlogged",
            "published_in_part",
            "foreign",
            "published_just_now",
        ];
        assert_eq!(reasons, expected);
        assert!(told.untold[&1].1.contains("\"public\".\"odd \"\"name\""));
        assert!(told.tables.is_empty());
    }

    #[test]
    fn the_publication_gets_what_it_may_have_and_loses_what_it_must_not() {
        let mut facts = Facts {
            tables: vec![
                table(1, "a"),
                table(2, "b"),
                table(3, "c"),
                partitioned(4),
                table(5, "e"),
            ],
            ..Facts::default()
        };
        facts.tables[0].is_published = false;
        facts.tables[1].identity = false;
        (facts.tables[2].is_published, facts.tables[2].identity) = (false, false);
        facts.tables[3].is_published = false;
        let expected = Changes {
            add: vec![1],
            remove: vec![2],
        };
        assert_eq!(facts.changes(), expected);
    }

    #[test]
    fn a_circle_ends() {
        let reached = closure([(1, 2), (2, 3), (3, 1)].into_iter());
        assert_eq!(reached[&1], [2, 3]);
    }
}
