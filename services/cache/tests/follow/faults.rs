//! What happens when something of it stops, dies, or is slow.

use std::time::Duration;

use crate::harness::{Cache, SOON, Touched, logical, number, oid, position};
use tokio::time::Instant;
use weir_bus::{Bus, Limits};
use weir_proto::cache::v1 as api;
use weir_proto::common::v1 as common;
use weir_tags::{Buckets, Tag};
use weir_testkit::{Database, Postgres, eventually};

const TABLE: &str = "create table t (id int primary key, n int); insert into t values (1, 0), (2, 0)";
const KILL_SENDER: &str = "select pg_terminate_backend(pid) from pg_stat_replication";

async fn connect(database: &Database) -> weir_upstream::Connection {
    let target = weir_upstream::Target::parse(&database.url()).unwrap();
    weir_upstream::Connection::connect(&target, Default::default())
        .await
        .unwrap()
}

/// The whole state, as a gateway fetches it.
async fn state(cache: &Cache) -> (api::StateHeader, Buckets) {
    let mut parts = cache
        .client
        .clone()
        .fetch_state(api::FetchStateRequest::default())
        .await
        .unwrap()
        .into_inner();
    let (mut header, buckets) = (None, Buckets::new());
    while let Some(part) = parts.message().await.unwrap() {
        match part.part.unwrap() {
            api::fetch_state_response::Part::Header(told) => header = Some(told),
            api::fetch_state_response::Part::Buckets(told) => {
                for (number, lsn) in told.numbers.iter().zip(told.commit_lsns) {
                    buckets.raise(*number as usize, lsn);
                }
            }
        }
    }
    (header.unwrap(), buckets)
}

#[tokio::test]
async fn what_waits_for_a_standby_is_applied_and_not_visible() {
    let (postgres, database) = with_table(&[]).await;
    let mut cache = Cache::of(&database).await;
    let t = oid(&database, "t").await;
    cache.catch_up(&postgres, &database).await;
    set_standby(&postgres, "ghost").await;
    let mut stuck = connect(&database).await;
    let mut waits = tokio::task::JoinSet::new();
    waits.spawn(async move { stuck.simple_query("update t set n = 1 where id = 1").await.map(drop) });
    let tag = number(t, "id", 1).number();
    cache
        .view
        .until("the commit is told", |view| view.tags.contains_key(&tag))
        .await;
    let commit = cache.view.tags[&tag];
    // Others, who do not wait, are told and passed by; the one that is stuck is not.
    let sql = "set synchronous_commit = local; update t set n = 2 where id = 2";
    database.psql(sql).await;
    let other = number(t, "id", 2).number();
    cache
        .view
        .until("another commit is told", |view| view.tags.contains_key(&other))
        .await;
    for _ in 0..3 {
        database
            .psql("set synchronous_commit = local; update t set n = n + 1 where id = 2")
            .await;
        cache.view.next().await;
    }
    assert_eq!(
        database.psql("select n from t where id = 1").await,
        "0",
        "nobody sees it"
    );
    assert!(cache.view.applied >= commit && cache.view.visible < commit);
    assert_eq!(
        cache.follower().await.visible_lsn,
        commit - 1,
        "all before it is visible"
    );
    set_standby(&postgres, "").await;
    waits.join_next().await.unwrap().unwrap().unwrap();
    cache.view.until("it is visible", |view| view.visible >= commit).await;
    cache.stop().await;
}

/// A server with a table.
async fn with_table(settings: &[(&str, &str)]) -> (Postgres, Database) {
    let postgres = logical(settings).await;
    let database = postgres.database().await;
    database.psql(TABLE).await;
    (postgres, database)
}

/// Waits until the server has had word of the follower so long after now.
async fn word_after(postgres: &Postgres, span: &str) {
    let now = postgres.psql("postgres", "select clock_timestamp()").await;
    let heard = format!(
        "select coalesce(bool_or(reply_time > '{now}'::timestamptz + '{span}'), false) from pg_stat_replication"
    );
    eventually("a word of the follower", SOON, || async {
        (postgres.psql("postgres", &heard).await == "t").then_some(())
    })
    .await;
}

async fn set_standby(postgres: &Postgres, names: &str) {
    let set = format!("alter system set synchronous_standby_names = '{names}'; select pg_reload_conf()");
    postgres.psql("postgres", &set).await;
    eventually("the setting", SOON, || async {
        (postgres.psql("postgres", "show synchronous_standby_names").await == names).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_change_of_definitions_kills_at_once_and_the_log_waits_until_it_is_visible() {
    let (postgres, database) = with_table(&[("wal_sender_timeout", "2s")]).await;
    database.psql("create table u (id int primary key)").await;
    let mut cache = Cache::of(&database).await;
    let t = oid(&database, "t").await;
    cache.catch_up(&postgres, &database).await;
    let (epoch, kill) = (cache.view.epoch.clone(), cache.view.kill);
    let u = oid(&database, "u").await;
    set_standby(&postgres, "ghost").await;
    let mut stuck = connect(&database).await;
    let mut waits = tokio::task::JoinSet::new();
    waits.spawn(async move {
        let sql = "alter table t replica identity full; create index on t (n)";
        stuck.simple_query(sql).await.map(drop)
    });
    cache.view.until("the kill", |view| view.kill > kill).await;
    let kill = cache.view.kill;
    // What comes behind is read with the catalogue that it was written with, so not yet.
    database
        .psql("set synchronous_commit = local; insert into u values (50)")
        .await;
    // Twice as long as the server waits for somebody who says nothing.
    word_after(&postgres, "4s").await;
    let follower = cache.follower().await;
    assert_eq!(
        (follower.epoch, follower.applied_lsn),
        (epoch, kill),
        "the server was told that we are here"
    );
    assert!(follower.visible_lsn < kill);
    set_standby(&postgres, "").await;
    waits.join_next().await.unwrap().unwrap().unwrap();
    let tag = number(u, "id", 50).number();
    cache.view.until("the row", |view| view.tags.contains_key(&tag)).await;
    cache
        .view
        .until("it is visible", |view| view.visible >= view.tags[&tag])
        .await;
    let touched = cache
        .touched(&postgres, &database, "insert into t values (5, 70)")
        .await;
    assert_eq!(
        touched,
        Touched::only([Tag::table(t), number(t, "n", 70), number(t, "id", 5)]),
        "by its new columns"
    );
    cache.stop().await;
}

#[tokio::test]
async fn a_log_that_is_lost_is_a_new_epoch_within_a_second() {
    let mut postgres = logical(&[]).await;
    let database = postgres.database().await;
    database.psql(TABLE).await;
    let mut cache = Cache::of(&database).await;
    let t = oid(&database, "t").await;
    cache.catch_up(&postgres, &database).await;
    let first = cache.view.epoch.clone();
    assert_eq!(cache.follower().await.epoch, first);
    for who in [
        KILL_SENDER,
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'weir-cache-%' and backend_type = 'client backend'",
    ] {
        let old = cache.view.epoch.clone();
        let begin = Instant::now();
        postgres.psql("postgres", who).await;
        cache.view.until("a new epoch", |view| view.epoch != old).await;
        assert!(
            begin.elapsed() < Duration::from_millis(1_500),
            "{:?} after {who}",
            begin.elapsed()
        );
        assert!(
            cache.view.kill > 0 && cache.view.kill <= cache.view.applied,
            "what was read before is not known"
        );
        let touched = cache
            .touched(&postgres, &database, "update t set n = 7 where id = 1")
            .await;
        assert!(touched.tags.contains(&number(t, "id", 1).number()));
    }
    let old = cache.view.epoch.clone();
    assert_eq!(
        first.split('/').take(3).collect::<Vec<_>>(),
        old.split('/').take(3).collect::<Vec<_>>()
    );
    postgres.stop().await;
    cache.until(api::FollowerState::Starting).await;
    postgres.start_again().await;
    cache.view.until("a new epoch", |view| view.epoch != old).await;
    let parts = |epoch: &str| epoch.split('/').map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(parts(&old)[..2], parts(&cache.view.epoch)[..2]);
    assert_ne!(parts(&old)[2], parts(&cache.view.epoch)[2], "the start of the server");
    let seen = database
        .psql("select (extract(epoch from pg_postmaster_start_time()) * 1000000)::bigint")
        .await;
    assert_eq!(parts(&cache.view.epoch)[2], seen);
    cache.stop().await;
}

#[tokio::test]
async fn a_log_that_cannot_begin_says_what_it_waits_for() {
    let (postgres, database) = with_table(&[]).await;
    let mut writer = connect(&database).await;
    writer
        .simple_query("begin; update t set n = 9 where id = 1")
        .await
        .unwrap();
    let mut cache = Cache::begin(&database, Bus::in_memory(Limits::default()), &[]).await;
    eventually("it to be said", SOON, || async {
        let follower = cache.follower().await;
        follower.hindrance.contains("transactions have ended").then_some(())
    })
    .await;
    writer.simple_query("commit").await.unwrap();
    let follower = cache.until(api::FollowerState::Following).await;
    assert_eq!(follower.hindrance, "");
    cache.catch_up(&postgres, &database).await;
    cache.stop().await;
}

#[tokio::test]
async fn a_server_that_freezes_is_noticed_and_followed_anew_when_it_is_back() {
    let (postgres, database) = with_table(&[]).await;
    let settings = [
        ("WEIR_CACHE__CONNECT_TIMEOUT", "1s"),
        ("WEIR_CACHE__RETRY_MAX", "200ms"),
    ];
    let mut cache = Cache::start(&database, Bus::in_memory(Limits::default()), &settings).await;
    cache.catch_up(&postgres, &database).await;
    let old = cache.view.epoch.clone();
    postgres.pause();
    let follower = cache.until(api::FollowerState::Starting).await;
    assert!(follower.hindrance.contains("not answer"), "{follower:?}");
    let refused = cache
        .client
        .clone()
        .fetch_state(api::FetchStateRequest::default())
        .await;
    assert_eq!(refused.unwrap_err().code(), tonic::Code::Unavailable);
    postgres.resume();
    cache.view.until("a new epoch", |view| view.epoch != old).await;
    cache.stop().await;
}

#[tokio::test]
async fn a_gateway_that_fetches_the_state_and_hears_the_rest_knows_what_others_know() {
    let (postgres, database) = with_table(&[]).await;
    let mut cache = Cache::of(&database).await;
    cache.catch_up(&postgres, &database).await;
    database
        .psql("insert into t select generate_series(10, 3000); update t set n = 1 where id = 2")
        .await;
    cache.catch_up(&postgres, &database).await;
    let (header, buckets) = state(&cache).await;
    assert_eq!(
        (header.epoch.as_str(), header.bucket_count),
        (cache.view.epoch.as_str(), 1 << 20)
    );
    assert!(header.sequence >= cache.view.sequence && header.applied_lsn >= cache.view.applied);
    assert!(header.horizon_lsn > 0 && header.horizon_lsn <= header.kill_lsn && header.kill_lsn <= header.visible_lsn);
    for (tag, lsn) in &cache.view.tags {
        assert!(buckets.get(Tag::told(*tag).bucket()) >= *lsn);
    }
    assert!(cache.view.tags.len() > 2_990, "{}", cache.view.tags.len());
    cache.stop().await;
}

#[tokio::test]
async fn of_two_one_leads_and_the_other_takes_over() {
    let (postgres, database) = with_table(&[]).await;
    let bus = Bus::in_memory(Limits::default());
    let first = Cache::start(&database, bus.clone(), &[]).await;
    let mut second = Cache::begin(&database, bus, &[]).await;
    let standby = second.until(api::FollowerState::Standby).await;
    assert_eq!(standby.leader, first.follower().await.leader);
    assert!(standby.leader.starts_with("weir-cache-"), "{standby:?}");
    let slots = "select count(*) from pg_replication_slots";
    assert_eq!(postgres.psql("postgres", slots).await, "1");
    let refused = second
        .client
        .clone()
        .fetch_state(api::FetchStateRequest::default())
        .await;
    assert!(refused.unwrap_err().message().contains("followed by weir-cache-"));
    let epoch = first.follower().await.epoch;
    first.stop().await;
    second
        .view
        .until("the other's epoch", |view| {
            !view.epoch.is_empty() && view.epoch != epoch
        })
        .await;
    second.until(api::FollowerState::Following).await;
    second.stop().await;
    eventually("nothing is kept for those who have gone", SOON, || async {
        (postgres.psql("postgres", slots).await == "0").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_standby_that_becomes_the_primary_is_followed() {
    // What is set so is copied to the standby.
    let mut postgres = Postgres::start().await;
    postgres.psql("postgres", "alter system set wal_level = logical").await;
    postgres.stop().await;
    postgres.start_again().await;
    let database = postgres.database().await;
    database.psql(TABLE).await;
    let standby = postgres.standby("heir").await;
    let bus = Bus::in_memory(Limits::default());
    let door = format!("127.0.0.1:{}", standby.port());
    let mut cache = Cache::start(&database, bus, &[("WEIR_CACHE__SERVERS", &door)]).await;
    cache.catch_up(&postgres, &database).await;
    let old = cache.view.epoch.clone();
    let end = position(&database.psql("select pg_current_wal_flush_lsn()").await);
    eventually("the heir to have everything", SOON, || async {
        let here = standby.psql("postgres", "select pg_last_wal_replay_lsn()").await;
        (position(&here) >= end).then_some(())
    })
    .await;
    postgres.kill().await;
    standby.promote().await;
    cache.view.until("a new epoch", |view| view.epoch != old).await;
    let timeline = |epoch: &str| epoch.split('/').nth(1).map(str::to_owned);
    assert_eq!(
        (timeline(&old).as_deref(), timeline(&cache.view.epoch).as_deref()),
        (Some("1"), Some("2"))
    );
    standby.psql(database.name(), "update t set n = 5").await;
    cache.view.until("a write there", |view| view.tag_messages > 0).await;
    cache.stop().await;
}

#[tokio::test]
async fn an_order_by_hand_comes_back_in_its_place() {
    let (postgres, database) = with_table(&[]).await;
    let mut cache = Cache::of(&database).await;
    let t = oid(&database, "t").await;
    cache.catch_up(&postgres, &database).await;
    let give = async |cache: &Cache, target| {
        let request = api::InvalidateRequest {
            target,
            ..api::InvalidateRequest::default()
        };
        cache
            .client
            .clone()
            .invalidate(request)
            .await
            .map(tonic::Response::into_inner)
    };
    let tag = |relation: &str, columns: &[&str], values: &[i64]| {
        let value = |value: &i64| common::Value {
            kind: Some(common::value::Kind::Int64(*value)),
        };
        Some(api::invalidate_request::Target::Tag(api::Tag {
            relation: relation.to_owned(),
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            values: values.iter().map(value).collect(),
            ..api::Tag::default()
        }))
    };
    let fingerprint = weir_model::Fingerprint::new(77);
    let project = weir_model::Project::default();
    for (target, expected) in [
        (tag("public.t", &[], &[]), vec![Tag::table(t), Tag::all_rows(t)]),
        (tag("public.t", &["id"], &[2]), vec![Tag::table(t), number(t, "id", 2)]),
        (tag("public.t", &["n"], &[2]), vec![Tag::table(t), Tag::all_rows(t)]),
        (
            Some(api::invalidate_request::Target::Fingerprint(fingerprint.to_string())),
            vec![Tag::shape(fingerprint)],
        ),
        (
            Some(api::invalidate_request::Target::ProjectResults(api::Everything {})),
            vec![Tag::project(&project)],
        ),
    ] {
        cache.view.tags.clear();
        let before = database.psql("select pg_current_wal_flush_lsn()").await;
        let answer = give(&cache, target.clone()).await.unwrap();
        let [receipt] = &answer.receipts[..] else {
            panic!("{answer:?}")
        };
        assert_eq!(receipt.epoch, cache.view.epoch);
        cache
            .view
            .until("the message of the receipt", |view| view.sequence >= receipt.sequence)
            .await;
        let told: std::collections::HashSet<u64> = cache.view.tags.keys().copied().collect();
        assert_eq!(told, expected.iter().map(|tag| tag.number()).collect(), "{target:?}");
        assert!(
            cache.view.tags.values().all(|lsn| *lsn > position(&before)),
            "after what was there before"
        );
    }
    let kill = cache.view.kill;
    let everything = Some(api::invalidate_request::Target::Everything(api::Everything {}));
    let receipt = give(&cache, everything).await.unwrap().receipts.remove(0);
    cache
        .view
        .until("the message", |view| view.sequence >= receipt.sequence)
        .await;
    assert!(cache.view.kill > kill);
    let refused = give(&cache, None).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    let refused = give(&cache, tag("public.none", &[], &[])).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::NotFound);
    // What anybody writes into the log is no order, and harms nobody.
    database
        .psql("select pg_logical_emit_message(true, 'weir.invalidate', 'x'); select pg_logical_emit_message(true, 'weir.invalidate', '\\x00010203040506070809101112131415ffffffffff'::bytea); select pg_logical_emit_message(false, 'weir.ddl', '')")
        .await;
    cache.catch_up(&postgres, &database).await;
    cache.stop().await;
}

#[tokio::test]
async fn commits_that_wait_for_the_log_as_for_a_standby_go_on_at_once() {
    let (postgres, database) = with_table(&[]).await;
    let cache = Cache::of(&database).await;
    let set = "alter system set synchronous_standby_names = '*'; select pg_reload_conf()";
    postgres.psql("postgres", set).await;
    eventually("it to be a standby", SOON, || async {
        let state = postgres
            .psql("postgres", "select sync_state from pg_stat_replication")
            .await;
        (state == "sync").then_some(())
    })
    .await;
    // The first one may be what it takes to notice.
    database.psql("update t set n = 1 where id = 1").await;
    let mut writer = connect(&database).await;
    let begin = Instant::now();
    for _ in 0..50 {
        writer
            .simple_query("update t set n = n + 1 where id = 1")
            .await
            .unwrap();
    }
    assert!(
        begin.elapsed() < Duration::from_secs(2),
        "50 commits took {:?}",
        begin.elapsed()
    );
    cache.stop().await;
}

#[tokio::test]
async fn a_quiet_log_is_told_of_once_and_a_busy_one_soon() {
    let (postgres, database) = with_table(&[]).await;
    let mut cache = Cache::of(&database).await;
    cache.catch_up(&postgres, &database).await;
    let mut writer = connect(&database).await;
    let mut lags = Vec::new();
    for _ in 0..300 {
        writer
            .simple_query("update t set n = n + 1 where id = 1")
            .await
            .unwrap();
        let begin = Instant::now();
        let end = position(
            writer
                .simple_query("select pg_current_wal_flush_lsn() as at")
                .await
                .unwrap()[0]
                .get("at")
                .unwrap(),
        );
        cache.view.until("the commit", |view| view.applied >= end).await;
        lags.push(begin.elapsed());
    }
    lags.sort();
    println!("commit to told: p50 {:?} p99 {:?}", lags[150], lags[297]);
    assert!(lags[150] < Duration::from_millis(20), "{:?}", lags[150]);
    let before = cache.follower().await.sequence;
    word_after(&postgres, "2s").await;
    let after = cache.follower().await;
    assert!(
        after.sequence - before < 10,
        "{} messages of nothing",
        after.sequence - before
    );
    assert!(
        after.lag_p99_ms > 0.0 && after.lag_p50_ms <= after.lag_p99_ms,
        "{after:?}"
    );
    let (_, metrics) = weir_testkit::http_get(cache.ops, "/metrics").await.unwrap();
    for shown in [
        "weir_cache_invalidation_lag_seconds_count{} 3",
        "weir_cache_follower_state{database=",
        "weir_cache_commits_total{} 3",
    ] {
        assert!(metrics.contains(shown), "{shown} is missing in {metrics}");
    }
    cache.stop().await;
}

#[tokio::test]
async fn commits_of_other_databases_move_the_log_on() {
    let postgres = logical(&[]).await;
    let database = postgres.database().await;
    let other = postgres.database().await;
    database.psql(TABLE).await;
    other.psql(TABLE).await;
    let mut cache = Cache::of(&database).await;
    let touched = cache.touched(&postgres, &other, "update t set n = 5").await;
    assert!(touched.tags.is_empty() && !touched.killed);
    // At the beginning of a segment the server's own position is behind the head of a page, where no record can be.
    let insert = other
        .psql("select pg_switch_wal(); select pg_current_wal_insert_lsn()")
        .await;
    let insert = position(insert.lines().last().unwrap());
    let reached = cache
        .view
        .until("what the server calls its position", |view| view.applied >= insert);
    tokio::time::timeout(Duration::from_secs(5), reached).await.unwrap();
    let follower = cache.follower().await;
    assert!(follower.slot.starts_with("weir_cache_"), "{follower:?}");
    cache.stop().await;
}
