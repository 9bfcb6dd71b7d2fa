//! Which rows somebody may still see: transactions as PostgreSQL numbers them, and the oldest that counts.

use weir_upstream::Connection;

use crate::error::Error;

/// Transactions that are open anywhere are in the snapshot; older snapshots and slots hold rows of this database.
const HORIZON: &str = "
    select pg_catalog.pg_snapshot_xmax(s.now)::text as next, pg_catalog.pg_snapshot_xmin(s.now)::text as oldest,
        (select pg_catalog.string_agg(x::text, ' ') from (
            select backend_xmin from pg_catalog.pg_stat_activity
            where datid is null or datname = pg_catalog.current_database()
            union all select xmin from pg_catalog.pg_replication_slots) as held (x)) as held
    from (select pg_catalog.pg_current_snapshot() as now) as s";

/// Where transactions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Horizon {
    /// The first that was not begun.
    pub(super) next: u64,
    /// What was deleted before this one is seen by nobody.
    pub(super) oldest: u64,
}

pub(super) async fn horizon(connection: &mut Connection) -> Result<Horizon, Error> {
    let rows = connection.simple_query(HORIZON).await?;
    let Some(row) = rows.first() else {
        return Ok(Horizon { next: 0, oldest: 0 });
    };
    let next = row.parse("next")?;
    let held = row.get("held").unwrap_or_default();
    let held = held.split_ascii_whitespace().filter_map(|xid| xid.parse().ok());
    let oldest = held.map(|xid| full(xid, next)).fold(row.parse("oldest")?, u64::min);
    Ok(Horizon { next, oldest })
}

/// A transaction's whole number, from the half of it that is stored: the one nearest to now.
fn full(xid: u32, next: u64) -> u64 {
    let half = u32::try_from(next & u64::from(u32::MAX)).unwrap_or(0);
    next.saturating_add_signed(i64::from(xid.wrapping_sub(half).cast_signed()))
}

impl Horizon {
    /// The same in SQL.
    pub(super) fn full(self, xid: &str) -> String {
        let (next, half) = (self.next, self.next & u64::from(u32::MAX));
        format!("({next} + (({xid}) - {half} + 6442450944) % 4294967296 - 2147483648)")
    }

    /// What became of a transaction: `committed`, `aborted` or `in progress`, in SQL. What is so old that nobody knows
    /// it any more has committed.
    fn status(self, xid: &str) -> String {
        let (full, next) = (self.full(xid), self.next);
        format!(
            "(case when {full} >= {next} then 'in progress' when {full} < 3 or ({xid}) < 3 then 'committed'
                else coalesce(pg_catalog.pg_xact_status(({full})::text::pg_catalog.xid8), 'committed') end)"
        )
    }

    /// Whether somebody may still see a row of `heap_page_items`, in SQL: what VACUUM FULL would copy.
    pub(super) fn is_seen(self) -> String {
        let inserted = self.status("t_xmin::text::bigint");
        let updater = "(case when t_infomask & 4096 = 0 then t_xmax::text::bigint
            else (select m.xid::text::bigint from pg_catalog.pg_get_multixact_members(t_xmax) m
                where m.mode in ('upd', 'nokeyupd')) end)";
        let (deleted, full, oldest) = (self.status(updater), self.full(updater), self.oldest);
        format!(
            "(case when lp_flags <> 1 then false
                when t_infomask & 768 = 512 then false
                when t_infomask & 768 = 0 and {inserted} = 'aborted' then false
                when t_infomask & 2048 <> 0 or t_infomask & 128 <> 0 or t_infomask & 4176 = 64 then true
                when t_infomask & 4096 <> 0 and {updater} is null then true
                when t_infomask & 1024 <> 0 or {deleted} = 'committed' then {full} >= {oldest}
                else true end)"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_number_means_the_transaction_nearest_to_now() {
        let epoch = 1_u64 << 32;
        assert_eq!(full(700, 1_000), 700);
        assert_eq!(full(1_010, 1_000), 1_010);
        assert_eq!(full(700, 3 * epoch + 1_000), 3 * epoch + 700);
        assert_eq!(full(u32::MAX - 5, 3 * epoch + 1_000), 3 * epoch - 6);
    }
}
