//! A session that is mirrored: what it sends is copied, with what the server answered, until its transaction has ended.
//!
//! Requests are copied as they go to the server; which transaction they belong to is known when the server has
//! answered. Nothing here can fail a request or have it wait.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use weir_pgwire::backend::TransactionStatus;
use weir_pgwire::request::{self, BindHead, Parse, Target, tag};

use super::Door;
use super::client_side::ClientSide;
use super::link::Link;
use super::requests::{Incoming, can_stay_prepared};
use super::seat::Seat;
use super::statements::Prepared;
use crate::mirror::{Answer, Loss, Mirror, Request, Skip, Text, Transaction, judge};
use crate::profile::Profile;

/// Why something is not copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Skipped(Skip),
    Dropped(Loss),
}

impl From<Skip> for Why {
    fn from(skip: Skip) -> Self {
        Self::Skipped(skip)
    }
}

const FULL: Why = Why::Dropped(Loss::Full);

/// A request on its way, or why it is not copied.
type Copied = Result<Request, Why>;

/// What is copied of a session.
#[derive(Debug)]
pub(super) struct Copying {
    mirror: Arc<Mirror>,
    session: i32,
    /// Its own draw, for as long as it lives, and the state of the dice for its transactions.
    drawn: f64,
    dice: u64,
    /// What is sent now is copied.
    copies: bool,
    /// The present transaction goes on on another server.
    goes_on: bool,
    /// With what the next transaction was begun.
    begin: Option<Box<str>>,
    /// The requests of the present transaction that have been answered; or why it is not mirrored.
    open: Option<Result<Transaction, Why>>,
    /// Requests that have been sent.
    unanswered: VecDeque<Copied>,
    /// The request whose end is still to come.
    present: Option<Copied>,
    /// The Bind at its end has come in part.
    in_bind: bool,
    answered_at: Instant,
    /// How long the client has kept the present answer waiting.
    drained: Duration,
}

impl Copying {
    /// What a session copies whose database is mirrored.
    pub(super) fn new(mirror: &Arc<Mirror>, session: i32, now: Instant) -> Box<Self> {
        let mut dice = u64::from(session.cast_unsigned());
        Box::new(Self {
            mirror: mirror.clone(),
            session,
            drawn: draw(&mut dice),
            dice,
            copies: false,
            goes_on: false,
            begin: None,
            open: None,
            unanswered: VecDeque::new(),
            present: None,
            in_bind: false,
            answered_at: now,
            drained: Duration::ZERO,
        })
    }

    /// The transaction that takes a server now was begun so.
    pub(super) fn begun(&mut self, text: &str) {
        if !self.goes_on {
            self.begin = Some(text.into());
        }
    }

    /// The transaction goes on on another server.
    pub(super) const fn goes_on(&mut self) {
        self.goes_on = true;
    }

    /// A transaction that had no server has ended: nothing, or one that was to go on.
    pub(super) fn ended_alone(&mut self, now: Instant) {
        if std::mem::take(&mut self.goes_on) {
            self.copies = false;
            if let Some(open) = self.open.take() {
                self.finish(open, now);
            }
        }
    }

    /// What has been sent and not answered is sent again.
    pub(super) fn forget_unanswered(&mut self) {
        self.unanswered.clear();
        self.present = None;
    }

    /// The client has kept the present answer waiting.
    pub(super) fn drained(&mut self, waited: Duration) {
        self.drained += waited;
    }

    /// Nobody knows any more which answer is whose: nothing is copied until the session is at rest.
    pub(super) fn lose_step(&mut self) {
        self.give_up(Skip::Copy.into());
    }

    /// Decides about the transaction that begins, with the session at rest.
    fn throw(&mut self, me: &ClientSide) {
        self.give_up(Skip::Unfinished.into());
        let begin = self.begin.take();
        let own = draw(&mut self.dice);
        if !self.mirror.samples(own, self.drawn) {
            return;
        }
        if self.mirror.is_away(me.now) {
            return self.mirror.dropped(Loss::Away);
        }
        self.copies = true;
        self.answered_at = me.now;
        self.drained = Duration::ZERO;
        self.open = Some(if me.journal.pins == 0 {
            Ok(Transaction::new(me.profile.clone(), begin, me.now))
        } else {
            Err(Skip::Session.into())
        });
    }

    /// What is being copied is not to be had as a whole.
    fn give_up(&mut self, why: Why) {
        self.copies = false;
        self.in_bind = false;
        let was_sent = self.present.take().is_some() | !self.unanswered.is_empty();
        self.unanswered.clear();
        match self.open.take() {
            Some(Ok(transaction)) if was_sent || !transaction.requests.is_empty() => self.count(why),
            Some(Err(known)) => self.count(known),
            _ => {}
        }
    }

    fn count(&self, why: Why) {
        match why {
            Why::Skipped(skip) => self.mirror.skipped(skip),
            Why::Dropped(loss) => self.mirror.dropped(loss),
        }
    }

    /// The request whose end is still to come.
    fn present(&mut self, now: Instant) -> &mut Copied {
        // What is known to be lost is not copied further, unless the next transaction may have begun.
        let known = match &self.open {
            Some(Err(why)) if self.unanswered.is_empty() => Some(*why),
            _ => None,
        };
        let mirror = &self.mirror;
        self.present.get_or_insert_with(|| match known {
            Some(why) => Err(why),
            None => Request::new(mirror, now).ok_or(FULL),
        })
    }

    /// Looks at a frame that goes to the server.
    fn hear(&mut self, me: &ClientSide, incoming: Incoming<'_>) {
        self.in_bind = false;
        let copied = match incoming.tag {
            tag::QUERY => self.query(me, incoming),
            tag::BIND => self.bind(me, incoming),
            tag::PARSE => self.parse(me, incoming),
            tag::EXECUTE => self.keep(me, incoming),
            tag::DESCRIBE | tag::CLOSE => match Target::read(incoming.body) {
                Ok(Target::Portal(_)) => self.keep(me, incoming),
                _ => Ok(()),
            },
            tag::FUNCTION_CALL => Err(Skip::Unread.into()),
            _ => Ok(()),
        };
        if let Err(why) = copied {
            *self.present(me.now) = Err(why);
        }
        if matches!(incoming.tag, tag::QUERY | tag::SYNC | tag::FUNCTION_CALL) {
            self.ends(me.now);
        }
    }

    /// The present request has been sent to its end.
    fn ends(&mut self, now: Instant) {
        self.present(now);
        if let Some(mut request) = self.present.take() {
            if let Ok(request) = &mut request {
                request.sent_at = now;
            }
            self.unanswered.push_back(request);
        }
    }

    fn keep(&mut self, me: &ClientSide, incoming: Incoming<'_>) -> Result<(), Why> {
        match self.present(me.now) {
            Ok(request) => request.keep(incoming.frame).then_some(()).ok_or(FULL),
            Err(_) => Ok(()),
        }
    }

    fn query(&mut self, me: &ClientSide, incoming: Incoming<'_>) -> Result<(), Why> {
        if self.present(me.now).is_err() {
            return Ok(());
        }
        let sql = request::query(incoming.body).ok().filter(|_| incoming.is_whole());
        let text = sql.and_then(|sql| std::str::from_utf8(sql).ok());
        let statement = text.and_then(|text| me.door.shapes.at_once(text)).ok_or(Skip::Unread)?;
        let fit = judge(&statement, sql.unwrap_or_default(), self.mirror.reads_only())?;
        if let Ok(request) = self.present(me.now) {
            request.is_simple = true;
            request.leaves_traces |= fit.leaves_traces;
            request.kind = fit.works.then_some(statement.kind);
        }
        self.keep(me, incoming)
    }

    /// A name that is given twice is an error, and what comes behind it is not done.
    fn parse(&mut self, me: &ClientSide, incoming: Incoming<'_>) -> Result<(), Why> {
        let name = Parse::read(incoming.body).map(|parse| parse.name).unwrap_or_default();
        if !name.is_empty() && !me.replays && me.names.get(name).is_some() {
            return Err(Skip::Session.into());
        }
        Ok(())
    }

    fn bind(&mut self, me: &ClientSide, incoming: Incoming<'_>) -> Result<(), Why> {
        if self.present(me.now).is_err() {
            return Ok(());
        }
        let head = BindHead::read(incoming.body).ok().flatten();
        let prepared = head
            .and_then(|head| me.names.get(head.statement))
            .ok_or(Skip::Session)?;
        let fit = judge(&prepared.statement, &prepared.sql, self.mirror.reads_only())?;
        let Ok(request) = self.present(me.now) else {
            return Ok(());
        };
        request.leaves_traces |= fit.leaves_traces;
        if fit.works {
            request.kind.get_or_insert(prepared.statement.kind);
        }
        let is_kept = request.keep_bind(text_of(prepared), incoming.frame);
        self.in_bind = is_kept && !incoming.is_whole();
        is_kept.then_some(()).ok_or(FULL)
    }

    /// More of a Bind that came in part.
    fn hear_more(&mut self, bytes: &[u8]) {
        if !self.in_bind {
            return;
        }
        if let Some(Ok(request)) = &mut self.present
            && !request.keep_more(bytes)
        {
            self.present = Some(Err(FULL));
            self.in_bind = false;
        }
    }

    /// The server has answered a request.
    pub(super) fn answered(&mut self, answered: Answered<'_>) {
        let Some(copied) = self.unanswered.pop_front() else {
            return;
        };
        let begun = copied
            .as_ref()
            .map_or(self.answered_at, |request| request.sent_at.max(self.answered_at));
        let drained = std::mem::take(&mut self.drained);
        let took = answered.now.duration_since(begun).saturating_sub(drained);
        self.answered_at = answered.now;
        let mut open = self.open.take().unwrap_or(Err(Skip::Unfinished.into()));
        match (&mut open, copied) {
            (Ok(transaction), Ok(mut request)) => {
                request.answer = Answer {
                    sqlstate: answered.sqlstate,
                    rows: answered.rows,
                    took,
                };
                transaction.requests.push(request);
            }
            (open @ Ok(_), Err(why)) => *open = Err(why),
            (Err(_), _) => {}
        }
        if answered.status == TransactionStatus::Idle {
            self.finish(open, answered.now);
            let next = || Ok(Transaction::new(answered.profile.clone(), None, answered.now));
            self.open = (!self.unanswered.is_empty() || self.present.is_some()).then(next);
        } else {
            self.open = Some(open);
        }
    }

    /// A transaction has ended.
    fn finish(&self, open: Result<Transaction, Why>, now: Instant) {
        match open {
            Ok(mut transaction) if transaction.works() => {
                transaction.ended_at = now;
                self.mirror.send(self.session, transaction);
            }
            Ok(_) => self.count(Skip::Nothing.into()),
            Err(why) => self.count(why),
        }
    }
}

impl Drop for Copying {
    fn drop(&mut self) {
        self.give_up(Skip::Unfinished.into());
    }
}

/// How the server answered a request.
pub(super) struct Answered<'a> {
    pub(super) now: Instant,
    pub(super) sqlstate: [u8; 5],
    pub(super) rows: u64,
    pub(super) status: TransactionStatus,
    /// What the session looks like now.
    pub(super) profile: &'a Arc<Profile>,
}

impl Door {
    /// What is copied of a session; none where its database is not mirrored.
    pub(super) fn copying(&self, seat: &Seat) -> Option<Box<Copying>> {
        let mirror = self.mirror.as_ref()?;
        let is_mirrored = mirror.is_for(&seat.who.database, &seat.who.application);
        is_mirrored.then(|| Copying::new(mirror, seat.id, Instant::now()))
    }
}

impl Link {
    /// Whether what is taken next begins a transaction.
    pub(super) fn is_at_beginning(&self) -> bool {
        use TransactionStatus::Idle;
        self.is_fresh || (self.expected.is_empty() && self.status == Idle && self.skip_to_server == 0)
    }

    /// Copies a frame that is about to go to the server, where its transaction is mirrored.
    pub(super) fn copy(&self, me: &mut ClientSide, incoming: Incoming<'_>, begins: bool) {
        if !begins && me.copying.as_ref().is_none_or(|copying| !copying.copies) {
            return;
        }
        let Some(mut copying) = me.copying.take() else { return };
        if begins && !std::mem::take(&mut copying.goes_on) {
            copying.throw(me);
        }
        // What the server does not hear is not copied either.
        let is_heard = if incoming.tag == tag::SYNC {
            !self.copies_in
        } else {
            !me.skips_to_sync
        };
        if copying.copies && is_heard {
            copying.hear(me, incoming);
        }
        me.copying = Some(copying);
    }
}

impl ClientSide {
    /// Copies more of a frame that came in part.
    pub(super) fn copy_more(&mut self, bytes: &[u8]) {
        if let Some(copying) = &mut self.copying {
            copying.hear_more(bytes);
        }
    }
}

fn text_of(prepared: &Prepared) -> Text {
    Text {
        id: prepared.id,
        name: prepared.name.clone(),
        sql: prepared.sql.clone(),
        types: prepared.types.clone(),
        stays: can_stay_prepared(&prepared.statement),
    }
}

/// A number from 0 to 1, and another each time.
fn draw(dice: &mut u64) -> f64 {
    *dice = dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *dice;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    f64::from(u32::try_from(mixed >> 32).unwrap_or_default()) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_spread_evenly_over_sessions_and_over_a_sessions_transactions() {
        let firsts = (1..=10_000_u64).map(|session| draw(&mut { session }));
        let mut dice = 7;
        let of_one = (0..10_000).map(|_| draw(&mut dice));
        for draws in [firsts.collect::<Vec<_>>(), of_one.collect()] {
            for share in [0.01, 0.5, 0.9] {
                let below = draws.iter().filter(|drawn| **drawn < share).count();
                let wanted = 10_000.0 * share;
                let off = (f64::from(u32::try_from(below).unwrap()) - wanted).abs();
                assert!(off < 250.0, "{below} of 10000 are below {share}");
            }
        }
    }
}
