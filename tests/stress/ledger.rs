//! What each client wrote, what it was told about it, and what the table says in the end.

use std::fmt::Write as _;

use bytes::BytesMut;
use weir_pgwire::backend::Message;
use weir_pgwire::frontend;
use weir_tests::wire::{Address, Connection, Fault};

use crate::tally::{Oracle, Tally};

/// The table.
const CREATE: &str = "drop table if exists ledger; create table ledger (client int not null, seq bigint not null)";
/// Everything but the one who asks has come to an end.
const BUSY: &str = "select count(*)::text from pg_stat_activity
    where state in ('active', 'idle in transaction', 'idle in transaction (aborted)') and pid <> pg_backend_pid()
    and backend_type = 'client backend'";
const COUNTS: &str = "select client::text, seq::text, count(*)::text from ledger group by client, seq";

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nobody knows: the connection broke. At most once.
    Unknown,
    /// The server said it is done. Exactly once.
    Acknowledged,
    /// The server said it is not, or it never got to the commit. Not at all.
    Refused,
}

/// The writes of one client, numbered from 0.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Vec<Fate>);

/// The number of a write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry(usize);

impl Entry {
    /// As it stands in the table.
    pub(crate) const fn seq(self) -> usize {
        self.0
    }
}

impl Ledger {
    /// A write that is about to be sent.
    pub(crate) fn begin(&mut self) -> Entry {
        self.0.push(Fate::Unknown);
        Entry(self.0.len() - 1)
    }

    /// What became of it.
    pub(crate) fn settle(&mut self, entry: Entry, fate: Fate) {
        self.0[entry.0] = fate;
    }
}

/// Makes an empty table.
pub(crate) async fn create(postgres: &Address) -> Result<(), Fault> {
    run(postgres, CREATE).await
}

/// Runs statements that return nothing.
pub(crate) async fn run(postgres: &Address, sql: &str) -> Result<(), Fault> {
    let mut rows = Rows::ask(postgres, sql).await?;
    while rows.next().await?.is_some() {}
    Ok(())
}

/// Whether somebody is still at work.
pub(crate) async fn is_busy(postgres: &Address) -> Result<bool, Fault> {
    let row = Rows::ask(postgres, BUSY).await?.next().await?;
    Ok(row.is_some_and(|row| row.first().is_some_and(|count| count != "0")))
}

/// Compares what the clients were told with the table.
pub(crate) async fn compare(postgres: &Address, ledgers: &[Ledger], tally: &Tally) -> Result<(), Fault> {
    let mut counts: Vec<Vec<u8>> = ledgers.iter().map(|ledger| vec![0; ledger.0.len()]).collect();
    let mut rows = Rows::ask(postgres, COUNTS).await?;
    while let Some(row) = rows.next().await? {
        let numbers: Vec<usize> = row.iter().filter_map(|value| value.parse().ok()).collect();
        let place = match numbers[..] {
            [client, seq, count] => counts
                .get_mut(client)
                .and_then(|counts| counts.get_mut(seq))
                .map(|place| *place = u8::try_from(count).unwrap_or(u8::MAX)),
            _ => None,
        };
        if place.is_none() {
            tally.saw(Oracle::GhostWrite, || format!("{row:?} was never sent"));
        }
    }
    let mut totals = [0_u64; 3];
    for (client, (ledger, counts)) in ledgers.iter().zip(&counts).enumerate() {
        for (seq, (fate, count)) in ledger.0.iter().zip(counts).enumerate() {
            judge(tally, *fate, *count, || {
                format!("write {seq} of client {client}: {fate:?}, there {count} times")
            });
            totals[*fate as usize] += 1;
        }
    }
    let [unknown, acknowledged, refused] = totals;
    let mut line = String::new();
    write!(
        line,
        "writes: {acknowledged} acknowledged, {refused} refused, {unknown} unknown"
    )
    .expect("a text grows");
    tally.note(line);
    Ok(())
}

fn judge(tally: &Tally, fate: Fate, count: u8, example: impl FnOnce() -> String) {
    match (fate, count) {
        (Fate::Acknowledged, 0) => tally.saw(Oracle::LostWrite, example),
        (Fate::Refused, 1..) => tally.saw(Oracle::GhostWrite, example),
        (Fate::Acknowledged | Fate::Unknown, 2..) => tally.saw(Oracle::DoubledWrite, example),
        _ => {}
    }
}

/// The rows of a statement, one after the other.
struct Rows(Connection);

impl Rows {
    async fn ask(postgres: &Address, sql: &str) -> Result<Self, Fault> {
        let mut connection = Connection::open(postgres, &[]).await?;
        let mut out = BytesMut::new();
        frontend::query(&mut out, sql)?;
        connection.send(&out).await?;
        Ok(Self(connection))
    }

    async fn next(&mut self) -> Result<Option<Vec<String>>, Fault> {
        loop {
            match self.0.receive().await?.message()? {
                Message::DataRow(row) => {
                    let texts = row.values().flatten().map(String::from_utf8_lossy);
                    return Ok(Some(texts.map(std::borrow::Cow::into_owned).collect()));
                }
                Message::ReadyForQuery(_) => return Ok(None),
                Message::ErrorResponse(fields) => {
                    return Err(Fault::Refused(weir_tests::wire::ServerError::of(&fields)));
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_held_against_what_is_there() {
        let seen = |fate, count| {
            let tally = Tally::default();
            judge(&tally, fate, count, String::new);
            Oracle::ALL
                .into_iter()
                .filter(|oracle| tally.count(*oracle) > 0)
                .collect::<Vec<_>>()
        };
        assert_eq!(seen(Fate::Acknowledged, 1), []);
        assert_eq!(seen(Fate::Acknowledged, 0), [Oracle::LostWrite]);
        assert_eq!(seen(Fate::Acknowledged, 2), [Oracle::DoubledWrite]);
        assert_eq!(seen(Fate::Unknown, 0), []);
        assert_eq!(seen(Fate::Unknown, 1), []);
        assert_eq!(seen(Fate::Unknown, 2), [Oracle::DoubledWrite]);
        assert_eq!(seen(Fate::Refused, 0), []);
        assert_eq!(seen(Fate::Refused, 1), [Oracle::GhostWrite]);
    }
}
