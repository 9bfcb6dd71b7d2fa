//! Pure. From what a statement uses to whether its results may be kept, and what they depend on.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use weir_proto::cache::v1::Refusal;

use super::catalogue::{Function, Known, Relation};
use super::fixed::{Fixed, Term};
use super::reviewed;
use super::survey::{Place, Source, Survey, refusal};
use crate::follow::Told;
use weir_sql::tells_present;

/// What the follower knows of tables.
pub(super) struct Followed<'f> {
    pub(super) tables: &'f HashMap<u32, Told>,
    pub(super) untold: &'f HashMap<u32, (String, String)>,
}

/// A column of a table, as it is chosen by.
#[derive(Debug, Clone, Default)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) type_oid: u32,
    /// One row at most has a value.
    pub(super) unique: bool,
    /// From other columns; the log does not have it.
    pub(super) computed: bool,
    /// How many rows have a value, on average: the smaller, the better. Unknown: 1 of 1.
    pub(super) share: f64,
}

/// A statement that reads more columns of a row depends on all of it.
pub(super) const CELLS_MAX: usize = 12;

/// The columns that are read, by entry of FROM.
pub(super) type Reads = BTreeMap<usize, BTreeSet<i16>>;

/// Columns of tables, by table and number.
pub(super) type Columns = BTreeMap<(u32, i16), Column>;

/// What results depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dependency {
    pub(super) relation: u32,
    pub(super) name: String,
    pub(super) on: On,
}

/// Which of a table's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum On {
    /// All of them; the word says why not fewer.
    Table(&'static str),
    /// Those with this value.
    Row {
        column: String,
        type_oid: u32,
        term: Term,
        /// It is one row at most, and nothing of it matters but these columns.
        cells: Option<Vec<String>>,
    },
}

/// Which parameters are read as dates or times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Dated {
    pub(super) parameters: Vec<u32>,
    /// A constant of the statement is one, so a literal may have been.
    pub(super) constants: bool,
}

/// Everything that speaks against keeping results, the gravest first.
pub(super) fn refusals(survey: &Survey, known: &Known, followed: &Followed<'_>) -> Vec<Refusal> {
    let mut found = survey.refusals.clone();
    if known.incomplete {
        let detail = "what it uses is too much, or in a form that is not known";
        found.push(refusal("too_complex", detail));
    }
    found.extend(tables(survey, known, followed));
    found.extend(functions(survey, known));
    found.extend(types(survey, known));
    found.extend(casts(survey, known));
    let mut seen = BTreeSet::new();
    found.retain(|refusal| seen.insert((refusal.rule.clone(), refusal.detail.clone())));
    found
}

fn functions(survey: &Survey, known: &Known) -> Vec<Refusal> {
    let operators = survey
        .operators
        .iter()
        .map(|oid| known.operators.get(oid).copied().unwrap_or(0));
    let used = survey
        .functions
        .iter()
        .copied()
        .chain(operators)
        .collect::<BTreeSet<u32>>();
    let inputs = known.types.values().flat_map(|known| known.inputs.iter().copied());
    let used = used
        .into_iter()
        .map(|oid| (oid, false))
        .chain(inputs.map(|oid| (oid, true)));
    used.filter_map(|(oid, input)| match known.functions.get(&oid) {
        Some(function) => function_refusal(function, input),
        None => Some(refusal("unknown_expression", "a function that is not in the catalogue")),
    })
    .collect()
}

fn function_refusal(function: &Function, input: bool) -> Option<Refusal> {
    let name = &function.name;
    match function.volatility.as_str() {
        _ if function.reads => Some(refusal(
            "reading_function",
            format!("{name} reads tables although it is declared IMMUTABLE; write what it reads into the statement"),
        )),
        _ if function.untrusted => Some(refusal(
            "user_function",
            format!("{name} is written in an untrusted language, in which it can read anything"),
        )),
        "i" => None,
        "s" if input || (function.builtin && reviewed::is_stable_enough(&function.word)) => None,
        "s" if function.builtin && reviewed::is_clock(&function.word) => Some(refusal(
            "clock",
            format!("{name} gives another result at another time; pass the moment as a parameter"),
        )),
        "s" if function.builtin => Some(refusal(
            "stable_function",
            format!("{name} may give another result without any change of data; pass its result as a parameter"),
        )),
        "s" => Some(refusal(
            "user_function",
            format!("{name} is STABLE, so it may read tables or the clock; declare it IMMUTABLE if it does neither"),
        )),
        _ => Some(refusal(
            "volatile_function",
            format!("{name} is VOLATILE: each call may do or give something else"),
        )),
    }
}

fn types(survey: &Survey, known: &Known) -> Vec<Refusal> {
    let used = survey.types.iter().chain(survey.parameters.values());
    let used: BTreeSet<u32> = used.flat_map(|oid| known.within(*oid)).collect();
    let naming = used.iter().filter(|oid| reviewed::is_naming(**oid)).map(|oid| {
        let detail = format!(
            "a value of type {}, which is written by what the catalogue says now",
            name(*oid, known)
        );
        refusal("type", detail)
    });
    let unknown = used.iter().filter(|oid| !known.types.contains_key(oid));
    let unknown = unknown.map(|_| refusal("type", "a value of a type that is not in the catalogue"));
    naming.chain(unknown).collect()
}

fn name(type_oid: u32, known: &Known) -> &str {
    known.types.get(&type_oid).map_or("?", |known| &known.name)
}

fn has(type_oid: u32, known: &Known, is: impl Fn(u32) -> bool) -> bool {
    known.within(type_oid).into_iter().any(is)
}

/// What is read as a date or time while the statement runs.
fn casts(survey: &Survey, known: &Known) -> Vec<Refusal> {
    let dated = |oid: u32| has(oid, known, reviewed::is_dated);
    let zoned = |oid: u32| has(oid, known, |oid| oid == reviewed::TIMETZ);
    let casts = survey
        .casts
        .iter()
        .filter(|(to, _)| dated(*to))
        .filter_map(|(to, from)| match from {
            Source::Computed => Some(refusal(
                "runtime_date_cast",
                format!(
                    "a text that is worked out is read as {}, and might be 'now'; use to_timestamp or to_date",
                    name(*to, known)
                ),
            )),
            Source::Text(text) if tells_present(text) => Some(present(name(*to, known))),
            Source::Text(_) | Source::Parameter(_) => None,
        });
    let read = survey.constants.iter().chain(survey.parameters.values()).copied();
    let read = read
        .chain(survey.casts.iter().map(|(to, _)| *to))
        .filter(|oid| zoned(*oid));
    let read = read.map(|oid| {
        refusal(
            "clock",
            format!(
                "a text is read as {}, whose zone depends on what day it is",
                name(oid, known)
            ),
        )
    });
    casts.chain(read).collect()
}

/// A word such as `now` stands where a date or time is read.
pub(super) fn present(what: &str) -> Refusal {
    let detail = format!("a text such as 'now' or 'today' is read as {what}; pass the moment as a parameter");
    refusal("clock_word", detail)
}

fn tables(survey: &Survey, known: &Known, followed: &Followed<'_>) -> Vec<Refusal> {
    let used: BTreeSet<u32> = survey.relations.iter().map(|(oid, _)| *oid).collect();
    used.into_iter()
        .filter_map(|oid| match known.relations.get(&oid) {
            Some(relation) => table_refusal(oid, relation, known, followed),
            None => Some(refusal("not_told", "a table that is not in the catalogue")),
        })
        .collect()
}

fn table_refusal(oid: u32, relation: &Relation, known: &Known, followed: &Followed<'_>) -> Option<Refusal> {
    let name = &relation.name;
    if relation.of_system {
        return Some(refusal(
            "system_catalogue",
            format!("{name} belongs to the catalogue, whose changes are not told"),
        ));
    }
    match (relation.kind.as_str(), relation.persistence.as_str()) {
        (_, "t") => Some(refusal(
            "temporary_table",
            format!("{name} is seen by one session only"),
        )),
        (_, "u") => Some(refusal(
            "unlogged_table",
            format!("changes of {name} are not in the log; ALTER TABLE {name} SET LOGGED would put them there"),
        )),
        ("f", _) => Some(refusal(
            "foreign_table",
            format!("{name} is on another server, whose changes are not in this log"),
        )),
        ("S", _) => Some(refusal(
            "sequence",
            format!("{name} is a sequence, whose changes are not told"),
        )),
        // What a view reads is looked at by itself. What a materialised view holds changes by REFRESH only, which kills.
        ("v" | "m", _) => None,
        ("r" | "p", _) => table_told(oid, relation, known, followed),
        _ => Some(refusal("not_told", format!("{name} is no table"))),
    }
}

fn table_told(oid: u32, relation: &Relation, known: &Known, followed: &Followed<'_>) -> Option<Refusal> {
    if !followed.tables.contains_key(&oid) {
        return Some(untold(oid, &relation.name, followed));
    }
    relation.descendants.iter().find_map(|oid| {
        let below = known.relations.get(oid)?;
        // A partitioned table has no rows itself.
        (below.kind != "p")
            .then(|| table_refusal(*oid, below, known, followed))
            .flatten()
    })
}

fn untold(oid: u32, name: &str, followed: &Followed<'_>) -> Refusal {
    match followed.untold.get(&oid) {
        Some((rule, advice)) if advice.is_empty() => refusal(rule, format!("changes of {name} are not told")),
        Some((rule, advice)) => refusal(rule, format!("changes of {name} are not told; {advice}")),
        None => refusal("not_told", format!("changes of {name} are not told")),
    }
}

/// Parameters and constants that are read as dates or times.
pub(super) fn dated(survey: &Survey, known: &Known) -> Dated {
    let dated = |oid: u32| has(oid, known, reviewed::is_dated);
    let typed = survey
        .parameters
        .iter()
        .filter(|(_, oid)| dated(**oid))
        .map(|(number, _)| *number);
    let cast = survey
        .casts
        .iter()
        .filter(|(to, _)| dated(*to))
        .filter_map(|(_, from)| match from {
            Source::Parameter(number) => Some(*number),
            _ => None,
        });
    Dated {
        parameters: typed.chain(cast).collect::<BTreeSet<u32>>().into_iter().collect(),
        constants: survey.constants.iter().any(|oid| dated(*oid)),
    }
}

/// What results depend on: of each table the rows with fixed values where that is all of it, else the table.
pub(super) fn dependencies(
    survey: &Survey,
    known: &Known,
    followed: &Followed<'_>,
    fixed: &Fixed,
    columns: &Columns,
) -> Vec<Dependency> {
    let reads = &survey.reads;
    let mut places: BTreeMap<u32, Vec<Place>> = BTreeMap::new();
    for (oid, place) in &survey.relations {
        places.entry(*oid).or_default().push(*place);
    }
    places
        .into_iter()
        .filter_map(|(oid, places)| Some((oid, known.relations.get(&oid)?, places)))
        .filter(|(_, relation, _)| relation.kind != "v")
        .flat_map(|(oid, relation, places)| of_table(oid, relation, &places, followed, fixed, (columns, reads)))
        .collect()
}

fn of_table(
    relation: u32,
    known: &Relation,
    places: &[Place],
    followed: &Followed<'_>,
    fixed: &Fixed,
    (columns, reads): (&Columns, &Reads),
) -> Vec<Dependency> {
    let told = followed.tables.get(&relation).map_or(&[][..], |told| &told.columns);
    let mut rows: Vec<On> = Vec::new();
    for place in places {
        let cells = cells(relation, known, *place, reads, columns);
        match rows_of(relation, *place, told, fixed, columns, cells) {
            Ok(found) => rows.extend(found),
            Err(reason) => {
                rows = vec![On::Table(reason)];
                break;
            }
        }
    }
    let mut unique: Vec<On> = Vec::new();
    for on in rows {
        if !unique.contains(&on) {
            unique.push(on);
        }
    }
    let name = &known.name;
    unique
        .into_iter()
        .map(|on| Dependency {
            relation,
            name: name.clone(),
            on,
        })
        .collect()
}

/// The columns of a table that matter in one place, if not all may. A child may compute what its parent stores.
fn cells(relation: u32, known: &Relation, place: Place, reads: &Reads, columns: &Columns) -> Option<Vec<String>> {
    let Place::Entry(entry) = place else { return None };
    if known.has_policies || !known.descendants.is_empty() {
        return None;
    }
    let read = reads.get(&entry).filter(|read| read.len() <= CELLS_MAX)?;
    let name = |number: &i16| {
        let column = columns.get(&(relation, *number))?;
        (!column.computed).then(|| column.name.clone())
    };
    read.iter().map(name).collect()
}

/// The rows that matter of a table in one place; or why all do.
fn rows_of(
    relation: u32,
    place: Place,
    told: &[String],
    fixed: &Fixed,
    columns: &Columns,
    cells: Option<Vec<String>>,
) -> Result<Vec<On>, &'static str> {
    let entry = match place {
        Place::Entry(entry) => entry,
        Place::Inside(reason) => return Err(reason),
    };
    let fixed = fixed.iter().filter(|((of, _), _)| *of == entry);
    let candidates: Vec<(&Column, &Vec<Term>)> = fixed
        .filter_map(|((_, number), terms)| Some((columns.get(&(relation, *number))?, terms)))
        .collect();
    if candidates.is_empty() {
        return Err("no_fixed_column");
    }
    let told = candidates.into_iter().filter(|(column, _)| told.contains(&column.name));
    let best = told.min_by(|one, other| rank(one).partial_cmp(&rank(other)).unwrap_or(std::cmp::Ordering::Equal));
    let (column, terms) = best.ok_or("replica_identity")?;
    // The order of several rows may change with any of them, wherever it was written to.
    let cells = cells.filter(|_| column.unique && terms.len() == 1);
    let row = |term: &Term| On::Row {
        column: column.name.clone(),
        type_oid: column.type_oid,
        term: term.clone(),
        cells: cells.clone(),
    };
    Ok(terms.iter().map(row).collect())
}

/// The fewer rows a column leaves, the fewer changes matter.
fn rank((column, terms): &(&Column, &Vec<Term>)) -> (bool, f64) {
    let values = u32::try_from(terms.len()).map_or(f64::MAX, f64::from);
    (!column.unique, column.share * values)
}
