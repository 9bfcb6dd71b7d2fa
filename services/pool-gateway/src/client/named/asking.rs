//! What a caller of a named statement sends, as what is run.

use std::collections::BTreeMap;

use weir_model::Project;
use weir_proto::common::v1::Value;
use weir_proto::gateway::v1 as api;

use super::super::asking::{Checked, Common};
use super::super::encode::encode;
use super::super::session::{Argument, Sessions};
use crate::error::Error;
use crate::named::{Named, Parameter};
use crate::settings::Consistency;

/// As much as is said of a name that a caller made up.
const SHOWN_CHARS_MAX: usize = 64;
/// PostgreSQL's number of `bytea`.
const BYTEA: u32 = 17;

/// The level of this name; none for no name.
pub(super) fn consistency(text: &str) -> Result<Option<Consistency>, Error> {
    match text {
        "" => Ok(None),
        text => match Consistency::named(text) {
            Some(level) => Ok(Some(level)),
            None => Err(Error::Request(
                "consistency is strict, session, bounded or off".to_owned(),
            )),
        },
    }
}

/// The database that a call means: its own, or the statement's, which is no other.
fn database(named: &Named, asked: &str, default: &str) -> Result<String, Error> {
    match &named.database {
        None if asked.is_empty() => Ok(default.to_owned()),
        None => Ok(asked.to_owned()),
        Some(own) if asked.is_empty() || asked == own => Ok(own.clone()),
        Some(own) => Err(Error::Request(format!(
            "statement {:?} is called in database {own} only",
            named.name
        ))),
    }
}

impl Sessions {
    /// Checks what all calls have in common, and finds what the project may have of the catalogue. The database in the
    /// answer is the one that it runs in; where that is not the one that the call named, whose project the caller is has to
    /// be asked again, since the rules may say that by the database.
    pub(super) fn find<'b, T>(
        &self,
        mut common: Common,
        find: impl Fn(&Project) -> Option<&'b T>,
        place: impl Fn(&T) -> &Named,
        what: &'static str,
    ) -> Result<(Checked, &'b T), Error> {
        let own = self.pools.own_database();
        let first = self.common(common.clone())?;
        let found = find(&first.project).ok_or(Error::NotInCatalogue(what))?;
        let meant = database(place(found), &common.database, &own)?;
        let named = if common.database.is_empty() {
            &own
        } else {
            &common.database
        };
        if meant == *named {
            return Ok((
                Checked {
                    database: meant,
                    ..first
                },
                found,
            ));
        }
        common.database = meant;
        let again = self.common(common)?;
        let found = find(&again.project).ok_or(Error::NotInCatalogue(what))?;
        Ok((again, found))
    }
}

/// The values of a call in the order of the statement's parameters.
pub(super) fn arguments(
    named: &Named,
    mut by_name: BTreeMap<String, Value>,
    by_place: Vec<Value>,
) -> Result<Vec<api::Parameter>, Error> {
    if !by_name.is_empty() && !by_place.is_empty() {
        let reason = "give parameters by their names or in their order, not both";
        return Err(Error::Request(reason.to_owned()));
    }
    if !by_place.is_empty() && by_place.len() != named.parameters.len() {
        return Err(Error::Request(format!(
            "statement {:?} has {} parameters, and {} are given",
            named.name,
            named.parameters.len(),
            by_place.len()
        )));
    }
    let mut by_place = by_place.into_iter();
    let given = named.parameters.iter().enumerate().map(|(index, parameter)| {
        let value = by_place.next().or_else(|| by_name.remove(&parameter.name));
        let value = value.ok_or_else(|| wrong(index, parameter, "is missing; say NULL where it is none"))?;
        argument(parameter, value).map_err(|reason| wrong(index, parameter, &reason))
    });
    let given = given.collect::<Result<Vec<_>, Error>>()?;
    match by_name.keys().next() {
        Some(name) => Err(Error::Request(format!(
            "statement {:?} has no parameter {:?}",
            named.name,
            name.chars().take(SHOWN_CHARS_MAX).collect::<String>()
        ))),
        None => Ok(given),
    }
}

fn wrong(index: usize, parameter: &Parameter, reason: &str) -> Error {
    Error::Parameter {
        position: index + 1,
        reason: format!("{} {reason}", parameter.name),
    }
}

fn argument(parameter: &Parameter, value: Value) -> Result<api::Parameter, String> {
    let value = match parameter.digest {
        Some(digest) => digest.of(&value, parameter.type_oid == BYTEA)?,
        None => value,
    };
    Ok(api::Parameter {
        value: Some(value),
        type_name: parameter.type_name.clone(),
    })
}

/// The only value of a statement that has one parameter. None where PostgreSQL could not be given it.
pub(super) fn only_argument(named: &Named, value: Value) -> Option<Argument> {
    let parameter = named.parameters.first()?;
    let given = argument(parameter, value).ok()?;
    Some(Argument {
        text: encode(given.value.as_ref()).ok()?,
        type_oid: parameter.type_oid,
    })
}

#[cfg(test)]
mod tests {
    use weir_proto::common::v1::value::Kind;

    use super::*;

    const BOOK: &str = "[statements.one]\nsql = 'select :a, :b'\nparameters.b = { type = 'bytea', digest = 'sha256' }\n\
                        [statements.two]\nsql = 'select 1'\ndatabase = 'shop'";

    fn text(text: &str) -> Value {
        Value {
            kind: Some(Kind::Text(text.to_owned())),
        }
    }

    fn called(names: &[&str], places: usize) -> Result<Vec<api::Parameter>, Error> {
        let book = crate::named::read(BOOK).unwrap();
        let by_name = names.iter().map(|name| ((*name).to_owned(), text(name))).collect();
        arguments(
            &book.statements["one"],
            by_name,
            (0..places).map(|_| text("x")).collect(),
        )
    }

    #[test]
    fn values_come_by_name_or_in_order_and_all_of_them() {
        let given = called(&["b", "a"], 0).unwrap();
        assert_eq!(given[0].value, Some(text("a")));
        assert!(matches!(&given[1].value.as_ref().unwrap().kind, Some(Kind::Bytes(bytes)) if bytes.len() == 32));
        assert_eq!(
            (given[0].type_name.as_str(), given[1].type_name.as_str()),
            ("", "bytea")
        );
        assert_eq!(called(&[], 2).unwrap().len(), 2);
        for (names, places, words) in [
            (&["a"][..], 0, "parameter $2: b is missing"),
            (&[], 0, "parameter $1: a is missing"),
            (&["a", "b", "c"], 0, "no parameter \"c\""),
            (&["a"], 2, "not both"),
            (&[], 1, "has 2 parameters, and 1 are given"),
            (&[], 3, "has 2 parameters, and 3 are given"),
        ] {
            let error = called(names, places).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_statement_of_one_database_is_called_in_no_other() {
        let book = crate::named::read(BOOK).unwrap();
        let of = |name: &str, asked: &str| database(&book.statements[name], asked, "own").ok();
        assert_eq!(of("one", "").as_deref(), Some("own"));
        assert_eq!(of("one", "other").as_deref(), Some("other"));
        assert_eq!(of("two", "").as_deref(), Some("shop"));
        assert_eq!(of("two", "shop").as_deref(), Some("shop"));
        assert_eq!(of("two", "other"), None);
    }
}
