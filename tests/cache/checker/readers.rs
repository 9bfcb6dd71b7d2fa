//! Sessions that read, and now and then write themselves.

use std::collections::HashMap;
use std::sync::Arc;

use weir_tests::cached::{Answer, Asker, Way, at_level};
use weir_tests::wire::Fault;

use super::record::Level;
use super::registers::{Kind, Question};
use super::run::Shared;
use super::writers::opened;
use super::writes::{Path, SHARED, Said};

/// What an answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Key and version.
    Version(i64, u64),
    /// Key, and versions that are not the same though they have to be.
    Torn(i64, u64),
    /// No row.
    Nothing,
}

impl Seen {
    /// Key, version, and where it is asked for the version once more.
    pub(crate) fn of(numbers: &[i64], twice: bool) -> Self {
        let (Some(key), Some(Ok(version))) = (numbers.first(), numbers.get(1).map(|version| u64::try_from(*version)))
        else {
            return Self::Nothing;
        };
        match numbers.get(2) {
            Some(again) if twice && u64::try_from(*again) != Ok(version) => Self::Torn(*key, version),
            _ => Self::Version(*key, version),
        }
    }
}

/// What is read is text; numbers stand first.
fn numbers(answer: &Answer) -> Vec<i64> {
    let first = answer.rows().into_iter().next().unwrap_or_default();
    first.into_iter().map_while(|value| value?.parse().ok()).collect()
}

/// A session that reads.
pub(crate) struct Reader {
    shared: Arc<Shared>,
    rng: fastrand::Rng,
    level: Level,
    way: Way,
    asker: Option<Asker>,
    /// What this session was told or shown; a new one knows of nothing.
    known: HashMap<usize, u64>,
}

impl Reader {
    /// A reader of these choices.
    pub(crate) fn new(shared: Arc<Shared>, seed: u64, level: Level, way: Way) -> Self {
        Self {
            shared,
            rng: fastrand::Rng::with_seed(seed),
            level,
            way,
            asker: None,
            known: HashMap::new(),
        }
    }

    /// Reads until the run ends.
    pub(crate) async fn work(mut self) {
        let shared = self.shared.clone();
        while shared.goes_on() {
            let Some((index, question)) = shared.choose(&mut self.rng) else {
                return;
            };
            let writes = self.level == Level::Session && self.rng.u32(0..100) < shared.options.own_writes;
            let done = if writes {
                self.write_and_read(index, question).await
            } else {
                self.read(index, question).await
            };
            if let Err(fault) = done {
                let answered_at = self.asker.as_ref().map(Asker::answered_at);
                shared.broke(&format!("a session at {}: {fault}", self.level.name()), answered_at);
                (self.asker, self.known) = (None, HashMap::new());
            }
        }
    }

    async fn asker(&mut self) -> Result<&mut Asker, Fault> {
        opened(&mut self.asker, &self.shared.door).await
    }

    async fn read(&mut self, index: usize, question: &Question) -> Result<(), Fault> {
        let way = if question.prepared { self.way } else { Way::Simple };
        let sql = at_level(self.level.name(), question.sql);
        let key = self.shared.registers.get(index).key.to_string();
        self.asker().await?;
        let known = self.known.get(&index).copied().unwrap_or_default();
        let asked = self.shared.ask(index, known);
        let mut seen = refused(self.asker().await?.ask(way, &sql, &[&key]).await?)?;
        if seen.rows().is_empty() {
            // To a snapshot that is older than a TRUNCATE the table is empty, and PostgreSQL says so. Asked again, it
            // has to be there.
            seen = refused(self.asker().await?.ask(way, &sql, &[&key]).await?)?;
        }
        let seen = Seen::of(&numbers(&seen), question.twice);
        if let Some(version) = self.shared.judge(index, question, self.level, &asked, seen) {
            let known = self.known.entry(index).or_default();
            *known = version.max(*known);
        }
        Ok(())
    }

    /// What it writes it has to see at once.
    async fn write_and_read(&mut self, index: usize, question: &Question) -> Result<(), Fault> {
        let shared = self.shared.clone();
        let register = shared.registers.get(index);
        if register.kind != Kind::Once
            && let Some(sql) = own_write(register.kind)
        {
            let (way, key) = (self.way, register.key.to_string());
            self.asker().await?;
            register.record.begin();
            let answer = refused(self.asker().await?.ask(way, sql, &[&key]).await?)?;
            if let Some(version) = numbers(&answer)
                .first()
                .and_then(|version| u64::try_from(*version).ok())
            {
                register.record.acknowledge(version, shared.now_ns());
                self.known.insert(index, version);
                shared.verdict.wrote();
            }
        }
        self.read(index, question).await
    }
}

/// The statement with which a session writes a register of this kind, if everybody may.
fn own_write(kind: Kind) -> Option<&'static str> {
    let write = SHARED
        .iter()
        .find(|write| write.kind == kind && write.path != Path::Call)?;
    match write.said {
        Said::Answering(sql) => Some(sql),
        Said::Telling(_) | Said::Copying(_) => None,
    }
}

fn refused(answer: Answer) -> Result<Answer, Fault> {
    match answer.error() {
        Some(error) => Err(Fault::Refused(error.clone())),
        None => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_halves_compared() {
        assert_eq!(Seen::of(&[3, 7], false), Seen::Version(3, 7));
        assert_eq!(Seen::of(&[3, 7, 8], false), Seen::Version(3, 7));
        assert_eq!(Seen::of(&[3, 7, 7], true), Seen::Version(3, 7));
        assert_eq!(Seen::of(&[3, 7, 8], true), Seen::Torn(3, 7));
        assert_eq!(Seen::of(&[], false), Seen::Nothing);
    }
}
