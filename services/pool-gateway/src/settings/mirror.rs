//! Settings of the mirror: where it is, what it is sent, and whether that makes sense.

use weir_config::{Error, Origin};
use weir_upstream::Target;

use super::GatewaySettings;

weir_config::choice! {
    /// What a share of is mirrored.
    pub enum SampleBy {
        /// Each transaction by itself.
        Transaction = "transaction",
        /// All transactions of a session, or none.
        Session = "session",
    }
}

impl GatewaySettings {
    /// Where the mirror is, if there is one. `servers` are those that the gateway stands before.
    pub fn mirror(&self, servers: &[Target]) -> Result<Option<Target>, Error> {
        let wrong = |key: &str, reason: &str| Err(Error::invalid(format!("gateway.{key}"), Origin::File, reason));
        if !(0.0..=1.0).contains(&self.mirror_share) {
            return wrong("mirror_share", "it is a share between 0 and 1");
        }
        if self.mirror_statement_timeout.is_zero() {
            return wrong(
                "mirror_statement_timeout",
                "nothing can be done in no time; give a duration",
            );
        }
        if self.mirror_connections == 0 || self.mirror_queue_max == 0 {
            return wrong(
                "mirror_connections",
                "the mirror needs a connection and a place in its queue",
            );
        }
        let Some(url) = &self.mirror_url else { return Ok(None) };
        let target = Target::parse(url.secret().expose());
        let target = target.map_err(|error| Error::Refused(format!("setting gateway.mirror_url: {error}")))?;
        let is_itself = |server: &Target| {
            let same_database = server.database() == target.database();
            same_database && server.host() == target.host() && server.port() == target.port()
        };
        if servers.iter().any(is_itself) {
            return wrong(
                "mirror_url",
                "this is the database that would be mirrored; a mirror is another one",
            );
        }
        Ok(Some(target))
    }
}

#[cfg(test)]
mod tests {
    use weir_config::Sources;

    use super::super::check;

    fn refusal(settings: &[(&str, &str)]) -> String {
        let own = [("DATABASE_URL", "postgres://u:secret@h/d")];
        let all = own
            .iter()
            .chain(settings)
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        match check(&Sources::load(None, all.collect::<Vec<_>>()).unwrap()) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_mirror_that_makes_no_sense_is_refused() {
        let url = "WEIR_GATEWAY__MIRROR_URL";
        assert_eq!(refusal(&[(url, "postgres://u@h/other")]), "");
        assert_eq!(refusal(&[(url, "postgres://u@h:5433/d")]), "");
        for (key, value, said) in [
            (url, "postgres://other:hidden@h/d", "gateway.mirror_url"),
            (url, "postgres://u:hidden@h:x/d", "gateway.mirror_url"),
            ("WEIR_GATEWAY__MIRROR_SHARE", "1.5", "gateway.mirror_share"),
            ("WEIR_GATEWAY__MIRROR_SHARE", "NaN", "gateway.mirror_share"),
            ("WEIR_GATEWAY__MIRROR_CONNECTIONS", "0", "gateway.mirror_connections"),
            (
                "WEIR_GATEWAY__MIRROR_STATEMENT_TIMEOUT",
                "0s",
                "gateway.mirror_statement_timeout",
            ),
            ("WEIR_GATEWAY__MIRROR_SAMPLE_BY", "query", "mirror_sample_by"),
        ] {
            let found = refusal(&[(key, value)]);
            assert!(found.contains(said) && !found.contains("hidden"), "{key}: {found}");
        }
    }
}
