//! Findings on the edge: told on one side of it, and not on the other.

use serde_json::{Value, json};

use super::{but, findings, node, over, slugs};

const WRONG: &str = "rows-misestimated";

/// A scan that was expected to return ten rows and returned ten thousand.
fn underestimated() -> Value {
    but(node("Seq Scan", 10.0, 10_000.0), json!({"Relation Name": "t"}))
}

/// The other way round.
fn overestimated() -> Value {
    but(node("Seq Scan", 10_000.0, 10.0), json!({"Relation Name": "t"}))
}

fn wrong(root: Value) -> Vec<usize> {
    let findings = findings(root);
    findings
        .iter()
        .filter(|finding| finding.slug == WRONG)
        .filter_map(|finding| finding.node)
        .collect()
}

#[test]
fn a_wrong_estimate_is_told_at_the_lowest_node() {
    let sorted = over(node("Sort", 10.0, 10_000.0), vec![underestimated()]);
    let hashed = over(node("Hash", 10.0, 10_000.0), vec![sorted]);
    let joined = over(
        node("Hash Join", 10.0, 10_000.0),
        vec![node("Seq Scan", 5.0, 5.0), hashed],
    );
    assert_eq!(wrong(joined), [4]);
    // Two that begin apart are two.
    let both = over(
        node("Hash Join", 10.0, 10_000.0),
        vec![underestimated(), underestimated()],
    );
    assert_eq!(wrong(both), [1, 2]);
    // A join that is wrong of two sides that are right begins it.
    let join = over(
        node("Hash Join", 10.0, 10_000.0),
        vec![node("Seq Scan", 5.0, 5.0), node("Seq Scan", 5.0, 5.0)],
    );
    assert_eq!(wrong(join), [0]);
    // Too many above too few is another mistake.
    let opposite = over(
        node("Hash Join", 10_000.0, 10.0),
        vec![underestimated(), node("Seq Scan", 5.0, 5.0)],
    );
    assert_eq!(wrong(opposite), [0, 1]);
}

#[test]
fn an_estimate_is_wrong_from_ten_times_and_a_thousand_rows_on() {
    for (estimated, actual, is_wrong) in [
        (1_000.0, 9_999.0, false),
        (1_000.0, 10_000.0, true),
        (10_000.0, 1_000.0, true),
        (10_000.0, 1_001.0, false),
        (1.0, 1_000.0, false),
        (1.0, 1_001.0, true),
        (1_001.0, 0.0, true),
        (0.0, 0.0, false),
    ] {
        assert_eq!(
            wrong(node("Seq Scan", estimated, actual)).len(),
            usize::from(is_wrong),
            "{estimated} {actual}"
        );
    }
    // Each loop is wrong by 20 rows, and there are a hundred of them.
    let inner = but(node("Index Scan", 1.0, 21.0), json!({"Actual Loops": 100}));
    let join = over(
        node("Nested Loop", 2_100.0, 2_100.0),
        vec![node("Seq Scan", 100.0, 100.0), inner],
    );
    assert_eq!(wrong(join), [2]);
}

#[test]
fn who_was_stopped_early_is_not_blamed_for_few_rows() {
    let side = || node("Seq Scan", 10.0, 10.0);
    let limit = || node("Limit", 10.0, 10.0);
    let excused = [
        over(limit(), vec![overestimated()]),
        over(
            limit(),
            vec![over(node("Subquery Scan", 10.0, 10.0), vec![overestimated()])],
        ),
        over(node("Merge Join", 10.0, 10.0), vec![overestimated(), side()]),
        over(node("Merge Join", 10.0, 10.0), vec![side(), underestimated()]),
        over(
            but(node("Nested Loop", 10.0, 10.0), json!({"Join Type": "Semi"})),
            vec![side(), overestimated()],
        ),
        over(
            but(node("Nested Loop", 10.0, 10.0), json!({"Inner Unique": true})),
            vec![side(), overestimated()],
        ),
        over(
            node("Result", 10.0, 10.0),
            vec![but(overestimated(), json!({"Parent Relationship": "SubPlan"}))],
        ),
        over(
            node("Hash Join", 10.0, 10.0),
            vec![overestimated(), node("Hash", 10.0, 0.0)],
        ),
        but(overestimated(), json!({"Actual Loops": 0})),
        but(node("BitmapAnd", 10_000.0, 0.0), json!({})),
    ];
    for plan in excused {
        assert_eq!(wrong(plan.clone()), [0; 0], "{plan}");
    }
    let not_excused = [
        over(limit(), vec![over(node("Sort", 10.0, 10.0), vec![overestimated()])]),
        over(
            limit(),
            vec![over(node("Aggregate", 10.0, 10.0), vec![overestimated()])],
        ),
        over(limit(), vec![underestimated()]),
        over(node("Hash Join", 10.0, 10.0), vec![side(), overestimated()]),
        over(node("Merge Join", 10.0, 10.0), vec![underestimated(), side()]),
    ];
    for plan in not_excused {
        assert_eq!(wrong(plan.clone()).len(), 1, "{plan}");
    }
}

#[test]
fn a_scan_is_told_where_it_reads_much_keeps_little_and_takes_long() {
    let scan = |removed: u64, kept: u64, ms: f64| {
        let further = json!({
            "Relation Name": "t", "Filter": "(a = 1)", "Rows Removed by Filter": removed, "Actual Total Time": ms,
        });
        but(node("Seq Scan", kept as f64, kept as f64), further)
    };
    let told = |plan| slugs(&findings(plan)).contains(&"sequential-scan-filters");
    assert!(told(scan(9_990, 10, 50.0)));
    assert!(!told(scan(9_000, 10, 50.0)), "a small table");
    assert!(!told(scan(90_000, 10_000, 50.0)), "a tenth is kept");
    assert!(told(scan(95_000, 4_000, 50.0)));
    assert!(!told(scan(90_000, 10, 1.0)), "a hundredth of the time");
    let small = but(scan(500, 1, 0.5), json!({"Actual Loops": 100}));
    let looped = over(
        node("Nested Loop", 100.0, 100.0),
        vec![node("Result", 100.0, 100.0), small],
    );
    assert!(!told(looped), "a small table that is read often is the join's business");
}

#[test]
fn a_loop_is_told_where_it_was_not_expected_or_has_no_index() {
    let join = |outer: f64, inner: Value| {
        let top = but(
            node("Nested Loop", 1_000.0, 1_000.0),
            json!({"Actual Total Time": 95.0}),
        );
        over(top, vec![node("Seq Scan", outer, 2_000.0), inner])
    };
    let inner = |kind: &str, rows: f64| {
        but(
            node(kind, 1.0, rows),
            json!({"Actual Loops": 2_000, "Actual Total Time": 0.04}),
        )
    };
    let told = |plan| slugs(&findings(plan)).contains(&"nested-loop-repeats");
    assert!(
        !told(join(2_000.0, inner("Index Scan", 1.0))),
        "as expected, and by an index"
    );
    assert!(told(join(20.0, inner("Index Scan", 1.0))));
    assert!(told(join(2_000.0, inner("Seq Scan", 600.0))));
    assert!(told(join(2_000.0, inner("Materialize", 600.0))));
    assert!(!told(join(2_000.0, inner("Seq Scan", 10.0))), "a table of ten rows");
    let short = but(inner("Seq Scan", 600.0), json!({"Actual Total Time": 0.001}));
    let mut quick = join(2_000.0, short);
    quick["Actual Total Time"] = json!(13.0);
    assert!(!told(quick), "a few per cent of the time");
}

#[test]
fn an_index_or_a_look_into_the_table_is_told_where_it_is_most_of_the_work() {
    let scan = |kind: &str, further: Value| but(node(kind, 100.0, 100.0), further);
    let filters = |removed: u64| {
        scan(
            "Index Scan",
            json!({"Filter": "(b = 1)", "Rows Removed by Filter": removed}),
        )
    };
    let told = |plan, slug| slugs(&findings(plan)).contains(&slug);
    assert!(told(filters(10_000), "index-filter-rejects-most"));
    assert!(!told(filters(9_999), "index-filter-rejects-most"));
    let fetches = |number: u64, rows: f64| but(node("Index Only Scan", rows, rows), json!({"Heap Fetches": number}));
    assert!(told(fetches(1_000, 2_000.0), "heap-fetches"));
    assert!(!told(fetches(999, 2_000.0), "heap-fetches"));
    assert!(!told(fetches(1_000, 10_000.0), "heap-fetches"), "a tenth of the rows");
}

#[test]
fn spills_of_every_kind_of_sort_are_seen() {
    let told = |further| {
        let found = findings(but(node("Sort", 5.0, 5.0), further));
        found
            .iter()
            .find(|finding| finding.slug == "sort-spills")
            .map(|finding| finding.figures[0].1)
    };
    assert_eq!(
        told(json!({"Sort Method": "quicksort", "Sort Space Type": "Memory", "Sort Space Used": 900})),
        None
    );
    assert_eq!(
        told(json!({"Sort Method": "external merge", "Sort Space Type": "Disk", "Sort Space Used": 900})),
        Some(900.0)
    );
    let worker = |space: &str| json!({"Worker Number": 0, "Sort Space Type": space, "Sort Space Used": 70});
    let shared = json!({"Sort Space Type": "Memory", "Sort Space Used": 900, "Workers": [worker("Disk"), worker("Memory"), worker("Disk")]});
    assert_eq!(told(shared), Some(140.0));
    let groups = json!({"Sort Space Disk": {"Average Sort Space Used": 10, "Peak Sort Space Used": 33}});
    let found = findings(but(
        node("Incremental Sort", 5.0, 5.0),
        json!({"Pre-sorted Groups": groups}),
    ));
    assert_eq!(slugs(&found), ["sort-spills"]);
    let hash = |batches: u64| {
        slugs(&findings(but(
            node("Hash", 5.0, 5.0),
            json!({"Hash Batches": batches, "Peak Memory Usage": 64}),
        )))
        .len()
    };
    assert_eq!((hash(1), hash(2)), (0, 1));
}
