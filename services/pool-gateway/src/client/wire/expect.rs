//! What a server still has to answer, in the order in which it was asked. Pure.
//!
//! Every frame that goes to a server leaves an entry here, and so does everything that the gateway answers itself or
//! asks on its own: that is what keeps answers with their questions.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::Instant;
use weir_proto::events::v1::CacheOutcome;
use weir_sql::Statement;

use super::refusal::Refusal;
use super::statements::Prepared;

/// A statement that runs.
#[derive(Debug)]
pub(super) struct Ongoing {
    pub(super) statement: Arc<Statement>,
    pub(super) text_hash: u64,
    pub(super) begun: Instant,
    pub(super) queue_wait_us: u64,
    pub(super) drain_us: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) rows: u64,
    /// Rows as the command tags count them.
    pub(super) tagged_rows: Option<u64>,
    /// Its text, where it was too long to be read before it was sent.
    pub(super) long_text: Option<Box<str>>,
    /// The code of its error; zeros where there is none.
    pub(super) sqlstate: [u8; 5],
    /// The trace that the comment of its text names.
    pub(super) trace: Option<Arc<str>>,
    /// Whether memory was asked, and what it said.
    pub(super) cache: CacheOutcome,
    /// Whether it was told of as a violation.
    pub(super) is_told: bool,
    /// What its client is told instead of what the server says, where the firewall refused it.
    pub(super) refusal: Option<Box<Refusal>>,
}

/// One answer that is awaited.
#[derive(Debug)]
pub(super) enum Expected {
    /// A simple query, or a function call: everything up to ReadyForQuery.
    Query(Ongoing),
    /// ParseComplete. The client's name is set where the client named it.
    Parse {
        prepared: Arc<Prepared>,
        name: Option<Box<[u8]>>,
    },
    /// ParseComplete of a statement that the server knows by the client's own name, which is none as a rule.
    ParseOnce,
    /// The error of what was sent in the place of a frame that the firewall refused.
    Refused(Ongoing),
    /// BindComplete.
    Bind,
    /// RowDescription or NoData, of a statement after its ParameterDescription.
    Describe,
    /// The rows of a portal and how it ended.
    Execute(Ongoing),
    /// CloseComplete.
    Close,
    /// The client ended its COPY data here. Nothing answers that by itself.
    CopyEnd,
    /// ReadyForQuery.
    Sync,
    /// ParseComplete, which the gateway says itself. The client's name is set where the client named it.
    SayParse { name: Option<Box<[u8]>> },
    /// CloseComplete, which the gateway says itself.
    SayClose,
    /// ParseComplete of a statement that the gateway prepared for itself.
    HideParse { id: Option<u64> },
    /// CloseComplete of a statement that the gateway closed for itself.
    HideClose { id: u64 },
    /// A simple query of the gateway's own.
    HideQuery,
    /// ReadyForQuery after frames of the gateway's own.
    HideSync,
}

impl Expected {
    /// Whether ReadyForQuery ends it.
    pub(super) const fn ends_with_ready(&self) -> bool {
        matches!(self, Self::Query(_) | Self::Sync | Self::HideQuery | Self::HideSync)
    }

    /// Whether the client hears nothing of it.
    pub(super) const fn is_hidden(&self) -> bool {
        matches!(
            self,
            Self::HideParse { .. } | Self::HideClose { .. } | Self::HideQuery | Self::HideSync
        )
    }
}

/// All that is awaited.
#[derive(Debug, Default)]
pub(super) struct Expectations(VecDeque<Expected>);

impl Expectations {
    pub(super) fn push(&mut self, expected: Expected) {
        self.0.push_back(expected);
    }

    pub(super) fn front(&mut self) -> Option<&mut Expected> {
        self.strip();
        self.0.front_mut()
    }

    pub(super) fn pop(&mut self) -> Option<Expected> {
        self.strip();
        self.0.pop_front()
    }

    /// An end of COPY data that nothing waits for is no news.
    fn strip(&mut self) {
        while matches!(self.0.front(), Some(Expected::CopyEnd)) {
            self.0.pop_front();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|expected| matches!(expected, Expected::CopyEnd))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether a ReadyForQuery is awaited.
    pub(super) fn has_end(&self) -> bool {
        self.0.iter().any(Expected::ends_with_ready)
    }

    /// Whether all that is awaited belongs to one batch, whose end has been sent.
    pub(super) fn is_one_batch(&self) -> bool {
        let mut ends = self.0.iter().filter(|expected| expected.ends_with_ready());
        ends.next().is_some() && ends.next().is_none() && self.0.back().is_some_and(Expected::ends_with_ready)
    }

    /// How many requests are not answered. The last one may not be complete.
    pub(super) fn requests(&self) -> usize {
        let complete = self.0.iter().filter(|expected| expected.ends_with_ready()).count();
        complete + usize::from(self.0.back().is_some_and(|last| !last.ends_with_ready()))
    }

    /// What an error skips: everything up to the next ReadyForQuery.
    pub(super) fn pop_skipped(&mut self) -> Option<Expected> {
        if self.0.front().is_none_or(Expected::ends_with_ready) {
            return None;
        }
        self.0.pop_front()
    }

    /// The server takes data for the statement at the front, and does not hear a Sync until that has ended.
    /// True: the end of the data has not been sent yet.
    pub(super) fn copy_in_begins(&mut self) -> bool {
        if !matches!(self.0.front(), Some(Expected::Execute(_))) {
            return true;
        }
        let execute = self.0.pop_front();
        while matches!(self.0.front(), Some(Expected::Sync)) {
            self.0.pop_front();
        }
        let is_open = !matches!(self.0.front(), Some(Expected::CopyEnd));
        self.strip();
        if let Some(execute) = execute {
            self.0.push_front(execute);
        }
        is_open
    }

    /// Everything, when the server is lost.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Expected> {
        self.0.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use weir_sql::{Limits, analyse};

    use super::*;

    fn execute() -> Expected {
        Expected::Execute(Ongoing {
            statement: Arc::new(analyse("copy t from stdin", Limits::default())),
            text_hash: 0,
            begun: Instant::now(),
            queue_wait_us: 0,
            drain_us: 0,
            bytes_in: 0,
            bytes_out: 0,
            rows: 0,
            tagged_rows: None,
            long_text: None,
            sqlstate: [0; 5],
            trace: None,
            cache: CacheOutcome::Unspecified,
            is_told: false,
            refusal: None,
        })
    }

    fn of(entries: impl IntoIterator<Item = Expected>) -> Expectations {
        Expectations(entries.into_iter().collect())
    }

    #[test]
    fn an_error_skips_up_to_the_next_ready() {
        let mut expected = of([Expected::Bind, Expected::SayClose, Expected::Sync, Expected::Bind]);
        assert!(expected.pop_skipped().is_some() && expected.pop_skipped().is_some());
        assert!(expected.pop_skipped().is_none());
        assert_eq!(expected.len(), 2);
    }

    #[test]
    fn a_sync_sent_before_the_data_is_never_answered() {
        let mut expected = of([execute(), Expected::Sync, Expected::CopyEnd, Expected::Sync]);
        assert!(!expected.copy_in_begins(), "the end was sent");
        assert!(matches!(expected.pop(), Some(Expected::Execute(_))));
        assert!(matches!(expected.pop(), Some(Expected::Sync)));
        assert!(expected.is_empty());
    }

    #[test]
    fn a_simple_copy_leaves_what_follows_alone() {
        let mut expected = of([Expected::Sync, Expected::Sync]);
        assert!(expected.copy_in_begins());
        assert_eq!(expected.len(), 2);
    }
}
