//! Pure. All rules in force, and the one that applies.

use std::collections::HashMap;

use weir_model::{Fingerprint, Project};

use super::rule::{Origin, Rule, Subject};

/// All rules at one moment.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// Of each project, by subject: the most particular first, and of one subject the file's.
    projects: HashMap<Project, Vec<Rule>>,
}

impl Book {
    pub(crate) fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        let mut projects: HashMap<Project, Vec<Rule>> = HashMap::new();
        for rule in rules {
            projects.entry(rule.project.clone()).or_default().push(rule);
        }
        for rules in projects.values_mut() {
            rules.sort_by(|a, b| order(a).cmp(&order(b)));
        }
        Self { projects }
    }

    /// The rules of a project, those that apply first at the head.
    pub(crate) fn of(&self, project: &Project) -> &[Rule] {
        self.projects.get(project).map(Vec::as_slice).unwrap_or_default()
    }

    /// The rule that a subject has, the one in force first.
    pub(crate) fn about(&self, project: &Project, subject: &Subject) -> Option<&Rule> {
        let rules = self.of(project);
        let place = rules.partition_point(|rule| rule.subject < *subject);
        rules.get(place).filter(|rule| rule.subject == *subject)
    }

    /// The rule of that id.
    pub(crate) fn by_id(&self, project: &Project, id: &str) -> Option<&Rule> {
        self.of(project).iter().find(|rule| rule.id == id)
    }

    /// The rule that applies to a statement of this shape that reads these tables (`schema.name`), with the budget of
    /// its project.
    pub(crate) fn applying<'a>(
        &self,
        project: &Project,
        fingerprint: Fingerprint,
        relations: impl IntoIterator<Item = &'a str>,
    ) -> Option<Rule> {
        let of_project = self.about(project, &Subject::Project);
        let of_shape = self.about(project, &Subject::Shape(fingerprint));
        let found = of_shape.or_else(|| self.of_tables(project, relations)).or(of_project)?;
        Some(Rule {
            memory_bytes_max: of_project.map_or(0, |rule| rule.memory_bytes_max),
            ..found.clone()
        })
    }

    fn of_tables<'a>(&self, project: &Project, relations: impl IntoIterator<Item = &'a str>) -> Option<&Rule> {
        if self.of(project).is_empty() {
            return None;
        }
        let relations = relations.into_iter();
        let rules = relations.filter_map(|name| self.about(project, &Subject::Relation(name.to_owned())));
        rules.min_by(|a, b| a.caution().cmp(&b.caution()))
    }
}

fn order(rule: &Rule) -> (&Subject, Origin, &str) {
    (&rule.subject, rule.origin, &rule.id)
}
