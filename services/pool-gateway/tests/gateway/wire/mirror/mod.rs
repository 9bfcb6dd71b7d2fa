//! A share of what clients do is done once more on another database.

mod absence;
mod compared;
mod reads;
mod sampled;
mod writes;

use weir_testkit::{Database, eventually, http_get};
use weir_upstream::{Command, ConnectOptions, Connection, Parameter};

use super::Stage;
use crate::gateway::{PATIENCE, database};

/// A gateway before one database that mirrors to another.
struct Mirrored {
    stage: Stage,
    shadow: Database,
}

/// A function that the test vouches for as a read. The mirror's tells what it was called with.
const NOTE: &str = "select note($1) /* weir:replica */";
/// On the database itself it does nothing.
const NOTES_NOTHING: &str = "create function note(what text) returns text language sql as 'select what'";
const NOTES: &str = "create table seen (id serial, what text, tenant text, transaction xid8, pid int);
    create function note(what text) returns text language sql as $$
        insert into seen (what, tenant, transaction, pid)
        values (what, current_setting('app.tenant', true), pg_current_xact_id(), pg_backend_pid()) returning what $$";

impl Mirrored {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let shadow = database().await;
        Self::with_shadow(&shadow.url(), &shadow, settings).await
    }

    /// A mirror that is reached at this address.
    async fn with_shadow(url: &str, shadow: &Database, settings: &[(&str, &str)]) -> Self {
        let own = [("mirror_url", url), ("pool_max", "8"), ("pool_min", "0")];
        let all: Vec<_> = own.iter().chain(settings).copied().collect();
        let stage = Stage::with(&all).await;
        stage.database.psql(NOTES_NOTHING).await;
        Self {
            stage,
            shadow: shadow.clone(),
        }
    }

    /// The same with a mirror that takes notes.
    async fn noting(settings: &[(&str, &str)]) -> Self {
        let mirrored = Self::start(settings).await;
        mirrored.shadow.psql(NOTES).await;
        mirrored
    }

    async fn client(&self) -> Connection {
        self.stage.client().await
    }

    async fn named(&self, application: &str) -> Connection {
        let options = ConnectOptions {
            application_name: Some(application.to_owned()),
            ..ConnectOptions::default()
        };
        self.stage.try_client(options).await.unwrap()
    }

    /// A metric with these labels; 0 where it does not show.
    async fn metric(&self, series: &str) -> f64 {
        let text = http_get(self.stage.gateway.ops_port, "/metrics").await.unwrap().1;
        let value = text.lines().find_map(|line| {
            let rest = line.strip_prefix(series)?;
            rest.strip_prefix("{}").unwrap_or(rest).strip_prefix(' ')
        });
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    async fn transactions(&self, fate: &str, reason: &str) -> f64 {
        let series = format!("weir_mirror_transactions_total{{fate=\"{fate}\",reason=\"{reason}\"}}");
        self.metric(&series).await
    }

    async fn until_ran(&self, wanted: u32) {
        self.until_fate("ran", "whole", wanted).await;
    }

    async fn until_fate(&self, fate: &str, reason: &str, wanted: u32) {
        eventually("the mirror to have done this", PATIENCE, || async {
            let found = self.transactions(fate, reason).await;
            if found == f64::from(wanted) { Ok(()) } else { Err(found) }
        })
        .await;
    }

    async fn requests(&self, outcome: &str) -> f64 {
        self.metric(&format!("weir_mirror_requests_total{{outcome=\"{outcome}\"}}"))
            .await
    }

    async fn errors(&self, server: &str, mirror: &str) -> f64 {
        let series = format!("weir_mirror_errors_total{{server=\"{server}\",mirror=\"{mirror}\"}}");
        self.metric(&series).await
    }

    /// What the mirror noted, in order.
    async fn seen(&self) -> String {
        self.shadow
            .psql("select string_agg(what, ' ' order by id) from seen")
            .await
    }
}

/// Asks for a note by the extended protocol, without a name.
async fn note(client: &mut Connection, what: &str) {
    let parameters = [Parameter::text(what)];
    let rows = client.run(&Command::text(NOTE, &parameters)).await.unwrap();
    rows.finish().await.unwrap();
}
