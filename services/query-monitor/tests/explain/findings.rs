//! Each finding, provoked by a real plan on real rows.

use weir_proto::common::v1::Severity;
use weir_testkit::{Database, Postgres};

use crate::{Monitor, found, node_of, planned, run, slugs, with};

/// Two hundred thousand rows in which `a` and `b` are always equal. Nobody vacuums or analyses it but the test.
pub(crate) const EVENTS: &str = "
    create table events (id int primary key, a int, b int, half int, c text) with (autovacuum_enabled = off);
    insert into events select g, g % 100, g % 100, g % 2, md5(g::text) from generate_series(1, 200000) g;
    create index events_a on events (a);
    create index events_half on events (half);";

/// Makes the rows and has them analysed: in two sessions, so that the server has counted the one before the other.
pub(crate) async fn make_events(database: &Database) {
    database.psql(EVENTS).await;
    database.psql("analyze events").await;
}

async fn on_events() -> (Database, Monitor) {
    let database = Postgres::shared().await.database().await;
    make_events(&database).await;
    let monitor = Monitor::start(&database).await;
    (database, monitor)
}

#[tokio::test]
async fn a_wrong_estimate_is_told_once_where_it_begins() {
    let (_database, monitor) = on_events().await;
    let sql = "select count(*) from events e join events f on f.id = e.id where e.a = 7 and e.b = 7 and e.half = 1";
    let answer = monitor.analyze(run(sql)).await;
    let finding = found(&answer, "rows-misestimated");
    assert!(node_of(&answer, finding).contains("Scan"), "{}", answer.plan_text);
    assert!(
        (finding.figures["actual_rows"] - 2_000.0).abs() < 0.5 && finding.figures["factor"] > 100.0,
        "{finding:?}"
    );
    assert!(
        finding
            .hint
            .contains("CREATE STATISTICS (dependencies, mcv) ON a, b, half FROM public.events"),
        "{finding:?}"
    );
    assert_eq!(finding.severity(), Severity::Warning);

    // Told the truth, the planner has nothing to be told of.
    _database
        .psql("create statistics s (dependencies, mcv) on a, b, half from events; analyze events")
        .await;
    let answer = monitor.analyze(run(sql)).await;
    assert!(!slugs(&answer).contains(&"rows-misestimated"), "{:?}", answer.findings);
    monitor.stop().await;
}

#[tokio::test]
async fn a_scan_that_throws_nearly_all_away_is_told() {
    let (database, monitor) = on_events().await;
    let sql = "select * from events where c = md5('77')";
    let answer = monitor.analyze(run(sql)).await;
    let finding = found(&answer, "sequential-scan-filters");
    assert_eq!(node_of(&answer, finding), "Seq Scan");
    assert_eq!(
        (finding.figures["rows_read"], finding.figures["rows_kept"]),
        (200_000.0, 1.0)
    );
    assert!(finding.hint.contains("an index of public.events on c "), "{finding:?}");
    // The same by the planner's word, without running it.
    let answer = monitor.analyze(planned(sql)).await;
    assert_eq!(found(&answer, "sequential-scan-filters").severity(), Severity::Info);
    assert_eq!(answer.execution_ms, None);
    // Workers that share the scan read it once.
    let parallel = [("parallel_setup_cost", "0"), ("parallel_tuple_cost", "0")];
    let answer = monitor.analyze(with(run(sql), &parallel)).await;
    assert!(answer.plan_text.contains("Parallel Seq Scan"), "{}", answer.plan_text);
    let read = found(&answer, "sequential-scan-filters").figures["rows_read"];
    assert!((read - 200_000.0).abs() < 1_000.0, "{read}");
    // Where the first row will do, none of it is wasted.
    let answer = monitor.analyze(planned(&format!("{sql} limit 1"))).await;
    assert_eq!(slugs(&answer), [""; 0], "{}", answer.plan_text);
    database.psql("create index on events (c)").await;
    assert_eq!(slugs(&monitor.analyze(run(sql)).await), [""; 0]);
    monitor.stop().await;
}

#[tokio::test]
async fn what_does_not_fit_into_memory_is_told_with_what_would() {
    let (_database, monitor) = on_events().await;
    let small = ("work_mem", "64kB");
    let sort = "select * from events order by c";
    let answer = monitor
        .analyze(with(run(sort), &[small, ("max_parallel_workers_per_gather", "0")]))
        .await;
    let finding = found(&answer, "sort-spills");
    assert_eq!(node_of(&answer, finding), "Sort");
    assert!(
        finding.figures["disk_kb"] > 5_000.0 && finding.hint.contains("(now 64 kB)"),
        "{finding:?}"
    );
    let needed = finding
        .hint
        .split("about ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned();
    let answer = monitor.analyze(with(run(sort), &[("work_mem", &needed)])).await;
    assert!(
        !slugs(&answer).contains(&"sort-spills"),
        "{needed} did not do\n{}",
        answer.plan_text
    );
    let answer = monitor.analyze(with(planned(sort), &[small])).await;
    assert_eq!(found(&answer, "sort-spills").severity(), Severity::Info);

    let parallel = [small, ("parallel_setup_cost", "0"), ("parallel_tuple_cost", "0")];
    let answer = monitor.analyze(with(run(sort), &parallel)).await;
    let text = &found(&answer, "sort-spills").text;
    assert!(text.contains("processes"), "{text}\n{}", answer.plan_text);

    let join = "select count(*) from events e join events f using (c)";
    let hashed = [
        small,
        ("enable_mergejoin", "off"),
        ("max_parallel_workers_per_gather", "0"),
        ("enable_nestloop", "off"),
    ];
    let answer = monitor.analyze(with(run(join), &hashed)).await;
    let finding = found(&answer, "hash-spills");
    assert!(
        node_of(&answer, finding) == "Hash" && finding.figures["batches"] > 1.0,
        "{finding:?}"
    );
    assert!(
        !slugs(&answer).contains(&"temporary-files"),
        "the same told twice: {:?}",
        answer.findings
    );
    let answer = monitor.analyze(with(planned(join), &hashed)).await;
    assert_eq!(found(&answer, "hash-spills").severity(), Severity::Info);

    let groups = "select c, count(*) from events group by c";
    let grouped = [small, ("enable_sort", "off"), ("max_parallel_workers_per_gather", "0")];
    let answer = monitor.analyze(with(run(groups), &grouped)).await;
    assert!(
        found(&answer, "aggregate-spills").figures["disk_kb"] > 1_000.0,
        "{}",
        answer.plan_text
    );

    let kept = "with x as materialized (select * from events) select count(*) from x";
    let answer = monitor.analyze(with(run(kept), &[small])).await;
    let finding = found(&answer, "temporary-files");
    assert_eq!(node_of(&answer, finding), "CTE Scan", "{}", answer.plan_text);
    let enough = with(run(kept), &[("work_mem", "256MB")]);
    assert!(!slugs(&monitor.analyze(enough).await).contains(&"temporary-files"));
    monitor.stop().await;
}

#[tokio::test]
async fn a_bitmap_that_knows_pages_only_is_told() {
    let (_database, monitor) = on_events().await;
    let sql = "select count(c) from events where a < 50";
    let only_bitmaps = [
        ("enable_seqscan", "off"),
        ("enable_indexscan", "off"),
        ("max_parallel_workers_per_gather", "0"),
    ];
    let lossy: Vec<_> = only_bitmaps.iter().copied().chain([("work_mem", "64kB")]).collect();
    let answer = monitor.analyze(with(run(sql), &lossy)).await;
    let finding = found(&answer, "bitmap-lossy");
    assert!(node_of(&answer, finding) == "Bitmap Heap Scan" && finding.figures["lossy_blocks"] > 0.0);
    assert!(finding.figures["rows_rechecked"] > 1_000.0, "{finding:?}");
    let needed = finding
        .hint
        .split("about ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned();
    let exact: Vec<_> = only_bitmaps
        .iter()
        .copied()
        .chain([("work_mem", needed.as_str())])
        .collect();
    let answer = monitor.analyze(with(run(sql), &exact)).await;
    assert!(
        !slugs(&answer).contains(&"bitmap-lossy"),
        "{needed} did not do\n{}",
        answer.plan_text
    );
    monitor.stop().await;
}

#[tokio::test]
async fn an_index_that_leads_to_too_much_is_told() {
    let (database, monitor) = on_events().await;
    let no_seqscan = [("enable_seqscan", "off"), ("max_parallel_workers_per_gather", "0")];
    let only_index = [no_seqscan[0], no_seqscan[1], ("enable_bitmapscan", "off")];
    let sql = "select * from events where half = 1 and c = 'none'";
    let answer = monitor.analyze(with(run(sql), &only_index)).await;
    let finding = found(&answer, "index-filter-rejects-most");
    assert_eq!(
        (node_of(&answer, finding), finding.figures["rows_removed"]),
        ("Index Scan", 100_000.0)
    );
    assert!(finding.hint.contains("(c)"), "{finding:?}");

    let sql = "select count(id) from events where id < 50000";
    let answer = monitor.analyze(with(run(sql), &only_index)).await;
    let finding = found(&answer, "heap-fetches");
    assert_eq!(
        (node_of(&answer, finding), finding.figures["heap_fetches"]),
        ("Index Only Scan", 49_999.0)
    );
    database.psql("vacuum events").await;
    let answer = monitor.analyze(with(run(sql), &only_index)).await;
    assert_eq!(slugs(&answer), [""; 0], "{}", answer.plan_text);
    monitor.stop().await;
}

#[tokio::test]
async fn a_nested_loop_that_blows_up_is_told() {
    let (database, monitor) = on_events().await;
    database
        .psql("create table small (k int, v text); insert into small select g, g::text from generate_series(1, 2000) g; analyze small")
        .await;
    let only_loops = [
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("enable_material", "off"),
        ("max_parallel_workers_per_gather", "0"),
    ];
    // Twenty rows are expected of the outer side, and two thousand come.
    let sql = "select count(*) from events e join small s on s.k = e.id % 2000 where e.a = 7 and e.b = 7";
    let answer = monitor.analyze(with(run(sql), &only_loops)).await;
    let finding = found(&answer, "nested-loop-repeats");
    assert_eq!(
        (node_of(&answer, finding), finding.figures["loops"]),
        ("Nested Loop", 2_000.0),
        "{}",
        answer.plan_text
    );
    // ANALYZE looks at a sample, so it is about twenty.
    assert!((10.0..40.0).contains(&finding.figures["expected_loops"]), "{finding:?}");
    let times = finding.figures["expected_loops"];
    assert!(
        finding.text.contains(&format!("it was expected to run {times} times")),
        "{finding:?}"
    );
    // As many as expected, but each of them reads the whole table.
    let sql = "select count(*) from small s join small t on t.v = s.v";
    let answer = monitor.analyze(with(run(sql), &only_loops)).await;
    let finding = found(&answer, "nested-loop-repeats");
    assert_eq!(finding.figures["rows_touched"], 4_000_000.0);
    assert!(finding.text.contains("no index narrows it"), "{finding:?}");
    let answer = monitor.analyze(with(planned(sql), &only_loops)).await;
    assert_eq!(found(&answer, "nested-loop-repeats").severity(), Severity::Info);
    monitor.stop().await;
}

#[tokio::test]
async fn missing_and_old_statistics_are_told() {
    let (database, monitor) = on_events().await;
    database
        .psql(
            "create table fresh (k int, v int) with (autovacuum_enabled = off);
             insert into fresh select g, g from generate_series(1, 5000) g;
             create table nothing (k int);
             create table partly (k int, v int) with (autovacuum_enabled = off);
             alter table partly alter v set statistics 0;
             insert into partly select g, g from generate_series(1, 5000) g; analyze partly;
             update events set half = 1 - half where id <= 100000",
        )
        .await;
    let answer = monitor.analyze(planned("select * from fresh where k < 0")).await;
    let finding = found(&answer, "statistics-missing");
    assert!(
        finding.text.contains("public.fresh was never analysed") && finding.hint == "ANALYZE public.fresh",
        "{finding:?}"
    );
    let answer = monitor.analyze(planned("select * from events where id = 3")).await;
    assert_eq!(found(&answer, "statistics-outdated").figures["rows_changed"], 100_000.0);
    let answer = monitor.analyze(planned("select * from partly where v = 3")).await;
    assert!(
        found(&answer, "statistics-missing")
            .text
            .contains("statistics of v of public.partly"),
        "{:?}",
        answer.findings
    );
    // What is not asked for, or empty, is missed by nobody.
    for sql in ["select * from partly where k = 3", "select * from nothing where k = 1"] {
        let answer = monitor.analyze(planned(sql)).await;
        assert_eq!(slugs(&answer), [""; 0], "{sql}: {:?}", answer.findings);
    }
    monitor.stop().await;
}

#[tokio::test]
async fn compilation_workers_and_triggers_that_cost_more_than_the_work_are_told() {
    let (database, monitor) = on_events().await;
    let jit = with(
        run("select sum(a + b * half) from events where id < 10"),
        &[
            ("jit", "on"),
            ("jit_above_cost", "0"),
            ("jit_inline_above_cost", "0"),
            ("jit_optimize_above_cost", "0"),
        ],
    );
    let answer = monitor.analyze(jit).await;
    if answer.plan_text.contains("JIT:") {
        assert!(
            found(&answer, "jit-dominates").figures["jit_ms"] > 0.0,
            "{}",
            answer.plan_text
        );
    } else {
        assert!(
            !database.psql("select pg_jit_available()").await.contains('t'),
            "nothing was compiled"
        );
    }

    let name = database.name();
    database
        .psql(&format!("alter database {name} set max_parallel_workers = 0"))
        .await;
    let parallel = [("parallel_setup_cost", "0"), ("parallel_tuple_cost", "0")];
    let answer = monitor
        .analyze(with(run("select count(*) from events"), &parallel))
        .await;
    let finding = found(&answer, "workers-missing");
    assert!(node_of(&answer, finding).starts_with("Gather") && finding.figures["launched"] == 0.0);

    database
        .psql(
            "create table parent (id int primary key); insert into parent select generate_series(1, 100);
             create table child (id int, parent int references parent);
             insert into child select g, 1 + g % 40 from generate_series(1, 200000) g; analyze parent, child",
        )
        .await;
    let mut delete = run("delete from parent where id > 60");
    delete.allow_writes = true;
    let answer = monitor.analyze(delete).await;
    let finding = found(&answer, "triggers-dominate");
    assert_eq!((finding.figures["calls"], finding.node), (40.0, None));
    assert!(
        finding.text.contains("child_parent_fkey") && finding.hint.contains("an index"),
        "{finding:?}"
    );
    assert_eq!(database.psql("select count(*) from parent").await, "100");
    monitor.stop().await;
}
