//! What those see who ask from within: studies and rules.

use std::time::Duration;

use tokio::sync::watch;
use weir_bus::{Limits, Subscription};
use weir_config::Sources;
use weir_model::Clock;
use weir_proto::events::v1::CacheInvalidated;
use weir_runtime::Tasks;
use weir_testkit::{Database, Postgres, eventually, free_port};

use super::*;

const SOON: Duration = Duration::from_secs(30);

struct Followed1 {
    followers: Arc<Followers>,
    told: Subscription,
    tasks: Tasks,
}

async fn followers(database: &Database, settings: &[(&str, &str)]) -> Followed1 {
    let mut all = vec![
        ("DATABASE_URL".to_owned(), database.url()),
        (
            "WEIR_CACHE__OPS_LISTEN".to_owned(),
            format!("127.0.0.1:{}", free_port()),
        ),
    ];
    all.extend(
        settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    let sources = Sources::load(None, all).unwrap();
    let (settings, target) = crate::settings::check(&sources).unwrap();
    let (_, reloaded) = watch::channel(sources.clone());
    let (tasks, bus) = (Tasks::new(), Bus::in_memory(Limits::default()));
    let told = bus.subscribe("weir.default.cache.invalidated", None).await.unwrap();
    let ground = Ground::new(sources, reloaded, tasks.clone(), Clock::system());
    let metrics = Arc::new(Metrics::register(&ground.registry));
    let tables = Tables::take(&ground, "weir_cache", vec![], &bus).unwrap();
    let followers = Followers::start(&ground, &bus, &tables, &settings, &target, &metrics).unwrap();
    Followed1 { followers, told, tasks }
}

async fn followed(followers: &Followers, database: &str) -> Followed {
    eventually("the database to be followed", SOON, || async {
        followers.of("", database).map_err(|status| status.message().to_owned())
    })
    .await
}

#[tokio::test]
async fn a_study_learns_what_is_told_and_rules_that_change_are_told_at_once() {
    let postgres = Postgres::start_with(&[("wal_level", "logical")]).await;
    let (database, other) = (postgres.database().await, postgres.database().await);
    database
        .psql(
            "create table users (id int, org uuid, at timestamptz, name text, primary key (org, id, at));
             create table log (id int, day int, primary key (id, day)) partition by list (day);
             create table log1 partition of log for values in (1);
             create table bare (id int); create schema weir_monitor; create table weir_monitor.own (id int primary key)",
        )
        .await;
    let Followed1 {
        followers,
        mut told,
        tasks,
    } = followers(&database, &[("WEIR_CACHE__DATABASES", other.name())]).await;
    let known = followed(&followers, database.name()).await;
    let mut names: Vec<(&str, Vec<&str>)> = known
        .tables
        .values()
        .map(|told| (told.name.as_str(), told.columns.iter().map(String::as_str).collect()))
        .collect();
    names.iter_mut().for_each(|(_, columns)| columns.sort_unstable());
    names.sort();
    let expected = [
        ("public.log", vec!["day", "id"]),
        ("public.log1", vec!["day", "id"]),
        ("public.users", vec!["id", "org"]),
    ];
    assert_eq!(names, expected);
    assert_eq!(known.untold.len(), 1, "{:?}", known.untold);
    assert!(known.visible_lsn > 0 && known.epoch.split('/').count() == 4);
    assert_eq!(known.target.database(), database.name());

    let second = followed(&followers, other.name()).await;
    assert_eq!((second.tables.len(), second.target.database()), (0, other.name()));
    let server = format!("127.0.0.1:{}", postgres.port());
    assert!(followers.of(&server, "").is_ok());
    let refused = followers.of("elsewhere:1", database.name()).unwrap_err();
    assert_eq!(refused.code(), tonic::Code::NotFound);
    assert_eq!(followers.of("", "none").unwrap_err().code(), tonic::Code::NotFound);

    // What is told once a second anyway would need a second for each.
    let begin = tokio::time::Instant::now();
    for generation in 1..=6 {
        followers.set_policy_generation(generation);
        followers.set_policy_generation(generation - 1);
        let mut databases = std::collections::HashSet::new();
        while databases.len() < 2 {
            let message = tokio::time::timeout(SOON, told.next()).await.unwrap().unwrap();
            let (_, told) = weir_events::decode::<CacheInvalidated>(&message.subject, &message.payload).unwrap();
            if told.policy_generation == generation {
                databases.insert(told.database);
            }
        }
    }
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    assert_eq!(tasks.descend(SOON).await, weir_runtime::Outcome::Clean);
}

#[test]
fn a_wrong_setting_is_named() {
    const LONG: &str = "a name of more than 63 bytes, which PostgreSQL would cut without a word";
    let check = |name: &str, value: &str| {
        let all = [
            ("DATABASE_URL".to_owned(), "postgres://a@localhost/b".to_owned()),
            (format!("WEIR_CACHE__{name}"), value.to_owned()),
        ];
        let sources = Sources::load(None, all).unwrap();
        crate::settings::check(&sources)
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    for (name, value, key) in [
        ("SERVERS", "host:port", "cache.servers"),
        ("PUBLICATION", LONG, "cache.publication"),
        ("TRANSACTION_TAGS_MAX", "0", "cache.transaction_tags_max"),
        ("CONNECT_TIMEOUT", "0s", "cache.connect_timeout"),
        ("RETRY_MAX", "0s", "cache.retry_max"),
        ("INVALIDATE_TIMEOUT", "0s", "cache.invalidate_timeout"),
    ] {
        let said = check(name, value).expect_err(key);
        assert!(said.contains(key), "{said}");
    }
    assert_eq!(check("DATABASES", "c; d"), Ok(()));
}

#[test]
fn the_guide_shows_the_triggers_as_they_are() {
    let guide = include_str!("../../../../docs/guides/cache-server.md");
    assert!(guide.contains(include_str!("triggers.sql")));
}
