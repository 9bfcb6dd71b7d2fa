//! What a client can do, and how often it does it.

mod breaks;
mod copies;
mod cursors;
mod pinned;
mod pipelines;
mod reads;
mod settings;
mod writes;

use std::str::FromStr;

use crate::client::Client;
use crate::reply::Outcome;

/// A kind of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    /// One or two statements in the simple protocol.
    Simple,
    /// The unnamed statement in the extended protocol.
    Extended,
    /// Named statements, used again over time; their texts are shared by all clients.
    Named,
    /// Several Syncs, or many Executes, or Flushes, in one go.
    Pipeline,
    /// Values of up to a megabyte, there and back.
    Large,
    /// Messages in tiny pieces.
    Tiny,
    /// Some milliseconds of sleep.
    Sleep,
    /// Statements that fail.
    Error,
    /// Writes that are their own transactions.
    Write,
    /// Transactions with several statements.
    Transaction,
    /// COPY in both directions.
    Copy,
    /// Cursors, and portals that are read in portions.
    Cursor,
    /// SET in all its forms.
    Set,
    /// What the session looks like now.
    Check,
    /// Cancel requests.
    Cancel,
    /// Statements that run into their time-out.
    Timeout,
    /// Breaking off anywhere.
    Disconnect,
    /// What binds a server to one client.
    Pinned,
    /// DISCARD ALL.
    Discard,
}

impl Op {
    /// Each of them.
    pub(crate) const ALL: [Self; 19] = [
        Self::Simple,
        Self::Extended,
        Self::Named,
        Self::Pipeline,
        Self::Large,
        Self::Tiny,
        Self::Sleep,
        Self::Error,
        Self::Write,
        Self::Transaction,
        Self::Copy,
        Self::Cursor,
        Self::Set,
        Self::Check,
        Self::Cancel,
        Self::Timeout,
        Self::Disconnect,
        Self::Pinned,
        Self::Discard,
    ];

    /// As it is written in `--without` and `--only`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Extended => "extended",
            Self::Named => "named",
            Self::Pipeline => "pipeline",
            Self::Large => "large",
            Self::Tiny => "tiny",
            Self::Sleep => "sleep",
            Self::Error => "error",
            Self::Write => "write",
            Self::Transaction => "transaction",
            Self::Copy => "copy",
            Self::Cursor => "cursor",
            Self::Set => "set",
            Self::Check => "check",
            Self::Cancel => "cancel",
            Self::Timeout => "timeout",
            Self::Disconnect => "disconnect",
            Self::Pinned => "pinned",
            Self::Discard => "discard",
        }
    }

    /// How often it is chosen, against the others.
    pub(crate) const fn weight(self) -> usize {
        match self {
            Self::Simple | Self::Extended | Self::Write => 12,
            Self::Named | Self::Pipeline => 20,
            Self::Transaction | Self::Set | Self::Check => 10,
            Self::Tiny | Self::Error | Self::Copy | Self::Cursor => 5,
            Self::Sleep | Self::Cancel | Self::Disconnect | Self::Pinned => 3,
            Self::Large | Self::Timeout | Self::Discard => 1,
        }
    }
}

impl FromStr for Op {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|op| op.name() == text);
        found.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.into_iter().map(Self::name).collect();
            format!("{text} is none of {}", names.join(", "))
        })
    }
}

/// Does it once.
pub(crate) async fn run(client: &mut Client, op: Op) -> Outcome {
    match op {
        Op::Simple => client.simple().await,
        Op::Extended => client.extended().await,
        Op::Named => client.named().await,
        Op::Pipeline => client.pipeline().await,
        Op::Large => client.large().await,
        Op::Tiny => client.tiny().await,
        Op::Sleep => client.sleep().await,
        Op::Error => client.error().await,
        Op::Write => client.write().await,
        Op::Transaction => client.transaction().await,
        Op::Copy => client.copy().await,
        Op::Cursor => client.cursor().await,
        Op::Set => client.set().await,
        Op::Check => client.check().await,
        Op::Cancel => client.cancel().await,
        Op::Timeout => client.time_out().await,
        Op::Disconnect => client.disconnect().await,
        Op::Pinned => client.pinned().await,
        Op::Discard => client.discard().await,
    }
}
