//! The extensions that this session may use, and the schemas that they are in.

use weir_upstream::Connection;

use crate::error::Error;

const TOOLS: &str = "
    select (select pg_catalog.quote_ident(n.nspname) from pg_catalog.pg_extension e
            join pg_catalog.pg_namespace n on n.oid = e.extnamespace
            where e.extname = 'pageinspect' and pg_catalog.current_setting('is_superuser') = 'on') as pageinspect,
        (select pg_catalog.quote_ident(n.nspname) from pg_catalog.pg_extension e
            join pg_catalog.pg_namespace n on n.oid = e.extnamespace
            where e.extname = 'pgstattuple' and not exists (
                select from pg_catalog.pg_depend d join pg_catalog.pg_proc p on p.oid = d.objid
                where d.refobjid = e.oid and d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
                    and p.proname in ('pgstattuple', 'pgstattuple_approx', 'pgstatindex')
                    and not pg_catalog.has_function_privilege(p.oid, 'execute'))) as pgstattuple";

/// Schemas, quoted.
pub(super) struct Tools {
    pub(super) pageinspect: Option<String>,
    pub(super) pgstattuple: Option<String>,
}

impl Tools {
    /// The one that would be used if it were there.
    pub(super) const fn missing(&self) -> Option<&'static str> {
        match (&self.pageinspect, &self.pgstattuple) {
            (Some(_), _) => None,
            (None, _) => Some("pageinspect"),
        }
    }
}

/// What is there. Whether pages may be read is known for certain only when it is tried: the functions ask for a
/// superuser themselves.
pub(super) async fn find(connection: &mut Connection) -> Result<Tools, Error> {
    let rows = connection.simple_query(TOOLS).await?;
    let schema = |name: &str| rows.first().and_then(|row| row.get(name)).map(str::to_owned);
    Ok(Tools {
        pageinspect: schema("pageinspect"),
        pgstattuple: schema("pgstattuple"),
    })
}
