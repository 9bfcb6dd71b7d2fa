//! The view of real servers, whatever version is there: what is staged has to be seen, and nothing else.

mod cost;
mod figures;
mod sessions;
mod trouble;

use std::time::Duration;

use tokio::sync::watch;
use weir_config::Sources;
use weir_model::Clock;
use weir_proto::monitor::v1 as api;
use weir_runtime::{Ground, Outcome, Stage, Tasks};
use weir_testkit::eventually;
use weir_upstream::{ConnectOptions, Connection, Target};

use super::Servers;
use crate::detect::{Metric, Reading};
use crate::observe::Board;

const SOON: Duration = Duration::from_secs(30);

/// A watch at work.
struct Scene {
    tasks: Tasks,
    board: Board,
    servers: Servers,
    ground: Ground,
}

impl Scene {
    fn of(url: &str) -> Self {
        Self::with(url, &[])
    }

    fn with(url: &str, settings: &[(&str, &str)]) -> Self {
        let all = [("DATABASE_URL", url)];
        let all = all.iter().chain(settings);
        let all: Vec<_> = all
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let sources = Sources::load(None, all).unwrap();
        let settings = crate::settings::check(&sources).unwrap();
        let (_, reloaded) = watch::channel(sources.clone());
        let tasks = Tasks::new();
        let ground = Ground::new(sources, reloaded, tasks.clone(), Clock::system());
        let board = Board::new(Clock::system());
        let servers = super::start(&ground, &settings, &board).unwrap();
        Self {
            tasks,
            board,
            servers,
            ground,
        }
    }

    fn readings(&self) -> Vec<Reading> {
        self.board
            .read()
            .remove("server")
            .map(|sheet| sheet.readings.clone())
            .unwrap_or_default()
    }

    /// The first of these with such a label.
    fn reading(&self, metric: Metric, label: &'static str, value: &str) -> Option<Reading> {
        let mut readings = self.readings().into_iter();
        readings.find(|reading| reading.metric == metric && reading.labels.get(label).is_some_and(|own| own == value))
    }

    async fn reads(&self, metric: Metric, label: &'static str, value: &str) -> Reading {
        let what = format!("a reading {} of {label} {value}", metric.0);
        eventually(&what, SOON, async || self.reading(metric, label, value)).await
    }

    async fn reads_nothing(&self, metric: Metric, label: &'static str, value: &str) {
        let what = format!("no reading {} of {label} {value}", metric.0);
        eventually(&what, SOON, async || match self.reading(metric, label, value) {
            Some(reading) => Err(format!("{reading:?}")),
            None => Ok(()),
        })
        .await;
    }

    fn server(&self, port: u16) -> api::Server {
        let upstream = format!("127.0.0.1:{port}");
        let found = self.servers.get(&api::GetServerRequest { upstream });
        found.servers.into_iter().next().unwrap()
    }

    /// The server as soon as it looks so.
    async fn sees(&self, port: u16, what: &str, looks: impl Fn(&api::Server) -> bool) -> api::Server {
        eventually(what, SOON, async || {
            let server = self.server(port);
            if looks(&server) {
                Ok(server)
            } else {
                Err(format!("{server:?}"))
            }
        })
        .await
    }

    async fn has_asked_everything(&self, port: u16) -> api::Server {
        let is_optional = |probe: &api::ServerProbe| ["statements", "texts", "io"].contains(&probe.name.as_str());
        self.sees(port, "every question to be answered", |server| {
            server.probes.len() == 13
                && server
                    .probes
                    .iter()
                    .all(|probe| probe.answers_total > 0 || is_optional(probe))
        })
        .await
    }

    async fn stop(self) {
        let ended = self.tasks.descend(Duration::from_secs(5)).await;
        assert_eq!(ended, Outcome::Clean);
    }
}

fn probe<'s>(server: &'s api::Server, name: &str) -> &'s api::ServerProbe {
    server.probes.iter().find(|probe| probe.name == name).unwrap()
}

fn database<'s>(server: &'s api::Server, name: &str) -> &'s api::ServerDatabase {
    server
        .databases
        .iter()
        .find(|database| database.database == name)
        .unwrap()
}

/// A session of some application.
async fn session(url: &str, application: &str) -> Connection {
    let options = ConnectOptions {
        application_name: Some(application.to_owned()),
        ..ConnectOptions::default()
    };
    Connection::connect(&Target::parse(url).unwrap(), options)
        .await
        .unwrap()
}

async fn run(connection: &mut Connection, sql: &str) {
    connection.simple_query(sql).await.unwrap();
}

/// Runs a statement that will have to wait.
fn wait_in(tasks: &Tasks, mut connection: Connection, sql: &'static str) {
    tasks.spawn_short(Stage::Doors, "a session that waits", async move {
        // It is ended with the test, or by the server.
        let _ = connection.simple_query(sql).await;
    });
}
