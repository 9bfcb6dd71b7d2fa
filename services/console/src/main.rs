//! The console as a process of its own.

use std::process::ExitCode;

use weir_bus::Bus;
use weir_console::{SERVICE, start};

fn main() -> ExitCode {
    weir_runtime::service_main(SERVICE, |ground| async {
        let bus = Bus::open(&ground.sources, SERVICE.name).await?;
        start(ground, bus).await
    })
}
