//! Whose tables are where: a project's operators see and work on its own, and on no other's.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use weir_model::Project;
use weir_upstream::Target;

use crate::error::Error;
use crate::plan::TableName;
use crate::plan::facts::fits;

/// Tables of a project, in the settings file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilePlace {
    /// The database they are in.
    pub database: String,
    /// The project they belong to.
    #[serde(default = "default_project")]
    pub project: String,
    /// Only schemas that one of these patterns means; `*` stands for any characters.
    #[serde(default = "all")]
    pub schemas: Vec<String>,
}

fn default_project() -> String {
    Project::default().to_string()
}

fn all() -> Vec<String> {
    vec!["*".to_owned()]
}

/// Where some tables of a project are.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// How its database is reached.
    pub target: Target,
    project: Project,
    schemas: Vec<String>,
}

impl Place {
    /// The database.
    pub(crate) fn database(&self) -> &str {
        self.target.database()
    }

    /// Whether a table there is the project's.
    pub(crate) fn has(&self, table: &TableName) -> bool {
        self.has_schema(&table.schema)
    }

    /// Whether a schema is the project's.
    pub(crate) fn has_schema(&self, schema: &str) -> bool {
        self.schemas.iter().any(|pattern| fits(schema, pattern))
    }
}

/// All places.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places(Vec<Place>);

impl Places {
    /// As the settings say; without any, the database that Weir stands in front of is the project `default`'s.
    pub(crate) fn read(target: &Target, listed: &[FilePlace]) -> Result<Self, String> {
        let whole = FilePlace {
            database: target.database().to_owned(),
            project: default_project(),
            schemas: all(),
        };
        let listed = if listed.is_empty() {
            std::slice::from_ref(&whole)
        } else {
            listed
        };
        listed
            .iter()
            .map(|place| read(target, place))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Those of a project; there is at least one, or its name is wrong.
    pub(crate) fn of(&self, project: &Project) -> Result<Vec<&Place>, Error> {
        let places: Vec<&Place> = self.0.iter().filter(|place| place.project == *project).collect();
        if places.is_empty() {
            let reason = format!("{project} has no tables here; maintenance.databases says who has");
            return Err(Error::Field {
                field: "project",
                reason,
            });
        }
        Ok(places)
    }

    /// Those of a project in one database.
    pub(crate) fn in_database<'a>(
        &'a self,
        project: &'a Project,
        database: &'a str,
    ) -> impl Iterator<Item = &'a Place> {
        let here = move |place: &&Place| place.project == *project && place.database() == database;
        self.0.iter().filter(here)
    }

    /// Every database, once.
    pub(crate) fn targets(&self) -> Vec<Target> {
        let mut seen = HashSet::new();
        let places = self.0.iter().filter(|place| seen.insert(place.database()));
        places.map(|place| place.target.clone()).collect()
    }
}

fn read(target: &Target, place: &FilePlace) -> Result<Place, String> {
    if place.database.is_empty() {
        return Err("a database has no name".to_owned());
    }
    if place.schemas.is_empty() {
        return Err(format!(
            "database {:?} has no schemas; leave them out for all",
            place.database
        ));
    }
    let project = Project::parse(&place.project).map_err(|error| format!("project {:?}: {error}", place.project))?;
    Ok(Place {
        target: target.in_database(&place.database),
        project,
        schemas: place.schemas.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(listed: &[(&str, &str, &[&str])]) -> Result<Places, String> {
        let target = Target::parse("postgres://u@localhost/shop").unwrap();
        let listed: Vec<FilePlace> = listed
            .iter()
            .map(|(database, project, schemas)| FilePlace {
                database: (*database).to_owned(),
                project: (*project).to_owned(),
                schemas: schemas.iter().map(|schema| (*schema).to_owned()).collect(),
            })
            .collect();
        Places::read(&target, &listed)
    }

    fn of(places: &Places, project: &str) -> Vec<String> {
        let places = places.of(&Project::parse(project).unwrap());
        places.map_or_else(
            |error| vec![error.to_string()],
            |places| places.iter().map(|place| place.database().to_owned()).collect(),
        )
    }

    #[test]
    fn without_a_list_the_database_in_front_is_the_default_projects() {
        let places = places(&[]).unwrap();
        assert_eq!(of(&places, "default"), ["shop"]);
        assert_eq!(
            of(&places, "blog"),
            ["project: blog has no tables here; maintenance.databases says who has"]
        );
    }

    #[test]
    fn projects_may_share_a_database_by_schemas() {
        let places = places(&[("one", "a", &["a_*"]), ("one", "b", &["b"]), ("two", "a", &["*"])]).unwrap();
        assert_eq!(
            (of(&places, "a"), of(&places, "b")),
            (vec!["one".to_owned(), "two".to_owned()], vec!["one".to_owned()])
        );
        let table = |schema: &str| TableName {
            schema: schema.to_owned(),
            name: "t".to_owned(),
        };
        let shared = places.of(&Project::parse("a").unwrap()).unwrap()[0];
        assert!(shared.has(&table("a_x")) && !shared.has(&table("b")) && !shared.has(&table("a")));
        assert_eq!(places.targets().len(), 2);
    }

    #[test]
    fn mistakes_are_named() {
        for (listed, word) in [
            (("", "a", &["*"] as &[&str]), "no name"),
            (("x", "A b", &["*"]), "project"),
            (("x", "a", &[]), "schemas"),
        ] {
            let error = places(&[listed]).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
