//! What sqlx's own tests expect of the crate `sqlx-test`, which is not published: connections to the database that
//! `DATABASE_URL` names, and macros that send a value there and back and compare it.

use sqlx::{Connection, Database, Pool};

pub use paste::paste;

/// The address under test.
pub fn url() -> anyhow::Result<String> {
    Ok(std::env::var("DATABASE_URL")?)
}

/// Everything is set up by what starts the tests.
pub fn setup_if_needed() {}

/// A connection of its own.
pub async fn new<DB: Database>() -> anyhow::Result<DB::Connection> {
    Ok(DB::Connection::connect(&url()?).await?)
}

/// A small pool, whose connections are checked before they are lent.
pub async fn pool<DB: Database>() -> anyhow::Result<Pool<DB>> {
    let options = sqlx::pool::PoolOptions::<DB>::new().min_connections(0).max_connections(5);
    Ok(options.test_before_acquire(true).connect(&url()?).await?)
}

/// As text and as a parameter. With `~=` the server compares shapes, which have no other equality; with `@=` arrays of
/// them, as text.
#[macro_export]
macro_rules! test_type {
    ($name:ident<$ty:ty>($db:ident, $sql:literal, $($text:literal == $value:expr),+ $(,)?)) => {
        $crate::test_prepared_type!($name<$ty>($db, $sql, $($text == $value),+));
        $crate::test_unprepared_type!($name<$ty>($db, $($text == $value),+));
    };
    ($name:ident<$ty:ty>($db:ident, $($text:literal == $value:expr),+ $(,)?)) => {
        $crate::test_prepared_type!($name<$ty>($db, $($text == $value),+));
        $crate::test_unprepared_type!($name<$ty>($db, $($text == $value),+));
    };
    ($name:ident<$ty:ty>($db:ident, $($text:literal ~= $value:expr),+ $(,)?)) => {
        $crate::test_type!($name<$ty>($db, "SELECT ({0} ~= $1)::int4, {0}, $2", $($text == $value),+));
    };
    ($name:ident<$ty:ty>($db:ident, $($text:literal @= $value:expr),+ $(,)?)) => {
        $crate::test_type!($name<$ty>($db, "SELECT ({0}::text = $1::text)::int4, {0}, $2", $($text == $value),+));
    };
    ($name:ident($db:ident, $($text:literal == $value:expr),+ $(,)?)) => {
        $crate::test_type!($name<$name>($db, $($text == $value),+));
    };
}

/// Read in the binary form only.
#[macro_export]
macro_rules! test_decode_type {
    ($name:ident<$ty:ty>($db:ident, $($text:literal == $value:expr),+ $(,)?)) => {
        $crate::paste! {
            #[sqlx_macros::test]
            async fn [<test_decode_type_ $name>]() -> anyhow::Result<()> {
                use sqlx::Row;
                let mut conn = $crate::new::<$db>().await?;
                $(
                    let row = sqlx::query(concat!("SELECT ", $text)).fetch_one(&mut conn).await?;
                    let found: $ty = row.try_get(0)?;
                    assert!($value == found, "{} came as {found:?}", $text);
                )+
                Ok(())
            }
        }
    };
}

/// Read in the text form, by a simple query.
#[macro_export]
macro_rules! test_unprepared_type {
    ($name:ident<$ty:ty>($db:ident, $($text:literal == $value:expr),+ $(,)?)) => {
        $crate::paste! {
            #[sqlx_macros::test]
            async fn [<test_unprepared_type_ $name>]() -> anyhow::Result<()> {
                use sqlx::{Executor, Row};
                let mut conn = $crate::new::<$db>().await?;
                $(
                    let row = conn.fetch_one(concat!("SELECT ", $text)).await?;
                    let found = row.try_get::<$ty, _>(0)?;
                    assert!($value == found, "{} came as {found:?}", $text);
                )+
                Ok(())
            }
        }
    };
}

/// Sent as a parameter, compared by the server, and read back.
#[macro_export]
macro_rules! test_prepared_type {
    ($name:ident<$ty:ty>($db:ident, $($text:literal == $value:expr),+ $(,)?)) => {
        $crate::test_prepared_type!($name<$ty>($db,
            "SELECT ({0} is not distinct from $1)::int4, {0}, $2", $($text == $value),+));
    };
    ($name:ident($db:ident, $($text:literal == $value:expr),+ $(,)?)) => {
        $crate::test_prepared_type!($name<$name>($db, $($text == $value),+));
    };
    ($name:ident<$ty:ty>($db:ident, $sql:literal, $($text:literal == $value:expr),+ $(,)?)) => {
        $crate::paste! {
            #[sqlx_macros::test]
            async fn [<test_prepared_type_ $name>]() -> anyhow::Result<()> {
                use sqlx::Row;
                let mut conn = $crate::new::<$db>().await?;
                $(
                    let sql = format!($sql, $text);
                    let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind($value).bind($value);
                    let row = query.fetch_one(&mut conn).await?;
                    let same: i32 = row.try_get(0)?;
                    let found: $ty = row.try_get(1)?;
                    let back: $ty = row.try_get(2)?;
                    assert!(same != 0, "{} is not {:?} for the server", $text, $value);
                    assert!($value == found, "{} came as {found:?}", $text);
                    assert!($value == back, "{:?} came back as {back:?}", $value);
                )+
                Ok(())
            }
        }
    };
}
