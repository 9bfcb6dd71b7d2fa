//! What two requests have to have in common to have the same answer from the same data. Pure.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_model::Project;
use weir_sql::{Literal, literal_classes, skeleton};

use super::shape::says;
use super::view::{Moment, View};
use super::worth::Account;

/// Who asks: what belongs to a session, and does not change with its statements.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    pub(crate) view: Arc<View>,
    pub(crate) project: Project,
    pub(crate) project_number: u32,
    pub(crate) user: Arc<str>,
    /// Stands for view, project and user.
    pub(crate) number: u32,
    /// When PostgreSQL answered a call of it last. Calls belong to no session, so all of one asker count as one.
    answered: Arc<AtomicU64>,
    /// What is counted of its statements that have no account of their own.
    pub(crate) others: Arc<Account>,
}

impl Asker {
    pub(crate) fn new(
        view: Arc<View>,
        (project, project_number): (&Project, u32),
        user: &str,
        number: u32,
        others: Arc<Account>,
    ) -> Self {
        Self {
            view,
            project: project.clone(),
            project_number,
            user: user.into(),
            number,
            answered: Arc::default(),
            others,
        }
    }

    /// PostgreSQL has answered a call.
    pub(crate) fn was_answered(&self) {
        self.answered.fetch_max(self.view.now(), Ordering::AcqRel);
    }

    /// When it did so last.
    pub(crate) fn answered(&self) -> Moment {
        self.answered.load(Ordering::Acquire)
    }
}

/// What the results of a request are kept under, for as long as this process runs.
#[derive(Debug, Default)]
pub(crate) struct Key(Vec<u8>);

impl Key {
    fn begin(&mut self, asker: &Asker, profile: u64, kind: u8) {
        self.0.clear();
        self.0.extend_from_slice(&asker.number.to_ne_bytes());
        self.0.extend_from_slice(&profile.to_ne_bytes());
        self.0.push(kind);
    }

    /// A statement that was parsed, with the rest of a Bind behind its names: values and formats as they were sent.
    pub(crate) fn bound(&mut self, asker: &Asker, profile: u64, prepared: u64, bound: &[u8]) -> &[u8] {
        self.begin(asker, profile, b'B');
        self.0.extend_from_slice(&prepared.to_ne_bytes());
        self.0.extend_from_slice(bound);
        &self.0
    }

    /// A simple query.
    pub(crate) fn simple(&mut self, asker: &Asker, profile: u64, sql: &[u8]) -> &[u8] {
        self.begin(asker, profile, b'Q');
        self.0.extend_from_slice(sql);
        &self.0
    }

    /// A call: a text with the types and texts of its values.
    pub(crate) fn call(
        &mut self,
        asker: &Asker,
        profile: u64,
        sql: &str,
        values: impl Iterator<Item = (u32, Option<impl AsRef<[u8]>>)>,
    ) -> &[u8] {
        self.begin(asker, profile, b'C');
        self.put(sql.as_bytes());
        self.put_values(values);
        &self.0
    }

    /// The types and texts of a call's values, by themselves.
    pub(crate) fn values(&mut self, values: impl Iterator<Item = (u32, Option<impl AsRef<[u8]>>)>) -> &[u8] {
        self.0.clear();
        self.put_values(values);
        &self.0
    }

    fn put_values(&mut self, values: impl Iterator<Item = (u32, Option<impl AsRef<[u8]>>)>) {
        for (oid, value) in values {
            self.0.extend_from_slice(&oid.to_ne_bytes());
            match value {
                Some(value) => {
                    self.0.push(1);
                    self.put(value.as_ref());
                }
                None => self.0.push(0),
            }
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&bytes.len().to_ne_bytes());
        self.0.extend_from_slice(bytes);
    }

    /// A shape of all texts that differ in the values of literals only, of the same classes; none where that cannot be
    /// told.
    pub(crate) fn shared_shape(
        &mut self,
        asker: &Asker,
        scope: u64,
        sql: &str,
        literals: &[Literal<'_>],
    ) -> Option<&[u8]> {
        self.begin(asker, scope, b's');
        // What a comment says of the cache is no part of a text without its literals.
        self.0
            .extend_from_slice(format!("{:?}/", says(sql.as_bytes()).level).as_bytes());
        literal_classes(literals, &mut self.0);
        self.0.push(0);
        let mut bare = Vec::with_capacity(sql.len());
        skeleton(sql, &mut bare).then_some(())?;
        self.0.extend_from_slice(&bare);
        Some(&self.0)
    }

    /// A shape: its statement as sessions of this kind read it.
    pub(crate) fn shape(&mut self, asker: &Asker, scope: u64, kind: u8, statement: &[u8]) -> &[u8] {
        self.begin(asker, scope, kind);
        self.0.extend_from_slice(statement);
        &self.0
    }
}
