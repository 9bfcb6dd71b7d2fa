//! Values that are equal and do not look so, and shapes of queries in which a row is more than its key.

use super::case::{Case, SEVEN, Step, T};
use Step::Direct;

const TWO: &str = "create table {s}.t (k int primary key, v int not null); insert into {s}.t values (7, 7), (8, 8);
    create table {s}.u (k int primary key, v int not null); insert into {s}.u values (8, 80);";

pub(super) const CASES: &[Case] = &[
    Case::new(
        "letters_that_are_equal",
        "create collation {s}.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
         create table {s}.t (name text collate {s}.ci primary key, v int); insert into {s}.t values ('abc', 7);",
        "select v from {s}.t where name = $1",
        &["ABC"],
        &[Direct("update {s}.t set v = 1000 where name = 'abc'")],
    ),
    Case::new(
        "padded_letters",
        "create table {s}.t (name char(5) primary key, v int); insert into {s}.t values ('ab', 7);",
        "select v from {s}.t where name = $1",
        &["ab   "],
        &[Direct("update {s}.t set v = 1000 where name = 'ab'")],
    ),
    Case::new(
        "numbers_with_zeros",
        "create table {s}.t (k numeric primary key, v int); insert into {s}.t values (7.0, 7);",
        "select v from {s}.t where k = $1::numeric",
        &["7.00"],
        &[Direct("update {s}.t set v = 1000 where k = 7")],
    ),
    Case::new(
        "wider_numbers",
        "create table {s}.t (k bigint primary key, v int); insert into {s}.t values (7, 7);",
        "select v from {s}.t where k = $1::int",
        SEVEN,
        &[Direct("update {s}.t set v = 1000 where k = 7")],
    ),
    Case::new(
        "a_number_with_a_point",
        T,
        "select v from {s}.t where k = $1::numeric",
        &["7.0"],
        &[Direct("update {s}.t set v = 1000 where k = 7")],
    ),
    Case::new(
        "an_id_in_capitals",
        "create table {s}.t (k uuid primary key, v int);
         insert into {s}.t values ('00000000-0000-4000-8000-00000000abcd', 7);",
        "select v from {s}.t where k = $1::uuid",
        &["{00000000-0000-4000-8000-00000000ABCD}"],
        &[Direct("update {s}.t set v = 1000")],
    ),
    Case::new(
        "a_text_key",
        "create table {s}.t (k text primary key, v int); insert into {s}.t values ('é''x', 7);",
        "select v from {s}.t where k = $1",
        &["é'x"],
        &[Direct("update {s}.t set v = 1000")],
    ),
    Case::new(
        "two_values",
        T,
        "select sum(v) from {s}.t where k in ($1, $2)",
        &["7", "8"],
        &[Direct("update {s}.t set v = 1000 where k = 8")],
    ),
    Case::new(
        "one_or_the_other",
        T,
        "select sum(v) from {s}.t where k = $1 or v = 8",
        SEVEN,
        &[Direct("update {s}.t set v = 8 where k = 9")],
    ),
    Case::new(
        "not_this_one",
        T,
        "select sum(v) from {s}.t where not k = $1",
        SEVEN,
        &[Direct("update {s}.t set v = 1000 where k = 9")],
    ),
    Case::new(
        "joined",
        TWO,
        "select t.v, u.v from {s}.t t join {s}.u u on u.k = t.k where t.k = $1",
        &["8"],
        &[Direct("update {s}.u set v = 1000 where k = 8")],
    ),
    Case::new(
        "joined_and_missing",
        TWO,
        "select t.v, u.v from {s}.t t left join {s}.u u on u.k = t.k where t.k = $1",
        SEVEN,
        &[Direct("insert into {s}.u values (7, 1000)")],
    ),
    Case::new(
        "joined_from_the_other_side",
        TWO,
        "select t.v, u.v from {s}.u u right join {s}.t t on u.k = $1",
        SEVEN,
        &[Direct("update {s}.t set v = 1000 where k = 8")],
    ),
    Case::new(
        "where_nothing_is",
        TWO,
        "select t.v from {s}.t t where t.k = $1 and not exists (select from {s}.u u where u.k = t.k)",
        SEVEN,
        &[Direct("insert into {s}.u values (7, 1)")],
    ),
    Case::new(
        "with_a_subquery",
        TWO,
        "select t.v, (select max(v) from {s}.u) from {s}.t t where t.k = $1",
        SEVEN,
        &[Direct("insert into {s}.u values (9, 1000)")],
    ),
    Case::new(
        "with_a_common_table",
        TWO,
        "with x as (select sum(v) as s from {s}.u) select t.v, x.s from {s}.t t, x where t.k = $1",
        SEVEN,
        &[Direct("insert into {s}.u values (9, 1000)")],
    ),
    Case::new(
        "a_union",
        TWO,
        "select v from {s}.t where k = $1 union all select v from {s}.u where k = 8",
        SEVEN,
        &[Direct("update {s}.u set v = 1000 where k = 8")],
    ),
    Case::new(
        "a_lateral_join",
        TWO,
        "select t.v, x.v from {s}.t t cross join lateral (select max(u.v) as v from {s}.u u where u.k >= t.k) x where t.k = $1",
        SEVEN,
        &[Direct("insert into {s}.u values (9, 1000)")],
    ),
    Case::new(
        "an_aggregate",
        T,
        "select count(*), sum(v), min(v), max(v) from {s}.t where k < $1",
        &["50"],
        &[Direct("update {s}.t set v = -5 where k = 40")],
    ),
    Case::new(
        "the_first_ones",
        T,
        "select k, v from {s}.t where k >= $1 order by v, k limit 3",
        SEVEN,
        &[Direct("update {s}.t set v = 0 where k = 90")],
    ),
    Case::new(
        "a_window",
        T,
        "select k, rank() over (order by v, k) from {s}.t where k < $1 order by k",
        SEVEN,
        &[Direct("update {s}.t set v = 50 where k = 1")],
    ),
    Case::new(
        "a_key_of_two_columns",
        "create table {s}.t (a int, b int, v int, primary key (a, b)); insert into {s}.t values (7, 1, 7), (7, 2, 8);",
        "select sum(v) from {s}.t where a = $1",
        SEVEN,
        &[Direct("insert into {s}.t values (7, 3, 1000)")],
    ),
    Case::new(
        "a_column_that_is_no_key",
        "create table {s}.t (k int primary key, owner int, v int); insert into {s}.t values (1, 7, 7), (2, 8, 8);
         create index on {s}.t (owner);",
        "select sum(v) from {s}.t where owner = $1",
        SEVEN,
        &[Direct("update {s}.t set owner = 8 where k = 1")],
    ),
    Case::new(
        "a_column_that_is_no_key_with_old_values",
        "create table {s}.t (k int primary key, owner int, v int); insert into {s}.t values (1, 7, 7), (2, 8, 8);
         create index on {s}.t (owner); alter table {s}.t replica identity full;",
        "select sum(v) from {s}.t where owner = $1",
        SEVEN,
        &[Direct("update {s}.t set owner = 7 where k = 2")],
    ),
    Case::new(
        "a_long_value",
        "create table {s}.t (k int primary key, v text); alter table {s}.t alter v set storage external;
         insert into {s}.t values (7, repeat('x', 20000));",
        "select k, length(v), right(v, 3) from {s}.t where k = $1",
        SEVEN,
        &[Direct("update {s}.t set v = repeat('y', 20000) where k = 7")],
    ),
];
