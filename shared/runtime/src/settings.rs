//! The `[runtime]` section.

use std::time::Duration;

use weir_config::unset;
use weir_model::Secret;

weir_config::section! {
    /// How every process of Weir starts and stops.
    pub struct RuntimeSettings("runtime") {
        /// How long in-flight work may take after the first signal; then it is cut off and the exit status is not zero.
        shutdown_grace: Duration = "25s",
        /// What callers from other machines show (`Authorization: Bearer …`) to see the settings of a service at its ops port, or to have them read again. Without it only callers from the same machine may. The console and the command line show it where they have it.
        ops_token: Option<Secret> = unset(),
    }
}
