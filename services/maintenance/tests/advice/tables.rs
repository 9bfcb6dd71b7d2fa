//! Options of tables.

use weir_testkit::Database;

use crate::stage::{DAY, Stage, database};

fn id(kind: &str, database: &Database, table: &str) -> String {
    format!("{kind}:{}.public.{table}", database.name())
}

async fn options(database: &Database, table: &str) -> String {
    database
        .psql(&format!("select reloptions from pg_class where relname = '{table}'"))
        .await
}

#[tokio::test]
async fn autovacuum_comes_to_a_large_table_after_hours_of_changes_and_not_after_weeks() {
    let table = |name: &str| {
        format!(
            "create table {name} (id int primary key, v int); insert into {name} select n, n from generate_series(1, 1000000) n;
             update {name} set v = v + 1 where id <= 500000;\n"
        )
    };
    let database = database(&format!(
        "{} {} alter table by_hand set (autovacuum_vacuum_scale_factor = 0.15, fillfactor = 100)",
        table("busy"),
        table("by_hand")
    ))
    .await;
    // 2,083 dead rows an hour: 200,050 are four days, 10,050 five hours.
    let stage = Stage::of(&database, DAY * 10).await;
    let busy = id("table-vacuum-scale-factor", &database, "busy");
    let advice = stage.advice(&busy).await;
    assert_eq!(
        (advice.current.as_deref(), advice.proposed.as_deref()),
        (None, Some("0.01")),
        "{}",
        advice.reason
    );
    assert_eq!(
        stage.find(&id("table-vacuum-scale-factor", &database, "by_hand")).await,
        None
    );
    let left = format!("{}.public.by_hand autovacuum_vacuum_scale_factor", database.name());
    assert_eq!(stage.left(&left).await.unwrap(), "0.15 was set by hand");

    let change = stage.apply(&busy).await;
    assert_eq!(
        options(&database, "busy").await,
        "{autovacuum_vacuum_scale_factor=0.01}"
    );
    assert_eq!(stage.find(&busy).await, None);
    stage.try_revert(&change.id).await.unwrap();
    assert_eq!(options(&database, "busy").await, "");
    // Where little changes, nothing has to be done: 500,000 rows in a year.
    stage.clock.advance(DAY * 355);
    assert_eq!(stage.find(&busy).await, None);
    stage.stop().await;
}

#[tokio::test]
async fn a_table_that_only_grows_is_frozen_and_analysed_in_time() {
    let database = database(
        "create table log (id int primary key); insert into log select generate_series(1, 2000000);
         create table mixed (id int primary key, v int); insert into mixed select n, n from generate_series(1, 1000000) n;
         delete from mixed where id % 10 = 0",
    )
    .await;
    // 2,222 rows an hour.
    let stage = Stage::of(&database, DAY * 37 + DAY / 2).await;
    let kinds = ["table-insert-scale-factor", "table-analyze-scale-factor"];
    let ids = kinds.map(|kind| id(kind, &database, "log"));
    assert_eq!(stage.advice(&ids[0]).await.proposed.as_deref(), Some("0.02"));
    assert_eq!(stage.advice(&ids[1]).await.proposed.as_deref(), Some("0.02"));
    assert_eq!(stage.find(&id(kinds[0], &database, "mixed")).await, None);
    for id in &ids {
        stage.apply(id).await;
    }
    assert_eq!(
        options(&database, "log").await,
        "{autovacuum_vacuum_insert_scale_factor=0.02,autovacuum_analyze_scale_factor=0.02}"
    );
    for id in &ids {
        assert_eq!(stage.find(id).await, None);
    }
    stage.stop().await;
}

#[tokio::test]
async fn pages_get_room_where_updates_leave_them_for_want_of_it() {
    let table = |name: &str, columns: &str, more: &str| {
        format!(
            "create table {name} (id int primary key, {columns}) {more};
             insert into {name} select n, n, repeat('x', 60) from generate_series(1, 100000) n;\n"
        )
    };
    let plain = "v int, pad text";
    let sql = [
        table("full", plain, ""),
        table("by_hand", plain, "with (fillfactor = 95)"),
        table("indexed", plain, ""),
        "create index on indexed (v); create index on indexed (pad);".to_owned(),
        table("hot", plain, "with (fillfactor = 50)"),
        // Nothing has to be looked at for want of updates.
        table("quiet", plain, ""),
        "analyze; update full set v = v + 1; update by_hand set v = v + 1; update indexed set v = v + 1;
         update hot set v = v + 1; update quiet set v = v + 1 where id < 100"
            .replace("full", "\"full\""),
    ];
    let sql = sql
        .join("\n")
        .replace("table full", "table \"full\"")
        .replace("into full", "into \"full\"");
    let database = database(&sql).await;
    let stage = Stage::of(&database, DAY).await;
    let full = id("table-fillfactor", &database, "full");
    let found: Vec<String> = stage
        .ids()
        .await
        .into_iter()
        .filter(|id| id.starts_with("table-fillfactor"))
        .collect();
    assert_eq!(found, std::slice::from_ref(&full));
    let left = format!("{}.public.by_hand fillfactor", database.name());
    assert_eq!(stage.left(&left).await.unwrap(), "95 was set by hand");

    stage.apply(&full).await;
    assert_eq!(options(&database, "full").await, "{fillfactor=90}");
    assert_eq!(stage.find(&full).await, None, "the updates of before count no more");
    // A rewrite leaves room in all pages; updates of a tenth stay there, those of all do not.
    database
        .psql("vacuum full \"full\"; update \"full\" set v = v + 1")
        .await;
    assert_eq!(stage.advice(&full).await.proposed.as_deref(), Some("80"));
    stage.stop().await;
}

#[tokio::test]
async fn a_table_that_autovacuum_passes_by_is_told_though_somebody_wanted_it() {
    let database = database(
        "create table off (id int primary key, t text) with (autovacuum_enabled = off, fillfactor = 90, toast.autovacuum_enabled = false);
         create table fine (id int primary key) with (autovacuum_enabled = on)",
    )
    .await;
    let stage = Stage::of(&database, DAY).await;
    let ids = ["table-autovacuum-off", "toast-autovacuum-off"].map(|kind| id(kind, &database, "off"));
    let before = options(&database, "off").await;
    let toast =
        "select t.reloptions from pg_class c join pg_class t on t.oid = c.reltoastrelid where c.relname = 'off'";
    let toast_before = database.psql(toast).await;
    let mut changes = Vec::new();
    for id in &ids {
        let advice = stage.advice(id).await;
        assert_eq!(advice.proposed, None);
        changes.push(stage.apply(id).await);
        assert_eq!(stage.find(id).await, None);
    }
    assert_eq!(options(&database, "off").await, "{fillfactor=90}");
    assert_eq!(database.psql(toast).await, "");
    assert!(!stage.ids().await.iter().any(|id| id.contains("fine")));
    for change in changes {
        let change = stage.try_revert(&change.id).await.unwrap();
        assert_eq!(change.new_value, None);
    }
    assert_eq!(sorted(&options(&database, "off").await), sorted(&before));
    assert_eq!(database.psql(toast).await, toast_before);
    stage.stop().await;
}

fn sorted(options: &str) -> Vec<&str> {
    let mut list: Vec<&str> = options.trim_matches(['{', '}']).split(',').collect();
    list.sort_unstable();
    list
}
