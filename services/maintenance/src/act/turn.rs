//! One maintenance run at a time on a server, whoever runs it.

use super::{Limits, Session};
use crate::error::Error;
use weir_upstream::Target;

/// The advisory lock that stands for the turn. It is asked for in the database that Weir stands in front of, for such
/// locks are a database's own. The numbers are the letters of the name.
const TAKE: &str = "select pg_catalog.pg_try_advisory_lock(1464158546, 1)";

/// The turn, until it is dropped or its connection is lost.
pub(crate) struct Turn {
    _session: Session,
}

impl Turn {
    /// Takes it. None: somebody else has it.
    pub(crate) async fn take(target: &Target, name: &str, limits: Limits) -> Result<Option<Self>, Error> {
        let mut session = Session::open(target, name, limits).await?;
        let rows = session.connection().simple_query(TAKE).await?;
        let taken = rows.first().and_then(|row| row.values().next().flatten()) == Some("t");
        Ok(taken.then_some(Self { _session: session }))
    }
}
