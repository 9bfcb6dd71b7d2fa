//! Rows that change when they are formed anew, because columns were dropped or added since: by how much, from some rows.

use weir_upstream::{Connection, Row};

use super::heap::{Heap, from};
use super::horizon::Horizon;
use crate::error::Error;
use crate::plan::estimate::{Attribute, Field, Rewritten, chunks, rewritten};

/// Pages a statement: what is asked of each row is long.
const PAGES_A_STATEMENT: usize = 60;

/// Columns with those that were dropped, and how long what older rows have in them is.
const ATTRIBUTES: &str = "
    select attlen < 0 as varies, attlen = -1 and attstorage <> 'p' as shortens, case attalign when 'c' then 1 when 's' then 2 when 'i' then 4 else 8 end as align,
        attisdropped as is_dropped,
        case when atthasmissing then case when attlen > 0 then attlen
            else pg_catalog.octet_length(attmissingval::text) - 1 end end as later
    from pg_catalog.pg_attribute where attnum > 0 and attrelid = ";

/// What becomes of rows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    /// The lengths that the rows of each page will have.
    pub(super) pages: Vec<Vec<u32>>,
    /// The chunks of TOAST that the rows of each page still need, where some are not needed any more.
    pub(super) toast: Option<Vec<Vec<u32>>>,
}

/// Looks into the rows of pages.
pub(super) async fn change(
    connection: &mut Connection,
    schema: &str,
    oid: u32,
    heap: &Heap<'_>,
    places: &[u32],
    horizon: Horizon,
) -> Result<Change, Error> {
    let rows = connection
        .simple_query(&format!("{ATTRIBUTES}{oid} order by attnum"))
        .await?;
    let attributes = rows.iter().map(attribute).collect::<Result<Vec<_>, _>>()?;
    let (mut pages, mut toast, mut freed) = (Vec::new(), Vec::new(), 0);
    for some in places.chunks(PAGES_A_STATEMENT) {
        for row in &connection
            .simple_query(&question(schema, oid, heap, some, horizon))
            .await?
        {
            let page = page(&attributes, row.get("rows").unwrap_or_default());
            freed += page.iter().map(|row| row.freed).sum::<u64>();
            let values = page.iter().flat_map(|row| &row.kept);
            toast.push(values.flat_map(|value| chunks(*value, heap.block)).collect());
            pages.push(page.iter().map(|row| row.bytes).collect());
        }
    }
    let toast = (freed > 0).then_some(toast);
    Ok(Change { pages, toast })
}

/// Each row as `columns:value,value,…`; a value as its length, its first byte and what it keeps elsewhere.
fn question(schema: &str, oid: u32, heap: &Heap<'_>, places: &[u32], horizon: Horizon) -> String {
    let (from, seen) = (from(schema, heap.name, places), horizon.is_seen());
    format!(
        "select i.rows {from} cross join lateral (
            select pg_catalog.string_agg((t_infomask2 & 2047) || ':' || coalesce((
                select pg_catalog.string_agg(case when v is null then '-' else pg_catalog.octet_length(v) || '.'
                    || case when pg_catalog.octet_length(v) = 0 then 0 else pg_catalog.get_byte(v, 0) end || '.'
                    || case when pg_catalog.octet_length(v) <> 18 or pg_catalog.get_byte(v, 0) <> 1 then 0
                        else pg_catalog.get_byte(v, 6) + pg_catalog.get_byte(v, 7) * 256
                            + pg_catalog.get_byte(v, 8) * 65536 + (pg_catalog.get_byte(v, 9) & 63) * 16777216 end
                    end, ',' order by k)
                from pg_catalog.unnest({schema}.tuple_data_split({oid}::oid, t_data, t_infomask, t_infomask2, t_bits))
                    with ordinality as u (v, k)), ''), ' ' order by lp) as rows
            from {schema}.heap_page_items(p.page) where {seen}) as i order by b.place"
    )
}

fn attribute(row: &Row) -> Result<Attribute, weir_upstream::Error> {
    Ok(Attribute {
        align: row.parse("align")?,
        varies: row.flag("varies")?,
        shortens: row.flag("shortens")?,
        is_dropped: row.flag("is_dropped")?,
        later: row.get("later").and_then(|bytes| bytes.parse().ok()),
    })
}

fn page(attributes: &[Attribute], rows: &str) -> Vec<Rewritten> {
    let fields = rows.split_ascii_whitespace().filter_map(|row| fields(attributes, row));
    fields.map(|fields| rewritten(attributes, &fields)).collect()
}

fn fields(attributes: &[Attribute], row: &str) -> Option<Vec<Option<Field>>> {
    let (columns, values) = row.split_once(':')?;
    let values = values.split(',').zip(attributes).take(columns.parse().ok()?);
    Some(values.map(|(value, attribute)| field(*attribute, value)).collect())
}

fn field(attribute: Attribute, value: &str) -> Option<Field> {
    let mut numbers = value.split('.');
    let bytes = numbers.next()?.parse().ok()?;
    let first: u8 = numbers.next()?.parse().ok()?;
    let elsewhere = numbers.next()?.parse().ok()?;
    let is_short = attribute.varies && first & 1 == 1;
    Some(Field {
        bytes,
        is_unaligned: is_short,
        is_plain: attribute.varies && first & 3 == 0,
        elsewhere: if attribute.varies { elsewhere } else { 0 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_the_question_writes_them() {
        let fixed = Attribute {
            align: 8,
            varies: false,
            shortens: false,
            is_dropped: false,
            later: None,
        };
        let text = Attribute {
            align: 4,
            varies: true,
            shortens: true,
            ..fixed
        };
        let gone = Attribute {
            is_dropped: true,
            ..text
        };
        let attributes = [fixed, gone, text];
        let of = |row: &str| {
            page(&attributes, row)
                .first()
                .map(|row| [u64::from(row.bytes), row.kept.iter().sum(), row.freed])
        };
        assert_eq!(of("3:8.4.0,10.21.0,18.1.3000"), Some([24 + 8 + 18, 3000, 0]));
        assert_eq!(of("3:8.4.0,18.1.9000,18.1.3000"), Some([24 + 8 + 18, 3000, 9000]));
        assert_eq!(of("3:8.9.0,-,-"), Some([24 + 8, 0, 0]));
        assert_eq!(of("0:"), Some([24, 0, 0]));
        assert_eq!(page(&attributes, "3:8.9.0,-,- 1:8.9.0,-,-").len(), 2);
        assert_eq!(of(""), None);
    }
}
