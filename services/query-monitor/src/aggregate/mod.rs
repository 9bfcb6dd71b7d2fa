//! Events to statistics. Pure: it counts what it is given and asks nobody.
//!
//! One cell for each project, database and fingerprint. The number of cells is bounded; what comes after the last free
//! one is counted together under fingerprint zero, so that totals stay exact.

mod cell;
mod intake;

use std::collections::HashMap;

use weir_model::{Fingerprint, Project};
use weir_proto::common::v1::StatementKind;
use weir_proto::events::v1::{QueryBatch, QueryExecuted};
use weir_proto::monitor::v1::GatewayIntake;

pub(crate) use cell::{Cell, duration_ms};
pub(crate) use intake::{Intake, Totals};

/// What shapes beyond the cap are counted under.
pub(crate) const OTHER: Fingerprint = Fingerprint::new(0);

/// What one line of the statistics is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    /// On whose behalf.
    pub project: Project,
    /// In which database.
    pub database: String,
    /// Which shape.
    pub fingerprint: Fingerprint,
}

/// What is known of a shape besides its figures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Its text without literals; empty where it could not be read.
    pub text: String,
    /// What it does.
    pub kind: StatementKind,
}

/// All statistics since the start.
#[derive(Debug)]
pub(crate) struct Statistics {
    cells: HashMap<Key, Cell>,
    shapes: HashMap<Fingerprint, Shape>,
    intake: Intake,
    shapes_max: usize,
}

impl Statistics {
    /// Nothing counted yet; at most `shapes_max` cells.
    pub(crate) fn new(shapes_max: usize) -> Self {
        Self {
            cells: HashMap::new(),
            shapes: HashMap::new(),
            intake: Intake::default(),
            shapes_max,
        }
    }

    /// Counts one batch.
    pub(crate) fn add(&mut self, project: &Project, batch: &QueryBatch) {
        self.intake.note(batch);
        for shape in &batch.shapes {
            self.learn(shape);
        }
        for event in &batch.events {
            self.cell(project, event).add(event);
        }
    }

    fn learn(&mut self, shape: &weir_proto::events::v1::QueryShape) {
        // Texts are bounded like cells; a shape that is told again once there is room is learnt then.
        if self.shapes.len() >= self.shapes_max {
            return;
        }
        let entry = self.shapes.entry(Fingerprint::new(shape.fingerprint)).or_default();
        *entry = Shape {
            text: shape.text.clone(),
            kind: shape.kind(),
        };
    }

    fn cell(&mut self, project: &Project, event: &QueryExecuted) -> &mut Cell {
        let fingerprint = Fingerprint::new(event.fingerprint);
        let mut key = Key {
            project: project.clone(),
            database: event.database.clone(),
            fingerprint,
        };
        if self.cells.len() >= self.shapes_max && !self.cells.contains_key(&key) {
            key = Key {
                project: project.clone(),
                database: String::new(),
                fingerprint: OTHER,
            };
        }
        self.cells.entry(key).or_default()
    }

    /// Every line of the statistics, in no order.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&Key, &Cell)> {
        self.cells.iter()
    }

    /// What is known of a shape.
    pub(crate) fn shape(&self, fingerprint: Fingerprint) -> Option<&Shape> {
        self.shapes.get(&fingerprint)
    }

    /// How complete the statistics are.
    pub(crate) fn totals(&self) -> Totals {
        self.intake.totals()
    }

    /// How complete they are, gateway by gateway.
    pub(crate) fn gateways(&self) -> impl Iterator<Item = GatewayIntake> {
        self.intake.gateways()
    }

    /// How many distinct fingerprints have a known shape.
    pub(crate) fn fingerprints(&self) -> usize {
        self.shapes.len()
    }

    /// How many lines there are.
    pub(crate) fn line_count(&self) -> usize {
        self.cells.len()
    }
}

#[cfg(test)]
mod tests;
