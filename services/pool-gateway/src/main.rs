//! The gateway as a process of its own.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;
use weir_bus::Bus;
use weir_pool_gateway::{SERVICE, start_alone};

#[global_allocator]
static MEMORY: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    weir_runtime::service_main(SERVICE, |ground| async {
        let bus = Bus::open(&ground.sources, SERVICE.name).await?;
        start_alone(ground, bus).await
    })
}
