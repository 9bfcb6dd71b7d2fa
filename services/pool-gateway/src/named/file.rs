//! The catalogue's file: TOML to a [`Book`], or one line that says where it is wrong and how. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use weir_config::Setting as _;
use weir_model::Project;
use weir_sql::{Kind, Limits};

use super::resolve::{self, Written};
use super::text::{Translated, translate};
use super::{Book, Digest, Named, Parameter, Standings};
use crate::client::type_oid;
use crate::settings::Consistency;

/// A longer file is none of ours.
pub(crate) const FILE_BYTES_MAX: u64 = 1 << 20;
const STATEMENTS_MAX: usize = 1_000;
const NAME_BYTES_MAX: usize = 128;
const TEXT: u32 = 25;
const VARCHAR: u32 = 1043;
const BYTEA: u32 = 17;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStatement {
    sql: String,
    #[serde(default)]
    description: String,
    projects: Option<Vec<String>>,
    database: Option<String>,
    consistency: Option<String>,
    #[serde(default = "yes")]
    read: bool,
    expires_at: Option<String>,
    empty_ttl: Option<String>,
    #[serde(default)]
    parameters: BTreeMap<String, WrittenParameter>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenParameter {
    r#type: Option<String>,
    digest: Option<String>,
    #[serde(default)]
    secret: bool,
}

const fn yes() -> bool {
    true
}

/// Reads a catalogue. The error is one line.
pub(crate) fn read(text: &str) -> Result<Book, String> {
    let mut table: toml::Table = text.parse().map_err(|error| syntax(text, &error))?;
    let written = table.remove("statements").unwrap_or_else(|| toml::Table::new().into());
    let toml::Value::Table(written) = written else {
        return Err("statements is no table; write [statements.NAME] for each".to_owned());
    };
    let resolve = table.remove("resolve_session");
    if let Some(unknown) = table.keys().next() {
        return Err(format!(
            "unknown key {unknown}; there are statements and resolve_session"
        ));
    }
    if written.len() > STATEMENTS_MAX {
        return Err(format!(
            "{} statements; at most {STATEMENTS_MAX} are kept",
            written.len()
        ));
    }
    let mut statements = BTreeMap::new();
    for (name, value) in written {
        let named = named(&name, value).map_err(|reason| format!("statement {name:?}: {reason}"))?;
        statements.insert(name, named);
    }
    bind(statements, resolve)
}

fn bind(mut statements: BTreeMap<String, Named>, resolve: Option<toml::Value>) -> Result<Book, String> {
    let in_place = |reason: String| format!("[resolve_session]: {reason}");
    let written: Option<Written> = match resolve {
        Some(value) => Some(typed(value).map_err(in_place)?),
        None => None,
    };
    if let Some(written) = &written {
        resolve::check(written, &mut statements).map_err(in_place)?;
    }
    let statements = statements
        .into_iter()
        .map(|(name, named)| (name, Arc::new(named)))
        .collect();
    let resolve = written.and_then(|written| resolve::bind(written, &statements));
    Ok(Book { statements, resolve })
}

fn syntax(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    format!("line {line}: {}", one_line(error.message()))
}

fn typed<T: serde::de::DeserializeOwned>(value: toml::Value) -> Result<T, String> {
    let typed: Result<T, toml::de::Error> = value.try_into();
    typed.map_err(|error| one_line(error.message()))
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

fn named(name: &str, value: toml::Value) -> Result<Named, String> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(format!(
            "a name has 1 to {NAME_BYTES_MAX} bytes, and no control character"
        ));
    }
    let written: WrittenStatement = typed(value)?;
    let translated = translate(&written.sql)?;
    let fingerprint = judge(&translated.sql, written.read)?;
    of_reads_only(&written, &translated)?;
    let consistency = written.consistency.as_deref().map(consistency).transpose()?;
    let needs = written.expires_at.iter().cloned().collect();
    Ok(Named {
        name: name.to_owned(),
        description: one_line(&written.description),
        fingerprint,
        parameters: parameters(translated.names, written.parameters)?,
        sql: translated.sql,
        projects: projects(written.projects)?,
        database: written.database.map(database).transpose()?,
        consistency,
        reads: written.read,
        expires_at: written.expires_at,
        empty_ttl: written.empty_ttl.as_deref().map(empty_ttl).transpose()?,
        needs,
        standings: Standings::default(),
    })
}

/// Looks at what a statement does, and says its fingerprint.
fn judge(sql: &str, must_read: bool) -> Result<String, String> {
    let found = weir_sql::analyse(sql, Limits::default());
    if !found.parsed || found.statements == 0 {
        return Err("its sql is no statement that PostgreSQL's grammar knows".to_owned());
    }
    if found.statements > 1 {
        return Err(format!("its sql has {} statements; one has one name", found.statements));
    }
    let is_planned = matches!(
        found.kind,
        Kind::Select | Kind::Insert | Kind::Update | Kind::Delete | Kind::Merge
    );
    if !is_planned {
        return Err(format!("its sql is of kind {}, which cannot be prepared", found.kind));
    }
    if must_read && (found.kind != Kind::Select || found.writes || found.locks) {
        return Err("its sql does not only read; say read = false where it shall write or lock".to_owned());
    }
    Ok(found.fingerprint.to_string())
}

/// What only says something of answers that may be kept.
fn of_reads_only(written: &WrittenStatement, translated: &Translated) -> Result<(), String> {
    if !written.read {
        let set = [
            ("consistency", written.consistency.is_some()),
            ("expires_at", written.expires_at.is_some()),
            ("empty_ttl", written.empty_ttl.is_some()),
        ];
        if let Some((key, _)) = set.iter().find(|(_, is_set)| *is_set) {
            return Err(format!("{key} is for what only reads, and read is false"));
        }
    }
    match (&written.expires_at, &translated.asks_the_time) {
        (Some(column), Some(word)) => Err(format!(
            "its sql asks PostgreSQL for the time ({word}); the gateway ends rows by {column:?} (expires_at), so leave that out"
        )),
        _ => Ok(()),
    }
}

fn consistency(text: &str) -> Result<Consistency, String> {
    Consistency::read(text).map_err(|reason| format!("consistency: {reason}"))
}

fn empty_ttl(text: &str) -> Result<Duration, String> {
    Duration::read(text).map_err(|reason| format!("empty_ttl: {reason}"))
}

fn projects(names: Option<Vec<String>>) -> Result<Vec<Project>, String> {
    let Some(names) = names else { return Ok(Vec::new()) };
    if names.is_empty() {
        return Err("projects is empty; leave it out where every project may call it".to_owned());
    }
    let parse = |name: &String| Project::parse(name).map_err(|error| format!("projects: {error}"));
    names.iter().map(parse).collect()
}

fn database(name: String) -> Result<String, String> {
    if name.is_empty() || name.contains('\0') {
        return Err("database is no name; leave it out where the call says it".to_owned());
    }
    Ok(name)
}

fn parameters(names: Vec<String>, mut written: BTreeMap<String, WrittenParameter>) -> Result<Vec<Parameter>, String> {
    let parameters = names.into_iter().map(|name| {
        let found = written.remove(&name).unwrap_or_default();
        parameter(&name, found).map_err(|reason| format!("parameter {name}: {reason}"))
    });
    let parameters = parameters.collect::<Result<Vec<_>, String>>()?;
    match written.keys().next() {
        Some(name) => Err(format!("parameter {name}: its sql has no such parameter")),
        None => Ok(parameters),
    }
}

fn parameter(name: &str, written: WrittenParameter) -> Result<Parameter, String> {
    let digest = match &written.digest {
        Some(name) => Some(Digest::named(name).ok_or_else(|| format!("digest {name:?} is not sha256"))?),
        None => None,
    };
    let type_name = match (written.r#type, digest) {
        (Some(name), _) => name,
        (None, Some(_)) => "bytea".to_owned(),
        (None, None) => String::new(),
    };
    let type_oid = match type_name.as_str() {
        "" => 0,
        name => type_oid(name)?,
    };
    if digest.is_some() && ![BYTEA, TEXT, VARCHAR].contains(&type_oid) {
        return Err(format!("a digest is bytea, text or varchar, not {type_name}"));
    }
    Ok(Parameter {
        name: name.to_owned(),
        type_name,
        type_oid,
        secret: written.secret || digest.is_some(),
        digest,
    })
}
