//! Rows of which something else was written: answers that read it not may stay, and no other.
//!
//! A row is told cell by cell once it was seen before, so each case writes it twice, and waits until the answer is in memory
//! again, before anything that matters.

use super::case::{Case, SEVEN, Step};
use Step::{Ask, Direct, Spared};

const WIDE: &str = "create table {s}.t (k int primary key, v int not null, w int, seen timestamptz, note text);
    insert into {s}.t select g, g, g, null, '' from generate_series(1, 100) g;
    create table {s}.u (w int primary key, x int not null);
    insert into {s}.u select g, g from generate_series(-100, 200) g;";
const CELL: &str = "select v from {s}.t where k = $1";
const SEEN: Step = Direct("update {s}.t set seen = clock_timestamp() where k = 7");

/// Asked of a row that was written twice, and then changes.
macro_rules! known {
    ($name:literal, $setup:expr, $query:expr, $($step:expr),+ $(,)?) => {
        Case::new($name, $setup, $query, SEVEN, &[SEEN, SEEN, Spared, $($step),+])
    };
}

pub(super) const CASES: &[Case] = &[
    known!("another_cell", WIDE, CELL, SEEN, Spared, SEEN, Spared).staying(),
    known!(
        "another_cell_and_then_this",
        WIDE,
        CELL,
        Direct("update {s}.t set v = 1000 where k = 7")
    ),
    known!(
        "both_cells_at_once",
        WIDE,
        CELL,
        Direct("update {s}.t set v = 1000, seen = null where k = 7")
    ),
    known!(
        "two_cells_of_one_transaction",
        WIDE,
        CELL,
        Direct("begin; update {s}.t set v = 1000 where k = 7; update {s}.t set seen = null where k = 7; commit")
    ),
    known!(
        "there_and_back",
        WIDE,
        CELL,
        Direct("update {s}.t set v = 1000 where k = 7"),
        Ask,
        Ask,
        Direct("update {s}.t set v = 7 where k = 7"),
        Direct("update {s}.t set v = 1001 where k = 7"),
    ),
    known!(
        "a_cell_of_the_condition",
        WIDE,
        "select v from {s}.t where k = $1 and w > 0",
        Direct("update {s}.t set w = -1 where k = 7")
    ),
    known!(
        "a_cell_of_a_join",
        WIDE,
        "select u.x from {s}.t join {s}.u on u.w = t.w where t.k = $1",
        Direct("update {s}.t set w = 9 where k = 7")
    ),
    known!(
        "a_cell_of_a_merged_join",
        WIDE,
        "select x from {s}.t left join {s}.u using (w) where k = $1",
        Direct("update {s}.t set w = 9 where k = 7")
    ),
    known!(
        "a_cell_of_a_natural_join",
        WIDE,
        "select x from {s}.t natural join {s}.u where k = $1",
        Direct("update {s}.t set w = 9 where k = 7")
    ),
    known!(
        "a_cell_of_a_subquery",
        WIDE,
        "select (select max(x) from {s}.u where u.w <= t.w) from {s}.t where k = $1",
        Direct("update {s}.t set w = 9 where k = 7")
    ),
    known!(
        "a_cell_of_a_lateral_join",
        WIDE,
        "select s.n from {s}.t cross join lateral (select count(*) as n from {s}.u where u.w < t.w) s where k = $1",
        Direct("update {s}.t set w = 9 where k = 7")
    ),
    known!(
        "a_cell_of_the_order",
        WIDE,
        "select u.x from {s}.t, {s}.u where k = $1 and u.w in (1, 2) order by u.w * t.w",
        Direct("update {s}.t set w = -1 where k = 7")
    ),
    known!(
        "another_cell_among_joins",
        "create table {s}.t (k int primary key, name text not null, seen timestamptz);
         create table {s}.role (id int primary key, name text not null);
         create table {s}.has (k int not null, role int not null, primary key (k, role));
         insert into {s}.t select g, 'user ' || g from generate_series(1, 100) g;
         insert into {s}.role select g, 'role ' || g from generate_series(1, 9) g;
         insert into {s}.has select g, 1 + g % 9 from generate_series(1, 100) g;",
        "select t.k, t.name, array_agg(r.name order by r.name) from {s}.t join {s}.has h on h.k = t.k
            join {s}.role r on r.id = h.role where t.k = $1 group by t.k, t.name",
        SEEN,
        Spared,
        Direct("update {s}.t set name = 'another' where k = 7"),
    ),
    known!(
        "the_row_as_a_whole",
        WIDE,
        "select t::text from {s}.t where k = $1",
        Direct("update {s}.t set note = 'x' where k = 7")
    ),
    known!(
        "every_cell",
        WIDE,
        "select * from {s}.t where k = $1",
        Direct("update {s}.t set note = 'x' where k = 7")
    ),
    known!(
        "whether_it_is_there",
        WIDE,
        "select count(*) from {s}.t where k = $1",
        Direct("delete from {s}.t where k = 7")
    ),
    known!(
        "another_row_of_the_key",
        WIDE,
        CELL,
        Direct("delete from {s}.t where k = 7; insert into {s}.t values (7, 1000)"),
        SEEN,
        Direct("update {s}.t set v = 7 where k = 7"),
        Direct("update {s}.t set v = 1000 where k = 7"),
    ),
    known!(
        "a_cell_stored_apart",
        "create table {s}.t (k int primary key, seen timestamptz, v text);
         alter table {s}.t alter v set storage external;
         insert into {s}.t select g, null, repeat('x', 9000) from generate_series(1, 100) g;",
        CELL,
        Direct("update {s}.t set v = repeat('y', 9000) where k = 7")
    ),
    known!(
        "a_cell_of_a_type_of_ones_own",
        "create type {s}.mood as enum ('good', 'bad');
         create table {s}.t (k int primary key, seen timestamptz, v {s}.mood);
         insert into {s}.t select g, null, 'good' from generate_series(1, 100) g;",
        CELL,
        Direct("update {s}.t set v = 'bad' where k = 7")
    ),
    known!(
        "a_computed_cell",
        "create table {s}.t (k int primary key, seen timestamptz, w int, v int generated always as (w * 2) stored);
         insert into {s}.t select g, null, g from generate_series(1, 100) g;",
        CELL,
        Direct("update {s}.t set w = 1000 where k = 7")
    ),
    known!(
        "a_cell_that_a_trigger_writes",
        "create table {s}.t (k int primary key, seen timestamptz, w int, v int not null);
         insert into {s}.t select g, null, g, g from generate_series(1, 100) g;
         create function {s}.copied() returns trigger language plpgsql as $$ begin new.v := new.w; return new; end $$;
         create trigger copied before update on {s}.t for each row execute function {s}.copied();",
        CELL,
        Direct("update {s}.t set w = 1000 where k = 7")
    ),
    known!(
        "a_cell_that_a_policy_reads",
        "create table {s}.t (k int primary key, seen timestamptz, w int, v int not null);
         insert into {s}.t select g, null, g, g from generate_series(1, 100) g;
         alter table {s}.t enable row level security; grant select on {s}.t to app;
         create policy positive on {s}.t using (w > 0);",
        CELL,
        Direct("update {s}.t set w = -1 where k = 7")
    )
    .by_app(),
    known!(
        "a_cell_of_a_partition",
        "create table {s}.t (k int primary key, seen timestamptz, v int not null) partition by range (k);
         create table {s}.low partition of {s}.t for values from (0) to (50);
         insert into {s}.t select g, null, g from generate_series(1, 40) g;",
        CELL,
        Direct("update {s}.low set v = 1000 where k = 7")
    ),
    known!(
        "a_cell_of_a_child",
        "create table {s}.t (k int primary key, seen timestamptz, v int); insert into {s}.t values (8);
         create table {s}.child (primary key (k)) inherits ({s}.t); insert into {s}.child values (7, null, 1);",
        CELL,
        Direct("update {s}.child set v = 1000 where k = 7")
    ),
    known!(
        "a_cell_of_a_view",
        "create table {s}.t (k int primary key, seen timestamptz, v int); insert into {s}.t values (7, null, 1);
         create view {s}.seen_through as select k, v from {s}.t;",
        "select v from {s}.seen_through where k = $1",
        Direct("update {s}.t set v = 1000 where k = 7")
    ),
    known!(
        "a_cell_with_all_old_values",
        "create table {s}.t (k int primary key, seen timestamptz, v int); alter table {s}.t replica identity full;
         insert into {s}.t values (7, null, 1);",
        CELL,
        Direct("update {s}.t set v = 1000 where k = 7")
    ),
    known!(
        "the_order_of_several_rows",
        "create table {s}.t (k int primary key, grp int not null, seen timestamptz); create index on {s}.t (grp);
         alter table {s}.t replica identity full;
         insert into {s}.t select g, 7, null from generate_series(1, 9) g;",
        "select k from {s}.t where grp = $1",
        Direct("update {s}.t set seen = clock_timestamp() where k = 2"),
        Direct("vacuum {s}.t"),
        Direct("update {s}.t set seen = clock_timestamp() where k = 5"),
    ),
    known!(
        "the_last_digit_of_a_cell",
        "create table {s}.t (k int primary key, seen timestamptz, v float8); insert into {s}.t values (7, null, 1);",
        CELL,
        Direct("update {s}.t set v = 1.0000000000000002 where k = 7")
    ),
];
