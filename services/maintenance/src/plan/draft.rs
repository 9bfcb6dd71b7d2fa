//! Everything that was observed in one database to a plan. Pure.

use std::collections::HashMap;

use super::{
    Bloat, Candidate, Earlier, History, IndexFacts, Kind, Room, Subject, TableFacts, Worth, analyze, order, reindex,
    reorganize, vacuum,
};

/// From when on work is worth it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rules {
    /// Dead rows of a table, in per cent.
    pub vacuum_percent: f64,
    /// Changed rows of a table, in per cent.
    pub analyze_percent: f64,
    /// Waste of an index.
    pub reindex: Worth,
    /// Waste of a table.
    pub reorganize: Worth,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    /// Only these kinds of work.
    pub kinds: Vec<Kind>,
    /// Only tables that this pattern means; empty for all.
    pub table: String,
    /// Only this index; empty for all.
    pub index: String,
    /// Tables are written anew while nobody can use them, because somebody said so.
    pub full: bool,
}

impl Wanted {
    /// Whether a kind of work is.
    pub(crate) fn has(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }

    /// Whether a relation is meant.
    pub(crate) fn means(&self, subject: &Subject) -> bool {
        let table = self.table.is_empty() || subject.table.matches(&self.table);
        let index = self.index.is_empty() || subject.index.as_deref() == Some(&*self.index);
        table && index
    }

    /// Whether somebody named the very relation: then no threshold holds him up.
    pub(crate) fn names(&self, subject: &Subject) -> bool {
        let names_table = !self.table.is_empty() && !self.table.contains('*');
        match &subject.index {
            None => names_table,
            Some(index) => names_table || self.index == *index,
        }
    }
}

/// What was observed in one database.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Its tables.
    pub tables: Vec<TableFacts>,
    /// Its indexes.
    pub indexes: Vec<IndexFacts>,
    /// How much of them is waste, by their number in the catalogue, where it is known.
    pub bloat: HashMap<u32, Bloat>,
    /// The extension without which that is not known as well as it could be.
    pub missing: Option<&'static str>,
    /// Lines that other rooms of the plan have made: leftovers, tables to freeze, indexes to check.
    pub more: Vec<Candidate>,
}

impl Survey {
    /// Only what is wanted.
    pub(crate) fn narrowed(mut self, wanted: &Wanted) -> Self {
        self.tables
            .retain(|table| wanted.table.is_empty() || table.table.matches(&wanted.table));
        self.indexes.retain(|index| wanted.means(&index.subject));
        self
    }
}

/// Says of what might be worth it, but is not known well enough, what would help.
fn name_missing(plan: &mut [Candidate], bloat: &HashMap<u32, Bloat>, missing: Option<&str>, rules: &Rules) {
    let Some(missing) = missing else { return };
    for line in plan.iter_mut().filter(|line| !line.selected) {
        let worth = match line.kind {
            Kind::Reindex => rules.reindex,
            Kind::Reorganize => rules.reorganize,
            _ => continue,
        };
        if bloat.get(&line.oid).is_some_and(|known| worth.may_be_reached(known)) {
            line.reason = format!("{}; with the extension {missing} it would be known better", line.reason);
        }
    }
}

/// The plan: every relation and kind of work with its verdict, in the order in which it is done.
pub(crate) fn draft(
    mut survey: Survey,
    wanted: &Wanted,
    rules: &Rules,
    history: &History,
    room: Room,
) -> Vec<Candidate> {
    let mut plan = std::mem::take(&mut survey.more);
    let earlier = |kind, subject: &Subject| history.earlier(kind, subject);
    if wanted.has(Kind::Reindex) {
        let tables: HashMap<u32, &TableFacts> = survey.tables.iter().map(|table| (table.oid, table)).collect();
        plan.extend(survey.indexes.iter().map(|index| {
            let before: Earlier = earlier(Kind::Reindex, &index.subject);
            let table = tables.get(&index.table_oid).copied();
            let bloat = survey.bloat.get(&index.oid);
            reindex(
                index,
                table,
                bloat,
                rules.reindex,
                &before,
                wanted.names(&index.subject),
            )
        }));
    }
    for table in std::mem::take(&mut survey.tables) {
        let subject = Subject::table(table.table.clone());
        let is_named = wanted.names(&subject) && wanted.index.is_empty();
        if wanted.has(Kind::Vacuum) {
            plan.push(vacuum(table.clone(), rules.vacuum_percent, is_named));
        }
        if wanted.has(Kind::Analyze) {
            plan.push(analyze(table.clone(), rules.analyze_percent, is_named));
        }
        if wanted.has(Kind::Reorganize) {
            let bloat = survey.bloat.get(&table.oid);
            let before = earlier(Kind::Reorganize, &subject);
            plan.push(reorganize(table, bloat, rules.reorganize, &before, is_named));
        }
    }
    name_missing(&mut plan, &survey.bloat, survey.missing, rules);
    for candidate in &mut plan {
        candidate.expected.takes = history.takes(candidate.kind, candidate.expected.cost_bytes);
    }
    order(&mut plan, room);
    plan
}

#[cfg(test)]
mod tests {
    use super::super::facts::samples::table;
    use super::*;

    const RULES: Rules = Rules {
        vacuum_percent: 20.0,
        analyze_percent: 10.0,
        reindex: Worth {
            percent: 30.0,
            bytes: 0,
        },
        reorganize: Worth {
            percent: 30.0,
            bytes: 0,
        },
    };

    fn wanted(kinds: &[Kind], table: &str) -> Wanted {
        Wanted {
            kinds: kinds.to_vec(),
            table: table.to_owned(),
            index: String::new(),
            full: false,
        }
    }

    fn survey() -> Survey {
        let changed = |name, changed_tuples| TableFacts {
            changed_tuples,
            ..table(name, 1_000)
        };
        Survey {
            tables: vec![changed("a", 200), changed("b", 10), changed("c", 900)],
            ..Survey::default()
        }
    }

    #[test]
    fn the_plan_begins_with_what_changed_most_and_keeps_every_table() {
        let plan = draft(
            survey(),
            &wanted(&[Kind::Analyze], ""),
            &RULES,
            &History::default(),
            Room::Endless,
        );
        let order: Vec<_> = plan
            .iter()
            .map(|one| (one.subject.table.name.as_str(), one.selected))
            .collect();
        assert_eq!(order, [("c", true), ("a", true), ("b", false)]);
    }

    #[test]
    fn each_kind_has_its_own_line_for_each_table() {
        let all = [Kind::Vacuum, Kind::Analyze, Kind::Reorganize];
        let plan = draft(survey(), &wanted(&all, ""), &RULES, &History::default(), Room::Endless);
        assert_eq!(plan.len(), 9);
        let narrow = survey().narrowed(&wanted(&all, "public.b"));
        assert_eq!(narrow.tables.len(), 1);
    }

    #[test]
    fn a_pattern_narrows_and_only_a_name_orders() {
        let (pattern, name) = (wanted(&[], "public.*"), wanted(&[], "public.a"));
        let subject = Subject::table(table("a", 1).table);
        assert!(pattern.means(&subject) && !pattern.names(&subject));
        assert!(name.means(&subject) && name.names(&subject));
    }
}
