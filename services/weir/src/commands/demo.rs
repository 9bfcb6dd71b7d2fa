//! `weir demo`: a small shop's traffic through the gateway, so that there is something to see.

use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior};
use tonic::transport::Channel;
use weir_config::Sources;
use weir_proto::common::v1::Value;
use weir_proto::common::v1::value::Kind;
use weir_proto::gateway::v1::gateway_service_client::GatewayServiceClient;
use weir_proto::gateway::v1::{ExecuteRequest, Parameter};

use crate::connect::Services;
use crate::terminal::{Failure, say};

/// How often a line says what was done.
const REPORT_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Statements a second.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// Stop after this many statements; 0 runs until stopped.
    #[arg(long, default_value_t = 0)]
    count: u64,
}

/// One kind of statement in the shop: its text, how often it comes in a round, and how many parameters it takes.
struct Deed {
    sql: &'static str,
    parameters: usize,
    /// It comes once in this many statements.
    every: u64,
}

/// The first that fits a statement's number is run; the last fits always.
const DEEDS: &[Deed] = &[
    Deed {
        sql: "select pg_sleep(1.2), count(*) from shop.orders",
        parameters: 0,
        every: 1_500,
    },
    // Two that look like attacks and do no harm, so that there is something to see of them too. They are told of, not refused.
    Deed {
        sql: "select id, name from shop.products where id = $1 or 1 = 1 limit 5",
        parameters: 1,
        every: 1_009,
    },
    Deed {
        sql: "select id, name from shop.products where id = $1 union all select 0, current_user",
        parameters: 1,
        every: 4_001,
    },
    Deed {
        sql: "select status, count(*), sum(total) from shop.orders group by status order by 1",
        parameters: 0,
        every: 97,
    },
    Deed {
        sql: "update shop.products set stock = stock - 1 where id = $1 and stock > 0",
        parameters: 1,
        every: 7,
    },
    Deed {
        sql: "insert into shop.orders (customer_id, status, total) select id, 'new', 9.99 from shop.customers where id = $1",
        parameters: 1,
        every: 5,
    },
    Deed {
        sql: "select o.id, o.status, o.total from shop.orders o where o.customer_id = $1 order by o.id desc limit 20",
        parameters: 1,
        every: 3,
    },
    Deed {
        sql: "select id, name, price, stock from shop.products where id = $1",
        parameters: 1,
        every: 1,
    },
];

/// Customers and products of the sample schema.
const KEYS: u64 = 1_000;

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let gateway = Services(&sources).gateway().await?;
    let mut stop = signal(SignalKind::terminate())?;
    tokio::select! {
        done = drive(&arguments, gateway) => done,
        _ = stop.recv() => Ok(()),
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

async fn drive(arguments: &Arguments, gateway: GatewayServiceClient<Channel>) -> Result<(), Failure> {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / arguments.rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut running = futures_util::stream::FuturesUnordered::new();
    let (mut done, mut failed) = (0_u64, 0_u64);
    let mut reported = Instant::now();
    let mut number = 0;
    while arguments.count == 0 || done < arguments.count {
        let wanted = arguments.count == 0 || number < arguments.count;
        tokio::select! {
            _ = ticks.tick(), if wanted && running.len() < 64 => {
                number += 1;
                running.push(act(gateway.clone(), number));
            }
            Some(well) = futures_util::StreamExt::next(&mut running), if !running.is_empty() => {
                done += 1;
                failed += u64::from(!well);
            }
        }
        if reported.elapsed() >= REPORT_EVERY {
            reported = Instant::now();
            say(&format!("demo: {done} statements, {failed} failed"))?;
        }
    }
    say(&format!("demo: {done} statements, {failed} failed"))
}

async fn act(mut gateway: GatewayServiceClient<Channel>, number: u64) -> bool {
    let Some(deed) = DEEDS.iter().find(|deed| number.is_multiple_of(deed.every)) else {
        return true;
    };
    let key = Value {
        kind: Some(Kind::Int64(
            i64::try_from(scattered(number) % KEYS).unwrap_or_default() + 1,
        )),
    };
    let parameter = Parameter {
        value: Some(key),
        type_name: String::new(),
    };
    let request = ExecuteRequest {
        sql: deed.sql.to_owned(),
        parameters: vec![parameter; deed.parameters],
        application: "weir demo".to_owned(),
        ..ExecuteRequest::default()
    };
    gateway.execute(request).await.is_ok()
}

/// Numbers in a row become numbers all over the place (the finaliser of splitmix64).
const fn scattered(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
