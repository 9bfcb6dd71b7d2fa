//! Small numbers for names that come again with every statement. Pure.

use std::collections::HashMap;

use weir_model::{Fingerprint, Project};

/// Names that are told apart; what would be one more is counted under the empty name.
const NAMES_MAX: usize = 100_000;

/// Names by number and numbers by name. Number 0 is the empty name.
#[derive(Debug)]
struct Names {
    numbers: HashMap<Box<str>, u32>,
    names: Vec<Box<str>>,
}

impl Default for Names {
    fn default() -> Self {
        let mut names = Self {
            numbers: HashMap::new(),
            names: Vec::new(),
        };
        names.number("");
        names
    }
}

impl Names {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        if self.names.len() >= NAMES_MAX {
            return 0;
        }
        let number = u32::try_from(self.names.len()).unwrap_or_default();
        self.numbers.insert(name.into(), number);
        self.names.push(name.into());
        number
    }

    fn find(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    fn name(&self, number: u32) -> &str {
        usize::try_from(number)
            .ok()
            .and_then(|at| self.names.get(at))
            .map_or("", |name| name)
    }
}

/// What one line of the statistics is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    /// On whose behalf.
    pub(crate) project: Project,
    /// In which database.
    pub(crate) database: String,
    /// Which shape.
    pub(crate) fingerprint: Fingerprint,
}

/// The same in numbers, which only [`Keys`] can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Line {
    pub(super) project: u32,
    pub(super) database: u32,
    pub(super) fingerprint: u64,
}

impl Line {
    /// Everything of a project.
    pub(super) const fn whole(project: u32) -> Self {
        Self {
            project,
            database: 0,
            fingerprint: super::WHOLE.get(),
        }
    }

    /// What is not told apart in a project.
    pub(super) const fn other(project: u32) -> Self {
        Self {
            project,
            database: 0,
            fingerprint: super::OTHER.get(),
        }
    }

    /// Whether it is a shape of its own.
    pub(super) const fn is_shape(self) -> bool {
        self.fingerprint != super::WHOLE.get() && self.fingerprint != super::OTHER.get()
    }
}

/// The names of projects and databases.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    projects: Names,
    databases: Names,
}

impl Keys {
    /// The number of a project.
    pub(super) fn project(&mut self, project: &Project) -> u32 {
        self.projects.number(project.as_str())
    }

    /// The number of a database.
    pub(super) fn database(&mut self, database: &str) -> u32 {
        self.databases.number(database)
    }

    /// The number of a project that was met before.
    pub(super) fn find_project(&self, project: &Project) -> Option<u32> {
        self.projects.find(project.as_str())
    }

    /// The name of a project.
    pub(super) fn project_name(&self, number: u32) -> Project {
        Project::parse(self.projects.name(number)).unwrap_or_default()
    }

    /// A line's key in numbers.
    pub(super) fn line(&mut self, key: &Key) -> Line {
        Line {
            project: self.project(&key.project),
            database: self.database(&key.database),
            fingerprint: key.fingerprint.get(),
        }
    }

    /// A line's key in names.
    pub(super) fn key(&self, line: Line) -> Key {
        Key {
            project: self.project_name(line.project),
            database: self.databases.name(line.database).to_owned(),
            fingerprint: Fingerprint::new(line.fingerprint),
        }
    }
}
