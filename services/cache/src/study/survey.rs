//! Pure. Everything that a parsed expression or statement uses: tables, functions, operators, types, casts.
//!
//! What a tree may consist of is a list; a node that is not on it is refused, whatever it may be. So a new version of
//! PostgreSQL with a new kind of expression costs hits until somebody has looked at it.

use std::collections::{BTreeMap, BTreeSet};

use weir_proto::cache::v1::Refusal;

use super::judge::Reads;
use super::reviewed::{NODES, TYPE_FIELDS};
use super::tree::{Node, Value};

/// `current_setting(text)`, `current_setting(text, boolean)`.
const CURRENT_SETTING: [u32; 2] = [2077, 3294];
/// What PostgreSQL adds to a column's number in a set of columns, so that system columns have one as well.
const FIRST_COLUMN: i64 = 7;
/// Oid of `tableoid` among the system columns: the only one that is the same on every server with the same data.
const TABLEOID: i64 = -6;

/// Kinds of parameters: the statement's own, and the columns of a subquery in a condition with it.
pub(super) const GIVEN: u32 = 0;
const OF_SUBLINK: u32 = 2;

/// Where a tree comes from, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The statement itself.
    Statement,
    /// The definition of a view.
    View(String),
    /// Something else that the statement brings along, such as a policy.
    Brought(String),
}

impl Origin {
    fn within(&self) -> String {
        match self {
            Self::Statement => String::new(),
            Self::View(name) => format!(" in view {name}"),
            Self::Brought(what) => format!(" in {what}"),
        }
    }
}

/// What a cast at run time reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Parameter(u32),
    Text(Vec<u8>),
    Computed,
}

/// What trees use. Several may be surveyed into one.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Tables, views and their like. The place says which entry of the statement's own FROM it is, if it is one.
    pub(super) relations: Vec<(u32, Place)>,
    /// For entries of the statement's own FROM the columns that it names of them.
    pub(super) reads: Reads,
    pub(super) functions: BTreeSet<u32>,
    pub(super) operators: BTreeSet<u32>,
    pub(super) types: BTreeSet<u32>,
    pub(super) collations: BTreeSet<u32>,
    /// Parameters with their types.
    pub(super) parameters: BTreeMap<u32, u32>,
    /// Types of constants in the statement itself.
    pub(super) constants: BTreeSet<u32>,
    /// Types whose checks are made: what is converted to them, and what is read as them.
    pub(super) checked: BTreeSet<u32>,
    /// Casts by text at run time: the type, and what is cast.
    pub(super) casts: Vec<(u32, Source)>,
    pub(super) refusals: Vec<Refusal>,
}

/// Where a table stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// An entry of the statement's own list of tables.
    Entry(usize),
    /// Somewhere inside.
    Inside(&'static str),
}

pub(super) fn refusal(rule: &str, detail: impl Into<String>) -> Refusal {
    Refusal {
        rule: rule.to_owned(),
        detail: detail.into(),
    }
}

impl Survey {
    /// Adds a tree.
    pub(super) fn add(&mut self, tree: &Value, origin: &Origin) {
        let mut walk = Walk {
            survey: self,
            origin,
            queries: 0,
            inside: "subquery",
        };
        walk.value(tree);
    }

    fn refuse(&mut self, rule: &str, detail: String) {
        let refusal = refusal(rule, detail);
        if !self.refusals.contains(&refusal) {
            self.refusals.push(refusal);
        }
    }
}

struct Walk<'s> {
    survey: &'s mut Survey,
    origin: &'s Origin,
    /// Statements around what is looked at.
    queries: usize,
    /// What a table inside is inside of.
    inside: &'static str,
}

impl Walk<'_> {
    fn value(&mut self, value: &Value) {
        match value {
            Value::Node(node) => self.node(node),
            Value::List(items) => items.iter().for_each(|item| self.value(item)),
            Value::Nothing | Value::Atom(_) | Value::Bytes(_) => {}
        }
    }

    fn refuse(&mut self, rule: &str, what: &str) {
        let within = self.origin.within();
        self.survey.refuse(rule, format!("{what}{within}"));
    }

    fn node(&mut self, node: &Node) {
        if !NODES.contains(&&*node.label) {
            let what = format!("an expression that has not been reviewed ({})", node.label);
            return self.refuse("unknown_expression", &what);
        }
        self.types(node);
        self.collation(node);
        match &*node.label {
            "QUERY" => return self.query(node),
            "RANGETBLENTRY" | "RTE" => return self.entry(node, Place::Inside("subquery")),
            "VAR" => self.variable(node),
            "CONST" => self.constant(node),
            "PARAM" => self.parameter(node),
            "COERCETODOMAIN" => self.survey.checked.extend(node.number("resulttype")),
            "FUNCEXPR" => self.call(node),
            "COERCEVIAIO" => self.cast(node),
            "SQLVALUEFUNCTION" => self.value_function(node),
            "AGGREF" => self.function(node, "aggfnoid"),
            "WINDOWFUNC" => self.function(node, "winfnoid"),
            "WINDOWCLAUSE" => {
                self.function(node, "startInRangeFunc");
                self.function(node, "endInRangeFunc");
            }
            _ => self.operators(node),
        }
        self.fields(node);
    }

    fn fields(&mut self, node: &Node) {
        let inside = |name: &str| !matches!(name, "alias" | "eref");
        let fields = node.fields.iter().filter(|(name, _)| inside(name));
        fields.for_each(|(_, value)| self.value(value));
    }

    fn types(&mut self, node: &Node) {
        let types = TYPE_FIELDS.iter().filter_map(|field| node.number(field));
        let lists = ["coltypes", "funccoltypes", "aggargtypes"].map(|field| node.get(field).numbers());
        let types = types.chain(lists.into_iter().flatten()).filter(|oid| *oid > 0);
        self.survey.types.extend(types);
    }

    fn collation(&mut self, node: &Node) {
        let found = node.number("inputcollid").filter(|oid| *oid > 0);
        self.survey.collations.extend(found);
    }

    fn query(&mut self, query: &Node) {
        self.kind(query);
        self.queries += 1;
        let before = self.inside;
        if query.has("setOperations") {
            self.inside = "set_operation";
        }
        for (name, value) in &query.fields {
            match &**name {
                "rtable" => self.entries(query, value),
                // Rights, which are asked for when the statement runs.
                "rteperminfos" | "constraintDeps" => {}
                _ => self.value(value),
            }
        }
        self.inside = before;
        self.queries -= 1;
    }

    /// Whether a statement only reads.
    fn kind(&mut self, query: &Node) {
        if query.number("commandType") != Some(1) || query.has("utilityStmt") {
            self.refuse("not_select", "something else than a SELECT, VALUES or TABLE");
        }
        if query.flag("hasModifyingCTE") {
            self.refuse("writes", "a part that changes data");
        }
        if query.flag("hasForUpdate") || query.has("rowMarks") {
            self.refuse(
                "locking",
                "FOR UPDATE, FOR SHARE or a like lock, which a kept result could not take",
            );
        }
    }

    fn entries(&mut self, query: &Node, entries: &Value) {
        let own = self.queries == 1 && *self.origin == Origin::Statement && !query.has("setOperations");
        for (at, entry) in entries.nodes().into_iter().enumerate() {
            let place = match self.origin {
                Origin::Statement if own => Place::Entry(at + 1),
                Origin::Statement => Place::Inside(self.inside),
                Origin::View(_) => Place::Inside("view"),
                Origin::Brought(_) => Place::Inside("policy"),
            };
            if let Place::Entry(number) = place
                && let Some(columns) = read_columns(query, entry)
            {
                self.survey.reads.insert(number, columns);
            }
            self.entry(entry, place);
        }
    }

    fn entry(&mut self, entry: &Node, place: Place) {
        let relation = entry.number("relid").unwrap_or(0);
        match entry.number("rtekind") {
            Some(0) if relation > 0 => self.survey.relations.push((relation, place)),
            // A subquery that was a view.
            Some(1) if relation > 0 => self.survey.relations.push((relation, Place::Inside("view"))),
            Some(1 | 2 | 3 | 5 | 6 | 8 | 9) => {}
            _ => self.refuse("unknown_expression", "a source of rows that has not been reviewed"),
        }
        if entry.has("tablesample") {
            self.refuse("sample", "TABLESAMPLE, which gives other rows each time");
        }
        self.types(entry);
        for (name, value) in &entry.fields {
            match &**name {
                "alias" | "eref" => {}
                "joinaliasvars" => self.merged(value),
                _ => self.value(value),
            }
        }
    }

    /// Columns of a join: those that are just one of its sides' are used only where somebody names them.
    fn merged(&mut self, columns: &Value) {
        let merged = columns.items().iter().filter(|column| match column {
            Value::Node(node) => !node.is(&["VAR"]),
            _ => false,
        });
        merged.for_each(|column| self.value(column));
    }

    fn variable(&mut self, node: &Node) {
        let column = node.signed("varattno").unwrap_or(0);
        if column < 0 && column != TABLEOID {
            let what = "a system column such as ctid or xmin, which changes without the row";
            self.refuse("system_column", what);
        }
    }

    fn constant(&mut self, node: &Node) {
        if *self.origin == Origin::Statement {
            self.survey.constants.extend(node.number("consttype"));
        }
    }

    fn parameter(&mut self, node: &Node) {
        match (
            node.number("paramkind"),
            node.number("paramid"),
            node.number("paramtype"),
        ) {
            (Some(GIVEN), Some(number), Some(type_oid)) => {
                // The body of a function has parameters of its own.
                if *self.origin == Origin::Statement {
                    self.survey.parameters.insert(number, type_oid);
                }
            }
            (Some(OF_SUBLINK), ..) => {}
            _ => self.refuse("unknown_expression", "a parameter that has not been reviewed"),
        }
    }

    fn function(&mut self, node: &Node, field: &str) {
        self.survey.functions.extend(node.number(field).filter(|oid| *oid > 0));
    }

    fn call(&mut self, node: &Node) {
        let setting = node.number("funcid").is_some_and(|oid| CURRENT_SETTING.contains(&oid));
        if setting {
            self.setting(node);
        } else {
            self.function(node, "funcid");
        }
    }

    fn setting(&mut self, node: &Node) {
        let name = node.get("args").nodes().first().and_then(|name| text(name));
        let name = name.map(|name| String::from_utf8_lossy(&name).to_ascii_lowercase());
        match name {
            Some(name) if super::reviewed::is_known_setting(&name) => {}
            Some(name) => self.refuse(
                "session_state",
                &format!("current_setting('{name}'), which the cache does not follow"),
            ),
            None => self.refuse("session_state", "current_setting() of a name that is no constant"),
        }
    }

    fn cast(&mut self, node: &Node) {
        let Some(to) = node.number("resulttype") else { return };
        self.survey.checked.insert(to);
        let source = match node.node("arg").map_or(Source::Computed, source) {
            Source::Parameter(_) if *self.origin != Origin::Statement => Source::Computed,
            source => source,
        };
        self.survey.casts.push((to, source));
    }

    /// `CURRENT_DATE` to `LOCALTIMESTAMP(n)` are 0 to 8; roles, catalogue and schema follow.
    fn value_function(&mut self, node: &Node) {
        if node.number("op").is_none_or(|op| op < 9) {
            let what = "CURRENT_DATE, CURRENT_TIME, LOCALTIMESTAMP or a like reading of the clock";
            self.refuse("clock", what);
        }
    }

    /// Whatever names operators by number.
    fn operators(&mut self, node: &Node) {
        let fields = ["opno", "eqop", "sortop", "cycle_mark_neop"];
        let single = fields.iter().filter_map(|field| node.number(field));
        let found = single.chain(node.get("opnos").numbers()).filter(|oid| *oid > 0);
        self.survey.operators.extend(found);
    }
}

/// The columns of an entry by which PostgreSQL itself decides whether its reader has the right to read them: every one that
/// the statement names anywhere. None where it takes the row as a whole, or says nothing that is understood.
fn read_columns(query: &Node, entry: &Node) -> Option<BTreeSet<i16>> {
    let rights = match entry.number("perminfoindex") {
        // In 16 and newer they stand apart.
        Some(index) => {
            let all = query.get("rteperminfos").nodes();
            all.get(usize::try_from(index).ok()?.checked_sub(1)?).copied()?
        }
        None => entry,
    };
    let Value::List(set) = rights.get("selectedCols") else {
        return None;
    };
    let (kind, columns) = set.split_first()?;
    if *kind != Value::Atom("b".into()) {
        return None;
    }
    let column = |value: &Value| match value {
        Value::Atom(text) => i16::try_from(text.parse::<i64>().ok()? - FIRST_COLUMN).ok(),
        _ => None,
    };
    let columns: BTreeSet<i16> = columns.iter().map(column).collect::<Option<_>>()?;
    columns.iter().all(|column| *column > 0).then_some(columns)
}

/// What a cast at run time reads.
fn source(node: &Node) -> Source {
    if node.is(&["RELABELTYPE", "COLLATEEXPR", "COLLATE"]) {
        return node.node("arg").map_or(Source::Computed, source);
    }
    match (&*node.label, node.number("paramid"), text(node)) {
        ("PARAM", Some(number), _) => Source::Parameter(number),
        ("CONST", _, Some(text)) => Source::Text(text),
        _ => Source::Computed,
    }
}

/// The text of a constant of type `text`, `varchar` or like ones.
pub(super) fn text(node: &Node) -> Option<Vec<u8>> {
    let is_text = node.is(&["CONST"])
        && node
            .number("consttype")
            .is_some_and(|oid| matches!(oid, 25 | 1043 | 1042));
    match node.get("constvalue") {
        Value::Bytes(bytes) if is_text => varlena(bytes).map(<[u8]>::to_vec),
        _ => None,
    }
}

/// The content of a value of variable length, behind its header of four bytes (on a machine that writes the low byte
/// first).
pub(super) fn varlena(bytes: &[u8]) -> Option<&[u8]> {
    let (header, content) = bytes.split_at_checked(4)?;
    let header = u32::from_le_bytes(header.try_into().ok()?);
    let whole = usize::try_from(header >> 2).ok()?;
    (header & 3 == 0 && whole == bytes.len()).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::tree::read;

    fn rules(tree: &str) -> Vec<String> {
        let mut survey = Survey::default();
        survey.add(&read(tree).unwrap(), &Origin::Statement);
        survey.refusals.into_iter().map(|refusal| refusal.rule).collect()
    }

    #[test]
    fn what_is_not_on_the_list_is_refused_wherever_it_stands() {
        assert_eq!(rules("{CONST :consttype 23}"), [""; 0]);
        assert_eq!(rules("{NEWEXPR :arg <>}"), ["unknown_expression"]);
        assert_eq!(
            rules("({CASE :args ({WHEN :expr {NEWEXPR :a 1}})})"),
            ["unknown_expression"]
        );
        assert_eq!(
            rules("{PARAM :paramkind 1 :paramid 1 :paramtype 23}"),
            ["unknown_expression"]
        );
        assert_eq!(
            rules("{QUERY :commandType 1 :rtable ({RANGETBLENTRY :rtekind 11})}"),
            ["unknown_expression"]
        );
        assert_eq!(
            rules("{QUERY :commandType 5 :utilityStmt {X}}"),
            ["not_select", "unknown_expression"]
        );
    }

    #[test]
    fn a_value_of_variable_length_is_what_its_header_says() {
        assert_eq!(varlena(&[24, 0, 0, 0, 65, 66]), Some(&[65, 66][..]));
        for wrong in [
            &[24, 0, 0, 0, 65][..],
            &[25, 0, 0, 0, 65, 66],
            &[0, 0, 0, 24, 65, 66],
            &[24, 0, 0],
            &[],
        ] {
            assert_eq!(varlena(wrong), None, "{wrong:?}");
        }
    }
}
