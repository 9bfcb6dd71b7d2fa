//! Indexes of many shapes on one table, and what wears them.

use super::Lab;
use super::score::Score;

/// A table that is worn with all its indexes.
pub(super) struct Wear {
    pub(super) name: &'static str,
    script: &'static str,
    pub(super) is_vacuumed: bool,
}

const COLUMNS: &str = "create table t (id bigint, r int, u uuid, h text, few int, kind text, late timestamptz, n name,
    num numeric, w text, f float8, tail text, pair int, day date, tags text[])";

const ROW: &str = "i, (random() * 1e9)::int, gen_random_uuid(), md5(i::text), (random() * 12)::int,
    (array['open', 'paid', 'sent', 'returned to the sender'])[1 + (random() * 3)::int],
    case when random() < 0.4 then now() - random() * interval '1 year' end, 'n' || (i % 5000),
    (random() * 1e6)::numeric(12, 2), 'https://shop.example/customers/' || md5((i / 8)::text) || '/orders/' || i % 90,
    random(), case when i % 10 = 0 then md5(i::text) end, i / 3, current_date - (i % 400)::int, array[md5((i % 99)::text)]";

/// Name and definition.
pub(super) const INDEXES: [[&str; 2]; 22] = [
    ["sequence", "unique index $N on t (id)"],
    ["random int", "index $N on t (r)"],
    ["few values", "index $N on t (few)"],
    ["few texts", "index $N on t (kind)"],
    ["uuid", "unique index $N on t (u)"],
    ["nullable time", "index $N on t (late)"],
    ["name", "index $N on t (n)"],
    ["numeric", "index $N on t (num)"],
    ["long text", "index $N on t (w)"],
    ["two columns", "index $N on t (kind, id)"],
    ["include", "index $N on t (r) include (few, kind)"],
    ["partial", "index $N on t (h) where few < 5"],
    ["expression", "index $N on t (upper(kind))"],
    ["collation C", "index $N on t (h collate \"C\")"],
    ["fillfactor 60", "index $N on t (r) with (fillfactor = 60)"],
    ["no merging", "index $N on t (few) with (deduplicate_items = off)"],
    ["float descending", "index $N on t (f desc nulls last)"],
    ["mostly null", "unique index $N on t (tail)"],
    ["triples", "index $N on t (pair)"],
    ["three columns", "index $N on t (few, day, kind)"],
    ["days", "index $N on t (day)"],
    ["arrays", "index $N on t (tags)"],
];

/// `$ROWS` is how many rows there are at first.
pub(super) const WEARS: [Wear; 9] = [
    Wear {
        name: "filled by inserts",
        script: "vacuum analyze t",
        is_vacuumed: true,
    },
    Wear {
        name: "built anew",
        script: "reindex table t; vacuum analyze t",
        is_vacuumed: true,
    },
    Wear {
        name: "deleted half",
        script: "delete from t where random() < 0.5; vacuum analyze t",
        is_vacuumed: true,
    },
    Wear {
        name: "built, then near the threshold",
        script: "reindex table t; delete from t where random() < 0.29; vacuum analyze t",
        is_vacuumed: true,
    },
    Wear {
        name: "a stretch deleted",
        script: "delete from t where id between $ROWS * 0.2 and $ROWS * 0.9; vacuum analyze t; vacuum analyze t",
        is_vacuumed: true,
    },
    Wear {
        name: "a queue",
        script: "insert into t select $ROW from generate_series($ROWS + 1, $ROWS * 1.4) i; delete from t where id < $ROWS * 0.4;
            vacuum t; insert into t select $ROW from generate_series($ROWS * 1.4 + 1, $ROWS * 1.8) i;
            delete from t where id < $ROWS * 0.8; vacuum t; delete from t where id < $ROWS and random() < 0.9; vacuum analyze t",
        is_vacuumed: true,
    },
    Wear {
        name: "updated",
        script: "update t set r = r + 1, late = now(), pair = pair + 1; vacuum t; update t set few = few + 1 where random() < 0.4;
            vacuum t; update t set num = num + 1 where random() < 0.4; vacuum analyze t",
        is_vacuumed: true,
    },
    Wear {
        name: "not vacuumed",
        script: "analyze t; delete from t where random() < 0.45; analyze t",
        is_vacuumed: false,
    },
    Wear {
        name: "updated, not vacuumed",
        script: "vacuum analyze t; update t set r = r + 1 where random() < 0.6",
        is_vacuumed: false,
    },
];

pub(super) async fn run(lab: &mut Lab, wear: &str, rows: u32, indexes: &[[&str; 2]]) -> Vec<Score> {
    let wear = WEARS.iter().find(|known| known.name == wear).unwrap();
    let mut build = format!("drop table if exists t; select setseed(0.5); {COLUMNS};");
    for (number, [_, definition]) in indexes.iter().enumerate() {
        build.push_str(&format!("create {};", definition.replace("$N", &format!("x{number}"))));
    }
    build.push_str(&format!(
        "insert into t select {ROW} from generate_series(1, {rows}) i;"
    ));
    lab.database.psql(&build).await;
    let script = wear.script.replace("$ROWS", &rows.to_string()).replace("$ROW", ROW);
    for sql in script.split(';') {
        lab.database.psql(sql).await;
    }
    let mut scores = Vec::new();
    for (number, [name, _]) in indexes.iter().enumerate() {
        scores.push(
            lab.judge_index(&format!("{name}: {}", wear.name), &format!("x{number}"))
                .await,
        );
    }
    scores
}
