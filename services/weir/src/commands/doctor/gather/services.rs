//! Each service, at its gRPC port and at its ops port.

use std::net::SocketAddr;

use futures_util::future::join_all;
use serde_json::Value as Json;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::wishes::Door;
use super::{Asker, Wishes};
use crate::commands::doctor::facts::{Known, Missing, Report, Service};
use crate::connect::channel;
use crate::http::Place;
use crate::terminal::Failure;

/// HTTP tells the time in whole seconds.
const DATE_STEP_MS: i64 = 1_000;

pub(super) async fn all(asker: &Asker, wishes: &Wishes) -> Vec<Service> {
    join_all(wishes.doors.iter().map(|door| one(asker, *door))).await
}

async fn one(asker: &Asker, (name, grpc, ops): Door) -> Service {
    let Some(grpc) = grpc else {
        return with_one_door(asker, name, ops).await;
    };
    let place = Place::ops(ops, &asker.sources);
    let (serves, report) = tokio::join!(asker.within(serves(name, grpc)), asker.within(report(asker, place)));
    Service {
        name,
        grpc: grpc.to_string(),
        serves: serves.and_then(|status| status),
        ops: ops.to_string(),
        report,
    }
}

/// What answers there serves there.
async fn with_one_door(asker: &Asker, name: &'static str, ops: SocketAddr) -> Service {
    let report = asker.within(report(asker, Place::console(&asker.sources))).await;
    Service {
        name,
        grpc: ops.to_string(),
        serves: report.as_ref().map(|_| ()).map_err(Clone::clone),
        ops: ops.to_string(),
        report,
    }
}

/// Asks the health of the whole server, which every service has.
async fn serves(name: &str, grpc: SocketAddr) -> Result<Known<()>, Failure> {
    let mut health = HealthClient::new(channel(name, grpc).await?);
    let asked = health.check(HealthCheckRequest::default()).await;
    // What answers and knows no health is no service of Weir's.
    Ok(asked
        .map(drop)
        .map_err(|status| format!("it answers, but not as a service: {}", status.message())))
}

async fn report(asker: &Asker, place: Result<Place, Failure>) -> Result<Report, Failure> {
    let before_ms = asker.clock.unix_ms();
    let answer = place?.get("readyz").await?;
    let clock = answer
        .date_unix_ms()
        .map(|told| asker.gap(before_ms, told, DATE_STEP_MS));
    let told: Json = serde_json::from_str(&answer.body).map_err(|_| "it answers, but not as a service")?;
    Ok(Report { clock, ..read(&told) })
}

fn read(told: &Json) -> Report {
    let dependencies = told.get("dependencies").and_then(Json::as_array);
    Report {
        ready: told.get("ready").and_then(Json::as_bool).unwrap_or(false),
        away: dependencies.into_iter().flatten().filter_map(missing).collect(),
        version: told.get("version").and_then(Json::as_str).map(str::to_owned),
        descriptors_max: told.get("descriptors_max").and_then(Json::as_u64),
        clock: None,
    }
}

fn missing(dependency: &Json) -> Option<Missing> {
    let text = |name| {
        dependency
            .get(name)
            .and_then(Json::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    (text("state") != "up").then(|| Missing {
        name: text("name"),
        reason: text("reason"),
        optional: dependency.get("optional").and_then(Json::as_bool).unwrap_or(false),
    })
}
