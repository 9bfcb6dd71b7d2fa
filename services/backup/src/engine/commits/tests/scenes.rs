//! Single stories on a real server: what people see and what a restore asks.

use weir_proto::backup::v1 as proto;
use weir_proto::common::v1::PageRequest;

use super::super::find::{Commits, FoundCommit};
use super::super::index::path_of;
use super::super::indexer::Indexer;
use super::super::line::{Line, load};
use super::super::list::{Query, list};
use super::super::windows;
use super::server::{Archive, lsn};
use crate::grpc::commits::{list_commits, recovery_windows};
use crate::repo::manifest::Relation;
use crate::repo::wal::Segment;

async fn run(archive: &Archive, sql: &str) -> u32 {
    let sql = format!("begin; {sql}; select pg_current_xact_id(); commit");
    archive
        .server
        .psql("postgres", &sql)
        .await
        .lines()
        .last()
        .unwrap()
        .parse()
        .unwrap()
}

async fn commits(archive: &Archive) -> Commits<'static> {
    Commits::of(&archive.repository, 0).await.unwrap().unwrap()
}

async fn found(archive: &Archive, xid: u32) -> FoundCommit {
    commits(archive).await.transaction(xid).await.unwrap().unwrap()
}

fn of_table(table: &str, count: usize) -> Query {
    Query {
        table: table.to_owned(),
        count,
        ..Query::default()
    }
}

/// Of each change the table, and what happened to it.
fn told(commit: &FoundCommit) -> Vec<(&str, u64, u64, u64, bool)> {
    let change = |change: &'_ super::super::FoundChange| {
        let counts = change.counts;
        (counts.inserted, counts.updated, counts.deleted, counts.replaced)
    };
    let all = commit.changes.iter().map(|one| (one.table.as_str(), change(one)));
    all.map(|(table, (inserted, updated, deleted, replaced))| (table, inserted, updated, deleted, replaced))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_delete_that_did_the_harm_is_found_by_its_table() {
    let mut archive = Archive::start().await;
    archive
        .server
        .psql("postgres", "create table orders (id int primary key, note text)")
        .await;
    run(
        &archive,
        "insert into orders select g, repeat('x', 3000) from generate_series(1, 50) g",
    )
    .await;
    archive.switch().await;
    archive.bring().await;
    archive.indexed().await;
    let harm = run(&archive, "delete from orders where id > 10").await;
    let emptied = run(&archive, "truncate orders").await;
    // The files that it has now are noticed while they are written to.
    let again = run(&archive, "insert into orders values (1)").await;
    let mut indexer = Indexer::new(archive.keeper.clone());
    archive.bring_open(0).await;
    indexer.round().await.unwrap();
    let rewritten = run(&archive, "alter table orders alter id type bigint").await;
    archive.switch().await;
    archive.bring().await;
    indexer.round().await.unwrap();
    let last = run(&archive, "update orders set note = 'later'").await;
    archive.bring_open(0).await;

    let request = proto::ListCommitsRequest {
        table: "public.orders".to_owned(),
        database: "postgres".to_owned(),
        ..Default::default()
    };
    let answer = list_commits(&archive.keeper, &request).await.unwrap();
    let xids: Vec<u32> = answer.commits.iter().map(|commit| commit.xid).collect();
    assert_eq!(xids[..5], [last, rewritten, again, emptied, harm]);
    let change = |inserted, updated, deleted, replaced| proto::TableChange {
        table: "public.orders".to_owned(),
        inserted,
        updated,
        deleted,
        replaced,
    };
    // A rewrite inserts every row anew.
    let expected = [
        (0, 1, 0, false),
        (1, 0, 0, true),
        (1, 0, 0, false),
        (0, 0, 0, true),
        (0, 0, 40, false),
    ];
    for (commit, (inserted, updated, deleted, replaced)) in answer.commits.iter().zip(expected) {
        assert_eq!(
            commit.changes,
            vec![change(inserted, updated, deleted, replaced)],
            "{}",
            commit.xid
        );
        assert_eq!(
            (commit.database.as_str(), commit.position.unwrap().timeline),
            ("postgres", 1)
        );
    }
    assert_eq!(answer.page.unwrap().next_token, "");
    let none = list(&archive.repository, &of_table("public.nothing", 10))
        .await
        .unwrap();
    assert_eq!(none.commits, vec![]);

    let harm = found(&archive, harm).await;
    let request = proto::ListCommitsRequest {
        from_unix_ms: harm.unix_us.div_euclid(1_000),
        page: Some(PageRequest {
            size: 4,
            token: String::new(),
        }),
        ..request
    };
    let answer = list_commits(&archive.keeper, &request).await.unwrap();
    assert_eq!(
        answer.commits.iter().map(|commit| commit.xid).collect::<Vec<_>>(),
        xids[..4]
    );
    let next = proto::ListCommitsRequest {
        page: Some(PageRequest {
            size: 4,
            token: answer.page.unwrap().next_token,
        }),
        ..request.clone()
    };
    let answer = list_commits(&archive.keeper, &next).await.unwrap();
    assert_eq!(
        answer.commits.iter().map(|commit| commit.xid).collect::<Vec<_>>(),
        vec![harm.xid]
    );
    assert_eq!(answer.page.unwrap().next_token, "");
    let elsewhere = proto::ListCommitsRequest {
        cluster: "another".to_owned(),
        ..request
    };
    assert!(list_commits(&archive.keeper, &elsewhere).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_knows_names_where_no_server_can_be_asked() {
    let mut archive = Archive::start().await;
    archive.server.psql("postgres", "create table t (v int)").await;
    let ask = "select c.oid || ' ' || pg_relation_filenode(c.oid) || ' ' || d.oid
               from pg_class c, pg_database d where relname = 't' and datname = 'postgres'";
    let said = archive.server.psql("postgres", ask).await;
    let numbers: Vec<u32> = said.split(' ').map(|number| number.parse().unwrap()).collect();
    let xid = run(&archive, "insert into t values (1)").await;
    archive.bring_open(0).await;
    archive.server.stop().await;
    let nameless = found(&archive, xid).await;
    assert_eq!(
        (told(&nameless)[0].0, nameless.database.as_str()),
        (numbers[1].to_string().as_str(), "")
    );
    let relation = Relation {
        database: "postgres".to_owned(),
        database_oid: numbers[2],
        name: "public.t".to_owned(),
        oid: numbers[0],
        filenode: numbers[1],
        kind: "r".to_owned(),
        tablespace: 0,
    };
    archive.backed_up_with("a", 0, 0, vec![relation]).await;
    let named = found(&archive, xid).await;
    assert_eq!(
        (told(&named), named.database.as_str()),
        (vec![("public.t", 1, 0, 0, false)], "postgres")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_without_gap_or_repetition() {
    let mut archive = Archive::start().await;
    archive.server.psql("postgres", "create table t (v int)").await;
    let mut xids = Vec::new();
    for round in 0..6 {
        for _ in 0..3 {
            xids.push(run(&archive, "insert into t values (1)").await);
        }
        archive.switch().await;
        archive.bring().await;
        if round % 2 == 0 {
            archive.indexed().await;
        }
    }
    xids.push(run(&archive, "insert into t values (1)").await);
    archive.bring_open(0).await;
    xids.reverse();
    // Names are learnt only when something is indexed.
    archive.indexed().await;
    let mut paged = Vec::new();
    let mut query = of_table("public.t", 4);
    loop {
        let listed = list(&archive.repository, &query).await.unwrap();
        paged.extend(listed.commits.iter().map(|commit| commit.xid));
        query.before = listed.before;
        if query.before.is_none() {
            break;
        }
    }
    assert_eq!(paged, xids);
    let times: Vec<i64> = {
        let mut commits = commits(&archive).await;
        let mut times = Vec::new();
        for xid in &xids {
            times.push(commits.transaction(*xid).await.unwrap().unwrap().unix_us);
        }
        times
    };
    // Between any two moments there is what was committed between them.
    for (newest, oldest) in [(0, 18), (3, 9), (7, 7), (11, 16)] {
        let query = Query {
            from_unix_ms: times[oldest].div_euclid(1_000),
            until_unix_ms: times[newest].div_euclid(1_000) + 1,
            ..of_table("public.t", 100)
        };
        let listed = list(&archive.repository, &query).await.unwrap();
        let listed: Vec<u32> = listed.commits.iter().map(|commit| commit.xid).collect();
        let ms = |us: i64| us.div_euclid(1_000);
        let expected = xids
            .iter()
            .zip(&times)
            .filter(|(_, time)| ms(**time) >= ms(times[oldest]) && ms(**time) <= ms(times[newest]));
        assert_eq!(listed, expected.map(|(xid, _)| *xid).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_finds_its_moment() {
    let mut archive = Archive::start().await;
    archive.server.psql("postgres", "create table t (v int)").await;
    let mut xids = Vec::new();
    let mut points = Vec::new();
    for round in 0..8 {
        xids.push(run(&archive, "insert into t values (1)").await);
        let said = archive
            .server
            .psql(
                "postgres",
                &format!("select pg_create_restore_point('point {}')", round % 4),
            )
            .await;
        points.push(lsn(&said));
        if round % 3 == 2 {
            archive.switch().await;
            archive.bring().await;
            archive.indexed().await;
        }
    }
    archive.bring_open(0).await;
    let mut commits = commits(&archive).await;
    let mut all = Vec::new();
    for xid in &xids {
        all.push(commits.transaction(*xid).await.unwrap().unwrap());
    }
    assert_eq!(commits.transaction(4_000_000).await.unwrap(), None);
    for (at, commit) in all.iter().enumerate() {
        assert_eq!(commits.last_until(commit.end).await.unwrap().as_ref(), Some(commit));
        let before = commits.last_until(commit.end - 1).await.unwrap();
        let missing = commits.missing_after(commit.start, 3).await.unwrap();
        assert_eq!(missing[..], all[at..(at + 3).min(all.len())]);
        assert_eq!(
            before.map(|before| before.xid),
            at.checked_sub(1).map(|before| xids[before]).or(Some(xids[0] - 1))
        );
        // Who ends at its time has it; who ends before its time does not.
        let later = commits.first_later(0, commit.unix_us, false).await.unwrap();
        assert_eq!(later.as_ref(), all.get(at + 1));
        let here = commits.first_later(0, commit.unix_us, true).await.unwrap();
        assert_eq!(here.as_ref(), Some(commit));
        let from_there = commits.first_later(commit.end, 0, false).await.unwrap();
        assert_eq!(from_there.as_ref(), all.get(at + 1));
    }
    for (at, point) in points.iter().enumerate().take(4) {
        let name = format!("point {at}");
        let latest = commits.restore_point(&name, None).await.unwrap().unwrap();
        assert_eq!(latest.position.lsn, points[at + 4]);
        let first = commits.restore_point(&name, Some(0)).await.unwrap().unwrap();
        assert_eq!(first.position.lsn, *point);
        let next = commits.restore_point(&name, Some(*point)).await.unwrap().unwrap();
        assert_eq!(next, latest);
    }
    assert_eq!(commits.restore_point("point 9", None).await.unwrap(), None);
    let end = commits.end().await.unwrap().unwrap();
    assert!(end.lsn > all.last().unwrap().end && end.lsn <= archive.insert_position().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_leaves_nothing_open_and_loses_no_commit() {
    let mut archive = Archive::start().await;
    archive.server.psql("postgres", "create table t (v int)").await;
    let mut open = archive.connect("postgres").await;
    open.simple_query("begin").await.unwrap();
    open.simple_query("insert into t select generate_series(1, 100)")
        .await
        .unwrap();
    archive.switch().await;
    archive.bring().await;
    archive.server.stop().await;
    archive.server.start_again().await;
    let after = run(&archive, "insert into t values (1)").await;
    archive.server.psql("postgres", "checkpoint").await;
    archive.switch().await;
    archive.bring().await;
    archive.indexed().await;
    let line = Line::of(&archive.repository, 0).await.unwrap().unwrap();
    let first = load(&archive.repository, line.stretches[0].segment).await.unwrap();
    assert_eq!(first.open.len(), 1);
    let last = load(&archive.repository, line.stretches.last().unwrap().segment)
        .await
        .unwrap();
    assert_eq!((last.open.len(), last.broken.as_str()), (0, ""));
    assert_eq!(told(&found(&archive, after).await), vec![("public.t", 1, 0, 0, false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_begun_again_makes_the_same_indexes() {
    let mut archive = Archive::start().await;
    archive.server.psql("postgres", "create table t (v int)").await;
    for _ in 0..3 {
        run(&archive, "insert into t select generate_series(1, 1000)").await;
        archive.switch().await;
    }
    archive.bring().await;
    archive.indexed().await;
    let line = Line::of(&archive.repository, 0).await.unwrap().unwrap();
    let segments: Vec<Segment> = line.stretches.iter().map(|stretch| stretch.segment).collect();
    assert_eq!(segments.len(), 3);
    let mut before = Vec::new();
    for segment in &segments {
        before.push(load(&archive.repository, *segment).await.unwrap());
    }
    // One is lost, and one harmed.
    let shelf = archive.repository.shelf();
    let paths: Vec<String> = segments.iter().map(|segment| path_of(1, &segment.name())).collect();
    shelf.delete(&paths[1]).await.unwrap();
    shelf
        .put_over(&paths[2], bytes::Bytes::from_static(b"WEIR?"))
        .await
        .unwrap();
    let listed = list(&archive.repository, &of_table("public.t", 10)).await.unwrap();
    assert_eq!(listed.commits.len(), 3, "what cannot be read is read in the log");
    shelf.delete(&paths[2]).await.unwrap();
    archive.indexed().await;
    for (segment, before) in segments.iter().zip(before) {
        assert_eq!(load(&archive.repository, *segment).await.unwrap(), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_end_where_log_is_missing_or_cannot_be_read() {
    let archive = Archive::start().await;
    archive.server.psql("postgres", "create table t (v int)").await;
    let mut ends = Vec::new();
    for _ in 0..9 {
        let xid = run(&archive, "insert into t values (1)").await;
        archive.switch().await;
        ends.push((xid, archive.insert_position().await));
    }
    let size = u64::from(archive.segment_bytes);
    let segment = |number: u64| Segment {
        timeline: 1,
        number: archive.first + number,
        bytes: archive.segment_bytes,
    };
    for number in 0..9 {
        let mut content = archive.file(segment(number));
        // One is missing, and one was harmed before it came.
        if number == 5 {
            content[5_000..].fill(0);
            content[60] ^= 1;
        }
        if number != 2 {
            archive
                .repository
                .put_segment(segment(number), &content, 1)
                .await
                .unwrap();
        }
    }
    let start = |number: u64| segment(number).start();
    for (id, number) in [("a", 0), ("b", 1), ("c", 3), ("d", 4), ("e", 7), ("across", 5)] {
        archive
            .backed_up(
                id,
                start(number) + 40,
                start(number) + 100 + if id == "across" { size } else { 0 },
            )
            .await;
    }
    for _ in 0..2 {
        let found = windows(&archive.repository).await.unwrap();
        let ids: Vec<Vec<&str>> = found
            .iter()
            .map(|window| window.backups.iter().map(String::as_str).collect())
            .collect();
        assert_eq!(ids, vec![vec!["a", "b"], vec!["c", "d"], vec!["e"]]);
        assert_eq!(found[0].from.lsn, start(0) + 100);
        assert!(found[0].to.lsn > start(1) && found[0].to.lsn <= start(2));
        assert_eq!(found[1].to.lsn, start(5) + 40, "nothing of the harmed one can be read");
        assert!(found[2].to.lsn > start(8));
        let first = found_commit(&archive, ends[7].0).await;
        let last = found_commit(&archive, ends[8].0).await;
        assert_eq!((found[2].from_unix_ms, found[2].to_unix_ms), (first, last));
        // The second time with indexes.
        archive.indexed().await;
    }
    let answer = recovery_windows(&archive.keeper, &proto::GetRecoveryWindowsRequest::default())
        .await
        .unwrap();
    assert_eq!(answer.windows.len(), 3);
    assert_eq!(answer.windows[2].backup_ids, vec!["e"]);
}

async fn found_commit(archive: &Archive, xid: u32) -> i64 {
    found(archive, xid).await.unix_us.div_euclid(1_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_standby_goes_on_on_its_own_timeline() {
    // A standby takes no fewer prepared transactions than its primary.
    let mut archive = Archive::start_with(&[]).await;
    archive.server.psql("postgres", "create table t (v int)").await;
    let standby = archive.server.standby("heir").await;
    let before = run(&archive, "insert into t values (1)").await;
    archive.switch().await;
    let forked = run(&archive, "insert into t values (2)").await;
    let said = archive.server.psql("postgres", "select pg_current_wal_lsn()").await;
    weir_testkit::eventually("the standby has it", std::time::Duration::from_secs(20), async || {
        let there = standby
            .psql("postgres", &format!("select pg_last_wal_replay_lsn() >= '{said}'"))
            .await;
        (there == "t").then_some(())
    })
    .await;
    standby.promote().await;
    // The old primary does not know yet.
    let lost = run(&archive, "insert into t select generate_series(1, 7)").await;
    let heir = "begin; insert into t values (3), (4); select pg_current_xact_id(); commit";
    let heir: u32 = standby
        .psql("postgres", heir)
        .await
        .lines()
        .last()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(heir, lost, "both give out the same number");
    archive
        .backed_up("old", archive.first * u64::from(archive.segment_bytes) + 40, lsn(&said))
        .await;
    archive.switch().await;
    archive.bring().await;
    archive.indexed().await;
    let alone = windows(&archive.repository).await.unwrap();
    assert_eq!(alone.len(), 1);

    let wal = standby.data_dir().join("pg_wal");
    let history = std::fs::read(wal.join("00000002.history")).unwrap();
    archive.repository.put_history(2, &history).await.unwrap();
    // What the old one wrote after the fork does not lead to the new timeline.
    let told = list(
        &archive.repository,
        &Query {
            count: 5,
            ..Query::default()
        },
    )
    .await
    .unwrap();
    assert_eq!(
        told.commits.first().map(|commit| (commit.xid, commit.timeline)),
        Some((forked, 1))
    );
    standby.psql("postgres", "select pg_switch_wal()").await;
    let end = lsn(&standby.psql("postgres", "select pg_current_wal_lsn()").await);
    let size = u64::from(archive.segment_bytes);
    for number in lsn(&said) / size..end / size {
        let segment = Segment {
            timeline: 2,
            number,
            bytes: archive.segment_bytes,
        };
        let content = std::fs::read(wal.join(segment.name())).unwrap();
        archive.repository.put_segment(segment, &content, 1).await.unwrap();
    }
    for _ in 0..2 {
        let listed = list(
            &archive.repository,
            &Query {
                count: 5,
                ..Query::default()
            },
        )
        .await
        .unwrap();
        let told: Vec<(u32, u32, u64)> = listed
            .commits
            .iter()
            .filter_map(|commit| Some((commit.xid, commit.timeline, commit.changes.first()?.counts.inserted)))
            .filter(|(xid, ..)| *xid >= before)
            .collect();
        assert_eq!(told, vec![(heir, 2, 2), (forked, 1, 1), (before, 1, 1)]);
        let mut old = Commits::of(&archive.repository, 1).await.unwrap().unwrap();
        let of_old = old.transaction(lost).await.unwrap().unwrap();
        assert_eq!((of_old.timeline, of_old.changes[0].counts.inserted), (1, 7));
        let found = windows(&archive.repository).await.unwrap();
        let ends: Vec<u32> = found.iter().map(|window| window.to.timeline).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(ends.contains(&1) && ends.contains(&2));
        archive.indexed().await;
    }
}
