//! The `[cache]` section.

use std::net::SocketAddr;
use std::time::Duration;

use weir_config::{DatabaseSettings, Error, Origin, Sources, Tables, Texts};
use weir_upstream::Target;

use crate::policy::WrittenRule;
use crate::rules;

weir_config::section! {
    /// What gateways need to answer repeated reads from memory: the log followed, statements studied, rules kept.
    pub struct CacheSettings("cache") {
        /// Where gRPC is served.
        grpc_listen: SocketAddr = "127.0.0.1:7003",
        /// Where health and metrics are served.
        ops_listen: SocketAddr = "127.0.0.1:8003",
        /// Further databases of the server whose log is followed, besides that of `database.url`.
        databases: Texts = "",
        /// Further servers of the same cluster, as `host:port`: whichever is the primary is followed.
        servers: Texts = "",
        /// Whether event triggers and the publication may be made and kept in the databases. Otherwise an operator makes them.
        manage: bool = "true",
        /// The name of the publication whose tables are followed.
        publication: String = "weir_cache",
        /// Longest wait for a connection to a database that is followed.
        connect_timeout: Duration = "5s",
        /// Longest pause between two attempts to follow a database.
        retry_max: Duration = "5s",
        /// Tags of one transaction that are told one by one; a transaction with more is told by tables.
        transaction_tags_max: usize = "10000",
        /// Longest wait until an order to make results invalid has been told.
        invalidate_timeout: Duration = "5s",
        /// Rules about what is cached: tables with project, fingerprint or table (`schema.name`; neither: the whole project), mode (auto, always, never or dry-run), consistency (strict, session, bounded or ttl), bound, ttl, empty_ttl, result_bytes_max, for a whole project memory_bytes_max, and note. Others are put by calls. See docs/guides/cache-rules.md. Changes on reload.
        rules: Tables<WrittenRule> = "[]",
    }
}

impl CacheSettings {
    /// The servers of the cluster: that of the URL, then the others.
    pub(crate) fn targets(&self, first: &Target) -> Result<Vec<Target>, Error> {
        let mut all = vec![first.clone()];
        for door in &self.servers.0 {
            let target = first.at(door);
            let wrong = |error| Error::invalid("cache.servers", Origin::File, format!("{door:?}: {error}"));
            all.push(target.map_err(wrong)?);
        }
        Ok(all)
    }

    /// The databases that are followed: that of the URL, then the others.
    pub(crate) fn followed(&self, first: &Target) -> Vec<String> {
        let mut all = vec![first.database().to_owned()];
        for database in &self.databases.0 {
            if !all.contains(database) {
                all.push(database.clone());
            }
        }
        all
    }

    fn check(&self, first: &Target) -> Result<(), Error> {
        self.targets(first)?;
        let wrong = |key, reason: &str| Err(Error::invalid(key, Origin::File, reason.to_owned()));
        if self.publication.is_empty() || self.publication.len() > 63 {
            return wrong("cache.publication", "a name of 1 to 63 bytes is expected");
        }
        if self.transaction_tags_max == 0 {
            return wrong("cache.transaction_tags_max", "at least one tag must be told");
        }
        for (key, limit) in [
            ("cache.connect_timeout", self.connect_timeout),
            ("cache.retry_max", self.retry_max),
            ("cache.invalidate_timeout", self.invalidate_timeout),
        ] {
            if limit.is_zero() {
                return wrong(key, "it must be more than nothing");
            }
        }
        Ok(())
    }
}

/// Whether a reload takes a setting over.
pub(crate) fn reloads(key: &str) -> bool {
    key == "cache.rules"
}

/// Validates the settings as the start would, and finds the database.
pub fn check(sources: &Sources) -> Result<(CacheSettings, Target), Error> {
    let settings: CacheSettings = sources.section()?;
    rules::check_file(&settings.rules.0)?;
    let database: DatabaseSettings = sources.section()?;
    let Some(url) = database.url else {
        let reason = "the cache needs a PostgreSQL to follow; set DATABASE_URL";
        return Err(Error::invalid(
            "database.url",
            weir_config::Origin::File,
            reason.to_owned(),
        ));
    };
    match Target::parse(url.secret().expose()) {
        Ok(target) => settings.check(&target).map(|()| (settings, target)),
        Err(error) => Err(Error::Refused(format!("setting database.url: {error}"))),
    }
}
