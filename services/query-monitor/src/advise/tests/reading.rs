//! What is worked out of a plan: its times, its shape, its text, and what differs between two.

use serde_json::json;

use super::{OF_18, but, node, over, plan_of};
use crate::advise::facts::{Column, Table};
use crate::advise::{Facts, Measures, changed, judge, read, shape, text};

#[test]
fn a_plan_of_a_newer_version_is_read_and_judged() {
    let plan = read(OF_18).unwrap();
    let measures = Measures::of(&plan);
    let findings = judge(&plan, &measures, &Facts::default());
    let of = |slug: &str| {
        findings
            .iter()
            .filter(|finding| finding.slug == slug)
            .collect::<Vec<_>>()
    };
    let sorts = of("sort-spills");
    assert!(
        sorts.len() == 1 && sorts[0].text.contains("in 3 processes"),
        "{findings:?}"
    );
    let lossy = of("bitmap-lossy");
    assert!(
        lossy.len() == 1 && lossy[0].figures[0].1 > 1_000.0,
        "the workers' blocks are not counted: {lossy:?}"
    );
    let files: Vec<_> = of("temporary-files")
        .iter()
        .map(|finding| plan.nodes[finding.node.unwrap()].title())
        .collect();
    assert_eq!(files, ["CTE Scan on x x_1", "CTE Scan on x"], "{}", text(&plan));
}

/// However the work was shared among workers and table expressions, the parts make up the whole.
#[test]
fn own_times_add_up_to_the_whole() {
    let plan = read(OF_18).unwrap();
    let measures = Measures::of(&plan);
    let own: f64 = plan.nodes.iter().map(|node| measures.exclusive_ms(node)).sum();
    let whole = measures.inclusive_ms(&plan.nodes[0]);
    assert!((own / whole - 1.0).abs() < 0.05, "{own} of {whole}");
    // The table expression is run by one of its scans, and is not counted a second time there.
    let scans: Vec<_> = plan.nodes.iter().filter(|node| node.word("CTE Name") == "x").collect();
    let own: Vec<f64> = scans
        .iter()
        .map(|scan| measures.exclusive_ms(scan) / measures.inclusive_ms(scan))
        .collect();
    assert!((own[0] - 1.0).abs() < 1e-9 && own[1] < 0.2, "{own:?}");
    // Three processes sorted at once: 3 x 106.8 ms of work are 106.8 ms on the wall.
    let sort = plan.nodes.iter().find(|node| node.kind() == "Sort").unwrap();
    assert!((measures.inclusive_ms(sort) - sort.amount("Actual Total Time")).abs() < 1e-6);
}

#[test]
fn loops_count_for_each_of_their_times() {
    let inner = but(
        node("Index Scan", 1.0, 1.0),
        json!({"Actual Loops": 50, "Actual Total Time": 0.1}),
    );
    let plan = plan_of(over(
        but(node("Nested Loop", 50.0, 50.0), json!({"Actual Total Time": 9.0})),
        vec![
            but(node("Seq Scan", 50.0, 50.0), json!({"Actual Total Time": 1.0})),
            inner,
        ],
    ));
    let measures = Measures::of(&plan);
    let own: Vec<f64> = plan.nodes.iter().map(|node| measures.exclusive_ms(node)).collect();
    assert!((own[0] - 3.0).abs() < 1e-9 && (own[2] - 5.0).abs() < 1e-9, "{own:?}");
}

#[test]
fn a_shape_is_what_is_done_and_not_what_it_costs() {
    let scan = |further| but(node("Seq Scan", 5.0, 5.0), further);
    let same = plan_of(scan(json!({"Relation Name": "t", "Filter": "(a = 1)"})));
    let dearer = plan_of(scan(
        json!({"Relation Name": "t", "Filter": "(a = 2)", "Total Cost": 7.0, "Actual Rows": 9}),
    ));
    assert_eq!(shape(&same), shape(&dearer));
    for other in [
        scan(json!({"Relation Name": "u"})),
        scan(json!({"Relation Name": "t", "Schema": "other"})),
        scan(json!({"Relation Name": "t", "Parallel Aware": true})),
        but(
            node("Index Scan", 5.0, 5.0),
            json!({"Relation Name": "t", "Index Name": "i"}),
        ),
        over(node("Limit", 5.0, 5.0), vec![scan(json!({"Relation Name": "t"}))]),
    ] {
        assert_ne!(shape(&same), shape(&plan_of(other.clone())), "{other}");
    }
    // The number is kept in tables: it must not change with the program.
    assert_eq!(format!("{:016x}", shape(&same)), "c75b550f079864b3");
}

#[test]
fn a_change_names_what_is_another_way_now() {
    let table = |kind: &str, index: &str| {
        but(
            node(kind, 5.0, 5.0),
            json!({"Schema": "s", "Relation Name": "t", "Alias": "o", "Index Name": index}),
        )
    };
    let other = but(
        node("Seq Scan", 5.0, 5.0),
        json!({"Schema": "s", "Relation Name": "u", "Alias": "u"}),
    );
    let before = plan_of(over(
        node("Hash Join", 5.0, 5.0),
        vec![table("Seq Scan", ""), other.clone()],
    ));
    let now = plan_of(over(
        but(node("Nested Loop", 5.0, 5.0), json!({"Total Cost": 900.0})),
        vec![other, table("Index Scan", "t_i")],
    ));
    let finding = changed(&before, &now);
    assert_eq!(
        finding.text,
        "the plan changed: joins: Hash Join became Nested Loop; s.t (o): Seq Scan became Index Scan using t_i; its cost was \
         100 and is 900"
    );
    assert_eq!(finding.slug, "plan-changed");
    assert!(changed(&now, &now).text.contains("in another order"));
}

#[test]
fn a_column_is_found_where_it_stands_by_itself() {
    let column = |name: &str| Column {
        name: name.to_owned(),
        has_statistics: None,
    };
    let table = Table {
        columns: ["a", "id", "user_id", "text", "lower", "Mixed"].map(column).to_vec(),
        ..Table::default()
    };
    let names = |condition: &str| {
        table
            .columns_in(&[condition])
            .iter()
            .map(|column| column.name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("(user_id = 5)"), ["user_id"]);
    assert_eq!(names("(t.id = 5) AND (a > 'id is a user_id')"), ["a", "id"]);
    assert_eq!(names("((x)::text = 'y'::text)"), [""; 0]);
    assert_eq!(names("(lower(y) = 'it''s a'::text)"), [""; 0]);
    assert_eq!(names("(\"Mixed\" = $1)"), ["Mixed"]);
}

#[test]
fn a_plan_without_times_has_none() {
    let mut untimed = node("Seq Scan", 5.0, 5.0);
    untimed
        .as_object_mut()
        .unwrap()
        .retain(|key, _| !key.ends_with(" Time"));
    let plan = plan_of(untimed);
    let measures = Measures::of(&plan);
    assert_eq!(measures.measured_ms(&plan.nodes[0]), None);
    assert!(text(&plan).contains("(actual rows=5 loops=1)"), "{}", text(&plan));
    let never = plan_of(but(node("Seq Scan", 5.0, 0.0), json!({"Actual Loops": 0})));
    assert!(text(&never).contains("(never executed)"));
}
