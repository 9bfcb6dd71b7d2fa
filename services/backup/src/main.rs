//! The backup service as a process of its own.

use std::process::ExitCode;

use weir_backup::{SERVICE, start};
use weir_bus::Bus;

fn main() -> ExitCode {
    // What PostgreSQL's archive_command and restore_command call.
    if let Some(status) = weir_backup::wal_helper(std::env::args_os().skip(1)) {
        return status;
    }
    weir_runtime::service_main(SERVICE, |ground| async {
        let bus = Bus::open(&ground.sources, SERVICE.name).await?;
        start(ground, bus).await
    })
}
