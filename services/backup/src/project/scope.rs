//! What belongs to a project, as the settings say it: patterns, names in SQL, and what cannot be meant. Pure.

use std::collections::BTreeSet;

use crate::settings::{BackupSettings, FileProject, FileRows};

use super::{names, readers};

/// A name between quotes, as SQL and PostgreSQL's programs take it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The same of what is in a schema.
pub(crate) fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(name))
}

/// A text as a constant of SQL, whatever the server's settings.
pub(crate) fn constant(text: &str) -> String {
    format!(" E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// Whether a name fits a pattern in which `*` stands for any characters.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(tail) = name.strip_prefix(first) else {
        return false;
    };
    tail.char_indices()
        .map(|(at, _)| at)
        .chain([tail.len()])
        .any(|at| tail.get(at..).is_some_and(|tail| fits(rest, tail)))
}

/// Whether a schema is PostgreSQL's own and belongs to nobody.
pub(crate) fn is_system(schema: &str) -> bool {
    schema == "information_schema" || schema.starts_with("pg_")
}

/// Whether a project claims a schema.
pub(crate) fn claims(project: &FileProject, schema: &str) -> bool {
    !is_system(schema) && project.schemas.iter().any(|pattern| fits(pattern, schema))
}

/// The schema and the name of a shared table: `schema.name`, with quotes where a name has a dot in it.
pub(crate) fn table_of(text: &str) -> Option<(String, String)> {
    let (schema, rest) = name_of(text)?;
    let (table, rest) = name_of(rest.strip_prefix('.')?)?;
    rest.is_empty().then_some((schema, table))
}

fn name_of(text: &str) -> Option<(String, &str)> {
    let Some(inner) = text.strip_prefix('"') else {
        let end = text.find('.').unwrap_or(text.len());
        let (name, rest) = text.split_at_checked(end)?;
        return (!name.is_empty() && !name.contains('"')).then(|| (name.to_owned(), rest));
    };
    let mut name = String::new();
    let mut rest = inner;
    loop {
        let (part, tail) = rest.split_once('"')?;
        name.push_str(part);
        match tail.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return (!name.is_empty()).then_some((name, tail)),
        }
    }
}

/// What is wrong with the projects of the settings; none if nothing is.
pub(crate) fn trouble(settings: &BackupSettings) -> Option<String> {
    let all = &settings.projects.0;
    let mut names = BTreeSet::new();
    for project in all {
        let name = &project.project;
        if weir_model::Project::parse(name).is_err() {
            return Some(format!("{name:?} is no name of a project"));
        }
        if !names.insert(name) {
            return Some(format!("two are for {name}"));
        }
        if let Some(reason) = of_one(project) {
            return Some(format!("{name}: {reason}"));
        }
    }
    all.iter().enumerate().find_map(|(at, one)| {
        let mut others = all.iter().skip(at + 1).filter(|other| other.database == one.database);
        others.find_map(|other| shared_schema(one, other))
    })
}

fn of_one(project: &FileProject) -> Option<String> {
    if project.database.is_empty() {
        return Some("it names no database".to_owned());
    }
    if project.schemas.is_empty() && project.rows.is_empty() {
        return Some("it has neither schemas nor rows".to_owned());
    }
    if let Some(schema) = project
        .schemas
        .iter()
        .find(|schema| schema.is_empty() || is_system(schema))
    {
        return Some(format!("schema {schema:?} belongs to no project"));
    }
    project
        .rows
        .iter()
        .find_map(|rows| of_rows(project, rows))
        .or_else(|| readers::trouble(project))
}

fn of_rows(project: &FileProject, rows: &FileRows) -> Option<String> {
    let Some((schema, table)) = table_of(&rows.table) else {
        return Some(format!("{} is not written as schema.name", rows.table));
    };
    if rows.condition.trim().is_empty() {
        return Some(format!("the rows of {} have no condition", rows.table));
    }
    if claims(project, &schema) {
        return Some(format!("{} is in a schema that is its own, whole", rows.table));
    }
    let same = |other: &&FileRows| table_of(&other.table).is_some_and(|other| other == (schema.clone(), table.clone()));
    if project.rows.iter().filter(same).count() > 1 {
        return Some(format!("{} is named twice", rows.table));
    }
    (!names::is_one_expression(&rows.condition))
        .then(|| format!("the condition for {} is no condition: {}", rows.table, rows.condition))
}

/// A schema that two projects name, as far as that can be told without a database.
fn shared_schema(one: &FileProject, other: &FileProject) -> Option<String> {
    let plain = |project: &FileProject| {
        let names = project.schemas.iter().filter(|pattern| !pattern.contains('*'));
        names.cloned().collect::<Vec<_>>()
    };
    let of_both = plain(one)
        .into_iter()
        .find(|schema| claims(other, schema))
        .or_else(|| plain(other).into_iter().find(|schema| claims(one, schema)))?;
    Some(format!(
        "schema {of_both} would belong to both {} and {}",
        one.project, other.project
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, expected) in [
            ("shop", "shop", true),
            ("shop", "shop2", false),
            ("tenant_*", "tenant_", true),
            ("tenant_*", "tenant_é", true),
            ("tenant_*_data", "tenant_a_b_data", true),
            ("*", "", true),
            ("a*b", "ab_", false),
            ("a%", "ab", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        let read = |text: &str| table_of(text).map(|(schema, table)| format!("{schema}|{table}"));
        assert_eq!(read("shop.orders").as_deref(), Some("shop|orders"));
        assert_eq!(read(r#""odd.schema"."a""b""#).as_deref(), Some(r#"odd.schema|a"b"#));
        for wrong in ["orders", "a.b.c", "a.", ".b", r#""a.b"#, "", r#"a."""#] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn quotes_hold() {
        assert_eq!(qualified("a\"b", "c"), r#""a""b"."c""#);
        assert_eq!(constant(r"it's \ odd"), r" E'it''s \\ odd'");
    }
}
