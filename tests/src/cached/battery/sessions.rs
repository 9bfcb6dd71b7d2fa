//! What depends on the session that asks.

use super::case::{Case, Check, ROW, SEVEN, Step, T};
use Step::{Ask, Binary, Both, Direct, Door};

const TWO_SCHEMAS: &str = "create schema {s}_a; create schema {s}_b;
    create table {s}_a.t (k int primary key, v int not null); insert into {s}_a.t values (7, 7);
    create table {s}_b.t (k int primary key, v int not null); insert into {s}_b.t values (7, 1000);";
const UNQUALIFIED: &str = "select k, v from t where k = $1";
const FORMS: &str = "create table {s}.t (k int primary key, d date, f float8, m timestamptz, i interval, b bytea, x text);
    insert into {s}.t values (7, '2026-12-01', 0.1::float8 + 0.2::float8, '2026-12-01 12:00+00', '1 day 02:03:04', '\\x00ff', 'é');";

/// One column of that table, and a setting that writes it in another way.
macro_rules! formatted {
    ($name:literal, $column:literal, $setting:literal) => {
        Case::new(
            $name,
            FORMS,
            concat!("select k, ", $column, " from {s}.t where k = $1"),
            SEVEN,
            &[Both($setting)],
        )
    };
}

pub(super) const CASES: &[Case] = &[
    Case::new(
        "search_path",
        TWO_SCHEMAS,
        UNQUALIFIED,
        SEVEN,
        &[Both("set search_path = {s}_b")],
    )
    .beginning("set search_path = {s}_a"),
    Case::new(
        "search_path_of_a_transaction",
        TWO_SCHEMAS,
        UNQUALIFIED,
        SEVEN,
        &[
            Both("begin"),
            Both("set local search_path = {s}_b"),
            Ask,
            Both("rollback"),
        ],
    )
    .beginning("set search_path = {s}_a"),
    Case::new(
        "table_found_earlier",
        TWO_SCHEMAS,
        UNQUALIFIED,
        SEVEN,
        &[Direct(
            "create schema {s}_c; create table {s}_c.t (k int primary key, v int); insert into {s}_c.t values (7, -7)",
        )],
    )
    .beginning("set search_path = {s}_c, {s}_a"),
    Case::new(
        "temporary_table",
        TWO_SCHEMAS,
        UNQUALIFIED,
        SEVEN,
        &[
            Both("create temp table t (k int primary key, v int)"),
            Both("insert into t values (7, -7)"),
        ],
    )
    .beginning("set search_path = {s}_a")
    .simple()
    .checked(Check::SameValues),
    formatted!("date_style", "d", "set datestyle = 'German'"),
    formatted!("extra_float_digits", "f", "set extra_float_digits = -5"),
    formatted!("time_zone", "m", "set timezone = 'Asia/Tokyo'"),
    formatted!("interval_style", "i", "set intervalstyle = 'iso_8601'"),
    formatted!("bytea_output", "b", "set bytea_output = 'escape'"),
    formatted!("client_encoding", "x", "set client_encoding = 'LATIN1'"),
    formatted!("local_date_style", "d", "begin; set local datestyle = 'German'"),
    formatted!(
        "set_config_of_a_format",
        "d",
        "select set_config('datestyle', 'German', false)"
    ),
    formatted!(
        "reset_of_a_format",
        "d",
        "set datestyle = 'German'; reset datestyle; set timezone = 'UTC'"
    )
    .staying(),
    Case::new(
        "null_equals_null",
        T,
        "select count(*) from {s}.t where (v = null) is not null and k = $1",
        SEVEN,
        &[Both("set transform_null_equals = on")],
    )
    .simple(),
    Case::new(
        "binary_values",
        FORMS,
        "select k, d, f, m, i, b from {s}.t where k = $1",
        SEVEN,
        &[Binary],
    ),
    Case::new(
        "everything_discarded",
        TWO_SCHEMAS,
        UNQUALIFIED,
        SEVEN,
        &[Both("discard all")],
    )
    .beginning("set search_path = {s}_a"),
    Case::new(
        "frozen_now",
        T,
        "select 'now'::timestamp, k from {s}.t where k = $1",
        SEVEN,
        &[],
    )
    .never_cached()
    .simple()
    .checked(Check::Moves),
    Case::new("function_now", T, "select now(), k from {s}.t where k = $1", SEVEN, &[])
        .never_cached()
        .checked(Check::Moves),
    Case::new(
        "clock",
        T,
        "select clock_timestamp(), k from {s}.t where k = $1",
        SEVEN,
        &[],
    )
    .never_cached()
    .checked(Check::Moves),
    Case::new(
        "now_as_a_value",
        T,
        "select cast($1 as timestamp), k from {s}.t where k = 7",
        &["now"],
        &[],
    )
    .never_cached()
    .checked(Check::Moves),
    Case::new("random", T, "select random(), k from {s}.t where k = $1", SEVEN, &[])
        .never_cached()
        .checked(Check::Moves),
    Case::new(
        "next_of_a_sequence",
        "create sequence {s}.seq; create table {s}.t (k int primary key);",
        "select nextval('{s}.seq')",
        &[],
        &[],
    )
    .never_cached()
    .checked(Check::Moves),
    Case::new(
        "setting_read",
        T,
        "select current_setting('datestyle'), k from {s}.t where k = $1",
        SEVEN,
        &[Both("set datestyle = 'German'")],
    )
    .never_cached(),
    Case::new(
        "whoever_asks",
        T,
        "select current_user, k from {s}.t where k = $1",
        SEVEN,
        &[
            Both("set role app"),
            Both("reset role"),
            Both("set session authorization app"),
        ],
    ),
    Case::new(
        "executed_select",
        T,
        "execute read_{s} (7)",
        &[],
        &[Direct("update {s}.t set v = 1000 where k = 7")],
    )
    .beginning("prepare read_{s} (int) as select k, v from {s}.t where k = $1")
    .never_cached(),
    Case::new("cursor", T, "fetch 1 from walk_{s}", &[], &[])
        .beginning("begin; declare walk_{s} cursor for select k from {s}.t order by k")
        .never_cached()
        .checked(Check::Moves),
    Case::new(
        "locked_rows",
        T,
        "select k, v from {s}.t where k = $1 for update",
        SEVEN,
        &[Door("update {s}.t set v = 1000 where k = 7")],
    )
    .own()
    .never_cached(),
    Case::new(
        "several_statements",
        T,
        "select k, v from {s}.t where k = 8; select k, v from {s}.t where k = 7",
        &[],
        &[Direct("update {s}.t set v = 1000 where k = 7")],
    )
    .never_cached()
    .simple(),
    Case::row(
        "comment_only",
        &[
            Direct("update {s}.t set v = 1000 where k = 7"),
            Ask,
            Door("/* nothing */ select 1"),
        ],
    ),
    Case::new(
        "tables_of_the_catalogue",
        "create table {s}.t (k int primary key);",
        "select count(*) from pg_class where relnamespace = '{s}'::regnamespace",
        &[],
        &[Direct("create table {s}.u (k int)")],
    )
    .never_cached(),
    Case::new(
        "size_of_a_table",
        T,
        "select pg_relation_size('{s}.t') > 8192, k from {s}.t where k = $1",
        SEVEN,
        &[Direct(
            "insert into {s}.t select g, g from generate_series(1000, 3000) g",
        )],
    )
    .never_cached(),
    Case::new(
        "read_after_a_wait",
        T,
        ROW,
        SEVEN,
        &[
            Door("select pg_sleep(0.001)"),
            Direct("update {s}.t set v = 1000 where k = 7"),
        ],
    ),
];
