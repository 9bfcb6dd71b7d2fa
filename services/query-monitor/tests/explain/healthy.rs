//! Plans that are as they should be, of which nothing is to be said.

use weir_testkit::Postgres;

use crate::findings::EVENTS;
use crate::{Monitor, planned, run, slugs};

#[tokio::test]
async fn nothing_is_said_of_plans_that_are_well() {
    let database = Postgres::shared().await.database().await;
    database
        .psql(&format!(
            "{EVENTS} vacuum analyze events;
             create table kinds (a int primary key, name text); insert into kinds select g, g::text from generate_series(0, 99) g;
             create table parts (k int, v int) partition by range (k);
             create table parts_1 partition of parts for values from (0) to (1000);
             create table parts_2 partition of parts for values from (1000) to (2000);
             insert into parts select g, g from generate_series(0, 1999) g; analyze parts; vacuum analyze kinds;"
        ))
        .await;
    let monitor = Monitor::start(&database).await;
    for sql in [
        "select * from events where id = 77",
        "select count(*) from events",
        "select a, count(*) from events group by a",
        "select * from events where id between 100 and 200 order by id",
        "select e.c, k.name from events e join kinds k using (a) where e.id < 500",
        "select * from events e where exists (select from kinds k where k.a = e.a) limit 10",
        "select * from events order by id desc limit 20",
        "select * from kinds where name = '7'",
        "select (select name from kinds k where k.a = e.a) from events e where id < 50",
        "select * from parts where k = 1500",
        "with x as (select * from kinds) select count(*) from x a, x b where a.a = b.a",
        "select 1",
        "values (1), (2)",
        "table kinds",
        "select * from events e left join kinds k on k.a = e.a where e.id = 5 for update of e",
        "select * from generate_series(1, 1000)",
        "select * from kinds where a = 1 and name is null",
    ] {
        let answer = monitor.analyze(planned(sql)).await;
        assert_eq!(
            slugs(&answer),
            [""; 0],
            "{sql}: {:?}\n{}",
            answer.findings,
            answer.plan_text
        );
        if !sql.contains("for update") {
            let answer = monitor.analyze(run(sql)).await;
            assert_eq!(
                slugs(&answer),
                [""; 0],
                "{sql}: {:?}\n{}",
                answer.findings,
                answer.plan_text
            );
            assert_eq!(answer.warnings, [""; 0], "{sql}");
        }
    }
    monitor.stop().await;
}
