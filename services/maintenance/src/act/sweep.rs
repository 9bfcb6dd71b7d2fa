//! Removes what earlier rewrites left behind, whoever died in the middle of them, and nothing else.

use std::time::Duration;

use super::door::Door;
use super::leash::Leash;
use super::retry::{Tries, is_gone, is_locked};
use super::{Guard, Halt, Session};
use crate::error::Error;
use crate::observe::leftovers;
use crate::places::Place;
use crate::plan::leftovers::{IndexFacts, RepackFacts, Verdict, judge_index, judge_repack, repack_removal};

/// The longest wait between two tries to remove one thing: others are waiting to be removed as well.
const WAIT_CAP: Duration = Duration::from_secs(8);

/// What a sweep did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// What was removed.
    pub removed: Vec<String>,
    /// What is to be removed and could not be, each with the reason.
    pub remains: Vec<String>,
    /// What somebody should look at, because it may be a user's own.
    pub advice: Vec<String>,
}

/// What a sweep looks for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Scope<'a> {
    /// Whose tables they are. None: anybody's.
    pub place: Option<&'a Place>,
    /// The table by its number, if it is about one alone; also that of its TOAST table.
    pub table: Option<u32>,
    /// Indexes that this process saw come into being.
    pub known: &'a [u32],
}

/// Looks at what is there, and changes nothing: what would be removed is in `removed`.
pub(crate) async fn survey(session: &mut Session, scope: Scope<'_>) -> Result<Swept, Error> {
    let mut found = Swept::default();
    for (index, verdict) in judged_indexes(session, scope).await? {
        found.note(format!("index {}.{}", index.schema, index.name), verdict);
    }
    for facts in leftovers::repacks(session.connection()).await? {
        if !scope.has_repack(&facts) {
            continue;
        }
        found.note(repack_name(&facts), judge_repack(&facts));
    }
    Ok(found)
}

/// Removes everything that was left behind within the scope.
pub(crate) async fn sweep(
    door: &Door<'_>,
    session: &mut Session,
    guard: &Guard<'_>,
    scope: Scope<'_>,
) -> Result<Swept, Halt> {
    tidy(door, session, Leash::Guard(guard), scope).await
}

/// The same within what is asked for, for as long as the leash allows.
pub(crate) async fn tidy(
    door: &Door<'_>,
    session: &mut Session,
    leash: Leash<'_>,
    scope: Scope<'_>,
) -> Result<Swept, Halt> {
    door.mend(session).await?;
    let mut swept = Swept::default();
    for (index, verdict) in judged_indexes(session, scope).await.map_err(halt)? {
        match verdict {
            Verdict::Abandoned => drop_index(session, leash, scope, &index, &mut swept).await?,
            verdict => swept.note(format!("index {}.{}", index.schema, index.name), verdict),
        }
    }
    for facts in leftovers::repacks(session.connection()).await.map_err(halt)? {
        if !scope.has_repack(&facts) {
            continue;
        }
        match judge_repack(&facts) {
            Verdict::Abandoned => drop_repack(session, leash, &facts, &mut swept).await?,
            verdict => swept.note(repack_name(&facts), verdict),
        }
    }
    Ok(swept)
}

/// A question that the server did not answer.
pub(crate) fn halt(error: Error) -> Halt {
    match error {
        Error::Upstream(error) => Halt::Failed(error),
        // Nothing else is asked there.
        _ => Halt::Cancelled,
    }
}

impl Scope<'_> {
    fn has_index(&self, index: &IndexFacts) -> bool {
        self.table.is_none_or(|table| table == index.table_oid) && self.is_mine(&index.schema)
    }

    /// What belongs to a table that is gone is anybody's.
    fn has_repack(&self, facts: &RepackFacts) -> bool {
        let is_mine = facts.table.as_ref().is_none_or(|(schema, _)| self.is_mine(schema));
        self.table.is_none_or(|table| table == facts.oid) && is_mine
    }

    /// An index of a TOAST table is in the server's own schema; it goes with whoever has all schemas.
    fn is_mine(&self, schema: &str) -> bool {
        self.place.is_none_or(|place| place.has_schema(schema))
    }
}

impl Swept {
    fn note(&mut self, what: String, verdict: Verdict) {
        match verdict {
            Verdict::Abandoned => self.removed.push(what),
            Verdict::Busy(reason) => self.remains.push(format!("{what}: {reason}")),
            Verdict::Users(reason) => self.advice.push(format!("{what}: {reason}")),
        }
    }
}

fn repack_name(facts: &RepackFacts) -> String {
    format!("what pg_repack made for {} (repack.*_{})", facts.subject(), facts.oid)
}

/// Every invalid index within the scope, judged.
async fn judged_indexes(session: &mut Session, scope: Scope<'_>) -> Result<Vec<(IndexFacts, Verdict)>, Error> {
    let all = leftovers::indexes(session.connection()).await?;
    let here = |index: &&IndexFacts| !index.is_valid && scope.has_index(index);
    let judged = all.iter().filter(here);
    Ok(judged
        .map(|index| (index.clone(), judge_index(index, &all, scope.known)))
        .collect())
}

/// How one try to remove something ended.
enum Step {
    Gone,
    /// It stays, and trying again makes no difference.
    Stays(Verdict),
    /// It may go well in a moment.
    Again(String),
}

/// Takes note of a removal that did not go well; what ends the whole sweep is an error.
fn refused(session: &mut Session, halt: Halt) -> Result<Step, Halt> {
    let is_lost = session.connection().is_broken();
    match &halt {
        Halt::Failed(error) if !is_lost && (is_locked(&halt) || is_gone(&halt)) => Ok(Step::Again(error.to_string())),
        Halt::Failed(error) if !is_lost => Ok(Step::Stays(Verdict::Busy(error.to_string()))),
        _ => Err(halt),
    }
}

/// Drops one index beside its table's use.
async fn drop_index(
    session: &mut Session,
    leash: Leash<'_>,
    scope: Scope<'_>,
    index: &IndexFacts,
    swept: &mut Swept,
) -> Result<(), Halt> {
    let what = format!("index {}.{}", index.schema, index.name);
    let mut tries = Tries::within(WAIT_CAP);
    loop {
        let step = try_index(session, leash, scope, index).await?;
        if settled(session, leash, &mut tries, step, &what, swept).await? {
            return Ok(());
        }
    }
}

/// Whether nothing more is to be done; else the wait before another try is over.
async fn settled(
    session: &mut Session,
    leash: Leash<'_>,
    tries: &mut Tries,
    step: Step,
    what: &str,
    swept: &mut Swept,
) -> Result<bool, Halt> {
    match step {
        Step::Gone => swept.removed.push(what.to_owned()),
        Step::Stays(verdict) => swept.note(what.to_owned(), verdict),
        Step::Again(reason) => match tries.failed() {
            Some(wait) => match leash.pause(session, wait).await {
                Ok(()) => return Ok(false),
                Err(Halt::Failed(_)) => swept.note(what.to_owned(), Verdict::Busy(reason)),
                Err(halt) => return Err(halt),
            },
            None => swept.note(what.to_owned(), Verdict::Busy(reason)),
        },
    }
    Ok(true)
}

/// One try. The index is looked at just before it, since it may have become something else.
async fn try_index(
    session: &mut Session,
    leash: Leash<'_>,
    scope: Scope<'_>,
    index: &IndexFacts,
) -> Result<Step, Halt> {
    match verdict_of(session, scope, index).await? {
        None => return Ok(Step::Gone),
        Some(Verdict::Abandoned) => {}
        Some(Verdict::Busy(reason)) => return Ok(Step::Again(reason)),
        Some(verdict) => return Ok(Step::Stays(verdict)),
    }
    let sql = format!("drop index concurrently {}", index.quoted());
    if let Err(halt) = leash.run(session, &sql).await {
        return refused(session, halt);
    }
    Ok(match verdict_of(session, scope, index).await? {
        None => Step::Gone,
        Some(_) => Step::Again("it is still there".to_owned()),
    })
}

/// What is to become of an index now; none where it is gone.
async fn verdict_of(session: &mut Session, scope: Scope<'_>, index: &IndexFacts) -> Result<Option<Verdict>, Halt> {
    let all = judged_indexes(session, scope).await.map_err(halt)?;
    let same = |now: &IndexFacts| now.oid == index.oid && now.name == index.name;
    Ok(all.into_iter().find(|(now, _)| same(now)).map(|(_, verdict)| verdict))
}

/// Removes what a pg_repack made for one table.
async fn drop_repack(
    session: &mut Session,
    leash: Leash<'_>,
    facts: &RepackFacts,
    swept: &mut Swept,
) -> Result<(), Halt> {
    let what = repack_name(facts);
    let mut tries = Tries::within(WAIT_CAP);
    loop {
        let step = try_repack(session, leash, facts.oid).await?;
        if settled(session, leash, &mut tries, step, &what, swept).await? {
            return Ok(());
        }
    }
}

/// One try, under the lock that every pg_repack takes for the table: none can begin meanwhile.
async fn try_repack(session: &mut Session, leash: Leash<'_>, oid: u32) -> Result<Step, Halt> {
    let key = format!("16185446, (-2147483648 + {oid}::bigint)::integer");
    let ask = format!("select pg_catalog.pg_try_advisory_lock({key}) as is_ours");
    let answer = session.connection().simple_query(&ask).await?;
    let is_ours = answer.first().is_some_and(|row| row.get("is_ours") == Some("t"));
    if !is_ours {
        return Ok(Step::Stays(Verdict::Busy("a pg_repack works on the table".to_owned())));
    }
    let step = remove_repack(session, leash, oid).await;
    if !session.connection().is_broken() {
        let release = format!("select pg_catalog.pg_advisory_unlock({key})");
        session.connection().simple_query(&release).await?;
    }
    step
}

async fn remove_repack(session: &mut Session, leash: Leash<'_>, oid: u32) -> Result<Step, Halt> {
    let Some(facts) = repack_of(session, oid).await? else {
        return Ok(Step::Gone);
    };
    if let Err(halt) = leash.run(session, &repack_removal(&facts)).await {
        if !session.connection().is_broken() {
            session.connection().simple_query("rollback").await?;
        }
        return refused(session, halt);
    }
    Ok(match repack_of(session, oid).await? {
        None => Step::Gone,
        Some(_) => Step::Again("it is still there".to_owned()),
    })
}

async fn repack_of(session: &mut Session, oid: u32) -> Result<Option<RepackFacts>, Halt> {
    let all = leftovers::repacks(session.connection()).await.map_err(halt)?;
    Ok(all.into_iter().find(|facts| facts.oid == oid))
}
