//! A server's name that comes to lead elsewhere: new connections, idle ones, and those in use.
//!
//! The server is behind two relays, at the same port of two addresses; what the name leads to is the test's to say.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use weir_testkit::{Database, PostgresOptions, eventually, free_port, http_get};
use weir_upstream::{ConnectOptions, Connection, LookUp, Resolve, Target};

use crate::gateway::{Gate, Gateway, PATIENCE, database, request};

const NAME: &str = "db.test";
const OLD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 1));
const NEW: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));
/// So many look-ups are enough for everything that may come of them.
const MANY: usize = 12;

/// What the name leads to.
#[derive(Debug, Clone)]
enum Answer {
    All(Vec<IpAddr>),
    /// One after the other.
    InTurn(Vec<IpAddr>),
    Failure,
}

#[derive(Debug)]
struct Hosts {
    answer: Mutex<Answer>,
    looked_up: AtomicUsize,
}

impl Resolve for Hosts {
    fn look_up<'l>(&'l self, name: &'l str, port: u16) -> LookUp<'l> {
        assert_eq!(name, NAME);
        let turn = self.looked_up.fetch_add(1, Ordering::SeqCst);
        let found = match self.answer.lock().unwrap().clone() {
            Answer::All(all) => Ok(all),
            Answer::InTurn(all) => Ok(vec![all[turn % all.len()]]),
            Answer::Failure => Err(io::Error::other("nobody knows this name")),
        };
        Box::pin(async move { Ok(found?.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()) })
    }
}

impl Hosts {
    fn leading_to(ip: IpAddr) -> Arc<Self> {
        Arc::new(Self {
            answer: Mutex::new(Answer::All(vec![ip])),
            looked_up: AtomicUsize::default(),
        })
    }

    fn say(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    async fn until_looked_up_often(&self) {
        let before = self.looked_up.load(Ordering::SeqCst);
        eventually("look-ups", PATIENCE, || async {
            let since = self.looked_up.load(Ordering::SeqCst) - before;
            if since >= MANY { Ok(()) } else { Err(since.to_string()) }
        })
        .await;
    }
}

/// The way to the server by one address.
struct Relay {
    open: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Relay {
    async fn at(ip: IpAddr, port: u16, database: &Database) -> Self {
        let url = database.url();
        let server: SocketAddr = url.split(['@', '/']).nth(3).unwrap().parse().unwrap();
        let listener = TcpListener::bind((ip, port)).await.unwrap();
        let open = Arc::new(AtomicUsize::default());
        let count = open.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut pipes = JoinSet::new();
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let count = count.clone();
                count.fetch_add(1, Ordering::SeqCst);
                pipes.spawn(async move {
                    let mut far = TcpStream::connect(server).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    count.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { open, _tasks: tasks }
    }

    fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    async fn until_open(&self, what: &str, wanted: usize) {
        eventually(what, PATIENCE, || async {
            let open = self.open();
            if open == wanted { Ok(()) } else { Err(open.to_string()) }
        })
        .await;
    }
}

/// The server by both of its addresses, and the URL that goes by the name.
async fn both(database: &Database) -> (Relay, Relay, String, u16) {
    let port = free_port();
    let old = Relay::at(OLD, port, database).await;
    let new = Relay::at(NEW, port, database).await;
    let url = format!("postgres://postgres@{NAME}:{port}/{}", database.name());
    (old, new, url, port)
}

async fn closed_for(gateway: &Gateway, reason: &str) -> f64 {
    let (_, metrics) = http_get(gateway.ops_port, "/metrics").await.unwrap();
    let line = metrics
        .lines()
        .find(|line| line.starts_with("weir_pool_connections_closed_total{") && line.contains(reason));
    line.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn idle_connections_follow_the_name_at_once_and_busy_ones_after_their_use() {
    // Where `postgres` is trusted and `app` has a password, for which the door has a connection of its own.
    let options = PostgresOptions::new().user("app", "secret");
    let options = options.hba("host all postgres 127.0.0.1/32 trust");
    let server = options.hba("host all app 127.0.0.1/32 scram-sha-256").start().await;
    let database = server.database().await;
    let (old, new, url, port) = both(&database).await;
    let hosts = Hosts::leading_to(OLD);
    // Another member, which is away, so that the first one is asked what it is on a connection for that.
    let other = format!("127.0.0.3:{port}");
    let settings = [
        ("pool_max", "3"),
        ("pool_min", "3"),
        ("idle_timeout", "1h"),
        ("dns_check_every", "50ms"),
        ("replicas", other.as_str()),
        ("reads", "primary"),
    ];
    let gateway = Gateway::resolved_by(hosts.clone(), &url, &settings).await;
    let door = format!(
        "postgres://app:secret@127.0.0.1:{}/{}",
        gateway.wire_port,
        database.name()
    );
    let door = Target::parse(&door).unwrap();
    let client = Connection::connect(&door, ConnectOptions::default()).await.unwrap();
    // Three of one pool and one of the other, one that watches, one that looks users up.
    old.until_open("all connections", 6).await;
    let gate = Gate::shut(&database).await;
    let busy = gateway.begin(request(Gate::PASS));
    eventually("a call that runs", PATIENCE, || async {
        let crowd = gate.crowd(&database).await;
        if crowd == 1 { Ok(()) } else { Err(crowd.to_string()) }
    })
    .await;

    hosts.say(Answer::All(vec![NEW]));
    old.until_open("the busy connection alone", 1).await;
    // Two of the pool, and the one that watches. Nobody has come in since.
    new.until_open("the rest of them", 3).await;
    hosts.until_looked_up_often().await;
    assert_eq!(old.open(), 1, "it was cut off");
    gate.open().await;
    busy.await.unwrap().unwrap();
    old.until_open("no connection", 0).await;
    new.until_open("a whole pool", 4).await;
    assert_eq!(
        (closed_for(&gateway, "dns").await, closed_for(&gateway, "broken").await),
        (4.0, 0.0)
    );
    client.close().await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_look_up_that_fails_or_takes_turns_changes_nothing() {
    let database = database().await;
    let (old, new, url, _) = both(&database).await;
    let hosts = Hosts::leading_to(OLD);
    let settings = [
        ("pool_max", "2"),
        ("pool_min", "2"),
        ("idle_timeout", "1h"),
        ("dns_check_every", "20ms"),
    ];
    let gateway = Gateway::resolved_by(hosts.clone(), &url, &settings).await;
    old.until_open("the minimum", 2).await;
    let in_turn = Answer::InTurn(vec![NEW, NEW, OLD]);
    for answer in [Answer::Failure, Answer::All(Vec::new()), in_turn] {
        hosts.say(answer.clone());
        hosts.until_looked_up_often().await;
        // What is to be closed is closed within a second; a call shows that the pool was looked after since.
        gateway.run("select pg_sleep(1.2)").await.unwrap();
        let pool = gateway.pool().await;
        assert_eq!((old.open(), new.open(), pool.closed_total), (2, 0, 0), "{answer:?}");
    }
    hosts.say(Answer::All(vec![NEW]));
    new.until_open("the minimum", 2).await;
    old.until_open("no connection", 0).await;
}

#[tokio::test]
async fn new_connections_look_the_name_up_even_where_old_ones_are_not_followed() {
    let database = database().await;
    let (old, new, url, _) = both(&database).await;
    let hosts = Hosts::leading_to(OLD);
    let settings = [
        ("pool_max", "2"),
        ("pool_min", "1"),
        ("idle_timeout", "1h"),
        ("dns_check_every", "0s"),
    ];
    let gateway = Gateway::resolved_by(hosts.clone(), &url, &settings).await;
    old.until_open("the minimum", 1).await;
    hosts.say(Answer::All(vec![NEW]));
    let gate = Gate::shut(&database).await;
    let calls = [(); 2].map(|()| gateway.begin(request(Gate::PASS)));
    new.until_open("a new connection", 1).await;
    gate.open().await;
    for call in calls {
        call.await.unwrap().unwrap();
    }
    // It looks every second whether the setting has changed.
    gateway.run("select pg_sleep(2.5)").await.unwrap();
    assert_eq!((old.open(), new.open()), (1, 1));
    assert_eq!(
        hosts.looked_up.load(Ordering::SeqCst),
        2,
        "one look-up for each connection"
    );
}
