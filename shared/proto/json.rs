//! Which messages can be written as JSON and described in an OpenAPI document, under the feature `json`.
//!
//! Those that answers and events are made of: every message that a call answers with, apart from the calls that carry
//! rows and what machines alone tell each other, and every event; with all that is in them.

use std::collections::{BTreeMap, BTreeSet};

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use tonic_prost_build::Builder;

/// Calls that carry rows, or what a machine asks another.
const NOT_SHOWN: [&str; 10] = [
    "Execute",
    "Query",
    "Batch",
    "Transaction",
    "Prepare",
    "CallStatement",
    "ResolveSession",
    "Study",
    "FetchState",
    "ListStatements",
];

/// An SQL value is written by hand, as the JSON that is most like it: src/json.rs.
const VALUE: &str = ".weir.common.v1.Value";

/// Names that outsiders know a field by, where the protocol has another.
const RENAMED: [(&str, &str); 1] = [(".weir.monitor.v1.QueryStatistics.text", "query")];

/// Adds the derives to what can be shown.
pub(crate) fn derive(builder: Builder, set: &FileDescriptorSet) -> Builder {
    let words = Words::of(set);
    let shown = words.reached(words.answers(set));
    shown.iter().fold(builder, |builder, name| words.shape(builder, name))
}

/// Every message and enumeration by its full name.
#[derive(Default)]
struct Words {
    messages: BTreeMap<String, DescriptorProto>,
    enumerations: BTreeMap<String, EnumDescriptorProto>,
}

impl Words {
    fn of(set: &FileDescriptorSet) -> Self {
        let mut words = Self::default();
        for file in &set.file {
            let package = format!(".{}", file.package());
            for message in &file.message_type {
                words.add(&package, message);
            }
            for enumeration in &file.enum_type {
                words.add_enumeration(&package, enumeration);
            }
        }
        words
    }

    fn add(&mut self, within: &str, message: &DescriptorProto) {
        let name = format!("{within}.{}", message.name());
        for inner in &message.nested_type {
            self.add(&name, inner);
        }
        for inner in &message.enum_type {
            self.add_enumeration(&name, inner);
        }
        self.messages.insert(name, message.clone());
    }

    fn add_enumeration(&mut self, within: &str, enumeration: &EnumDescriptorProto) {
        let name = format!("{within}.{}", enumeration.name());
        self.enumerations.insert(name, enumeration.clone());
    }

    /// What calls answer with, and every event.
    fn answers(&self, set: &FileDescriptorSet) -> Vec<String> {
        let services = set.file.iter().flat_map(|file| &file.service);
        let shown = services
            .flat_map(|service| &service.method)
            .filter(|method| !NOT_SHOWN.contains(&method.name()));
        let events = self.messages.keys().filter(|name| name.starts_with(".weir.events.v1."));
        shown
            .map(|method| method.output_type().to_owned())
            .chain(events.cloned())
            .collect()
    }

    /// These with all that is in them.
    fn reached(&self, mut from: Vec<String>) -> BTreeSet<String> {
        let mut reached = BTreeSet::new();
        while let Some(name) = from.pop() {
            if name == VALUE {
                continue;
            }
            if let Some(message) = self.messages.get(&name).filter(|_| reached.insert(name.clone())) {
                from.extend(
                    message
                        .field
                        .iter()
                        .filter(|field| !field.type_name().is_empty())
                        .map(|field| field.type_name().to_owned()),
                );
            } else if self.enumerations.contains_key(&name) {
                reached.insert(name);
            }
        }
        reached
    }

    fn shape(&self, builder: Builder, name: &str) -> Builder {
        let Some(message) = self.messages.get(name) else {
            return builder.enum_attribute(name, derives(name, Some("snake_case")));
        };
        // A map is written as its field says, and its entries have no type of their own.
        if message.options.as_ref().is_some_and(|options| options.map_entry()) {
            return builder;
        }
        let builder = builder.message_attribute(name, derives(name, None));
        let builder = message.oneof_decl.iter().fold(builder, |builder, choice| {
            let name = format!("{name}.{}", choice.name());
            builder.enum_attribute(&name, derives(&name, Some("snake_case")))
        });
        message
            .field
            .iter()
            .fold(builder, |builder, field| self.shape_field(builder, name, field))
    }

    fn shape_field(&self, builder: Builder, message: &str, field: &FieldDescriptorProto) -> Builder {
        let name = format!("{message}.{}", field.name());
        let mut attributes = Vec::new();
        if let Some((_, other)) = RENAMED.iter().find(|(renamed, _)| *renamed == name) {
            attributes.push(format!("serde(rename = \"{other}\")"));
        }
        match field.r#type() {
            Type::Enum => attributes.extend(word(field)),
            Type::Bytes => attributes.extend([
                "serde(serialize_with = \"crate::json::base64\")".to_owned(),
                "schema(value_type = String, format = Byte)".to_owned(),
            ]),
            Type::Message if field.type_name() == VALUE => {
                attributes.push("schema(value_type = Vec<serde_json::Value>)".to_owned());
            }
            Type::Message if self.leads_back(field.type_name(), message) => {
                attributes.push("schema(no_recursion)".to_owned());
            }
            _ => {}
        }
        attributes.iter().fold(builder, |builder, attribute| {
            builder.field_attribute(&name, format!("#[cfg_attr(feature = \"json\", {attribute})]"))
        })
    }

    fn leads_back(&self, from: &str, to: &str) -> bool {
        self.reached(vec![from.to_owned()]).contains(to)
    }
}

/// An enumeration is a number in the code and a word where people read it.
fn word(field: &FieldDescriptorProto) -> [String; 2] {
    let path = rust_path(field.type_name());
    let (with, kind) = if field.label() == Label::Repeated {
        ("words", format!("Vec<{path}>"))
    } else {
        ("word", path.clone())
    };
    [
        format!("serde(serialize_with = \"crate::json::{with}::<{path}, _>\")"),
        format!("schema(value_type = {kind})"),
    ]
}

/// `.weir.monitor.v1.Alert` is `crate::monitor::v1::Alert`.
fn rust_path(name: &str) -> String {
    name.replacen(".weir.", "crate::", 1).replace('.', "::")
}

/// What a type needs; in the document it is `monitor.Alert`.
fn derives(name: &str, rename: Option<&str>) -> String {
    let parts: Vec<&str> = name
        .trim_start_matches(".weir.")
        .split('.')
        .filter(|part| *part != "v1")
        .collect();
    let rename = rename
        .map(|case| format!(", serde(rename_all = \"{case}\")"))
        .unwrap_or_default();
    format!(
        "#[cfg_attr(feature = \"json\", derive(serde::Serialize, utoipa::ToSchema), schema(as = {}){rename})]",
        parts.join("::")
    )
}
