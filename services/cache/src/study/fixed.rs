//! Pure. Which columns of a statement's tables can only have one value, or one of a few, in rows that matter.
//!
//! A row of a table in FROM matters only if it is in a combination for which every equation on the way up holds: WHERE,
//! the conditions of inner joins, and, for the side of an outer join that is filled up with NULL, the condition of that
//! join. Equality is strict: it does not hold for NULL. So an equation above an outer join that fails for a combination
//! with a row also fails for the one that is filled up in its place, and the row's presence changes nothing. From the
//! side that is kept, the join's own condition takes nothing away, and it tells nothing about it.
//!
//! Equations chain: `u.id = $1 AND r.user_id = u.id` fixes `r.user_id` as well, because all of them hold for one
//! combination. Only operators whose equality is that of the canonical form count (`weir_tags::Family`), of texts only
//! under a deterministic collation.

use std::collections::BTreeMap;

use weir_tags::{Canonical, Family};

use super::survey::{GIVEN, varlena};
use super::tree::{Node, Value};

/// Equations that are looked at in one condition.
const EQUATIONS_MAX: usize = 200;
/// Values that a column may have and still be told row by row.
const TERMS_MAX: usize = 32;
/// Joins within joins through which a merged column is traced.
const MERGES_MAX: usize = 16;

/// A value that does not change within one execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Term {
    Parameter(u32),
    Constant(Canonical),
}

/// A column of an entry of FROM: the entry's number, the column's number.
pub(super) type Column = (usize, i16);

/// For each column the values that it can have.
pub(super) type Fixed = BTreeMap<Column, Vec<Term>>;

/// What can stand on a side of an equation.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Side {
    Column(Column),
    Terms(Vec<Term>),
}

type Equation = (Column, Side);

/// What is known of the collations of a database, and of the machine that it is on.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Texts may be compared as bytes at all.
    pub(super) texts: bool,
    /// Collations under which equal means equal bytes.
    pub(super) deterministic: Vec<u32>,
    /// The low byte comes first.
    pub(super) little_endian: bool,
}

/// The columns that the FROM and WHERE of a statement fix.
pub(super) fn of(query: &Node, facts: &Facts) -> Fixed {
    let mut fixed = Fixed::new();
    if query.has("setOperations") {
        return fixed;
    }
    let entries = query.get("rtable").nodes();
    let reader = Reader { entries, facts };
    if let Some(tree) = query.node("jointree") {
        reader.descend(tree, &[], &mut fixed);
    }
    fixed
}

struct Reader<'t> {
    entries: Vec<&'t Node>,
    facts: &'t Facts,
}

impl Reader<'_> {
    /// Goes down from what holds above to the entries.
    fn descend(&self, node: &Node, above: &[Equation], fixed: &mut Fixed) {
        match &*node.label {
            "RANGETBLREF" => self.leaf(node, above, fixed),
            "FROMEXPR" => {
                let all = self.with(above, node);
                let entries = node.get("fromlist").nodes();
                entries.into_iter().for_each(|entry| self.descend(entry, &all, fixed));
            }
            "JOINEXPR" => self.join(node, above, fixed),
            _ => {}
        }
    }

    fn join(&self, node: &Node, above: &[Equation], fixed: &mut Fixed) {
        const INNER: u32 = 0;
        const LEFT: u32 = 1;
        const RIGHT: u32 = 3;
        let all = self.with(above, node);
        let (left, right) = match node.number("jointype") {
            Some(INNER) => (&*all, &*all),
            Some(LEFT) => (above, &*all),
            Some(RIGHT) => (&*all, above),
            _ => (above, above),
        };
        for (side, holds) in [("larg", left), ("rarg", right)] {
            if let Some(side) = node.node(side) {
                self.descend(side, holds, fixed);
            }
        }
    }

    fn leaf(&self, node: &Node, above: &[Equation], fixed: &mut Fixed) {
        let Some(entry) = node.number("rtindex").and_then(|index| usize::try_from(index).ok()) else {
            return;
        };
        let known = closure(above);
        fixed.extend(known.into_iter().filter(|((of, _), _)| *of == entry));
    }

    /// What holds above, and what a node's own condition adds.
    fn with(&self, above: &[Equation], node: &Node) -> Vec<Equation> {
        let mut all = above.to_vec();
        if let Some(condition) = node.node("quals") {
            self.collect(condition, &mut all);
        }
        all
    }

    fn collect(&self, condition: &Node, found: &mut Vec<Equation>) {
        if found.len() >= EQUATIONS_MAX {
            return;
        }
        let arguments = condition.get("args").nodes();
        match (&*condition.label, arguments.as_slice()) {
            ("BOOLEXPR", arguments) if condition.text("boolop") == Some("and") => {
                arguments.iter().for_each(|argument| self.collect(argument, found));
            }
            ("OPEXPR", [left, right]) => found.extend(self.equation(condition, left, right)),
            ("SCALARARRAYOPEXPR", [left, right]) if condition.flag("useOr") => {
                found.extend(self.choice(condition, left, right));
            }
            _ => {}
        }
    }

    fn equation(&self, condition: &Node, left: &Node, right: &Node) -> Option<Equation> {
        let family = self.family(condition)?;
        match (self.side(left, family)?, self.side(right, family)?) {
            (Side::Column(column), other) | (other, Side::Column(column)) => Some((column, other)),
            (Side::Terms(_), Side::Terms(_)) => None,
        }
    }

    /// `column IN (…)`.
    fn choice(&self, condition: &Node, left: &Node, right: &Node) -> Option<Equation> {
        let family = self.family(condition)?;
        let Side::Column(column) = self.side(left, family)? else {
            return None;
        };
        let elements = right
            .is(&["ARRAY", "ARRAYEXPR"])
            .then(|| right.get("elements").nodes())?;
        if elements.len() > TERMS_MAX || right.flag("multidims") {
            return None;
        }
        let terms: Option<Vec<Vec<Term>>> = elements
            .into_iter()
            .map(|element| match self.side(element, family)? {
                Side::Terms(terms) => Some(terms),
                Side::Column(_) => None,
            })
            .collect();
        Some((column, Side::Terms(terms?.concat())))
    }

    /// The family of an equality operator, if its equality is that of the canonical form.
    fn family(&self, condition: &Node) -> Option<Family> {
        let family = equality(condition.number("opno")?)?;
        let collation = condition.number("inputcollid").unwrap_or(0);
        let plain = family != Family::Text || (self.facts.texts && self.facts.deterministic.contains(&collation));
        plain.then_some(family)
    }

    fn side(&self, node: &Node, family: Family) -> Option<Side> {
        let node = bare(node, family);
        match &*node.label {
            "VAR" => self.column(node, family, 0).map(Side::Column),
            "PARAM" if is_of(node, "paramtype", family) && node.number("paramkind") == Some(GIVEN) => {
                Some(Side::Terms(vec![Term::Parameter(node.number("paramid")?)]))
            }
            "CONST" if is_of(node, "consttype", family) => {
                Some(Side::Terms(vec![Term::Constant(self.constant(node, family)?)]))
            }
            _ => None,
        }
    }

    /// A column, through the merged columns of joins to the table that it comes from.
    fn column(&self, node: &Node, family: Family, merges: usize) -> Option<Column> {
        if merges > MERGES_MAX || node.number("varlevelsup") != Some(0) || !is_of(node, "vartype", family) {
            return None;
        }
        let entry = usize::try_from(node.number("varno")?).ok()?;
        let column = i16::try_from(node.signed("varattno")?)
            .ok()
            .filter(|column| *column > 0)?;
        let known = self.entries.get(entry.checked_sub(1)?)?;
        match known.number("rtekind") {
            Some(0) => Some((entry, column)),
            Some(2) => {
                let merged = known.get("joinaliasvars").items();
                let merged = merged.get(usize::try_from(column).ok()?.checked_sub(1)?)?;
                self.column(merged.node().filter(|node| node.is(&["VAR"]))?, family, merges + 1)
            }
            _ => None,
        }
    }

    fn constant(&self, node: &Node, family: Family) -> Option<Canonical> {
        let Value::Bytes(bytes) = node.get("constvalue") else {
            return None;
        };
        if node.flag("constisnull") || !self.facts.little_endian {
            return None;
        }
        match family {
            Family::Integer => {
                let number = i64::from_le_bytes(bytes.as_slice().try_into().ok()?);
                family.from_binary(&number.to_be_bytes())
            }
            Family::Boolean => family.from_binary(bytes.get(..1)?),
            Family::Uuid => family.from_binary(bytes),
            Family::Text | Family::Bytes => family.from_binary(varlena(bytes)?),
        }
    }
}

fn is_of(node: &Node, field: &str, family: Family) -> bool {
    node.number(field).and_then(Family::of_type) == Some(family)
}

/// What is inside casts that leave the value as it is: other names for the same bytes, and between integers, where a
/// value that does not fit is an error.
fn bare(node: &Node, family: Family) -> &Node {
    const INTEGER_CASTS: [u32; 6] = [313, 314, 480, 481, 714, 754];
    let inner = match &*node.label {
        "RELABELTYPE" | "COLLATEEXPR" | "COLLATE" => node.node("arg"),
        "FUNCEXPR"
            if family == Family::Integer && node.number("funcid").is_some_and(|oid| INTEGER_CASTS.contains(&oid)) =>
        {
            node.get("args").nodes().first().copied()
        }
        _ => None,
    };
    inner.map_or(node, |inner| bare(inner, family))
}

/// The operators `=` of `pg_operator` whose operands have a canonical form.
const fn equality(operator: u32) -> Option<Family> {
    match operator {
        15 | 94 | 96 | 410 | 416 | 532 | 533 | 1862 | 1868 => Some(Family::Integer),
        98 => Some(Family::Text),
        91 => Some(Family::Boolean),
        1955 => Some(Family::Bytes),
        2972 => Some(Family::Uuid),
        _ => None,
    }
}

/// What follows from equations that hold together: the fewest values known for each column.
fn closure(equations: &[Equation]) -> Fixed {
    let mut fixed = Fixed::new();
    for (column, side) in equations {
        if let Side::Terms(terms) = side {
            narrow(&mut fixed, *column, terms);
        }
    }
    while equations.iter().any(|(column, side)| spread(&mut fixed, *column, side)) {}
    fixed
}

/// Gives one column the values of the other where they are fewer. Whether that changed anything.
fn spread(fixed: &mut Fixed, one: Column, side: &Side) -> bool {
    let Side::Column(other) = *side else { return false };
    let pairs = [(one, other), (other, one)];
    pairs.into_iter().any(|(from, to)| {
        let terms = fixed.get(&from).cloned();
        terms.is_some_and(|terms| narrow(fixed, to, &terms))
    })
}

fn narrow(fixed: &mut Fixed, column: Column, terms: &[Term]) -> bool {
    let better = fixed.get(&column).is_none_or(|known| known.len() > terms.len());
    if better {
        fixed.insert(column, terms.to_vec());
    }
    better
}
