//! Rows of shared tables: the project's own, and never another's.

use super::world::{World, exported, import_of, imported, slug};
use crate::orders::ImportOrder;

const SHARED: &str = "
create type public.state as enum ('new', 'paid');
create table public.customers (id int primary key, project text);
create table public.orders (id bigserial primary key, project text not null, customer int references public.customers, state public.state default 'new', note text);
create index on public.orders (project);
create table public.events (id int, project text, day date, note text) partition by range (day);
create table public.events_1 partition of public.events for values from ('2020-01-01') to ('2021-01-01');
create table public.events_2 partition of public.events default;
create table public.secrets (id int, project text);
insert into public.customers select n, 'p' || n % 3 from generate_series(1, 30) n;
insert into public.orders (project, customer, note) select 'p' || n % 3, 1 + n % 30, 'secret of p' || n % 3 from generate_series(1, 9000) n;
insert into public.events select n, 'p' || n % 3, date '2020-06-01' + n % 400, 'secret of p' || n % 3 from generate_series(1, 900) n;
insert into public.secrets values (1, 'p1');
";

/// Two tables of one project.
fn rows_of(project: &str) -> String {
    format!(
        "rows = [{{ table = \"public.orders\", condition = \"orders.project = '{project}' -- only\" }}, {{ table = \"public.events\", condition = \"project = '{project}'\" }}]"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn no_row_of_another_project_is_in_an_export() {
    let mut world = World::new(1).await;
    world.database.psql(SHARED).await;
    for project in ["p1", "p2"] {
        world.project(project, &rows_of(project));
    }
    let keeper = world.keeper().await;
    let entry = exported(&keeper, "p1").await.unwrap();
    assert_eq!(
        slug(imported(&keeper, &import_of(&entry)).await),
        "backup-import-exists"
    );
    let order = ImportOrder {
        schema: "back".to_owned(),
        ..import_of(&entry)
    };
    let done = imported(&keeper, &order).await.unwrap();
    let db = &world.database;
    assert_eq!((done.tables, done.rows), (4, 3300));
    assert!(
        done.left_out.iter().any(|text| text.contains("orders_customer_fkey")),
        "{done:?}"
    );
    for (table, rows) in [("orders", 3000), ("events", 300)] {
        let sql = format!(
            "select count(*), count(*) filter (where project = 'p1'), count(*) filter (where note = 'secret of p1') from back.{table}"
        );
        assert_eq!(db.psql(&sql).await, format!("{rows}|{rows}|{rows}"), "{table}");
    }
    let tables = "select string_agg(relname, ' ' order by relname) from pg_class where relnamespace = 'back'::regnamespace and relkind in ('r', 'p', 'S')";
    assert_eq!(db.psql(tables).await, "events events_1 events_2 orders orders_id_seq");
    let keys = "select count(*) from pg_constraint where contype = 'f' and conrelid = 'back.orders'::regclass";
    assert_eq!(db.psql(keys).await, "0", "a key leads out of the project");
    assert_eq!(
        db.psql("select count(*) from public.orders").await,
        "9000",
        "the shared table was touched"
    );
    assert_eq!(
        db.psql("insert into back.orders (project) values ('p1') returning id, state")
            .await,
        "9001|new"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_policy_would_hide_are_an_error_and_not_missing() {
    let mut world = World::new(1).await;
    let db = world.database.clone();
    db.psql(SHARED).await;
    let role = format!("plain_{}", db.name());
    db.psql(&format!(
        "alter table public.orders enable row level security; create policy mine on public.orders using (project = 'p2');
        create role {role} login; grant select on all tables in schema public to {role}; grant select on all sequences in schema public to {role};"
    ))
    .await;
    world.project("p1", &rows_of("p1"));
    let mut keeper = world.keeper().await;
    exported(&keeper, "p1").await.unwrap();
    let url = db.url().replace("postgres@", &format!("{role}@"));
    keeper.cluster.target = weir_upstream::Target::parse(&url).unwrap();
    let failed = exported(&keeper, "p1").await.unwrap_err();
    assert!(failed.to_string().contains("row-level security policy"), "{failed}");
    assert_eq!(
        super::world::repository(&keeper, 0)
            .await
            .state()
            .await
            .unwrap()
            .backups
            .len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_is_refused() {
    let mut world = World::new(1).await;
    world
        .database
        .psql("create schema a1; create schema a2; create table a1.t (a int)")
        .await;
    for (wrong, said) in [
        ("schemas = []", "neither schemas nor rows"),
        ("schemas = [\"pg_catalog\"]", "belongs to no project"),
        ("schemas = [\"a1\"]\nrecipients = [\"age1wrong\"]", "no age recipient"),
        ("schemas = [\"a1\"]\nidentity_file = \"/nowhere\"", "/nowhere"),
        ("rows = [{ table = \"orders\", condition = \"true\" }]", "schema.name"),
        (
            "rows = [{ table = \"public.t\", condition = \"true) or (true\" }]",
            "is no condition",
        ),
        (
            "schemas = [\"a*\"]\nrows = [{ table = \"a1.t\", condition = \"true\" }]",
            "its own, whole",
        ),
    ] {
        world.without_projects();
        world.project("a", wrong);
        let error = world.try_keeper().await.err().unwrap_or_default();
        assert!(
            error.contains(said) && error.contains("backup.projects"),
            "{wrong}: {error}"
        );
    }
    world.without_projects();
    world.project("a", "schemas = [\"a1\"]");
    world.project("b", "schemas = [\"a*\"]");
    let error = world.try_keeper().await.err().unwrap_or_default();
    assert!(
        error.contains("both a and b") || error.contains("both b and a"),
        "{error}"
    );
    world.without_projects();
    world.project("a", "schemas = [\"a*\"]");
    world.project("b", "schemas = [\"*2\"]");
    world.project("c", "schemas = [\"nowhere\"]");
    world.project("d", "rows = [{ table = \"public.nowhere\", condition = \"true\" }]");
    let keeper = world.keeper().await;
    for project in ["a", "b", "c", "d"] {
        assert_eq!(
            slug(exported(&keeper, project).await),
            "backup-project-scope",
            "{project}"
        );
    }
    assert_eq!(slug(exported(&keeper, "unknown").await), "backup-field");
}
