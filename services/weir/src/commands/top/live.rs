//! The view that goes on: keys, answers and time, until somebody quits or the process is told to end.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crossterm::event::{Event, EventStream, KeyEventKind};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior};
use weir_model::Clock;

use super::ask::{Asker, Question};
use super::hear::Answer;
use super::keys::Wish;
use super::screen::{Screen, suspend};
use super::state::{State, Topic};
use crate::terminal::Failure;
use crate::text::clean;

/// How often it is looked whether a question is due. The clock on the screen lives from it, too.
const TICK: Duration = Duration::from_millis(100);
/// Where the shell does not stop us, we go on after this.
const STOPPED_WITHIN: Duration = Duration::from_millis(300);

type Pending<T> = FuturesUnordered<Pin<Box<dyn Future<Output = T> + Send>>>;

struct Live {
    state: State,
    asker: Asker,
    clock: Clock,
    begun: Instant,
    /// When each question was asked last. One that is under way is not asked again.
    asked: BTreeMap<Topic, Instant>,
    asking: BTreeMap<Topic, ()>,
    answers: Pending<(Topic, Result<Answer, String>)>,
    ended: Pending<Result<String, String>>,
    drawn_second: i64,
    is_changed: bool,
}

enum Next {
    Goes,
    Ends,
}

struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
        })
    }

    async fn end(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
            _ = self.hup.recv() => {}
        }
    }
}

pub(super) async fn run(state: State, asker: Asker, clock: Clock, has_colours: bool) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let mut goes_on = signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?;
    let mut screen = Screen::take(has_colours)?;
    let mut keys = EventStream::new();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut live = Live {
        state,
        asker,
        clock,
        begun: Instant::now(),
        asked: BTreeMap::new(),
        asking: BTreeMap::new(),
        answers: FuturesUnordered::new(),
        ended: FuturesUnordered::new(),
        drawn_second: 0,
        is_changed: true,
    };
    loop {
        live.draw(&mut screen)?;
        tokio::select! {
            () = signals.end() => return Ok(()),
            _ = goes_on.recv() => {
                screen.take_again()?;
                live.is_changed = true;
            }
            event = keys.next() => match event {
                // The terminal is gone.
                None | Some(Err(_)) => return Ok(()),
                Some(Ok(event)) => if matches!(live.take(&event, &mut screen, &mut goes_on).await?, Next::Ends) {
                    return Ok(());
                },
            },
            Some((topic, answer)) = live.answers.next() => live.hear(topic, answer),
            Some(outcome) = live.ended.next() => live.say(outcome),
            _ = ticks.tick() => live.tick(),
        }
    }
}

impl Live {
    fn draw(&mut self, screen: &mut Screen) -> Result<(), Failure> {
        self.state.now_ms = self.clock.unix_ms();
        let second = self.state.now_ms / 1_000;
        if self.is_changed || second != self.drawn_second {
            screen.draw(&mut self.state)?;
            (self.is_changed, self.drawn_second) = (false, second);
        }
        Ok(())
    }

    fn hear(&mut self, topic: Topic, answer: Result<Answer, String>) {
        self.asking.remove(&topic);
        self.state.hear(topic, answer, self.begun.elapsed());
        self.is_changed = true;
    }

    fn say(&mut self, outcome: Result<String, String>) {
        let is_bad = outcome.is_err();
        let text = outcome.unwrap_or_else(|why| why);
        self.state.say(clean(&text), is_bad);
        self.is_changed = true;
        self.ask_all();
    }

    /// Asks what is due and not under way.
    fn tick(&mut self) {
        if self.state.is_paused {
            return;
        }
        for topic in Topic::ALL {
            let is_due = self
                .asked
                .get(&topic)
                .is_none_or(|asked| asked.elapsed() >= self.state.interval);
            if is_due && !self.asking.contains_key(&topic) {
                self.ask(topic);
            }
        }
    }

    fn ask(&mut self, topic: Topic) {
        let question = Question::new(topic, &self.state);
        self.answers.push(Box::pin(self.asker.clone().ask(question)));
        self.asked.insert(topic, Instant::now());
        self.asking.insert(topic, ());
    }

    fn ask_all(&mut self) {
        for topic in Topic::ALL {
            if !self.asking.contains_key(&topic) {
                self.ask(topic);
            }
        }
    }

    async fn take(&mut self, event: &Event, screen: &mut Screen, goes_on: &mut Signal) -> Result<Next, Failure> {
        self.is_changed = true;
        let wish = match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.state.press(*key),
            _ => None,
        };
        match wish {
            None => {}
            Some(Wish::Quit) => return Ok(Next::Ends),
            Some(Wish::Redraw) => screen.clear()?,
            Some(Wish::Ask) => self.ask_all(),
            Some(Wish::AskAnew) => {
                self.answers.clear();
                self.asking.clear();
                self.ask_all();
            }
            Some(Wish::End(client)) => self.ended.push(Box::pin(self.asker.clone().end(client))),
            Some(Wish::Suspend) => {
                suspend()?;
                // Going on is told by a signal; where nobody stopped us there is none.
                let _told = tokio::time::timeout(STOPPED_WITHIN, goes_on.recv()).await;
                screen.take_again()?;
            }
        }
        Ok(Next::Goes)
    }
}
