//! How wide rows are, by what ANALYZE knows of their columns. Pure.

use super::{MAX_ALIGN, align};

/// The head of a row without its map of nulls.
const HEAD: f64 = 23.0;

/// A column as statistics describe it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Column {
    /// Bytes of a value; below 0 where it varies.
    pub length: i32,
    /// What it is aligned to.
    pub align: u32,
    /// Bytes of a value that is not null, as they are stored; unknown before the first ANALYZE.
    pub width: Option<f64>,
    /// The share of nulls.
    pub nulls: f64,
    /// Different values, or below 0 the share of rows that are different.
    pub distinct: f64,
}

impl Column {
    /// Its width as far as anything is known of it.
    fn bytes(self) -> Option<f64> {
        if self.length > 0 {
            Some(f64::from(self.length))
        } else {
            self.width
        }
    }

    /// Different values among so many.
    pub(crate) fn values(self, rows: f64) -> f64 {
        let values = if self.distinct < 0.0 {
            -self.distinct * rows
        } else {
            self.distinct
        };
        if values < 1.0 {
            rows.max(1.0)
        } else {
            values.min(rows.max(1.0))
        }
    }
}

/// Reads columns as the catalogue question writes them: `length,align,width,nulls,distinct`, apart by blanks.
pub(crate) fn columns(text: &str) -> Option<Vec<Column>> {
    text.split_ascii_whitespace().map(column).collect()
}

fn column(text: &str) -> Option<Column> {
    let mut parts = text.split(',');
    let length = parts.next()?.parse().ok()?;
    let align = alignment(parts.next()?)?;
    let mut number = || parts.next()?.parse::<f64>().ok();
    let (width, nulls, distinct) = (number(), number(), number());
    Some(Column {
        length,
        align,
        width,
        nulls: nulls.unwrap_or(0.0),
        distinct: distinct.unwrap_or(0.0),
    })
}

/// What a letter of `pg_type.typalign` means.
pub(crate) fn alignment(letter: &str) -> Option<u32> {
    match letter {
        "c" => Some(1),
        "s" => Some(2),
        "i" => Some(4),
        "d" => Some(8),
        _ => None,
    }
}

/// A width, and whether all rows have exactly that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Width {
    pub(crate) bytes: f64,
    pub(crate) is_exact: bool,
}

/// The usual width of a row with its head, aligned. `None` where a column is unknown.
pub(crate) fn row_width(columns: &[Column]) -> Option<Width> {
    let data = data_width(columns, 0.0)?;
    let without = columns.iter().map(|column| 1.0 - column.nulls).product::<f64>();
    let map = f64::from(align(u32::try_from(23 + columns.len().div_ceil(8)).ok()?, MAX_ALIGN));
    let head = without * 24.0 + (1.0 - without) * map.max(HEAD);
    Some(aligned(head, data))
}

/// The usual width of an entry of an index with its head, aligned. `None` where a column is unknown.
pub(crate) fn key_width(columns: &[Column]) -> Option<Width> {
    // Entries of null alone are counted apart.
    let single = columns.len() == 1;
    let columns: Vec<Column> = columns
        .iter()
        .map(|column| Column {
            nulls: if single { 0.0 } else { column.nulls },
            ..*column
        })
        .collect();
    let data = data_width(&columns, 0.0)?;
    let without = columns.iter().map(|column| 1.0 - column.nulls).product::<f64>();
    Some(aligned(8.0 + 8.0 * (1.0 - without), data))
}

fn aligned(head: f64, data: Width) -> Width {
    let bytes = head + data.bytes;
    let step = f64::from(MAX_ALIGN);
    let bytes = if data.is_exact {
        (bytes / step - 1e-9).ceil() * step
    } else {
        bytes + (step - 1.0) / 2.0
    };
    Width {
        bytes,
        is_exact: data.is_exact,
    }
}

/// Values one after the other, each at its place: exactly, until one varies.
fn data_width(columns: &[Column], from: f64) -> Option<Width> {
    let mut at = Width {
        bytes: from,
        is_exact: true,
    };
    for column in columns {
        let (bytes, there) = (column.bytes()?, 1.0 - column.nulls);
        let step = f64::from(column.align);
        let short = column.length < 0 && bytes < 128.0;
        let gap = match (short, at.is_exact) {
            (true, _) => 0.0,
            (false, true) => (at.bytes / step - 1e-9).ceil() * step - at.bytes,
            (false, false) => (step - 1.0) / 2.0,
        };
        at.bytes += there * (gap + bytes);
        at.is_exact &= column.length > 0 && (column.nulls <= 0.0 || there <= 0.0);
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(text: &str) -> f64 {
        let width = row_width(&columns(text).unwrap()).unwrap();
        assert!(width.is_exact);
        width.bytes
    }

    #[test]
    fn fixed_columns_are_laid_out_as_postgres_does() {
        assert!((exact("8,d,8,0,-1 4,i,4,0,-1") - 40.0).abs() < 1e-9);
        // bool and bigint in turn: 24 + 4 * 16
        let turns = "1,c,1,0,2 8,d,8,0,-1 1,c,1,0,2 8,d,8,0,-1 1,c,1,0,2 8,d,8,0,-1 1,c,1,0,2 8,d,8,0,-1";
        assert!((exact(turns) - 88.0).abs() < 1e-9);
        // The same in a better order: 24 + 32 + 4, aligned
        let sorted = "8,d,8,0,-1 8,d,8,0,-1 8,d,8,0,-1 8,d,8,0,-1 1,c,1,0,2 1,c,1,0,2 1,c,1,0,2 1,c,1,0,2";
        assert!((exact(sorted) - 64.0).abs() < 1e-9);
        assert!((exact("") - 24.0).abs() < 1e-9);
    }

    #[test]
    fn a_column_that_is_always_null_leaves_its_neighbours_where_they_are() {
        assert!((exact("8,d,8,0,-1 8,d,8,1,0 4,i,4,0,-1") - 40.0).abs() < 1e-9);
    }

    #[test]
    fn what_varies_is_known_in_the_mean() {
        let width = row_width(&columns("4,i,4,0,-1 -1,i,33.5,0.5,-1").unwrap()).unwrap();
        assert!(!width.is_exact);
        assert!((width.bytes - (24.0 + 4.0 + 16.75 + 3.5)).abs() < 1e-9, "{width:?}");
    }

    #[test]
    fn what_was_never_analysed_is_unknown_unless_it_is_fixed() {
        assert!(row_width(&columns("-1,i,,,").unwrap()).is_none());
        assert!((exact("8,d,,,") - 32.0).abs() < 1e-9);
    }

    #[test]
    fn nonsense_is_not_read() {
        for text in ["x,d,1,0,0", "8", "8,q,1,0,0"] {
            assert!(columns(text).is_none(), "{text}");
        }
    }

    #[test]
    fn different_values_are_a_number_or_a_share() {
        let of = |distinct| Column {
            length: 4,
            align: 4,
            width: None,
            nulls: 0.0,
            distinct,
        };
        assert!((of(-0.5).values(100.0) - 50.0).abs() < 1e-9);
        assert!((of(7.0).values(100.0) - 7.0).abs() < 1e-9);
        assert!((of(700.0).values(100.0) - 100.0).abs() < 1e-9);
        assert!((of(0.0).values(100.0) - 100.0).abs() < 1e-9);
    }
}
