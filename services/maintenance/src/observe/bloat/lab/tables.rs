//! Tables of many shapes, and what wears them.

use std::fmt::Write as _;

use fastrand::Rng;

use super::Lab;
use super::score::Score;

/// A shape of tables. `values` is what row `i` has; `touch` is what an update sets.
struct Kind {
    name: String,
    columns: String,
    values: String,
    touch: String,
    /// What is done to the table between filling and wearing it.
    then: String,
    rows: u32,
}

/// One table to be built, worn and judged.
pub(super) struct Case {
    name: String,
    script: Vec<String>,
}

const KINDS: [[&str; 6]; 22] = [
    ["fixed", "(id bigint, a int, b int, c timestamptz)", "i, i, i % 7, now()", "b = b + 1", "", "200000"],
    ["text", "(id bigint, t text)", "i, noise(20 + (random() * 60)::int)", "t = noise(50)", "", "60000"],
    ["skewed text", "(id bigint, t text)", "i, noise((exp(random() * 7))::int)", "t = noise((exp(random() * 7))::int)", "", "40000"],
    ["twenty nullable", "(id int, n1 int, n2 bigint, n3 int, n4 text, n5 int, n6 date, n7 int, n8 text, n9 float8, n10 int,
        n11 bool, n12 int, n13 text, n14 int, n15 int, n16 uuid, n17 int, n18 int2, n19 text)",
        "i, nullif(i % 3, 0), nullif(i % 2, 0), null, case when i % 5 = 0 then md5(i::text) end, null, null, i, null, null,
        null, i % 2 = 0, null, 'x', null, null, case when i % 7 = 0 then gen_random_uuid() end, null, 3, null",
        "n4 = null, n5 = 3", "", "120000"],
    ["alternating", "(b1 bool, i1 bigint, b2 bool, i2 bigint, b3 bool, i3 bigint, b4 bool, i4 bigint)",
        "true, i, false, i, true, i, null, i", "i4 = i4 + 1", "", "120000"],
    ["two kilobytes", "(id bigint, t text)", "i, noise(1400 + (random() * 500)::int)", "t = noise(1700)",
        "", "8000"],
    ["four kilobytes inline",
        "(id bigint, t text); alter table $T alter t set storage plain",
        "i, noise(100 + (i % 9) * 450)",
        "t = noise(1700)",
        "",
        "8000"],
    ["jsonb", "(id bigint, j jsonb)", "i, jsonb_build_object('a', noise(1500 + (random() * 6000)::int), 'b', i)",
        "j = jsonb_build_object('a', noise(3000))", "", "4000"],
    ["compressible", "(id bigint, t text)", "i, repeat(md5(i::text), 50 + i % 1500)", "t = repeat(md5(id::text), 90)", "", "12000"],
    ["external", "(id bigint, t text, u text)", "i, noise((random() * 9000)::int), noise(30)", "u = noise(40)", "", "4000"],
    ["numeric and uuid", "(id uuid, n numeric, m numeric)", "gen_random_uuid(), i * random(), i", "m = m * 1.5", "", "120000"],
    ["name", "(id int, n name, c \"char\")", "i, md5(i::text), 'x'", "c = 'y'", "", "80000"],
    ["fillfactor 70", "(id bigint, a int, t text) with (fillfactor = 70)", "i, i, noise(30)", "a = a + 1", "", "80000"],
    ["fillfactor 40 wide", "(id bigint, t text) with (fillfactor = 40)", "i, noise(700)", "t = noise(700)", "", "10000"],
    ["very narrow", "(b bool)", "i % 2 = 0", "b = not b", "", "350000"],
    ["arrays", "(id int, a int[], t text[])", "i, array_fill(i, array[1 + i % 20]), array[noise(i % 30), 'x']", "a = a || 1", "", "60000"],
    ["dropped columns", "(a bigint, gone text, b int, gone2 bigint, c text)", "i, noise(60), i, i, noise(20)", "b = b + 1",
        "alter table $T drop gone, drop gone2", "70000"],
    ["dropped from toast", "(a bigint, gone text, c text)", "i, noise(2500 + i % 900), noise(4000)", "a = a + 1",
        "alter table $T drop gone", "2500"],
    ["added columns", "(a int, b int, c int, d int, e int, f int, g int, h int)", "i, i, i, i, i, i, i, i", "b = 3",
        "alter table $T add k int, add l text default 'twelve bytes', add m bigint not null default 7", "100000"],
    ["char", "(id int, c char(80), v varchar(20), i inet)", "i, md5(i::text), left(md5(i::text), 20), '10.0.0.1'", "v = 'x'", "", "60000"],
    ["tiny", "(id int, t text)", "i, noise(300)", "t = noise(200)", "", "150"],
    ["medium", "(id int, t text)", "i, noise(90)", "t = noise(100)", "", "20000"],
];

/// What wears a table; `$T` is its name, `$SET` what an update sets. Without VACUUM where it says so.
const WEARS: [[&str; 2]; 14] = [
    ["nothing", ""],
    [
        "a tenth deleted",
        "delete from $T where random() < 0.1; vacuum analyze $T",
    ],
    [
        "near the threshold",
        "delete from $T where random() < 0.28; vacuum analyze $T",
    ],
    [
        "above the threshold",
        "delete from $T where random() < 0.33; vacuum analyze $T",
    ],
    ["half deleted", "delete from $T where random() < 0.5; vacuum analyze $T"],
    ["most deleted", "delete from $T where random() < 0.8; vacuum analyze $T"],
    [
        "a stretch deleted",
        "delete from $T where (ctid::text::point)[0] between
        pg_relation_size('$T') / 8192 * 0.2 and pg_relation_size('$T') / 8192 * 0.6; vacuum analyze $T",
    ],
    [
        "stripes deleted",
        "delete from $T where (ctid::text::point)[0]::int % 150 < 45; vacuum analyze $T",
    ],
    ["all updated", "update $T set $SET; vacuum analyze $T"],
    [
        "fifths updated",
        "update $T set $SET where random() < 0.2; vacuum $T; update $T set $SET where random() < 0.2;
        vacuum $T; update $T set $SET where random() < 0.2; vacuum analyze $T",
    ],
    [
        "not vacuumed",
        "delete from $T where random() < 0.4; update $T set $SET where random() < 0.1; analyze $T",
    ],
    ["not vacuumed, old statistics", "delete from $T where random() < 0.6"],
    [
        "vacuumed, old statistics",
        "update $T set $SET where random() < 0.5; delete from $T where random() < 0.3; vacuum $T",
    ],
    [
        "rolled back",
        "begin; insert into $T select * from $T; update $T set $SET where random() < 0.3; rollback",
    ],
];

/// Wears for each kind, all in turn.
const WEARS_EACH: usize = 6;
/// Kinds made by chance.
const BY_CHANCE: u64 = 24;

/// All cases; `scale` is how large tables are.
pub(super) fn cases(scale: f64) -> Vec<Case> {
    let kinds = KINDS.iter().map(kind).chain((0..BY_CHANCE).map(by_chance));
    let mut cases = Vec::new();
    for (number, kind) in kinds.enumerate() {
        let wears = if number < KINDS.len() { WEARS_EACH } else { 2 };
        for turn in 0..wears {
            let at = number * wears + turn * if number < KINDS.len() { 1 } else { 5 };
            cases.push(case(&kind, WEARS[at % WEARS.len()], number, scale));
        }
    }
    cases
}

fn kind(text: &[&str; 6]) -> Kind {
    let [name, columns, values, touch, then, rows] = text.map(str::to_owned);
    Kind {
        name,
        columns,
        values,
        touch,
        then,
        rows: rows.parse().unwrap(),
    }
}

/// A type, and a value of it, by chance.
const TYPES: [[&str; 2]; 16] = [
    ["int", "i"],
    ["bigint", "i"],
    ["smallint", "i % 100"],
    ["bool", "i % 3 = 0"],
    ["text", "noise((random() * 50)::int)"],
    ["text", "case when random() < 0.1 then noise(900) else 'short' end"],
    ["text", "noise((exp(random() * 6.5))::int)"],
    ["uuid", "gen_random_uuid()"],
    ["numeric", "(random() * power(10, i % 12))::numeric"],
    ["timestamptz", "now()"],
    ["date", "current_date"],
    ["float8", "random()"],
    ["varchar(40)", "md5(i::text)"],
    ["jsonb", "jsonb_build_object('k', i, 'v', noise((random() * 80)::int))"],
    ["int[]", "array_fill(1, array[1 + i % 6])"],
    ["bytea", "decode(md5(i::text), 'hex')"],
];

fn by_chance(seed: u64) -> Kind {
    let mut chance = Rng::with_seed(seed);
    let (mut columns, mut values) = ("(id int".to_owned(), "i".to_owned());
    let mut drops = Vec::new();
    for number in 0..chance.usize(1..=14) {
        let [kind, value] = TYPES[chance.usize(0..TYPES.len())];
        write!(columns, ", c{number} {kind}").unwrap();
        let nulls = if chance.bool() { 0.0 } else { chance.f64() };
        write!(values, ", case when random() >= {nulls} then {value} end").unwrap();
        if chance.f64() < 0.1 {
            drops.push(format!("drop c{number}"));
        }
    }
    let fillfactor = if chance.f64() < 0.3 { chance.u32(50..100) } else { 100 };
    write!(columns, ") with (fillfactor = {fillfactor})").unwrap();
    let then = if drops.is_empty() {
        String::new()
    } else {
        format!("alter table $T {}", drops.join(", "))
    };
    Kind {
        name: format!("by chance {seed}"),
        columns,
        values,
        touch: "id = id + 1".to_owned(),
        then,
        rows: chance.u32(30_000..60_000),
    }
}

fn case(kind: &Kind, [wear, statements]: [&str; 2], number: usize, scale: f64) -> Case {
    let table = format!("t{number}");
    let rows = if kind.rows < 1_000 {
        kind.rows
    } else {
        (f64::from(kind.rows) * scale) as u32
    };
    let unlogged = if number.is_multiple_of(7) { "unlogged " } else { "" };
    let build = format!(
        "select setseed(0.{number}); drop table if exists {table}; create {unlogged}table {table} {};
        insert into {table} select {} from generate_series(1, {rows}) i; {};",
        kind.columns.replace("$T", &table),
        kind.values,
        kind.then.replace("$T", &table)
    );
    let wear_it = statements.replace("$T", &table).replace("$SET", &kind.touch);
    // Each in a session of its own: statistics are told when a session ends.
    let mut script = vec![build, format!("vacuum analyze {table}")];
    script.extend(
        wear_it
            .split(';')
            .map(str::trim)
            .filter(|sql| !sql.is_empty())
            .map(str::to_owned),
    );
    if wear == "rolled back" {
        let all = script.split_off(2).join(";");
        script.push(all);
    }
    Case {
        name: format!("{}: {wear}", kind.name),
        script,
    }
}

pub(super) async fn run(lab: &mut Lab, case: &Case) -> Score {
    for sql in &case.script {
        lab.database.psql(sql).await;
    }
    let table = case.script[1].trim_start_matches("vacuum analyze ").to_owned();
    let score = lab.judge_table(&case.name, &table).await;
    lab.database.psql(&format!("drop table {table}")).await;
    score
}
