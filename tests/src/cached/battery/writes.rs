//! Writes that a cache may overlook.

use super::case::{Case, Check, ROW, SEVEN, Step, T};
use Step::{Ask, Both, Copy, Direct, Door, Held};

const LOGGED: &str = "create table {s}.src (k int primary key, v int not null);
    create table {s}.t (k int primary key, v int not null);
    insert into {s}.src select g, g from generate_series(1, 100) g;
    insert into {s}.t select * from {s}.src;
    create function {s}.carry() returns trigger language plpgsql as
        $$ begin update {s}.t set v = new.v where k = new.k; return null; end $$;";

const PARTS: &str = "create table {s}.t (k int primary key, v int not null) partition by range (k);
    create table {s}.low partition of {s}.t for values from (0) to (50);
    create table {s}.high partition of {s}.t for values from (50) to (200);
    insert into {s}.t select g, g from generate_series(1, 100) g;";

pub(super) const CASES: &[Case] = &[
    Case::row(
        "bypassing_update",
        &[Direct("update {s}.t set v = v + 1000 where k = 7")],
    ),
    Case::row("bypassing_delete", &[Direct("delete from {s}.t where k = 7")]),
    Case::row(
        "bypassing_transaction",
        &[Direct(
            "begin; savepoint a; update {s}.t set v = 1000 where k = 7; release a; commit",
        )],
    ),
    Case::new(
        "negative_then_insert",
        T,
        ROW,
        &["777"],
        &[Direct("insert into {s}.t values (777, 1)")],
    ),
    Case::new(
        "negative_then_own_insert",
        T,
        ROW,
        &["777"],
        &[Door("insert into {s}.t values (777, 1)")],
    )
    .own(),
    Case::row(
        "key_used_again",
        &[
            Direct("delete from {s}.t where k = 7"),
            Direct("insert into {s}.t values (7, -7)"),
        ],
    ),
    Case::row("key_moved_away", &[Direct("update {s}.t set k = 5007 where k = 7")]),
    Case::new(
        "key_moved_here",
        T,
        ROW,
        &["5007"],
        &[Direct("update {s}.t set k = 5007 where k = 7")],
    ),
    Case::row("own_update", &[Door("update {s}.t set v = v + 1000 where k = 7")]).own(),
    Case::row(
        "two_statements_at_once",
        &[Door(
            "update {s}.t set v = 1 where k = 8; update {s}.t set v = 1000 where k = 7",
        )],
    )
    .own(),
    Case::row(
        "writable_cte",
        &[Door(
            "with changed as (update {s}.t set v = v + 1000 where k = 7 returning k) select count(*) from changed",
        )],
    )
    .own(),
    Case::new(
        "writing_function",
        "create table {s}.t (k int primary key, v int not null);
         insert into {s}.t select g, g from generate_series(1, 100) g;
         create function {s}.wr(int) returns int language sql as
             'update {s}.t set v = v + 1000 where k = $1 returning v';",
        ROW,
        SEVEN,
        &[Door("select {s}.wr(7)")],
    )
    .own(),
    Case::row(
        "do_block",
        &[Door("do $$ begin update {s}.t set v = v + 1000 where k = 7; end $$")],
    )
    .own(),
    Case::row(
        "executed_update",
        &[
            Door("prepare write_{s} (int) as update {s}.t set v = v + 1000 where k = $1"),
            Door("execute write_{s} (7)"),
        ],
    )
    .own(),
    Case::row(
        "copied_in",
        &[
            Door("delete from {s}.t where k = 7"),
            Copy("copy {s}.t from stdin", "7\t4711\n"),
        ],
    )
    .own(),
    Case::new(
        "trigger",
        LOGGED,
        ROW,
        SEVEN,
        &[
            Direct("create trigger carry after update on {s}.src for each row execute function {s}.carry()"),
            Ask,
            Ask,
            Direct("update {s}.src set v = 1000 where k = 7"),
        ],
    ),
    Case::new(
        "deferred_trigger",
        LOGGED,
        ROW,
        SEVEN,
        &[
            Direct(
                "create constraint trigger carry after update on {s}.src deferrable initially deferred
                for each row execute function {s}.carry()",
            ),
            Ask,
            Ask,
            Door("begin"),
            Door("update {s}.src set v = 1000 where k = 7"),
            Door("commit"),
        ],
    )
    .own(),
    Case::new(
        "rule_that_writes_elsewhere",
        LOGGED,
        ROW,
        SEVEN,
        &[
            Direct("create rule carry as on update to {s}.src do also update {s}.t set v = new.v where k = new.k"),
            Ask,
            Ask,
            Direct("update {s}.src set v = 1000 where k = 7"),
        ],
    ),
    Case::new(
        "cascade",
        "create table {s}.parent (v int primary key); insert into {s}.parent select generate_series(1, 100);
         create table {s}.t (k int primary key, v int references {s}.parent on update cascade on delete cascade);
         insert into {s}.t select g, g from generate_series(1, 100) g;",
        ROW,
        SEVEN,
        &[Direct("update {s}.parent set v = 1000 where v = 7")],
    ),
    Case::new(
        "cascading_delete",
        "create table {s}.parent (v int primary key); insert into {s}.parent select generate_series(1, 100);
         create table {s}.t (k int primary key, v int references {s}.parent on delete cascade);
         insert into {s}.t select g, g from generate_series(1, 100) g;",
        ROW,
        SEVEN,
        &[Direct("delete from {s}.parent where v = 7")],
    ),
    Case::row("truncate", &[Direct("truncate {s}.t")]),
    Case::new(
        "truncate_of_a_partition",
        PARTS,
        ROW,
        SEVEN,
        &[Direct("truncate {s}.low")],
    ),
    Case::new(
        "write_to_a_partition",
        PARTS,
        ROW,
        SEVEN,
        &[Direct("update {s}.low set v = 1000 where k = 7")],
    ),
    Case::new(
        "row_to_another_partition",
        PARTS,
        ROW,
        SEVEN,
        &[Direct("update {s}.t set k = 107 where k = 7")],
    ),
    Case::new(
        "read_of_a_partition",
        PARTS,
        "select k, v from {s}.low where k = $1",
        SEVEN,
        &[Direct("update {s}.t set v = 1000 where k = 7")],
    ),
    Case::new(
        "inheriting_table",
        "create table {s}.t (k int primary key, v int not null); insert into {s}.t values (7, 1);
         create table {s}.child (primary key (k)) inherits ({s}.t);",
        "select sum(v), count(*) from {s}.t where k = $1",
        SEVEN,
        &[Direct("insert into {s}.child values (7, 1000)")],
    ),
    Case::row(
        "prepared_transaction",
        &[
            Direct("begin; update {s}.t set v = 1000 where k = 7; prepare transaction '{s}'"),
            Ask,
            Direct("commit prepared '{s}'"),
        ],
    ),
    Case::row(
        "not_committed_by_others",
        &[
            Held("begin"),
            Held("update {s}.t set v = 1000 where k = 7"),
            Ask,
            Held("commit"),
        ],
    ),
    Case::row(
        "rolled_back_by_others",
        &[
            Held("begin"),
            Held("update {s}.t set v = 1000 where k = 7"),
            Ask,
            Held("rollback"),
        ],
    )
    .staying(),
    Case::row(
        "own_not_committed",
        &[Door("begin"), Door("update {s}.t set v = 1000 where k = 7")],
    )
    .own()
    .checked(Check::First("7/1000")),
    Case::row(
        "own_rolled_back",
        &[
            Door("begin"),
            Door("update {s}.t set v = 1000 where k = 7"),
            Door("select k, v from {s}.t where k = 7 /* weir:cache=session */"),
            Door("rollback"),
        ],
    )
    .own(),
    Case::row(
        "own_rolled_back_to_a_savepoint",
        &[
            Door("begin"),
            Door("savepoint a"),
            Door("update {s}.t set v = 1000 where k = 7"),
            Door("rollback to a"),
            Door("commit"),
        ],
    )
    .own(),
    Case::row(
        "one_snapshot",
        &[
            Both("begin isolation level repeatable read"),
            Both("select count(*) from {s}.t"),
            Direct("update {s}.t set v = 1000 where k = 7"),
        ],
    )
    .own(),
    Case::row(
        "one_snapshot_of_a_default",
        &[
            Both("set default_transaction_isolation = 'repeatable read'"),
            Both("begin"),
            Both("select count(*) from {s}.t"),
            Direct("update {s}.t set v = 1000 where k = 7"),
        ],
    )
    .own(),
    Case::new(
        "not_logged",
        "create unlogged table {s}.t (k int primary key, v int not null); insert into {s}.t values (7, 7);",
        ROW,
        SEVEN,
        &[Direct("update {s}.t set v = 1000 where k = 7")],
    )
    .never_cached(),
    Case::new(
        "without_a_key",
        "create table {s}.t (k int, v int); insert into {s}.t values (7, 7);",
        ROW,
        SEVEN,
        &[Direct("update {s}.t set v = 1000 where k = 7")],
    )
    .never_cached(),
    Case::new(
        "with_all_old_values",
        "create table {s}.t (k int, v int); alter table {s}.t replica identity full; insert into {s}.t values (7, 7);",
        ROW,
        SEVEN,
        &[Direct("update {s}.t set v = 1000 where k = 7")],
    ),
    Case::new(
        "sequence",
        "create sequence {s}.seq; create table {s}.t (k int primary key, v int not null);",
        "select last_value from {s}.seq",
        &[],
        &[Direct("select nextval('{s}.seq'), nextval('{s}.seq')")],
    )
    .never_cached(),
];
