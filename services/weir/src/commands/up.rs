//! `weir up`: the same `start` of every service, in one process, on one bus.

use std::process::ExitCode;

use weir_bus::Bus;
use weir_config::Sources;

use crate::commands::config::SERVICES;

pub(super) fn run(sources: Sources) -> ExitCode {
    weir_runtime::exit_with("weir", async {
        weir_runtime::live(
            "weir",
            sources,
            SERVICES,
            |[gateway, monitor, cache, scheduler, maintenance, backup, console]| async move {
                let bus = Bus::open(&gateway.sources, "weir").await?;
                weir_pool_gateway::start(gateway, bus.clone()).await?;
                weir_query_monitor::start(monitor, bus.clone()).await?;
                weir_cache::start(cache, bus.clone()).await?;
                weir_scheduler::start(scheduler, bus.clone()).await?;
                weir_maintenance::start(maintenance, bus.clone()).await?;
                weir_backup::start(backup, bus.clone()).await?;
                weir_console::start(console, bus).await
            },
        )
        .await
    })
}
