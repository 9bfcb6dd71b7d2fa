//! The `[runtime]` section.

use std::time::Duration;

weir_config::section! {
    /// How every process of Weir starts and stops.
    pub struct RuntimeSettings("runtime") {
        /// How long in-flight work may take after the first signal; then it is cut off and the exit status is not zero.
        shutdown_grace: Duration = "25s",
    }
}
