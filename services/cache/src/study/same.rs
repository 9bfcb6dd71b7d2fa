//! Pure. Whether a statement with parameters in place of its literals is the same statement.

use super::survey::GIVEN;
use super::tree::{Node, Value};

/// Fields that say where in the text something stood.
const PLACES: [&str; 5] = ["location", "stmt_location", "stmt_len", "list_start", "list_end"];

/// Whether two trees are the same, but that the second has a parameter where the first has a constant of its type.
pub(super) fn same(literal: &Value, parameterised: &Value) -> bool {
    match (literal, parameterised) {
        (Value::Node(one), Value::Node(other)) => stands_for(one, other) || same_nodes(one, other),
        (Value::List(one), Value::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (one, other) => one == other,
    }
}

fn same_nodes(one: &Node, other: &Node) -> bool {
    let mut pairs = one.fields.iter().zip(&other.fields);
    one.label == other.label
        && one.fields.len() == other.fields.len()
        && pairs.all(|((name, one), (other_name, other))| {
            name == other_name && (PLACES.contains(&&**name) || same(one, other))
        })
}

fn stands_for(constant: &Node, parameter: &Node) -> bool {
    let pairs = [
        ("consttype", "paramtype"),
        ("consttypmod", "paramtypmod"),
        ("constcollid", "paramcollid"),
    ];
    constant.is(&["CONST"])
        && parameter.is(&["PARAM"])
        && parameter.number("paramkind") == Some(GIVEN)
        && !constant.flag("constisnull")
        && pairs
            .iter()
            .all(|(one, other)| constant.text(one) == parameter.text(other))
}

#[cfg(test)]
mod tests {
    use super::super::tree::read;
    use super::*;

    const CONSTANT: &str = "{CONST :consttype 23 :consttypmod -1 :constcollid 0 :constisnull false :location 3}";
    const PARAMETER: &str = "{PARAM :paramkind 0 :paramid 1 :paramtype 23 :paramtypmod -1 :paramcollid 0}";

    fn are(one: &str, other: &str) -> bool {
        let tree = |text: &str| read(&format!("({{A :b {text} :location 1}})")).unwrap();
        same(&tree(one), &tree(other))
    }

    #[test]
    fn a_parameter_stands_for_a_constant_of_its_type_only() {
        assert!(are(CONSTANT, PARAMETER));
        assert!(are(CONSTANT, &CONSTANT.replace("location 3", "location 9")));
        assert!(!are(PARAMETER, CONSTANT));
        for (from, to) in [
            ("type 23", "type 20"),
            ("mod -1", "mod 4"),
            ("collid 0", "collid 100"),
            ("kind 0", "kind 2"),
        ] {
            assert!(!are(CONSTANT, &PARAMETER.replace(from, to)), "{from}");
        }
        assert!(!are(&CONSTANT.replace("null false", "null true"), PARAMETER));
        assert!(!are(CONSTANT, "{VAR :varno 1}"));
        assert!(!are("(1 2)", "(1)"));
        assert!(!are("1", "2"));
    }
}
