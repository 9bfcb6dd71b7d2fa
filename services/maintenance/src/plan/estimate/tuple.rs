//! How long a row is once it is formed anew: columns that were dropped become null, columns that were added to it later
//! are written out. Pure.

use super::{MAX_ALIGN, align};

/// The head of a row without its map of nulls.
const HEAD: u32 = 23;

/// A column, dropped or not, as rows have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attribute {
    /// What it is aligned to.
    pub align: u32,
    /// Whether it is of variable length.
    pub varies: bool,
    /// Whether its values may have a short head.
    pub shortens: bool,
    /// Whether it is gone, so that its values are as well.
    pub is_dropped: bool,
    /// Bytes of what rows have that are older than the column; none where they have null.
    pub later: Option<u32>,
}

/// The value of a row in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    /// Bytes of it.
    pub bytes: u32,
    /// Whether it stands at any place: a short value of variable length, or one that is kept elsewhere.
    pub is_unaligned: bool,
    /// Whether it has a long head and is not compressed.
    pub is_plain: bool,
    /// Bytes of it that are kept elsewhere.
    pub elsewhere: u64,
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rewritten {
    /// Bytes of the row.
    pub bytes: u32,
    /// Bytes kept elsewhere for each column that is there.
    pub kept: Vec<u64>,
    /// Bytes kept elsewhere for columns that are gone.
    pub freed: u64,
}

/// A row as it will be. `fields` are those that it has now; columns behind them are younger than the row.
pub(crate) fn rewritten(attributes: &[Attribute], fields: &[Option<Field>]) -> Rewritten {
    let mut row = Rewritten {
        bytes: 0,
        kept: Vec::new(),
        freed: 0,
    };
    let mut has_null = false;
    for (number, attribute) in attributes.iter().enumerate() {
        match value(*attribute, fields.get(number).copied()) {
            Some(field) => {
                let to = if field.is_unaligned { 1 } else { attribute.align };
                row.bytes = align(row.bytes, to) + field.bytes;
                row.kept.extend((field.elsewhere > 0).then_some(field.elsewhere));
            }
            None => has_null = true,
        }
        if let (true, Some(Some(field))) = (attribute.is_dropped, fields.get(number)) {
            row.freed += field.elsewhere;
        }
    }
    let map = if has_null {
        u32::try_from(attributes.len().div_ceil(8)).unwrap_or(u32::MAX)
    } else {
        0
    };
    row.bytes += align(HEAD.saturating_add(map), MAX_ALIGN);
    row
}

/// What a row will have in a column: `None` outside means that the row is older than the column.
fn value(attribute: Attribute, field: Option<Option<Field>>) -> Option<Field> {
    if attribute.is_dropped {
        return None;
    }
    let later = |bytes: u32| Field {
        bytes,
        is_unaligned: attribute.varies && bytes < 128,
        is_plain: false,
        elsewhere: 0,
    };
    field.map_or_else(
        || attribute.later.map(later),
        |field| field.map(|field| shortened(attribute, field)),
    )
}

/// A value that was computed may have a long head where a short one would do; formed anew it has that.
fn shortened(attribute: Attribute, field: Field) -> Field {
    const LONG_HEAD: u32 = 4;
    const SHORT_MAX: u32 = 127;
    let bytes = (field.bytes + 1).saturating_sub(LONG_HEAD);
    if field.is_unaligned || !field.is_plain || !attribute.shortens || bytes > SHORT_MAX {
        return field;
    }
    Field {
        bytes,
        is_unaligned: true,
        ..field
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(align: u32, varies: bool) -> Attribute {
        Attribute {
            align,
            varies,
            shortens: varies,
            is_dropped: false,
            later: None,
        }
    }

    fn field(bytes: u32, is_unaligned: bool) -> Option<Field> {
        Some(Field {
            bytes,
            is_unaligned,
            is_plain: !is_unaligned,
            elsewhere: 0,
        })
    }

    #[test]
    fn values_are_aligned_as_postgres_does() {
        // bool, bigint, bool, bigint: 24 + 1 + 7 + 8 + 1 + 7 + 8
        let attributes = [1, 8, 1, 8].map(|align| attribute(align, false));
        let fields = [field(1, false), field(8, false), field(1, false), field(8, false)];
        assert_eq!(rewritten(&attributes, &fields).bytes, 56);
        // int, short text, long text: 24 + 4 + 10, then to 4, then 200
        let attributes = [attribute(4, false), attribute(4, true), attribute(4, true)];
        let fields = [field(4, false), field(10, true), field(200, false)];
        assert_eq!(rewritten(&attributes, &fields).bytes, 24 + 4 + 10 + 2 + 200);
    }

    #[test]
    fn nulls_cost_a_map() {
        let attributes = vec![attribute(4, false); 9];
        let all = vec![field(4, false); 9];
        assert_eq!(rewritten(&attributes, &all).bytes, 24 + 36);
        let mut some = all;
        some[3] = None;
        assert_eq!(rewritten(&attributes, &some).bytes, 32 + 32);
        // Up to eight columns have room for the map in the head.
        assert_eq!(rewritten(&attributes[..8], &some[..8]).bytes, 24 + 28);
    }

    #[test]
    fn what_was_dropped_goes_and_takes_along_what_it_kept_elsewhere() {
        let mut attributes = vec![attribute(8, false), attribute(4, true), attribute(4, true)];
        attributes[1].is_dropped = true;
        let away = Some(Field {
            bytes: 18,
            is_unaligned: true,
            is_plain: false,
            elsewhere: 5000,
        });
        let row = rewritten(&attributes, &[field(8, false), away, away]);
        assert_eq!(
            row,
            Rewritten {
                bytes: 24 + 8 + 18,
                kept: vec![5000],
                freed: 5000
            }
        );
    }

    #[test]
    fn a_long_head_becomes_a_short_one_where_it_can() {
        let mut attributes = [attribute(4, false), attribute(4, true)];
        // 24 + 4 + 60 become 24 + 4 + 57
        assert_eq!(rewritten(&attributes, &[field(4, false), field(60, false)]).bytes, 85);
        assert_eq!(
            rewritten(&attributes, &[field(4, false), field(131, false)]).bytes,
            24 + 4 + 131
        );
        attributes[1].shortens = false;
        assert_eq!(rewritten(&attributes, &[field(4, false), field(60, false)]).bytes, 88);
    }

    #[test]
    fn what_was_added_later_is_written_out() {
        let mut attributes = vec![attribute(8, false), attribute(8, false), attribute(4, true)];
        attributes[1].later = Some(8);
        let row = rewritten(&attributes, &[field(8, false)]);
        assert_eq!(row.bytes, 24 + 16);
        attributes[2].later = Some(6);
        assert_eq!(rewritten(&attributes, &[field(8, false)]).bytes, 24 + 22);
        // A row that has the column has its own value.
        assert_eq!(rewritten(&attributes, &[field(8, false), None, None]).bytes, 24 + 8);
    }
}
