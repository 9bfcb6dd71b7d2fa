//! Orders by hand: written into the log of the database they are for, so that they come back in the order of commits and
//! need no rule of their own.

use std::sync::Arc;

use prost::Message as _;
use weir_model::{Fingerprint, Project};
use weir_proto::cache::v1 as api;
use weir_proto::cache::v1::invalidate_request::Target as What;
use weir_proto::common::v1 as common;
use weir_proto::common::v1::value::Kind as ValueKind;
use weir_tags::{Canonical, Family, Tag};

use super::decode::Committed;
use super::tables::Catalogue;

/// What tells an order from every other.
pub(crate) type OrderId = [u8; 16];

/// A tag with what it is about: a table and a column.
type Meant = (Tag, Arc<str>, Option<Arc<str>>);

/// An order that came back.
#[derive(Debug, Default)]
pub(crate) struct Ordered {
    /// Not there where it cannot be read: anybody may write into the log.
    pub(crate) id: Option<OrderId>,
    pub(crate) tags: Vec<Meant>,
    pub(crate) everything: bool,
}

/// An order as it is written into the log.
pub(crate) fn written(id: OrderId, request: &api::InvalidateRequest) -> Vec<u8> {
    let mut content = id.to_vec();
    content.extend(request.encode_to_vec());
    content
}

impl Ordered {
    /// Reads an order.
    pub(crate) fn read(content: &[u8], catalogue: &Catalogue) -> Self {
        let Some((id, request)) = content.split_first_chunk::<16>() else {
            return Self::default();
        };
        let Ok(request) = api::InvalidateRequest::decode(request) else {
            return Self::default();
        };
        let mut ordered = Self {
            id: Some(*id),
            ..Self::default()
        };
        match &request.target {
            Some(What::Tag(tag)) => ordered.add_table(tag, catalogue),
            Some(What::Fingerprint(fingerprint)) => {
                let parsed = fingerprint.parse::<Fingerprint>();
                ordered
                    .tags
                    .extend(parsed.map(|shape| (Tag::shape(shape), "".into(), None)));
            }
            Some(What::ProjectResults(_)) => {
                let project = project_of(&request.project);
                ordered
                    .tags
                    .extend(project.map(|project| (Tag::project(&project), "".into(), None)));
            }
            Some(What::Everything(_)) => ordered.everything = true,
            None => {}
        }
        ordered
    }

    fn add_table(&mut self, tag: &api::Tag, catalogue: &Catalogue) {
        for oid in named(&tag.relation, catalogue) {
            let name = catalogue.name(oid);
            self.tags.push((Tag::table(oid), name.clone(), None));
            match rows(oid, tag, catalogue) {
                Some(rows) => self.tags.extend(rows),
                None => self.tags.push((Tag::all_rows(oid), name, None)),
            }
        }
    }

    /// Adds what it makes invalid to the transaction that it is in.
    pub(crate) fn add_to(&self, committed: &mut Committed) {
        committed.kills |= self.everything;
        for (tag, relation, column) in &self.tags {
            committed.add(*tag, relation, column.as_ref());
        }
    }
}

/// The tables of this name, with all above and below them.
fn named(name: &str, catalogue: &Catalogue) -> Vec<u32> {
    let found = catalogue.names.iter().filter(|(_, known)| ***known == *name);
    let mut all = Vec::new();
    for (oid, _) in found {
        all.extend(catalogue.with_ancestors(*oid));
        all.extend(catalogue.descendants.get(oid).into_iter().flatten());
    }
    all
}

/// Whether there is such a table.
pub(crate) fn is_known(name: &str, catalogue: &Catalogue) -> bool {
    catalogue.names.values().any(|known| **known == *name)
}

/// The tags of rows with these values; none where all rows are meant, or the values cannot be compared.
fn rows(oid: u32, tag: &api::Tag, catalogue: &Catalogue) -> Option<Vec<Meant>> {
    if tag.columns.is_empty() || tag.columns.len() != tag.values.len() {
        return None;
    }
    let name = catalogue.name(oid);
    let told = columns_of(oid, catalogue);
    let pairs = tag.columns.iter().zip(&tag.values);
    let row = |(column, value): (&String, &common::Value)| {
        let (_, family) = told.iter().find(|(known, _)| known == column)?;
        let tag = Tag::row(oid, column, &canonical(*family, value)?);
        Some((tag, name.clone(), Some(column.as_str().into())))
    };
    pairs.map(row).collect()
}

/// Columns by which rows of a table are told; of one above others, by which theirs are.
fn columns_of(oid: u32, catalogue: &Catalogue) -> Vec<(String, Family)> {
    let below = catalogue.descendants.get(&oid).into_iter().flatten();
    let all = std::iter::once(&oid).chain(below);
    all.filter_map(|oid| catalogue.columns.get(oid))
        .flatten()
        .cloned()
        .collect()
}

fn canonical(family: Family, value: &common::Value) -> Option<Canonical> {
    match (family, value.kind.as_ref()?) {
        (Family::Integer, ValueKind::Int64(number)) => family.from_text(number.to_string().as_bytes()),
        (Family::Text, ValueKind::Text(text)) => family.from_text(text.as_bytes()),
        (Family::Boolean, ValueKind::Bool(value)) => family.from_text(value.to_string().as_bytes()),
        (Family::Bytes, ValueKind::Bytes(bytes)) => family.from_binary(bytes),
        // Keys written by hand come as text as a rule.
        (_, ValueKind::Text(text)) => family.from_text(text.as_bytes()),
        (_, ValueKind::Typed(typed)) => family.from_text(typed.text.as_bytes()),
        _ => None,
    }
}

/// The project of this name; the default one where there is none.
pub(crate) fn project_of(name: &str) -> Option<Project> {
    if name.is_empty() {
        return Some(Project::default());
    }
    Project::parse(name).ok()
}
