//! What calls itself a plan and is meant to hurt.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{OF_18, node, over};
use crate::advise::{Facts, Measures, PlanError, judge, minified, read, shape, text};

/// Everything that is done with a plan.
fn all_of_it(json: &str) -> Result<usize, PlanError> {
    let plan = read(json)?;
    let findings = judge(&plan, &Measures::of(&plan), &Facts::default());
    let _ = (shape(&plan), crate::advise::changed(&plan, &plan));
    Ok(findings.len() + text(&plan).len())
}

#[test]
fn a_plan_is_bounded_in_every_direction() {
    let chain = |levels: usize| {
        let open = r#"{"Node Type": "Result", "Plan Rows": 1, "Plans": ["#.repeat(levels);
        let close = "]}".repeat(levels);
        format!(r#"[{{"Plan": {open}{{"Node Type": "Result"}}{close}}}]"#)
    };
    assert_eq!(read(&chain(150)).unwrap().nodes.len(), 151);
    assert!(all_of_it(&chain(150)).is_ok());
    for levels in [300, 100_000] {
        assert_eq!(read(&chain(levels)), Err(PlanError::TooMuch("levels")), "{levels}");
    }
    let wide = |nodes: usize| {
        let leaves = vec![r#"{"Node Type":"Result"}"#; nodes].join(",");
        format!(r#"[{{"Plan": {{"Node Type": "Append", "Plans": [{leaves}]}}}}]"#)
    };
    assert!(all_of_it(&wide(10_000)).is_ok());
    assert_eq!(read(&wide(20_000)), Err(PlanError::TooMuch("nodes")));
    assert_eq!(read(&" ".repeat(9 * 1024 * 1024)), Err(PlanError::TooMuch("bytes")));
    let brackets = format!(
        r#"[{{"Plan": {{"Node Type": "Result", "Filter": "{}\"{}"}}}}]"#,
        "[".repeat(5_000),
        "{".repeat(5_000)
    );
    assert!(all_of_it(&brackets).is_ok(), "brackets in a text are no depth");
}

#[test]
fn what_is_no_plan_is_refused() {
    for json in [
        "",
        "null",
        "[]",
        "{}",
        "[{}]",
        "[1]",
        r#"[{"Plan": 1}]"#,
        r#"[{"Plan": {}}]"#,
        r#"[{"Plan": {"Node Type": 1}}]"#,
        r#"[{"Plan": {"Node Type": "Result", "Plans": {}}}]"#,
        r#"[{"Plan": {"Node Type": "Result", "Plans": [1]}}]"#,
        r#"[{"Plan": {"Node Type": "Result", "Plans": [{"Node Type": null}]}}]"#,
        r#"[{"Plan": {"Node Type": "Result"}}"#,
        r#"[{"Plan": {"Node Type": "Result"}, "Execution Time": 1e999}]"#,
        r#"["Utility Statement"]"#,
        "[[[[[[",
    ] {
        assert!(matches!(read(json), Err(PlanError::Form(_))), "{json}");
    }
}

#[test]
fn strange_values_are_no_figures() {
    let strange = [
        json!("many"),
        json!(-1e300),
        json!(null),
        json!([]),
        json!({"a": [1]}),
        json!(1e300),
        json!(true),
    ];
    let keys = [
        "Plan Rows",
        "Plan Width",
        "Total Cost",
        "Actual Rows",
        "Actual Loops",
        "Actual Total Time",
        "Hash Batches",
        "Workers",
        "Sort Space Used",
        "Lossy Heap Blocks",
        "Workers Launched",
        "Temp Read Blocks",
        "Rows Removed by Filter",
        "Alias",
        "Relation Name",
        "Filter",
        "Subplan Name",
        "Sort Method",
    ];
    for kind in [
        "Seq Scan",
        "Sort",
        "Hash",
        "Nested Loop",
        "Gather",
        "Aggregate",
        "Bitmap Heap Scan",
        "CTE Scan",
    ] {
        for value in &strange {
            let with = |mut node: Value| {
                keys.iter().for_each(|key| node[*key] = value.clone());
                node
            };
            let root = over(
                with(node(kind, 1.0, 1.0)),
                vec![with(node(kind, 1.0, 1.0)), with(node(kind, 1.0, 1.0))],
            );
            let json = json!([{ "Plan": root, "Execution Time": 1.0, "JIT": value, "Triggers": value }]);
            assert!(all_of_it(&json.to_string()).is_ok(), "{kind} {value}");
        }
    }
}

#[test]
fn only_spaces_between_the_parts_are_left_out() {
    let spaced = r#" [ { "a b" : "c \" [ d\\" , "e" : [ 1 , true ] } ] "#;
    assert_eq!(minified(spaced), r#"[{"a b":"c \" [ d\\","e":[1,true]}]"#);
    let value: Value = serde_json::from_str(OF_18).unwrap();
    let shorter = minified(OF_18);
    assert_eq!(serde_json::from_str::<Value>(&shorter).unwrap(), value);
    assert!(shorter.len() * 4 < OF_18.len() * 3);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-zA-Z \"\\\\\\[{(.']{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "Seq Scan",
            "Nested Loop",
            "Gather",
            "Inner",
            "Outer",
            "InitPlan",
            "CTE x"
        ])
        .prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "Plan",
        "Node Type",
        "Plans",
        "Actual Rows",
        "Actual Loops",
        "Plan Rows",
        "Workers",
        "JIT",
        "Triggers",
        "Execution Time",
        "Parent Relationship",
        "Subplan Name",
        "CTE Name",
        "Filter",
        "Relation Name",
        "Actual Total Time",
        "x",
    ]);
    leaf.prop_recursive(6, 64, 6, move |inner| {
        let object = prop::collection::vec((key.clone(), inner.clone()), 0..8);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Value::from),
            object.prop_map(|members| members
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect::<serde_json::Map<_, _>>()
                .into()),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_ends_in_a_panic(text in ".{0,200}") {
        let _ = (all_of_it(&text), minified(&text));
    }

    #[test]
    fn no_json_ends_in_a_panic(plan in any_json()) {
        let plan = match plan {
            Value::Object(mut plan) => {
                plan.insert("Node Type".to_owned(), "Seq Scan".into());
                Value::Object(plan)
            }
            plan => plan,
        };
        let whole = json!([{ "Plan": plan, "Execution Time": 5.0 }]).to_string();
        let _ = all_of_it(&whole);
        prop_assert_eq!(serde_json::from_str::<Value>(&minified(&whole)).unwrap(), serde_json::from_str::<Value>(&whole).unwrap());
    }
}
