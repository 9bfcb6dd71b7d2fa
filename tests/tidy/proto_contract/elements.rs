//! A descriptor set as a flat list: every element by its full name, with what others rely on about it. Pure.

use std::collections::BTreeMap;
use std::fmt;

use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet, MethodDescriptorProto,
    ServiceDescriptorProto,
};

/// What sort of element something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sort {
    Message,
    Field,
    Enum,
    Value,
    Service,
    Rpc,
    /// A number or a name that must never be used again.
    Reserved,
}

/// One element of the protocol.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Element {
    pub(super) sort: Sort,
    pub(super) name: String,
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sort = match self.sort {
            Sort::Message => "message",
            Sort::Field => "field",
            Sort::Enum => "enum",
            Sort::Value => "value",
            Sort::Service => "service",
            Sort::Rpc => "rpc",
            Sort::Reserved => "the reservation of",
        };
        write!(f, "{sort} {}", self.name)
    }
}

/// What others rely on about an element, by name.
pub(super) type Traits = Vec<(&'static str, String)>;

/// Every element of a set.
pub(super) fn elements(set: &FileDescriptorSet) -> BTreeMap<Element, Traits> {
    let mut all = Elements::default();
    for file in &set.file {
        let package = file.package();
        file.message_type
            .iter()
            .for_each(|message| all.message(package, message));
        file.enum_type
            .iter()
            .for_each(|enumeration| all.enumeration(package, enumeration));
        file.service.iter().for_each(|service| all.service(package, service));
    }
    all.0
}

#[derive(Default)]
struct Elements(BTreeMap<Element, Traits>);

impl Elements {
    fn add(&mut self, sort: Sort, scope: &str, name: &str, traits: Traits) -> String {
        let name = format!("{scope}.{name}");
        self.0.insert(
            Element {
                sort,
                name: name.clone(),
            },
            traits,
        );
        name
    }

    fn message(&mut self, scope: &str, message: &DescriptorProto) {
        let name = self.add(Sort::Message, scope, message.name(), Vec::new());
        for field in &message.field {
            self.add(Sort::Field, &name, field.name(), field_traits(message, field));
        }
        for range in &message.reserved_range {
            (range.start()..range.end()).for_each(|number| self.reserve(&name, &number.to_string()));
        }
        message
            .reserved_name
            .iter()
            .for_each(|reserved| self.reserve(&name, reserved));
        message
            .nested_type
            .iter()
            .for_each(|nested| self.message(&name, nested));
        message
            .enum_type
            .iter()
            .for_each(|nested| self.enumeration(&name, nested));
    }

    fn enumeration(&mut self, scope: &str, enumeration: &EnumDescriptorProto) {
        let name = self.add(Sort::Enum, scope, enumeration.name(), Vec::new());
        for value in &enumeration.value {
            self.add(
                Sort::Value,
                &name,
                value.name(),
                vec![("number", value.number().to_string())],
            );
        }
        for range in &enumeration.reserved_range {
            (range.start()..=range.end()).for_each(|number| self.reserve(&name, &number.to_string()));
        }
        enumeration
            .reserved_name
            .iter()
            .for_each(|reserved| self.reserve(&name, reserved));
    }

    fn service(&mut self, scope: &str, service: &ServiceDescriptorProto) {
        let name = self.add(Sort::Service, scope, service.name(), Vec::new());
        for method in &service.method {
            self.add(Sort::Rpc, &name, method.name(), rpc_traits(method));
        }
    }

    fn reserve(&mut self, scope: &str, what: &str) {
        self.add(Sort::Reserved, scope, what, Vec::new());
    }
}

fn field_traits(message: &DescriptorProto, field: &FieldDescriptorProto) -> Traits {
    let kind = match field.type_name() {
        "" => field.r#type().as_str_name().trim_start_matches("TYPE_").to_lowercase(),
        named => named.trim_start_matches('.').to_owned(),
    };
    let label = field.label().as_str_name().trim_start_matches("LABEL_").to_lowercase();
    let presence = if field.proto3_optional() {
        "told apart from its default"
    } else {
        "as its kind has it"
    };
    vec![
        ("number", field.number().to_string()),
        ("type", kind),
        ("cardinality", label),
        ("presence", presence.to_owned()),
        ("oneof", oneof(message, field).unwrap_or("none").to_owned()),
        ("name in JSON", field.json_name().to_owned()),
    ]
}

/// The oneof that a field was written into; the one that the compiler makes for an optional field is none.
fn oneof<'a>(message: &'a DescriptorProto, field: &FieldDescriptorProto) -> Option<&'a str> {
    let index = usize::try_from(field.oneof_index?).ok()?;
    let written = message.oneof_decl.get(index).filter(|_| !field.proto3_optional())?;
    Some(written.name())
}

fn rpc_traits(method: &MethodDescriptorProto) -> Traits {
    let bare = |name: &str| name.trim_start_matches('.').to_owned();
    let streaming = |streams: bool| if streams { "a stream" } else { "one message" }.to_owned();
    vec![
        ("request", bare(method.input_type())),
        ("response", bare(method.output_type())),
        ("the client sends", streaming(method.client_streaming())),
        ("the server sends", streaming(method.server_streaming())),
    ]
}
