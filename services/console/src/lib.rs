//! REST for programs, the live stream, and the dashboard that people look at.
//!
//! The console asks the other services and hears the bus; it decides nothing about their work. What it owns itself is
//! who may call it (tokens), what was asked of it (the audit), which rules were broken, and how healthy everything was.

mod auth;
pub mod bench;
mod desk;
mod exposition;
mod health;
mod http;
mod live;
mod metrics;
mod services;
mod settings;
mod store;
mod violations;

use std::sync::Arc;

use weir_bus::Bus;
use weir_config::SectionInfo;
use weir_footing::Tables;
use weir_runtime::{Ground, Service, StartError};
use weir_store::Migrations;

use auth::{Gate, Tokens};
use bench::Bench;
use http::Console;
use live::Hub;
use metrics::Metrics;
use services::Services;

pub use auth::{Grant, Keyring, Role, TokenFailure, TokenRow};
pub use desk::{AuditEntry, AuditWanted, Desk, ViolationRow, ViolationsWanted};
pub use settings::{ConsoleSettings, check};

/// The schema of its tables.
pub const SCHEMA: &str = "weir_console";

/// What is known of the console without starting it.
pub const SERVICE: Service = Service {
    name: "console",
    sections: || weir_footing::with_own_sections(SectionInfo::of::<ConsoleSettings>()),
    metrics: || weir_footing::with_own_metrics(Metrics::describe()),
    check: |sources| check(sources).and_then(|_| Bus::check(sources)),
    reloads: settings::reloads,
};

/// How its tables are made.
pub fn migrations() -> Vec<Migrations> {
    vec![Migrations::of_service(sqlx::migrate!())]
}

/// The OpenAPI document of every call, as the console serves it.
pub fn openapi() -> String {
    http::document()
}

/// Starts the console on its ground: the port first, then what serves it.
pub async fn start(ground: Ground, bus: Bus) -> Result<(), StartError> {
    let settings = check(&ground.sources)?;
    let listener = http::open(&ground, &settings).await?;
    let metrics = Arc::new(Metrics::register(&ground.registry));
    let tables = Tables::take(&ground, SCHEMA, migrations(), &bus)?;
    weir_footing::show_bus(&ground, &bus);
    let services = Services::at(&settings, &ground.sources)?;
    let tokens = Tokens::new(tables.store().clone(), ground.clock.clone());
    let gate = Gate::new(&ground.sources, tokens);
    let live = Hub::new(ground.clock.clone(), metrics);
    live::start(&ground, &bus, &live).await?;
    let bench = bench::Desk::new(
        &ground,
        Bench::of(&ground.sources, ground.clock.clone())?,
        tables.clone(),
    );
    let console = Console::new(&ground, settings.clone(), services, gate, tables, live, bench);
    violations::start(&ground, &bus, &console)?;
    live::take_figures(&ground, &console);
    health::start(&ground, &console);
    http::serve(&ground, listener, &settings, console)
}
