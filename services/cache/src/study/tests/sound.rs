//! A result changes only if one of its tags is touched: joins made at random, on tables of a few rows, with every single
//! change of a row tried.

use std::collections::BTreeSet;

use weir_proto::cache::v1::dependency::Value;
use weir_tags::{Canonical, Family, Tag};
use weir_testkit::Postgres;
use weir_upstream::{ConnectOptions, Connection, Target};

use super::world::{World, case};

/// Statements made, and rows changed for each.
const STATEMENTS: usize = 120;
const CHANGES: usize = 24;
const COLUMNS: [&str; 3] = ["k", "x", "y"];

/// Tables that tell every column, with a few rows of small numbers and NULL.
const SCHEMA: &str = "
    create table a (k int primary key, x int, y int); create table b (k int primary key, x int, y int);
    create table c (k int primary key, x int, y int);
    create index on a (x, y); create index on b (x, y); create index on c (x, y);
    alter table a replica identity full; alter table b replica identity full; alter table c replica identity full;
    insert into a select n, n % 3, nullif(n % 4, 1) from generate_series(0, 4) n;
    insert into b select n, nullif(n % 3, 2), n % 2 from generate_series(0, 4) n;
    insert into c select n, n % 2, nullif(n % 3, 0) from generate_series(0, 4) n;";

struct Dice(fastrand::Rng);

impl Dice {
    fn one<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.0.usize(..of.len())]
    }

    fn column(&mut self, of: &[&str]) -> String {
        format!("{}.{}", self.one(of), self.one(&COLUMNS))
    }

    fn comparison(&mut self, of: &[&str]) -> String {
        let column = self.column(of);
        match self.0.u8(..16) {
            0..5 => format!("{column} = {}", self.0.u8(..4)),
            // By the primary key, so that cells are told.
            12.. => format!("{}.k = {}", self.one(of), self.0.u8(..4)),
            5 => format!("{column} in ({}, {})", self.0.u8(..4), self.0.u8(..4)),
            6 => format!("{column} is null"),
            7 => format!("{column} < {}", self.0.u8(..4)),
            8 => format!(
                "({column} = {} or {} = {})",
                self.0.u8(..4),
                self.column(of),
                self.0.u8(..4)
            ),
            _ => format!("{column} = {}", self.column(of)),
        }
    }

    fn condition(&mut self, of: &[&str]) -> String {
        let parts: Vec<String> = (0..self.0.usize(1..=3)).map(|_| self.comparison(of)).collect();
        parts.join(" and ")
    }

    /// A tree of joins over these aliases.
    fn joined<'t>(&mut self, entries: &[(&str, &'t str)]) -> (String, Vec<&'t str>) {
        if let [(table, alias)] = entries {
            return (format!("{table} {alias}"), vec![alias]);
        }
        let at = self.0.usize(1..entries.len());
        let (left, mut aliases) = self.joined(&entries[..at]);
        let (right, others) = self.joined(&entries[at..]);
        aliases.extend(others);
        let kind = *self.one(&["join", "left join", "right join", "full join"]);
        let condition = self.condition(&aliases);
        (format!("({left} {kind} {right} on {condition})"), aliases)
    }

    fn statement(&mut self) -> String {
        let tables: Vec<&str> = (0..self.0.usize(1..=4)).map(|_| *self.one(&["a", "b", "c"])).collect();
        let entries: Vec<(&str, &str)> = tables.into_iter().zip(["p", "q", "r", "s"]).collect();
        let (from, aliases) = self.joined(&entries);
        let what = self.selected(&aliases);
        match self.0.bool() {
            true => format!("select {what} from {from} where {}", self.condition(&aliases)),
            false => format!("select {what} from {from}"),
        }
    }

    fn selected(&mut self, of: &[&str]) -> String {
        match self.0.u8(..6) {
            0 => "*".to_owned(),
            1 => "count(*)".to_owned(),
            2 => format!("{}, {}.*", self.column(of), self.one(of)),
            3 => format!("{}::text", self.one(of)),
            _ => format!("{}, {} is null", self.column(of), self.column(of)),
        }
    }

    fn value(&mut self) -> String {
        self.one(&["0", "1", "2", "3", "null"]).to_string()
    }

    /// A change of one row.
    fn change(&mut self) -> (&'static str, String) {
        let table = *self.one(&["a", "b", "c"]);
        let key = self.0.u8(..5);
        let (x, y) = (self.value(), self.value());
        let sql = match self.0.u8(..4) {
            0 => format!("delete from {table} where k = {key}"),
            1 => format!("insert into {table} values ({key}, {x}, {y}) on conflict do nothing"),
            2 => format!("update {table} set x = {x} where k = {key}"),
            _ => format!("update {table} set x = {x}, y = {y} where k = {key}"),
        };
        (table, sql)
    }
}

struct Checker {
    world: World,
    connection: Connection,
}

impl Checker {
    async fn rows(&mut self, sql: &str) -> Vec<Vec<Option<String>>> {
        let rows = self.connection.simple_query(sql).await.unwrap();
        let values = |row: &weir_upstream::Row| row.values().map(|value| value.map(str::to_owned)).collect();
        let mut rows: Vec<Vec<Option<String>>> = rows.iter().map(values).collect();
        rows.sort();
        rows
    }

    /// The tags of a statement, as a gateway computes them.
    async fn tags(&self, sql: &str) -> BTreeSet<Tag> {
        let answer = self.world.study(&case(sql)).await;
        assert!(answer.cacheable, "{sql}: {:?}", answer.refusals);
        let literals = weir_sql::literals(sql).unwrap();
        let mut tags = BTreeSet::new();
        for dependency in &answer.dependencies {
            let value = match &dependency.value {
                None => None,
                Some(Value::Literal(number)) => {
                    let text = &literals[usize::try_from(*number).unwrap()].value;
                    Some(Family::Integer.from_text(text.as_bytes()).unwrap())
                }
                Some(Value::Constant(bytes)) => Some(Canonical::told(bytes)),
                Some(Value::Parameter(_)) => panic!("no parameters here"),
            };
            let (table, column) = (dependency.relation_oid, &dependency.column);
            let Some(value) = value else {
                tags.insert(Tag::table(table));
                continue;
            };
            tags.insert(Tag::row(table, column, &value));
            match &dependency.cells {
                None => drop(tags.insert(Tag::cells(table, column, &value))),
                Some(cells) => tags.extend((cells.columns.iter()).map(|cell| Tag::cell(table, column, &value, cell))),
            }
        }
        tags
    }

    /// What a follower would tell of the difference between two states of a table.
    async fn told(
        &mut self,
        table: &str,
        before: &[Vec<Option<String>>],
        after: &[Vec<Option<String>>],
    ) -> BTreeSet<Tag> {
        let found = self
            .world
            .followed
            .tables
            .iter()
            .find(|(_, told)| told.name == format!("public.{table}"));
        let (oid, told) = found.unwrap();
        assert_eq!(told.columns.len(), 3);
        let gone: Vec<_> = before.iter().filter(|row| !after.contains(row)).collect();
        let come: Vec<_> = after.iter().filter(|row| !before.contains(row)).collect();
        let mut tags = BTreeSet::new();
        for row in gone.iter().chain(&come) {
            tags.insert(Tag::table(*oid));
            // The same row as it was and as it is, if it is there in both.
            let same: Vec<_> = (gone.iter().chain(&come)).filter(|other| other[0] == row[0]).collect();
            let cells = match same.as_slice() {
                [old, new] => Some(
                    COLUMNS
                        .into_iter()
                        .zip(old.iter().zip(new.iter()))
                        .filter(|(_, (old, new))| old != new),
                ),
                _ => None,
            };
            for (column, value) in COLUMNS.iter().zip(row.iter()) {
                let value = value
                    .as_ref()
                    .and_then(|value| Family::Integer.from_text(value.as_bytes()));
                let Some(value) = value else { continue };
                match &cells {
                    None => drop(tags.insert(Tag::row(*oid, column, &value))),
                    Some(cells) => {
                        tags.insert(Tag::cells(*oid, column, &value));
                        tags.extend(cells.clone().map(|(cell, _)| Tag::cell(*oid, column, &value, cell)));
                    }
                }
            }
        }
        tags
    }

    /// Tries changes on a statement. How many of those that touched its tables did not touch its tags.
    async fn check(&mut self, sql: &str, dice: &mut Dice) -> usize {
        let tags = self.tags(sql).await;
        let mut spared = 0;
        for _ in 0..CHANGES {
            let (table, change) = dice.change();
            let of_table = format!("select * from {table}");
            let (result, rows) = (self.rows(sql).await, self.rows(&of_table).await);
            self.connection.simple_query(&change).await.unwrap();
            let (now, changed) = (self.rows(sql).await, self.rows(&of_table).await);
            let told = self.told(table, &rows, &changed).await;
            if tags.is_disjoint(&told) {
                assert_eq!(result, now, "{sql}\nchanged by {change}\nthough its tags are {tags:?}");
                spared += usize::from(!told.is_empty() && sql.contains(&format!("{table} ")));
            }
        }
        spared
    }
}

#[tokio::test]
async fn no_result_changes_without_one_of_its_tags() {
    let database = Postgres::shared().await.database().await;
    database.psql(SCHEMA).await;
    let world = World::plain(database).await;
    let target = Target::parse(&world.database.url()).unwrap();
    let connection = Connection::connect(&target, ConnectOptions::default()).await.unwrap();
    let mut checker = Checker { world, connection };
    let mut dice = Dice(fastrand::Rng::new());
    let mut spared = 0;
    for _ in 0..STATEMENTS {
        let sql = dice.statement();
        // FULL JOIN takes conditions only by which it can sort or hash.
        if checker.connection.simple_query(&sql).await.is_err() {
            continue;
        }
        spared += checker.check(&sql, &mut dice).await;
    }
    // A test that only ever sees tags of tables would prove nothing.
    assert!(spared > STATEMENTS / 5, "only {spared} changes were told apart");
}
