//! Who is compared: everybody stands before the same server.

use std::str::FromStr;

use weir_tests::cached::{Plan, Stage, postgres_settings};
use weir_tests::facts::{Cpu, cpu_of, cpu_of_family};
use weir_tests::peers::{Ground, Kind, Peer, Setup};
use weir_tests::wire::Address;

use crate::options::Options;
use crate::pgpool::Pgpool;
use crate::{Failure, tables};

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    /// PostgreSQL without anything before it.
    Direct,
    /// Weir without its cache.
    Off,
    /// Weir with it.
    On,
    /// PgBouncer.
    PgBouncer,
    /// pgpool-II with its cache.
    Pgpool,
}

impl Side {
    const ALL: [Self; 5] = [Self::Direct, Self::Off, Self::On, Self::PgBouncer, Self::Pgpool];

    /// As it is written in options and tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Off => "off",
            Self::On => "on",
            Self::PgBouncer => "pgbouncer",
            Self::Pgpool => "pgpool",
        }
    }
}

impl FromStr for Side {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|side| side.name() == text);
        found.ok_or_else(|| format!("{text} is none of direct, off, on, pgbouncer, pgpool"))
    }
}

/// All that run.
pub(crate) struct Sides {
    pub(crate) stage: Stage,
    off: Option<Peer>,
    pgbouncer: Option<Peer>,
    pgpool: Option<Pgpool>,
    chosen: Vec<Side>,
}

impl Sides {
    /// Starts those that were asked for; who cannot be had is named with the reason.
    pub(crate) async fn start(options: &Options) -> Result<Self, Failure> {
        let ground = Ground::start(Setup {
            pool: options.pool,
            trust: true,
            postgres_settings: postgres_settings(),
            ..Setup::default()
        })
        .await;
        let plan = Plan {
            meddled: false,
            pool: options.pool,
            ..Plan::default()
        };
        let stage = Stage::start(plan, ground).await;
        let mut sides = Self {
            stage,
            off: None,
            pgbouncer: None,
            pgpool: None,
            chosen: Vec::new(),
        };
        for side in &options.sides {
            match sides.add(*side).await {
                Ok(()) => sides.chosen.push(*side),
                Err(reason) => println!("without {}: {reason}", side.name()),
            }
        }
        Ok(sides)
    }

    async fn add(&mut self, side: Side) -> Result<(), String> {
        let ground = &self.stage.ground;
        match side {
            Side::Direct | Side::On => {}
            Side::Off => self.off = Some(ground.peer(Kind::Weir).await?),
            Side::PgBouncer => self.pgbouncer = Some(ground.peer(Kind::PgBouncer).await?),
            Side::Pgpool => self.pgpool = Some(Pgpool::start(ground).await?),
        }
        Ok(())
    }

    /// Those that take part, in their order.
    pub(crate) fn chosen(&self) -> &[Side] {
        &self.chosen
    }

    /// Waits until answers come from Weir's memory.
    pub(crate) async fn until_warm(&self) {
        self.stage.until_warm(tables::WARM).await;
    }

    /// Where it listens.
    pub(crate) fn door(&self, side: Side) -> Option<Address> {
        match side {
            Side::Direct => Some(self.stage.ground.address.clone()),
            Side::On => Some(self.stage.door()),
            Side::Off => Some(self.off.as_ref()?.address.clone()),
            Side::PgBouncer => Some(self.pgbouncer.as_ref()?.address.clone()),
            Side::Pgpool => Some(self.pgpool.as_ref()?.address(&self.stage.ground)),
        }
    }

    /// Whether it keeps named prepared statements apart.
    pub(crate) fn has_prepared(&self, side: Side) -> bool {
        side != Side::PgBouncer || self.pgbouncer.as_ref().is_some_and(|peer| peer.has_prepared)
    }

    /// Processor time of the pooler and of PostgreSQL.
    pub(crate) fn cpus(&self, side: Side) -> [Cpu; 2] {
        let family = |pid: Option<u32>| pid.map(cpu_of_family).unwrap_or_default();
        let pooler = match side {
            Side::Direct => Cpu::default(),
            Side::On => cpu_of(self.stage.gateway().pid()),
            Side::Off => family(self.off.as_ref().and_then(Peer::pooler_pid)),
            Side::PgBouncer => family(self.pgbouncer.as_ref().and_then(Peer::pooler_pid)),
            Side::Pgpool => family(self.pgpool.as_ref().map(Pgpool::pid)),
        };
        [pooler, cpu_of_family(self.stage.ground.postgres_pid())]
    }
}
