//! Changes of definitions, most of which write no row that would tell of them.

use super::case::{Case, Check, ROW, SEVEN, Step, T};
use Step::Direct;

const PARTS: &str = "create table {s}.t (k int primary key, v int not null) partition by range (k);
    create table {s}.low partition of {s}.t for values from (0) to (50);
    create table {s}.high partition of {s}.t for values from (50) to (200);
    create table {s}.spare (k int primary key, v int not null);
    insert into {s}.spare values (207, 1);
    insert into {s}.t select g, g from generate_series(1, 100) g;";
const COUNT: &str = "select count(*), sum(v) from {s}.t where k > $1";

pub(super) const CASES: &[Case] = &[
    Case::new(
        "partition_attached",
        PARTS,
        COUNT,
        &["0"],
        &[Direct(
            "alter table {s}.t attach partition {s}.spare for values from (200) to (300)",
        )],
    ),
    Case::new(
        "partition_detached",
        PARTS,
        ROW,
        SEVEN,
        &[Direct("alter table {s}.t detach partition {s}.low")],
    ),
    Case::new("partition_dropped", PARTS, ROW, SEVEN, &[Direct("drop table {s}.low")]),
    Case::new(
        "view_redefined",
        "create table {s}.t (k int primary key, v int not null); insert into {s}.t values (7, 7);
         create view {s}.w as select k, v from {s}.t;",
        "select k, v from {s}.w where k = $1",
        SEVEN,
        &[Direct(
            "create or replace view {s}.w as select k, v * 1000 as v from {s}.t",
        )],
    ),
    Case::new(
        "table_under_a_view",
        "create table {s}.t (k int primary key, v int not null); insert into {s}.t values (7, 7);
         create view {s}.w as select k, v from {s}.t; create view {s}.x as select k, v + 1 as v from {s}.w;",
        "select k, v from {s}.x where k = $1",
        SEVEN,
        &[Direct("update {s}.t set v = 1000 where k = 7")],
    ),
    Case::new(
        "function_redefined",
        "create table {s}.t (k int primary key, v int not null); insert into {s}.t values (7, 7);
         create function {s}.f(int) returns int immutable language sql as 'select $1 + 1';",
        "select k, {s}.f(v) from {s}.t where k = $1",
        SEVEN,
        &[Direct(
            "create or replace function {s}.f(int) returns int immutable language sql as 'select $1 + 2'",
        )],
    ),
    Case::row(
        "type_rewritten",
        &[Direct("alter table {s}.t alter column v type int using v * 1000")],
    )
    .checked(Check::LikeDirectOrReplanned),
    Case::row(
        "type_changed",
        &[Direct("alter table {s}.t alter column v type text using 'x' || v")],
    )
    .checked(Check::LikeDirectOrReplanned),
    Case::new(
        "column_added",
        T,
        "select * from {s}.t where k = $1",
        SEVEN,
        &[Direct("alter table {s}.t add column w int default 1")],
    )
    .checked(Check::LikeDirectOrReplanned),
    Case::new(
        "column_renamed",
        T,
        "select * from {s}.t where k = $1",
        SEVEN,
        &[Direct("alter table {s}.t rename column v to w")],
    )
    .checked(Check::LikeDirectOrReplanned),
    Case::row("column_dropped", &[Direct("alter table {s}.t drop column v")]).checked(Check::LikeDirectOrReplanned),
    Case::row(
        "made_anew",
        &[Direct(
            "drop table {s}.t; create table {s}.t (k int primary key, v int not null); insert into {s}.t values (7, -1)",
        )],
    ),
    Case::row("dropped", &[Direct("drop table {s}.t")]),
    Case::new(
        "swapped_by_renaming",
        "create table {s}.t (k int primary key, v int not null); insert into {s}.t values (7, 7);
         create table {s}.fresh (k int primary key, v int not null); insert into {s}.fresh values (7, 1000);",
        ROW,
        SEVEN,
        &[Direct(
            "begin; alter table {s}.t rename to old; alter table {s}.fresh rename to t; commit",
        )],
    ),
    Case::new(
        "swapped_by_schema",
        "create schema {s}_old; create schema {s}_new;
         create table {s}.t (k int primary key, v int not null); insert into {s}.t values (7, 7);
         create table {s}_new.t (k int primary key, v int not null); insert into {s}_new.t values (7, 1000);",
        ROW,
        SEVEN,
        &[Direct(
            "begin; alter table {s}.t set schema {s}_old; alter table {s}_new.t set schema {s}; commit",
        )],
    ),
    Case::new(
        "materialised_view",
        "create table {s}.t (k int primary key, v int not null); insert into {s}.t values (7, 7);
         create materialized view {s}.m as select k, v from {s}.t;",
        "select k, v from {s}.m where k = $1",
        SEVEN,
        &[
            Direct("update {s}.t set v = 1000 where k = 7"),
            Direct("refresh materialized view {s}.m"),
        ],
    ),
    Case::new(
        "label_renamed",
        "create type {s}.mood as enum ('glad', 'sad'); create table {s}.t (k int primary key, v {s}.mood);
         insert into {s}.t values (7, 'sad');",
        ROW,
        SEVEN,
        &[Direct("alter type {s}.mood rename value 'sad' to 'blue'")],
    ),
    Case::new(
        "disabled_trigger_rewrites_nothing",
        "create table {s}.t (k int primary key, v int generated always as (k * 2) stored); insert into {s}.t values (7);",
        ROW,
        SEVEN,
        &[
            Direct("alter table {s}.t alter column v drop expression"),
            Direct("update {s}.t set v = 1000 where k = 7"),
        ],
    ),
    // Whoever publishes the table must not make the application's own writes fail.
    Case::row(
        "identity_taken_away",
        &[
            Direct("alter table {s}.t replica identity nothing"),
            Direct("update {s}.t set v = 1000 where k = 7"),
            Direct("delete from {s}.t where k = 8"),
        ],
    ),
    Case::row(
        "key_exchanged_in_one_transaction",
        &[
            Direct(
                "begin; alter table {s}.t drop constraint t_pkey; update {s}.t set v = 1000 where k = 7;
            alter table {s}.t add primary key (k); commit",
            ),
            Direct("update {s}.t set v = 2000 where k = 7"),
        ],
    ),
    Case::row(
        "key_dropped",
        &[
            Direct("alter table {s}.t drop constraint t_pkey"),
            Direct("insert into {s}.t values (7, 8)"),
            Direct("alter table {s}.t replica identity full"),
            Direct("delete from {s}.t where v = 7"),
        ],
    ),
    Case::row(
        "redefined_in_one_transaction_with_a_write",
        &[Direct(
            "begin; alter table {s}.t add column w int; update {s}.t set v = 1000 where k = 7; commit",
        )],
    ),
];
