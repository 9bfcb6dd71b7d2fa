//! The backup service as a process of its own.

use std::process::ExitCode;

use weir_backup::{SERVICE, start};
use weir_bus::Bus;

fn main() -> ExitCode {
    weir_runtime::service_main(SERVICE, |ground| async {
        let bus = Bus::open(&ground.sources, SERVICE.name).await?;
        start(ground, bus).await
    })
}
