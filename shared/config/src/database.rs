//! The PostgreSQL that Weir stands in front of: the one section that several services read.

use crate::RedactedUrl;

crate::section! {
    /// The PostgreSQL server that Weir stands in front of.
    pub struct DatabaseSettings("database") {
        /// Where it is: `postgres://user:password@host:port/database`.
        url: Option<RedactedUrl> = crate::unset(), also ["DATABASE_URL" in ""],
    }
}
