//! Who answers: reads on the standby, everything else on the primary, and nothing older than what a session wrote.

use weir_proto::common::v1::value::Kind;
use weir_proto::gateway::v1::ExecuteRequest;
use weir_testkit::eventually;
use weir_upstream::{Connection, TransactionStatus};

use super::Cluster;
use crate::gateway::{PATIENCE, only_value, request};
use crate::wire::{code, extended, value};

impl Cluster {
    /// A cluster with an empty table `t`, and `one` with one row.
    pub(super) async fn with_table(settings: &[(&str, &str)]) -> Self {
        let cluster = Self::start(settings).await;
        let tables = "create table t (id text); create table one (a int); insert into one values (1)";
        cluster.database.psql(tables).await;
        cluster
    }

    /// The standby replays nothing more, or goes on.
    async fn pause_replay(&self, is_paused: bool) {
        let call = if is_paused { "pause" } else { "resume" };
        let name = self.database.name();
        self.standby.psql(name, &format!("select pg_wal_replay_{call}()")).await;
        if is_paused {
            eventually("the pause", PATIENCE, || async {
                let state = self.standby.psql(name, "select pg_get_wal_replay_pause_state()").await;
                if state == "paused" { Ok(()) } else { Err(state) }
            })
            .await;
        }
    }

    /// Waits until a read of this client's is answered by this server.
    pub(super) async fn until_answered_by(&self, client: &mut Connection, port: &str) {
        eventually("an answer by the other", PATIENCE, async || {
            let found = value(client, PORT).await.unwrap();
            if found == port { Ok(()) } else { Err(found) }
        })
        .await;
    }

    fn port_of_primary(&self) -> String {
        self.primary.port().to_string()
    }

    pub(super) fn port_of_standby(&self) -> String {
        self.standby.port().to_string()
    }

    /// How many reads went this way.
    pub(super) async fn routed(&self, target: &str, reason: &str) -> u64 {
        let labels = format!("weir_reads_routed_total{{target=\"{target}\",reason=\"{reason}\"}}");
        let line = self.metrics(&labels).await;
        line.first()
            .map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }
}

/// A plain read that tells who answers it.
pub(super) const PORT: &str = "select current_setting('port')";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_reads_are_answered_by_the_standby_and_all_else_by_the_primary() {
    let cluster = Cluster::with_table(&[]).await;
    let (primary, standby) = (cluster.port_of_primary(), cluster.port_of_standby());
    let mut client = cluster.client().await;
    cluster.until_answered_by(&mut client, &standby).await;
    assert_eq!(
        extended(&mut client, PORT).await.unwrap().as_deref(),
        Some(standby.as_str())
    );
    // What the gateway keeps prepared, it keeps on the standby too.
    for _ in 0..3 {
        let answer = extended(&mut client, PORT).await.unwrap();
        assert_eq!(answer.as_deref(), Some(standby.as_str()));
    }
    for statement in [
        "/* weir:primary */ select current_setting('port')",
        "select current_setting('port') /* weir:primary */",
        "select inet_server_port()",
        "select current_setting('port') from pg_stat_activity limit 1",
        "select current_setting('port') from one for share",
        "show port",
        "begin; select current_setting('port'); commit",
    ] {
        let found = value(&mut client, statement).await;
        assert_eq!(found.as_deref(), Some(primary.as_str()), "{statement}");
    }
    // A function of the user's own may do anything, unless somebody vouches for it.
    let function = "create function whoami() returns text language sql stable as 'select current_setting(''port'')'";
    client.simple_query(function).await.unwrap();
    assert_eq!(
        value(&mut client, "select whoami()").await.as_deref(),
        Some(primary.as_str())
    );
    cluster.until_answered_by(&mut client, &standby).await;
    let vouched = "select whoami() /* weir:replica */";
    assert_eq!(value(&mut client, vouched).await.as_deref(), Some(standby.as_str()));
    // Settings go along.
    client.simple_query("set app.tenant = 'a'").await.unwrap();
    cluster.until_answered_by(&mut client, &standby).await;
    let tenant = "select current_setting('app.tenant') || current_setting('port')";
    assert_eq!(value(&mut client, tenant).await, Some(format!("a{standby}")));
    assert!(cluster.routed("replica", "fit").await > 0);
    let row = cluster.upstream(&cluster.standby).await;
    assert_eq!(
        (row[1].as_str(), row[5].as_str(), row[6].as_str()),
        ("standby", "no", "yes")
    );
}

#[tokio::test]
async fn a_url_that_leads_to_the_standby_is_as_good() {
    let cluster = Cluster::start_by_standby(&[]).await;
    let mut client = cluster.client().await;
    client.simple_query("create table t as select 1 as a").await.unwrap();
    let name = cluster.database.name();
    assert_eq!(cluster.primary.psql(name, "select a from t").await.trim(), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_finds_what_it_wrote_however_far_the_standby_is_behind() {
    let cluster = Cluster::with_table(&[("replica_lag_max", "1h")]).await;
    let (primary, standby) = (cluster.port_of_primary(), cluster.port_of_standby());
    let count = "select count(*) || ':' || current_setting('port') from t";
    let (mut writer, mut reader) = (cluster.client().await, cluster.client().await);
    cluster.until_answered_by(&mut writer, &standby).await;
    // As fast as it can: every write is followed by a read at once.
    for number in 1..=200 {
        writer.simple_query("insert into t values ('a')").await.unwrap();
        let found = value(&mut writer, count).await.unwrap();
        assert_eq!(found.split(':').next(), Some(number.to_string().as_str()));
    }
    cluster.until_answered_by(&mut writer, &standby).await;
    cluster.pause_replay(true).await;
    for (write, expected) in [
        ("insert into t values ('b')", "201"),
        ("begin; delete from t where id = 'b'; commit", "200"),
        (
            "with x as (insert into t values ('c') returning id) select id from x",
            "201",
        ),
        ("do $$ begin insert into t values ('d'); end $$", "202"),
    ] {
        writer.simple_query(write).await.unwrap();
        for _ in 0..10 {
            assert_eq!(
                value(&mut writer, count).await,
                Some(format!("{expected}:{primary}")),
                "{write}"
            );
            assert_eq!(
                extended(&mut writer, count).await.unwrap(),
                Some(format!("{expected}:{primary}"))
            );
        }
    }
    // One who has written nothing may see the past, and one with a write of its own goes on with its own.
    assert_eq!(value(&mut reader, count).await, Some(format!("200:{standby}")));
    assert!(cluster.routed("primary", "not_fresh").await >= 80);
    cluster.pause_replay(false).await;
    cluster.until_answered_by(&mut writer, &standby).await;
    assert_eq!(value(&mut writer, count).await, Some(format!("202:{standby}")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_find_what_their_project_wrote_and_tokens_what_they_stand_for() {
    let cluster = Cluster::with_table(&[("replica_lag_max", "1h")]).await;
    let standby = cluster.port_of_standby();
    let count = "select count(*) || ':' || current_setting('port') from t";
    let asked = |project: &str, min_token: &str| ExecuteRequest {
        project: project.to_owned(),
        min_token: min_token.to_owned(),
        ..request(count)
    };
    let text = |kind: Kind| match kind {
        Kind::Text(text) => text,
        other => panic!("{other:?}"),
    };
    let gateway = &cluster.gateway;
    let answer = |project: &'static str, token: String| async move {
        text(only_value(&gateway.execute(asked(project, &token)).await.unwrap()))
    };
    eventually("the standby to answer", PATIENCE, || async {
        let found = answer("other", String::new()).await;
        if found == format!("0:{standby}") {
            Ok(())
        } else {
            Err(found)
        }
    })
    .await;
    cluster.pause_replay(true).await;
    let write = ExecuteRequest {
        want_token: true,
        ..request("insert into t values ('a')")
    };
    let token = gateway.execute(write).await.unwrap().token;
    let primary = cluster.port_of_primary();
    assert_eq!(
        answer("", String::new()).await,
        format!("1:{primary}"),
        "its own project"
    );
    assert_eq!(
        answer("other", String::new()).await,
        format!("0:{standby}"),
        "another's"
    );
    assert_eq!(
        answer("other", token.clone()).await,
        format!("1:{primary}"),
        "with the token"
    );
    cluster.pause_replay(false).await;
    eventually("the standby to have the write", PATIENCE, || async {
        let found = answer("other", token.clone()).await;
        if found == format!("1:{standby}") {
            Ok(())
        } else {
            Err(found)
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_standby_cannot_do_is_asked_of_the_primary_unseen() {
    let cluster = Cluster::with_table(&[]).await;
    let standby = cluster.port_of_standby();
    let set_up = "create unlogged table u (a int); insert into u values (7);
                  create sequence s; create view numbers as select nextval('s') as n";
    cluster.database.psql(set_up).await;
    let mut client = cluster.client().await;
    cluster.until_answered_by(&mut client, &standby).await;
    // None of these shows what it needs.
    for (statement, expected) in [("select a from u", "7"), ("select n from numbers", "1")] {
        assert_eq!(
            value(&mut client, statement).await.as_deref(),
            Some(expected),
            "{statement}"
        );
    }
    assert_eq!(
        extended(&mut client, "select a from u").await.unwrap().as_deref(),
        Some("7")
    );
    assert_eq!(
        extended(&mut client, "select n from numbers").await.unwrap().as_deref(),
        Some("2")
    );
    assert_eq!(
        extended(&mut client, "select n from numbers").await.unwrap().as_deref(),
        Some("3")
    );
    assert_eq!(cluster.gateway.value("select n from numbers").await, Kind::Int64(4));
    assert!(cluster.routed("primary", "sent_again").await >= 5);
    // What is wrong with a statement itself is told once, as it is.
    let before = cluster.routed("primary", "sent_again").await;
    assert_eq!(code(&mut client, "select 1/0").await, "22012");
    assert_eq!(cluster.routed("primary", "sent_again").await, before);
    assert_eq!(code(&mut client, "select * from nowhere").await, "42P01");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_on_while_a_standby_dies_and_comes_back() {
    let mut cluster = Cluster::with_table(&[]).await;
    let (primary, standby) = (cluster.port_of_primary(), cluster.port_of_standby());
    let mut client = cluster.client().await;
    cluster.until_answered_by(&mut client, &standby).await;
    // One read is under way on it when it dies.
    let mut under_way = cluster.client().await;
    cluster.until_answered_by(&mut under_way, &standby).await;
    #[expect(clippy::disallowed_methods, reason = "the test is the caller, not a service")]
    let slow =
        tokio::spawn(
            async move { value(&mut under_way, "select pg_sleep(0.4)::text || current_setting('port')").await },
        );
    eventually("the read on the standby", PATIENCE, || async {
        let running =
            "select count(*) from pg_stat_activity where query like '%pg_sleep(0.4)%' and pid <> pg_backend_pid()";
        let count = cluster.standby.psql("postgres", running).await;
        if count == "1" { Ok(()) } else { Err(count) }
    })
    .await;
    cluster.standby.stop().await;
    for _ in 0..20 {
        assert_eq!(value(&mut client, PORT).await.as_deref(), Some(primary.as_str()));
        assert_eq!(
            extended(&mut client, PORT).await.unwrap().as_deref(),
            Some(primary.as_str())
        );
    }
    assert_eq!(slow.await.unwrap().as_deref(), Some(primary.as_str()));
    cluster.until_replica_reads("no").await;
    cluster.standby.start_again().await;
    cluster.until_answered_by(&mut client, &standby).await;
    let bans = cluster.metrics("weir_replica_bans_total").await;
    assert!(!bans.is_empty(), "{bans:?}");
    // Without its primary it goes on answering those who have written nothing, and those who come in.
    cluster.primary.stop().await;
    assert_eq!(value(&mut client, PORT).await.as_deref(), Some(standby.as_str()));
    let mut newcomer = cluster.client().await;
    assert_eq!(value(&mut newcomer, PORT).await.as_deref(), Some(standby.as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_too_far_behind_answers_nobody() {
    let cluster = Cluster::with_table(&[("replica_lag_max", "300ms")]).await;
    let (primary, standby) = (cluster.port_of_primary(), cluster.port_of_standby());
    let mut client = cluster.client().await;
    cluster.until_answered_by(&mut client, &standby).await;
    cluster.pause_replay(true).await;
    cluster.database.psql("insert into t values ('a')").await;
    cluster.until_answered_by(&mut client, &primary).await;
    let bans = cluster.metrics("weir_replica_bans_total").await;
    assert!(bans.iter().any(|line| line.contains("reason=\"lag\"")), "{bans:?}");
    let lag = cluster.metrics("weir_replica_lag_seconds").await;
    assert!(lag.iter().any(|line| line.contains(&standby)), "{lag:?}");
    cluster.pause_replay(false).await;
    cluster.until_answered_by(&mut client, &standby).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_only_reads_is_answered_by_the_standby_until_it_wants_more() {
    let mut cluster = Cluster::with_table(&[]).await;
    let (primary, standby) = (cluster.port_of_primary(), cluster.port_of_standby());
    let mut client = cluster.client().await;
    cluster.until_answered_by(&mut client, &standby).await;
    let is_open = |client: &Connection| client.transaction_status() == TransactionStatus::InTransaction;
    client.simple_query("begin read only").await.unwrap();
    for _ in 0..3 {
        assert_eq!(value(&mut client, PORT).await.as_deref(), Some(standby.as_str()));
        assert_eq!(
            extended(&mut client, PORT).await.unwrap().as_deref(),
            Some(standby.as_str())
        );
        assert!(is_open(&client));
    }
    client.simple_query("commit").await.unwrap();
    assert_eq!(client.transaction_status(), TransactionStatus::Idle);
    // What only the primary can do, and what fails on the standby only, goes on there.
    for (more, expected) in [
        ("savepoint a", None),
        ("select inet_server_port()", Some(primary.as_str())),
    ] {
        cluster.until_answered_by(&mut client, &standby).await;
        client.simple_query("start transaction read only").await.unwrap();
        assert_eq!(
            value(&mut client, PORT).await.as_deref(),
            Some(standby.as_str()),
            "{more}"
        );
        assert_eq!(value(&mut client, more).await.as_deref(), expected);
        assert_eq!(
            value(&mut client, PORT).await.as_deref(),
            Some(primary.as_str()),
            "{more}"
        );
        assert!(is_open(&client));
        client.simple_query("rollback").await.unwrap();
    }
    cluster
        .database
        .psql("create unlogged table u (a int); insert into u values (7)")
        .await;
    cluster.until_answered_by(&mut client, &standby).await;
    client.simple_query("begin read only").await.unwrap();
    assert_eq!(value(&mut client, PORT).await.as_deref(), Some(standby.as_str()));
    assert_eq!(value(&mut client, "select a from u").await.as_deref(), Some("7"));
    assert_eq!(code(&mut client, "insert into u values (8)").await, "25006");
    assert_eq!(code(&mut client, PORT).await, "25P02");
    client.simple_query("rollback").await.unwrap();
    // An error of the statement's own fails the transaction where it is.
    client.simple_query("begin read only").await.unwrap();
    assert_eq!(code(&mut client, "select 1/0").await, "22012");
    assert_eq!(code(&mut client, PORT).await, "25P02");
    client.simple_query("commit").await.unwrap();
    // One snapshot for all of it has to be the primary's.
    client
        .simple_query("begin isolation level repeatable read read only")
        .await
        .unwrap();
    assert_eq!(value(&mut client, PORT).await.as_deref(), Some(primary.as_str()));
    client.simple_query("commit").await.unwrap();
    // A standby that dies in the middle is not missed.
    cluster.until_answered_by(&mut client, &standby).await;
    client.simple_query("begin read only").await.unwrap();
    assert_eq!(value(&mut client, PORT).await.as_deref(), Some(standby.as_str()));
    cluster.standby.stop().await;
    assert_eq!(value(&mut client, PORT).await.as_deref(), Some(primary.as_str()));
    assert!(is_open(&client));
    client.simple_query("commit").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_rests_on_the_standby_goes_on_when_its_server_there_is_ended() {
    let cluster = Cluster::with_table(&[]).await;
    let (primary, standby) = (cluster.port_of_primary(), cluster.port_of_standby());
    let mut client = cluster.client().await;
    cluster.until_answered_by(&mut client, &standby).await;
    client.simple_query("begin read only").await.unwrap();
    assert_eq!(value(&mut client, PORT).await.as_deref(), Some(standby.as_str()));
    let rests = "select count(pg_terminate_backend(pid)) from pg_stat_activity where state = 'idle in transaction'";
    eventually("its server to rest", PATIENCE, || async {
        let ended = cluster.standby.psql("postgres", rests).await;
        if ended == "1" { Ok(()) } else { Err(ended) }
    })
    .await;
    assert_eq!(value(&mut client, PORT).await.as_deref(), Some(primary.as_str()));
    assert_eq!(client.transaction_status(), TransactionStatus::InTransaction);
    client.simple_query("commit").await.unwrap();
}
