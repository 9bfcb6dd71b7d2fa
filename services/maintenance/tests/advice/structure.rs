//! Indexes, keys and sequences.

use weir_testkit::{Database, Postgres};

use crate::stage::{DAY, Stage, database};

/// Ids of advice about objects, without the name of the database.
async fn ids(stage: &Stage, database: &Database) -> Vec<String> {
    let prefix = format!(":{}.public.", database.name());
    let mut ids: Vec<String> = stage
        .ids()
        .await
        .into_iter()
        .filter(|id| id.contains(&prefix))
        .collect();
    ids.iter_mut().for_each(|id| *id = id.replace(&prefix, " "));
    ids.sort();
    ids
}

#[tokio::test]
async fn duplicates_and_redundant_indexes_are_told_apart_from_those_that_only_look_alike() {
    let database = database(
        "create table t (id int primary key, a int, b int, c text, d text);
         create index t_a on t (a);
         create index t_a_again on t (a);
         create index t_ab on t (a, b);
         create unique index t_a_unique on t (id, a);
         create index t_a_desc on t (a desc);
         create index t_a_partial on t (a) where b > 0;
         create index t_a_partial_other on t (a, b) where b > 1;
         create index t_a_hash on t using hash (a);
         create index t_c on t (c);
         create index t_c_pattern on t (c text_pattern_ops);
         create index t_c_collated on t (c collate \"C\");
         create index t_lower on t (lower(c));
         create index t_lower_d on t (lower(c), d);
         create index t_b_covering on t (b) include (d);
         create index t_b_c on t (b, c);
         create index t_plain_id on t (id);
         create table u (a int, b int, unique (a), unique (a, b));
         alter table u add primary key (b);
         create unique index u_b on u (b);
         create table e (r int4range, exclude using gist (r with &&));
         create index e_r on e using gist (r);
         alter table e add column id int primary key",
    )
    .await;
    let stage = Stage::of(&database, DAY).await;
    assert_eq!(
        ids(&stage, &database).await,
        [
            "duplicate-index t.t_a_again",
            "duplicate-index u.u_b",
            "redundant-index t.t_a",
            "redundant-index t.t_lower",
            "redundant-index t.t_plain_id",
        ]
    );
    let advice = stage
        .advice(&format!("duplicate-index:{}.public.t.t_a_again", database.name()))
        .await;
    assert_eq!(advice.statement, "drop index concurrently \"public\".\"t_a_again\"");
    assert!(!advice.applicable);
    // What is said can be done, and then nothing is left to say.
    for advice in stage.list().await.advice {
        if !advice.statement.is_empty() && advice.kind.ends_with("-index") {
            database.psql(&advice.statement).await;
        }
    }
    assert_eq!(ids(&stage, &database).await, Vec::<String>::new());
    stage.stop().await;
}

#[tokio::test]
async fn an_index_that_something_needs_is_no_duplicate_to_drop() {
    let database = database(
        "create table p (id int, code int);
         create unique index p_code on p (code);
         create unique index p_code_again on p (code);
         create table f (id int primary key, code int references p (code));
         alter table p add primary key (id);
         create table r (id int primary key, k int not null);
         create unique index r_k on r (k);
         create unique index r_k_identity on r (k);
         alter table r replica identity using index r_k_identity;
         create table c (id int primary key);
         alter table c add constraint c_again unique (id);
         create table two (id int primary key); create unique index two_id on two (id);
         alter table two replica identity using index two_id",
    )
    .await;
    let needed = database
        .psql("select c.relname from pg_constraint k join pg_class c on c.oid = k.conindid where k.contype = 'f'")
        .await;
    let other = if needed == "p_code" { "p_code_again" } else { "p_code" };
    let stage = Stage::of(&database, DAY).await;
    let advice = stage.list().await.advice;
    let dropped: Vec<&str> = advice
        .iter()
        .filter(|advice| advice.kind == "duplicate-index")
        .map(|advice| advice.part.as_str())
        .collect();
    assert_eq!(dropped, ["c_again", other, "r_k"]);
    let constraint = advice.iter().find(|advice| advice.part == "c_again").unwrap();
    assert_eq!(
        constraint.statement,
        "alter table \"public\".\"c\" drop constraint c_again"
    );
    for advice in advice.iter().filter(|advice| advice.kind == "duplicate-index") {
        database.psql(&advice.statement).await;
    }
    stage.stop().await;
}

const MANY: &str = "create table big (id int primary key, a int, b int, c int);
    insert into big select n, n, n, n from generate_series(1, 60000) n;";

#[tokio::test]
async fn an_index_is_unused_only_after_the_time_that_is_set() {
    let database = database(&format!(
        "{MANY} create index big_a on big (a);
         create index big_b on big (b);
         create unique index big_c on big (c);
         create table small (id int primary key, a int); create index small_a on small (a);
         vacuum analyze"
    ))
    .await;
    database
        .psql("set enable_seqscan = off; select count(*) from big where b = 5")
        .await;
    let unused = format!("unused-index:{}.public.big.big_a", database.name());

    let stage = Stage::of(&database, DAY * 29).await;
    assert_eq!(stage.find(&unused).await, None);
    assert_eq!(
        stage.left("unused indexes").await.unwrap(),
        "scans have been counted for less than 30 days"
    );
    stage.clock.advance(DAY * 2);
    let advice = stage.advice(&unused).await;
    assert!(
        advice.reason.contains("no statement scanned it in 31 days"),
        "{}",
        advice.reason
    );
    assert_eq!(ids(&stage, &database).await, ["unused-index big.big_a"]);
    stage.stop().await;
}

#[tokio::test]
async fn whether_a_replica_uses_an_index_is_not_known() {
    let postgres = Postgres::start_with(&[("fsync", "on")]).await;
    let database = postgres.database().await;
    database
        .psql(&format!("{MANY} create index big_a on big (a); vacuum analyze"))
        .await;
    let replica = postgres.standby("replica").await;
    let stage = Stage::of(&database, DAY * 31).await;
    let advice = stage
        .advice(&format!("unused-index:{}.public.big.big_a", database.name()))
        .await;
    assert!(
        advice.reason.ends_with("whether the replica uses it is not known here"),
        "{}",
        advice.reason
    );
    assert_eq!(
        advice.confidence(),
        weir_proto::maintenance::v1::AdviceConfidence::Guessed
    );
    stage.stop().await;
    drop(replica);
}

#[tokio::test]
async fn foreign_keys_need_an_index_that_begins_with_their_columns() {
    let database = database(&format!(
        "{MANY} alter table big add unique (a, b);
         create table f (id int primary key, x int references big, a int, b int, y int references big,
             foreign key (a, b) references big (a, b));
         insert into f select n, n, n, n, n from generate_series(1, 2000) n;
         create index f_ba on f (b, a, x);
         create index f_y on f (y) where y > 0;
         create table tiny (id int primary key, x int references big);
         analyze"
    ))
    .await;
    let stage = Stage::of(&database, DAY).await;
    let found = ids(&stage, &database).await;
    assert_eq!(
        found,
        [
            "foreign-key-without-index f.f_x_fkey",
            "foreign-key-without-index f.f_y_fkey"
        ]
    );
    let advice = stage
        .advice(&format!(
            "foreign-key-without-index:{}.public.f.f_x_fkey",
            database.name()
        ))
        .await;
    assert_eq!(advice.statement, "create index concurrently on \"public\".\"f\" (x)");
    database.psql(&advice.statement).await;
    assert_eq!(ids(&stage, &database).await, ["foreign-key-without-index f.f_y_fkey"]);
    stage.stop().await;
}

#[tokio::test]
async fn tables_without_a_key_and_invalid_indexes_are_named_and_system_tables_are_not() {
    let database = database(
        "create table plain (a int not null, b int);
         insert into plain values (1, 1), (2, 1);
         create table keyed (a int primary key);
         create table almost (a int not null); create unique index almost_a on almost (a);
         create table parted (a int) partition by range (a);
         create table parted_1 partition of parted for values from (0) to (10);
         create unlogged table scratch (a int primary key);
         create schema weir_own; create table weir_own.x (a int);
         create publication p for table plain",
    )
    .await;
    // A build that fails leaves its index behind.
    let failed = "\\set ON_ERROR_STOP off\ncreate unique index concurrently plain_b on plain (b);\nselect 1";
    database.psql(failed).await;
    let stage = Stage::of(&database, DAY).await;
    assert_eq!(
        ids(&stage, &database).await,
        [
            "invalid-index plain.plain_b",
            "no-primary-key almost",
            "no-primary-key parted",
            "no-primary-key plain",
            "unlogged-table scratch",
        ]
    );
    let plain = stage
        .advice(&format!("no-primary-key:{}.public.plain", database.name()))
        .await;
    assert!(
        plain.reason.ends_with("it is published: UPDATE and DELETE of it fail"),
        "{}",
        plain.reason
    );
    assert_eq!(plain.impact(), weir_proto::maintenance::v1::AdviceImpact::Danger);
    let almost = stage
        .advice(&format!("no-primary-key:{}.public.almost", database.name()))
        .await;
    database.psql(&almost.statement).await;
    database.psql("alter table plain replica identity full").await;
    let plain = stage
        .advice(&format!("no-primary-key:{}.public.plain", database.name()))
        .await;
    assert_eq!(plain.impact(), weir_proto::maintenance::v1::AdviceImpact::Medium);
    assert!(!stage.ids().await.iter().any(|id| id.ends_with("almost")));
    // Weir sees nothing of what belongs to other projects.
    let other = stage.list_of("shop").await;
    assert_eq!((other.advice.len(), other.left.len()), (0, 0));
    stage.stop().await;
}

#[tokio::test]
async fn a_sequence_is_judged_by_the_narrower_of_itself_and_its_column() {
    let database = database(
        "create table narrow (id int primary key, v int);
         create sequence wide as bigint; alter sequence wide owned by narrow.id;
         alter table narrow alter id set default nextval('wide');
         select setval('wide', 2000000000);
         create table half (id serial primary key); select setval('half_id_seq', 1200000000);
         create table fine (id bigserial primary key); select setval('fine_id_seq', 2000000000);
         create sequence round as int cycle; select setval('round', 2147483000);
         create table downward (id smallint primary key);
         create sequence down as smallint increment -1 minvalue -32768 maxvalue -1; select setval('down', -30000);
         create sequence never; create table odd (\"Id\" smallserial primary key); select setval('\"odd_Id_seq\"', 32000)",
    )
    .await;
    let stage = Stage::of(&database, DAY).await;
    let list = stage.list().await;
    let found: Vec<(&str, &str)> = list
        .advice
        .iter()
        .filter(|advice| advice.kind == "sequence-exhaustion")
        .map(|advice| (advice.table.as_str(), advice.statement.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (
                "public.odd_Id_seq",
                "alter sequence \"public\".\"odd_Id_seq\" as bigint; alter table \"public\".\"odd\" alter column \"Id\" type bigint"
            ),
            ("public.down", "alter sequence \"public\".\"down\" as bigint"),
            (
                "public.wide",
                "alter table \"public\".\"narrow\" alter column id type bigint"
            ),
            (
                "public.half_id_seq",
                "alter sequence \"public\".\"half_id_seq\" as bigint; alter table \"public\".\"half\" alter column id type bigint"
            ),
        ]
    );
    let wide = list.advice.iter().find(|advice| advice.table == "public.wide").unwrap();
    assert!(
        wide.reason
            .starts_with("it stands at 2,000,000,000, 93 % of what it can give to the integer column public.narrow.id"),
        "{}",
        wide.reason
    );
    for (_, statement) in found {
        database.psql(statement).await;
    }
    assert!(!stage.ids().await.iter().any(|id| id.starts_with("sequence")));
    stage.stop().await;
}
