//! A connection on which statements are parsed by PostgreSQL itself, as a role and under a `search_path`, and nothing of
//! them is run.
//!
//! The trick is the body of an SQL function: PostgreSQL keeps it as the tree that its own analysis made of the statement,
//! with every name resolved. The transaction around is always rolled back.
//!
//! To parse is not quite to run nothing: the constant `'{1}'::name[]` is read at once, and if `name` is a domain, its
//! check is called, which may be anybody's function. The connection may have every right there is. So a text is parsed
//! inside a SECURITY DEFINER function that belongs to the role it would run as: there it has that role's rights, and no
//! way to others (PostgreSQL refuses SET ROLE and SET SESSION AUTHORIZATION there). As that role could also change the
//! function, each is called once. Questions of ours are asked with `search_path = pg_catalog, pg_temp`; whatever runs
//! while it is theirs is written with the schema's name.

use std::time::Duration;

use weir_proto::cache::v1::Refusal;
use weir_upstream::{ConnectOptions, Connection, Error, Row, Target};

use super::survey::refusal;
use super::tree::{self, Value};

/// A function has no more parameters than this.
pub(super) const PARAMETERS_MAX: usize = 100;
/// Time for one question, and for all of a study.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(2);
/// Time to wait for somebody who changes a definition.
const LOCK_TIMEOUT: Duration = Duration::from_millis(500);

/// Why a statement could not be studied to the end.
#[derive(Debug)]
pub(super) enum Stop {
    /// It is the statement's own fault: the answer is no.
    Refused(Refusal),
    /// It may work next time.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Stop {
    fn refused(rule: &str, detail: impl Into<String>) -> Self {
        Self::Refused(refusal(rule, detail))
    }
}

/// A connection for studies.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) connection: Connection,
    /// Constants are written with the low byte first.
    pub(super) little_endian: bool,
    /// Texts of the database are UTF-8.
    pub(super) utf8: bool,
    /// The server's own `search_path` is hidden behind one of this user or database.
    hides_path: bool,
}

/// A statement as PostgreSQL understood it.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) tree: Value,
    /// The types of its parameters.
    pub(super) parameters: Vec<u32>,
}

impl Session {
    pub(super) async fn open(target: &Target) -> Result<Self, Error> {
        let options = ConnectOptions {
            application_name: Some("weir cache study".to_owned()),
            parameters: [
                ("client_encoding", "UTF8"),
                ("DateStyle", "ISO"),
                ("IntervalStyle", "postgres"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            ..ConnectOptions::default()
        };
        let mut connection = Connection::connect(target, options).await?;
        let facts = connection.simple_query(FACTS).await?;
        let facts = facts.first();
        let is = |column: &str| facts.is_some_and(|facts| facts.flag(column).unwrap_or(false));
        Ok(Self {
            little_endian: is("little_endian"),
            utf8: is("utf8"),
            hides_path: is("hides_path"),
            connection,
        })
    }

    /// Begins a transaction in which texts of a role can be parsed. [`Session::end`] must follow.
    pub(super) async fn begin(&mut self, role: &str, search_path: &str) -> Result<Frame, Stop> {
        self.connection.simple_query(&opening()).await?;
        if role.is_empty() || role.eq_ignore_ascii_case("none") || role.contains('\0') || search_path.contains('\0') {
            return Err(Stop::refused("role", "no role by this name can exist"));
        }
        let path = match search_path {
            "" => self.own_path(role).await?,
            given => given.to_owned(),
        };
        let frame = Frame {
            schema: format!("weir_study_{}", self.connection.process_id()),
            path: format!("select pg_catalog.set_config('search_path', {}, true)", literal(&path)),
            role: identifier(role),
            made: 0,
        };
        let (schema, role) = (&frame.schema, &frame.role);
        let schema = format!("create schema {schema} authorization {role}; set local role {role}; set local role none");
        self.try_it(&schema, "role").await?;
        self.try_it(&frame.path, "search_path").await?;
        self.connection.simple_query(OUR_PATH).await?;
        Ok(frame)
    }

    /// Forgets everything. Whether the connection may be used again.
    pub(super) async fn end(&mut self) -> bool {
        !self.connection.is_broken()
            && self
                .connection
                .simple_query("rollback; deallocate all; select pg_catalog.pg_advisory_unlock_all()")
                .await
                .is_ok()
    }

    /// The `search_path` that a session of this role begins with.
    async fn own_path(&mut self, role: &str) -> Result<String, Stop> {
        let question = OWN_PATH.replace("$role", &literal(role));
        let rows = self.connection.simple_query(&question).await?;
        if let Some(own) = rows.first().and_then(|row| row.get("path")) {
            return Ok(own.to_owned());
        }
        if self.hides_path {
            let advice = "the cache service cannot see the server's search_path behind its own; send the statement's";
            return Err(Stop::refused("search_path", advice));
        }
        let rows = self.connection.simple_query(SERVER_PATH).await?;
        let path = rows.first().and_then(|row| row.get("path")).unwrap_or_default();
        Ok(path.to_owned())
    }

    async fn try_it(&mut self, sql: &str, rule: &str) -> Result<Vec<Row>, Stop> {
        self.connection
            .simple_query(sql)
            .await
            .map_err(|error| stop(error, rule))
    }

    /// Has PostgreSQL parse a text, which must be one statement.
    pub(super) async fn parse(&mut self, frame: &mut Frame, sql: &str, types: &[u32]) -> Result<Parsed, Stop> {
        frame.made += 1;
        let types = self.names_of(types).await?.join(", ");
        self.try_it(&frame.cell(), "role").await?;
        self.connection.simple_query(&frame.path).await?;
        let parsed = self.try_it(&frame.call(&types, sql), "parse").await;
        if parsed.is_ok() {
            self.connection.simple_query(OUR_PATH).await?;
        }
        parsed?;
        let rows = self.connection.simple_query(&frame.body()).await?;
        let body = rows.first().ok_or_else(too_complex)?;
        let tree = body
            .get("body")
            .and_then(tree::read)
            .and_then(single)
            .ok_or_else(too_complex)?;
        let parameters = body.get("types").unwrap_or_default().split_ascii_whitespace();
        let parameters = parameters.filter_map(|oid| oid.parse().ok()).collect();
        Ok(Parsed { tree, parameters })
    }

    /// The numbers of types, by names as a statement has them.
    pub(super) async fn types(&mut self, search_path: &str, names: &[String]) -> Result<Vec<u32>, Stop> {
        self.connection.simple_query(&opening()).await?;
        if search_path.contains('\0') || names.iter().any(|name| name.contains('\0')) {
            return Err(Stop::refused("type", "no type and no schema by this name can exist"));
        }
        if !search_path.is_empty() {
            let path = format!(
                "select pg_catalog.set_config('search_path', {}, true)",
                literal(search_path)
            );
            self.try_it(&path, "search_path").await?;
        }
        let mut types = Vec::with_capacity(names.len());
        for name in names {
            types.push(self.type_of(name).await?);
        }
        Ok(types)
    }

    async fn type_of(&mut self, name: &str) -> Result<u32, Stop> {
        if name.is_empty() {
            return Ok(0);
        }
        let question = format!("select pg_catalog.to_regtype({})::pg_catalog.oid as oid", literal(name));
        let rows = self.try_it(&question, "type").await?;
        let found = rows.first().and_then(|row| row.parse("oid").ok());
        found.ok_or_else(|| Stop::refused("type", format!("there is no type {name}")))
    }

    /// Sets a mark to which [`Session::back`] returns, and with it forgets a text that did not parse.
    pub(super) async fn mark(&mut self) -> Result<(), Stop> {
        self.connection.simple_query("savepoint before").await?;
        Ok(())
    }

    pub(super) async fn back(&mut self) -> Result<(), Stop> {
        self.connection.simple_query("rollback to before").await?;
        Ok(())
    }

    /// Types as arguments of a function. 0, and what a client calls `unknown`, is to be inferred.
    async fn names_of(&mut self, types: &[u32]) -> Result<Vec<String>, Stop> {
        if types.is_empty() {
            return Ok(Vec::new());
        }
        let numbers: Vec<String> = types.iter().map(u32::to_string).collect();
        let rows = self
            .connection
            .simple_query(&TYPE_NAMES.replace("$oids", &numbers.join(",")))
            .await?;
        let names: Vec<String> = rows
            .iter()
            .filter_map(|row| row.get("name"))
            .map(str::to_owned)
            .collect();
        if names.len() == types.len() {
            Ok(names)
        } else {
            Err(Stop::refused("type", "the type of a parameter does not exist"))
        }
    }
}

/// Where texts of one role are parsed, in one transaction.
#[derive(Debug)]
pub(super) struct Frame {
    /// The schema in which everything is made.
    schema: String,
    /// The command that makes `search_path` theirs.
    path: String,
    /// The role, quoted.
    role: String,
    /// Texts parsed so far.
    made: u32,
}

impl Frame {
    /// Makes the function in which the next text is parsed, with the role's rights and no others.
    fn cell(&self) -> String {
        let Self { schema, role, made, .. } = self;
        format!(
            "set local role {role};
             grant usage on schema {schema} to public;
             create function {schema}.parse_{made}(pg_catalog.text, pg_catalog.text) returns pg_catalog.void
                 language plpgsql security definer as {};
             set local role none",
            literal(&CELL.replace("$schema", schema).replace("$made", &made.to_string()))
        )
    }

    /// Calls it: the text is prepared to learn the types of its parameters, and becomes the body of a function with
    /// such parameters.
    fn call(&self, types: &str, sql: &str) -> String {
        let Self { schema, made, .. } = self;
        let types = if types.is_empty() {
            String::new()
        } else {
            format!("({types})")
        };
        let prepare = literal(&format!("prepare study_{made}{types} as\n{sql}\n"));
        let sql = literal(sql);
        format!("select {schema}.parse_{made}({prepare}::pg_catalog.text, {sql}::pg_catalog.text)")
    }

    fn body(&self) -> String {
        BODY.replace("$schema", &self.schema)
            .replace("$made", &self.made.to_string())
    }
}

const CELL: &str = "
    declare
        types pg_catalog.text;
    begin
        execute $1;
        select pg_catalog.string_agg(pg_catalog.format('%I.%I', n.nspname, t.typname), ', ' order by p.place)
          into types
          from pg_catalog.pg_prepared_statements s
          cross join lateral pg_catalog.unnest(s.parameter_types) with ordinality p(type, place)
          join pg_catalog.pg_type t on t.oid operator(pg_catalog.=) p.type::pg_catalog.oid
          join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) t.typnamespace
          where s.name operator(pg_catalog.=) 'study_$made';
        execute pg_catalog.format(
            E'create function $schema.study_$made(%s) returns pg_catalog.void language sql begin atomic\n%s\n;\nend',
            types, $2);
    end";

const BODY: &str = "
    select p.prosqlbody::text as body, p.proargtypes::text as types
      from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where n.nspname = '$schema' and p.proname = 'study_$made'";

const OUR_PATH: &str = "set local search_path = pg_catalog, pg_temp";

/// What is asked once. Only a superuser may keep the server from writing down what is studied, with its literals.
const FACTS: &str = "
    select version() ~ '(x86_64|aarch64|arm64|riscv64|loongarch64|powerpc64le|ppc64le)' as little_endian,
        current_setting('server_encoding') = 'UTF8' as utf8,
        (select s.source in ('database', 'user', 'database user', 'client') from pg_catalog.pg_settings s
          where s.name = 'search_path') as hides_path;
    select set_config(name, value, false)
      from (values ('log_statement', 'none'), ('log_min_duration_statement', '-1'), ('log_min_error_statement', 'panic'),
        ('log_min_messages', 'fatal'),
        ('pg_stat_statements.track', 'none'), ('pgaudit.log', 'none')) quiet(name, value)
      where (select rolsuper from pg_catalog.pg_roles where rolname = current_user);";

const OWN_PATH: &str = "
    select substr(setting, length('search_path=') + 1) as path from pg_db_role_setting s, unnest(s.setconfig) setting
      where setting like 'search\\_path=%'
        and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
        and s.setrole in (0, (select oid from pg_roles where rolname = $role))
      order by s.setrole = 0, s.setdatabase = 0 limit 1";

const SERVER_PATH: &str = "select reset_val as path from pg_settings where name = 'search_path'";

const TYPE_NAMES: &str = "
    select case when wanted.oid in (0, 705) then 'unknown' else format('%I.%I', n.nspname, t.typname) end as name
      from unnest(array[$oids]::oid[]) with ordinality wanted(oid, place)
      left join pg_type t on t.oid = wanted.oid left join pg_namespace n on n.oid = t.typnamespace
      where wanted.oid in (0, 705) or n.oid is not null order by place";

fn opening() -> String {
    format!(
        "begin isolation level read committed read write;
         set local search_path = pg_catalog, pg_temp;
         set local statement_timeout = {};
         set local lock_timeout = {};
         set local idle_in_transaction_session_timeout = 10000;
         set local standard_conforming_strings = on;
         set local transform_null_equals = off;
         set local check_function_bodies = off",
        STATEMENT_TIMEOUT.as_millis(),
        LOCK_TIMEOUT.as_millis()
    )
}

/// The one statement of a function's body.
fn single(body: Value) -> Option<Value> {
    match body.nodes().as_slice() {
        [query] if query.is(&["QUERY"]) => Some(Value::Node((*query).clone())),
        _ => None,
    }
}

fn too_complex() -> Stop {
    Stop::refused("too_complex", "its parsed form is too deep or too long")
}

/// A refusal where the server refused the statement as such, a failure where it may do better next time.
fn stop(error: Error, rule: &str) -> Stop {
    let passing = ["08", "25", "40", "53", "55", "57", "58"];
    match error.server() {
        Some(server) if server.sqlstate == "54023" => Stop::refused(
            "too_many_parameters",
            format!("more than {PARAMETERS_MAX} parameters; pass an array instead"),
        ),
        Some(server) if server.sqlstate == "42501" && rule == "role" => Stop::refused(
            "study_rights",
            format!(
                "the user of the cache service may not act as the role ({}); it must be its member, and needs CREATE on \
                 the database",
                server.message
            ),
        ),
        Some(server) if server.sqlstate == "42501" => Stop::refused(
            rule,
            format!(
                "the user of the cache service may not study it ({}); it needs TEMPORARY on the database",
                server.message
            ),
        ),
        Some(server) if !passing.iter().any(|class| server.sqlstate.starts_with(class)) => {
            Stop::refused(rule, server.message.clone())
        }
        _ => Stop::Failed(error),
    }
}

pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
