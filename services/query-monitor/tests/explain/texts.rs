//! The text of a plan is the one that PostgreSQL itself would write, but for the lists of columns.

use weir_testkit::Postgres;

use crate::findings::EVENTS;
use crate::{Monitor, planned, run, with};

/// Every figure as one and the same, since no two runs agree. In a run, what depends on memory and on what was read
/// before is left out.
fn without_figures(text: &str) -> String {
    let lines = text.lines().filter(|line| {
        !["Buffers:", "Planning", "I/O"]
            .iter()
            .any(|word| line.trim().starts_with(word))
    });
    let mut plain = String::new();
    for line in lines {
        let mut in_number = false;
        for letter in line.trim_end().chars() {
            let digit = letter.is_ascii_digit() || (in_number && letter == '.');
            if digit && !in_number {
                plain.push('#');
            } else if !digit {
                plain.push(letter);
            }
            in_number = digit;
        }
        plain.push('\n');
    }
    plain
}

const STATEMENTS: [&str; 16] = [
    "select * from events where id = 7",
    "select * from events where a = 7 and c like 'a%'",
    "select count(*) from events e join events f on f.id = e.a where e.b < 5",
    "select a, count(*) from events group by a having count(*) > 5 order by 2 desc, 1",
    "select * from events order by id desc limit 3",
    "select e.id from events e left join events f on f.id = e.id and f.a = 3 where e.id < 10",
    "select * from events e where not exists (select from events f where f.id = e.a + 1000) and e.id < 100",
    "select id from events where id < 20 union select a from events where id < 5 union all select 1",
    "with x as materialized (select * from events where id < 10) select count(*) from x, x y",
    "select (select max(id) from events f where f.a = e.a) from events e where id < 5",
    "select distinct b from events where a in (1, 2, 3)",
    "select * from generate_series(1, 3) g (n), events where id = n",
    "select row_number() over (order by c) from events where id < 50",
    "select * from events where ctid = '(0,1)'",
    "select sum(a) from events where c > 'a'",
    "values (1, 'a'), (2, 'b')",
];

#[tokio::test]
async fn the_text_is_postgresqls_own() {
    let database = Postgres::shared().await.database().await;
    database
        .psql(&format!(
            "{EVENTS} vacuum analyze events; set default_statistics_target = 100"
        ))
        .await;
    let monitor = Monitor::start(&database).await;
    let mut differences = Vec::new();
    for sql in STATEMENTS {
        let theirs = database.psql(&format!("explain (verbose, settings) {sql}")).await;
        let lines = theirs.lines().filter(|line| !line.trim().starts_with("Output: "));
        let theirs: Vec<&str> = lines.collect();
        let ours = monitor.analyze(planned(sql)).await.plan_text;
        let theirs = theirs.join("\n");
        if ours != theirs {
            differences.push(format!("{sql}\n--- ours\n{ours}\n--- PostgreSQL's\n{theirs}"));
        }

        // The lines of single workers are left out, so that they are compared without.
        let alone = "set max_parallel_workers_per_gather = 0; explain (analyze, buffers, verbose, settings)";
        let theirs = database.psql(&format!("{alone} {sql}")).await;
        let lines = theirs
            .lines()
            .filter(|line| !["Output:", "Worker "].iter().any(|word| line.trim().starts_with(word)));
        let theirs = without_figures(&lines.collect::<Vec<_>>().join("\n"));
        let alone = [("max_parallel_workers_per_gather", "0")];
        let ours = without_figures(&monitor.analyze(with(run(sql), &alone)).await.plan_text);
        if ours != theirs {
            differences.push(format!("{sql}\n--- ours\n{ours}\n--- PostgreSQL's\n{theirs}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    monitor.stop().await;
}
