//! A row of an internal query, copied out and read by column name.

use std::str::FromStr;
use std::sync::Arc;

use weir_pgwire::backend::DataRow;

use crate::error::Error;

/// A row as text. For Weir's own small questions; users' rows are never copied like this.
#[derive(Debug, Clone)]
pub struct Row {
    columns: Arc<[String]>,
    values: Box<[Option<String>]>,
}

impl Row {
    pub(crate) fn new(columns: Arc<[String]>, row: DataRow<'_>) -> Self {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        Self {
            columns,
            values: row.values().map(|value| value.map(text)).collect(),
        }
    }

    /// The names of its columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Its values, in the order of the columns.
    pub fn values(&self) -> impl Iterator<Item = Option<&str>> {
        self.values.iter().map(Option::as_deref)
    }

    /// The value in a column; `None` where it is NULL, or where there is no such column.
    pub fn get(&self, column: &str) -> Option<&str> {
        let at = self.columns.iter().position(|name| name == column)?;
        self.values.get(at)?.as_deref()
    }

    /// The value in a column that must have one.
    pub fn text(&self, column: &str) -> Result<&str, Error> {
        self.get(column).ok_or_else(|| {
            let is_there = self.columns.iter().any(|name| name == column);
            wrong(column, if is_there { "is null" } else { "is missing" })
        })
    }

    /// The same as a number or whatever can be read from its text.
    pub fn parse<T: FromStr>(&self, column: &str) -> Result<T, Error> {
        self.text(column)?
            .parse()
            .map_err(|_| wrong(column, "has a value of another type than expected"))
    }

    /// The same as a boolean, which PostgreSQL writes as `t` or `f`.
    pub fn flag(&self, column: &str) -> Result<bool, Error> {
        match self.text(column)? {
            "t" => Ok(true),
            "f" => Ok(false),
            _ => Err(wrong(column, "is no boolean")),
        }
    }
}

fn wrong(column: &str, reason: &'static str) -> Error {
    Error::Column {
        column: column.to_owned(),
        reason,
    }
}
