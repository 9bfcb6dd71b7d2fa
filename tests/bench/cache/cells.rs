//! The cells of the table: what load, in what protocol, by how many clients.

use weir_tests::pgbench::{Load, Mode, Script};

use crate::sides::Side;

/// Users of the tables of users.
pub(crate) const USERS: u32 = 10_000;

/// One cell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    /// Its name in tables and in `--cells`.
    pub(crate) name: &'static str,
    /// What load.
    pub(crate) load: Load,
    /// What it runs against besides the gateway with its cache.
    pub(crate) against: &'static [Side],
    /// Seconds of the same load before it is measured, so that memory is filled.
    pub(crate) warm_s: u32,
}

const READ: &str = "\\set aid random(1, 10000)
select abalance, filler from pgbench_accounts where aid = :aid;
";
const POINT: &[(&str, u32)] = &[(READ, 1)];
const POINT_AND_WRITES: &[(&str, u32)] = &[
    (READ, 9),
    (
        "\\set aid random(1, 10000)
update pgbench_accounts set abalance = abalance + 1 where aid = :aid;
",
        1,
    ),
];
const AGGREGATE: &[(&str, u32)] = &[(
    "select count(*), sum(abalance) from pgbench_accounts where bid >= 1;\n",
    1,
)];
/// Every key once: a permutation of a million, of which each run takes another part. A variable outlives its transaction.
const UNIQUE: &[(&str, u32)] = &[(
    "\\set n :n + 1
\\set aid 1 + permute((:first + :n * 16 + :client_id) % 1000000, 1000000)
select abalance, filler from pgbench_accounts where aid = :aid;
",
    1,
)];
const USER: &str = "\\set id random_zipfian(1, 10000, 1.05)
select u.id, u.name, array_agg(r.name order by r.name) from users u join user_roles ur on ur.user_id = u.id
    join roles r on r.id = ur.role_id where u.id = :id group by u.id, u.name;
";
const PERMISSIONS: &str = "\\set id random_zipfian(1, 10000, 1.05)
select distinct rp.permission from user_roles ur join role_permissions rp on rp.role_id = ur.role_id
    where ur.user_id = :id order by rp.permission;
";
// A token looks like a number, since pgbench has no texts; the server takes it for the text that it is.
const SESSION: &str = "\\set id random_zipfian(1, 10000, 1.05)
select user_id, expires_at from sessions where token = :id;
";
/// Nine reads and one write, which is a log-in, a longer session, or a role taken and given.
const AUTH: &[(&str, u32)] = &[
    (SESSION, 30),
    (USER, 30),
    (PERMISSIONS, 30),
    (
        "\\set id random_zipfian(1, 10000, 1.05)
update users set last_login = now() where id = :id;
",
        5,
    ),
    (
        "\\set id random_zipfian(1, 10000, 1.05)
update sessions set expires_at = expires_at + '1 s' where token = :id;
",
        4,
    ),
    (
        "\\set id random_zipfian(1, 10000, 1.05)
\\set role random(1, 40)
insert into user_roles values (:id, :role) on conflict do nothing;
",
        1,
    ),
];

const REST: &[Side] = &[Side::Direct, Side::Off, Side::Pgpool];
const POOLED: &[Side] = &[Side::Direct, Side::Off, Side::PgBouncer, Side::Pgpool];

const fn cell(name: &'static str, texts: &'static [(&'static str, u32)], mode: Mode, clients: u32) -> Cell {
    Cell {
        name,
        load: Load {
            script: Script::Texts(texts),
            mode,
            clients,
            reconnects: false,
            sampled: 0.2,
        },
        against: REST,
        warm_s: 2,
    }
}

const fn cold(cell: Cell) -> Cell {
    Cell {
        against: &[Side::Off],
        warm_s: 0,
        ..cell
    }
}

const fn pooled(cell: Cell) -> Cell {
    Cell {
        against: POOLED,
        // Thirty thousand results, of which most are asked for rarely.
        warm_s: 30,
        ..cell
    }
}

/// Every cell, in the order of the table.
pub(crate) const CELLS: [Cell; 16] = [
    cell("point-prepared-1", POINT, Mode::Prepared, 1),
    cell("point-prepared-16", POINT, Mode::Prepared, 16),
    cell("point-simple-1", POINT, Mode::Simple, 1),
    cell("point-simple-16", POINT, Mode::Simple, 16),
    cell("aggregate-prepared-1", AGGREGATE, Mode::Prepared, 1),
    cell("aggregate-prepared-16", AGGREGATE, Mode::Prepared, 16),
    cell("roles-prepared-1", &[(USER, 1)], Mode::Prepared, 1),
    cell("roles-prepared-16", &[(USER, 1)], Mode::Prepared, 16),
    cell("permissions-prepared-1", &[(PERMISSIONS, 1)], Mode::Prepared, 1),
    cell("permissions-simple-16", &[(PERMISSIONS, 1)], Mode::Simple, 16),
    cold(cell("unique-prepared-1", UNIQUE, Mode::Prepared, 1)),
    cold(cell("unique-prepared-16", UNIQUE, Mode::Prepared, 16)),
    cell("writes-none-prepared-16", POINT, Mode::Prepared, 16),
    cell("writes-10-prepared-16", POINT_AND_WRITES, Mode::Prepared, 16),
    pooled(cell("auth-prepared-16", AUTH, Mode::Prepared, 16)),
    pooled(cell("auth-extended-16", AUTH, Mode::Extended, 16)),
];

#[cfg(test)]
mod tests {
    #[test]
    fn users_are_as_many_as_the_scripts_draw_from() {
        assert!(super::USER.contains(&format!("(1, {},", super::USERS)));
    }
}
