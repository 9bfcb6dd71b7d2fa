//! A cache service on a PostgreSQL of its own, with one who listens as gateways do.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tonic::transport::Channel;
use weir_bus::{Bus, Limits, Subscription};
use weir_config::Sources;
use weir_model::Clock;
use weir_proto::cache::v1 as api;
use weir_proto::cache::v1::cache_service_client::CacheServiceClient;
use weir_proto::events::v1::CacheInvalidated;
use weir_runtime::{Ground, Outcome, Tasks};
use weir_tags::{Canonical, Family, Tag};
use weir_testkit::{Database, Postgres, eventually, free_port};

pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A server whose log can be followed.
pub(crate) async fn logical(settings: &[(&str, &str)]) -> Postgres {
    let mut all = vec![("wal_level", "logical"), ("max_prepared_transactions", "5")];
    all.extend(settings);
    Postgres::start_with(&all).await
}

/// A cache service, and what it tells.
pub(crate) struct Cache {
    pub(crate) tasks: Tasks,
    pub(crate) client: CacheServiceClient<Channel>,
    pub(crate) view: View,
    pub(crate) ops: u16,
}

/// What a gateway would know.
pub(crate) struct View {
    told: Subscription,
    pub(crate) epoch: String,
    pub(crate) sequence: u64,
    pub(crate) applied: u64,
    pub(crate) visible: u64,
    pub(crate) kill: u64,
    pub(crate) tags: HashMap<u64, u64>,
    pub(crate) about: HashSet<(String, Vec<String>)>,
    pub(crate) epochs: Vec<String>,
    pub(crate) tag_messages: usize,
}

impl Cache {
    pub(crate) async fn of(database: &Database) -> Self {
        Self::start(database, Bus::in_memory(Limits::default()), &[]).await
    }

    pub(crate) async fn start(database: &Database, bus: Bus, settings: &[(&str, &str)]) -> Self {
        let cache = Self::begin(database, bus, settings).await;
        cache.until(api::FollowerState::Following).await;
        cache
    }

    pub(crate) async fn begin(database: &Database, bus: Bus, settings: &[(&str, &str)]) -> Self {
        let (port, ops) = (free_port(), free_port());
        let mut all = vec![
            ("DATABASE_URL".to_owned(), database.url()),
            ("WEIR_CACHE__GRPC_LISTEN".to_owned(), format!("127.0.0.1:{port}")),
            ("WEIR_CACHE__OPS_LISTEN".to_owned(), format!("127.0.0.1:{ops}")),
        ];
        all.extend(
            settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let sources = Sources::load(None, all).unwrap();
        let (_, reloaded) = watch::channel(sources.clone());
        let told = bus.subscribe("weir.default.cache.invalidated", None).await.unwrap();
        let tasks = Tasks::new();
        let ground = Ground::new(sources, reloaded, tasks.clone(), Clock::system());
        Box::pin(weir_cache::start(ground, bus)).await.unwrap();
        let client = CacheServiceClient::connect(format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        let view = View {
            told,
            epoch: String::new(),
            sequence: 0,
            applied: 0,
            visible: 0,
            kill: 0,
            tags: HashMap::new(),
            about: HashSet::new(),
            epochs: Vec::new(),
            tag_messages: 0,
        };
        Self {
            tasks,
            client,
            view,
            ops,
        }
    }

    pub(crate) async fn follower(&self) -> api::Follower {
        let request = api::ListFollowersRequest::default();
        let listed = self.client.clone().list_followers(request).await.unwrap().into_inner();
        listed.followers.into_iter().next().unwrap()
    }

    pub(crate) async fn until(&self, state: api::FollowerState) -> api::Follower {
        eventually("the follower's state", SOON, || async {
            let follower = self.follower().await;
            if follower.state == i32::from(state) {
                return Ok(follower);
            }
            Err(format!("{follower:?}"))
        })
        .await
    }

    /// Until a table is told or not.
    pub(crate) async fn until_listed(&self, table: &str, reason: Option<&str>) {
        eventually("the table's state", SOON, || async {
            let follower = self.follower().await;
            let found = follower.unfollowed.iter().find(|known| known.relation == table);
            let found = found.map(|known| known.reason.as_str());
            if found == reason && follower.state == i32::from(api::FollowerState::Following) {
                return Ok(());
            }
            Err(format!("{follower:?}"))
        })
        .await;
    }

    /// Takes what is told until everything up to where the log is now is visible.
    pub(crate) async fn catch_up(&mut self, postgres: &Postgres, database: &Database) {
        let end = position(
            &postgres
                .psql(database.name(), "select pg_current_wal_flush_lsn()")
                .await,
        );
        self.view.until("the end of the log", |view| view.visible >= end).await;
    }

    /// What statements make invalid, without what was before.
    pub(crate) async fn touched(&mut self, postgres: &Postgres, database: &Database, sql: &str) -> Touched {
        self.catch_up(postgres, database).await;
        let kill = self.view.kill;
        self.view.tags.clear();
        self.view.about.clear();
        postgres.psql(database.name(), sql).await;
        self.catch_up(postgres, database).await;
        Touched {
            tags: self.view.tags.keys().copied().collect(),
            killed: self.view.kill > kill,
        }
    }

    pub(crate) async fn stop(self) {
        assert_eq!(self.tasks.descend(SOON).await, Outcome::Clean);
    }
}

/// What statements made invalid.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Touched {
    pub(crate) tags: HashSet<u64>,
    pub(crate) killed: bool,
}

impl Touched {
    pub(crate) fn only(tags: impl IntoIterator<Item = Tag>) -> Self {
        Self {
            tags: tags.into_iter().map(Tag::number).collect(),
            killed: false,
        }
    }
}

impl View {
    /// Takes the next message; gaps are failures here.
    pub(crate) async fn next(&mut self) -> CacheInvalidated {
        let message = timeout(SOON, self.told.next())
            .await
            .expect("something is told")
            .unwrap();
        let (_, told) = weir_events::decode::<CacheInvalidated>(&message.subject, &message.payload).unwrap();
        self.take(&told);
        told
    }

    pub(crate) fn take(&mut self, told: &CacheInvalidated) {
        if told.epoch != self.epoch {
            // Who comes while another already tells has missed the beginning of that epoch only.
            if self.epochs.is_empty() {
                self.sequence = told.sequence - 1;
            } else {
                assert_eq!(told.sequence, 1, "an epoch begins with 1");
                self.sequence = 0;
            }
            self.epoch = told.epoch.clone();
            self.epochs.push(told.epoch.clone());
            (self.applied, self.visible, self.kill) = (0, 0, 0);
            self.tags.clear();
        }
        assert_eq!(told.sequence, self.sequence + 1, "no gap");
        assert!(told.applied_lsn >= self.applied && told.visible_lsn >= self.visible && told.kill_lsn >= self.kill);
        assert!(told.visible_lsn <= told.applied_lsn);
        self.sequence = told.sequence;
        (self.applied, self.visible, self.kill) = (told.applied_lsn, told.visible_lsn, told.kill_lsn);
        self.tag_messages += usize::from(!told.tags.is_empty());
        for tag in &told.tags {
            let known = self.tags.entry(tag.tag).or_default();
            *known = tag.commit_lsn.max(*known);
            self.about.insert((tag.relation.clone(), tag.columns.clone()));
        }
    }

    pub(crate) async fn until(&mut self, what: &str, is_there: impl Fn(&Self) -> bool) {
        let end = Instant::now() + SOON;
        while !is_there(self) {
            let next = timeout_at(end, self.next()).await;
            assert!(
                next.is_ok(),
                "waited in vain for {what}; a {:x} v {:x} kill {:x} epoch {}",
                self.applied,
                self.visible,
                self.kill,
                self.epoch
            );
        }
    }
}

pub(crate) fn position(text: &str) -> u64 {
    text.parse::<weir_upstream::Lsn>().unwrap().0
}

/// The number of a table.
pub(crate) async fn oid(database: &Database, table: &str) -> u32 {
    database
        .psql(&format!("select '{table}'::regclass::oid::bigint"))
        .await
        .parse()
        .unwrap()
}

pub(crate) fn number(relation: u32, column: &str, value: i64) -> Tag {
    Tag::row(
        relation,
        column,
        &Family::Integer.from_text(value.to_string().as_bytes()).unwrap(),
    )
}

pub(crate) fn text(relation: u32, column: &str, value: &str) -> Tag {
    Tag::row(relation, column, &Family::Text.from_text(value.as_bytes()).unwrap())
}

/// What is told of a row where nothing but this cell changed.
pub(crate) fn cell(relation: u32, column: &str, value: &Canonical, cell: &str) -> [Tag; 2] {
    [
        Tag::cells(relation, column, value),
        Tag::cell(relation, column, value, cell),
    ]
}

/// A text as tags have it.
pub(crate) fn canonical(text: &str) -> Canonical {
    Family::Text.from_text(text.as_bytes()).unwrap()
}
