//! Which elements of the protocol say nothing about themselves. Pure.

use std::collections::BTreeSet;

use prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet, ServiceDescriptorProto,
};

// Numbers of the fields of descriptor.proto, of which the path to an element is made.
const FILE_MESSAGE: i32 = 4;
const FILE_ENUM: i32 = 5;
const FILE_SERVICE: i32 = 6;
const MESSAGE_FIELD: i32 = 2;
const MESSAGE_NESTED: i32 = 3;
const MESSAGE_ENUM: i32 = 4;
const MESSAGE_ONEOF: i32 = 8;
const ENUM_VALUE: i32 = 2;
const SERVICE_METHOD: i32 = 2;

/// A complaint for each message, field, oneof, enum, value, service and rpc without a comment before it.
pub(super) fn silent(set: &FileDescriptorSet) -> Vec<String> {
    set.file.iter().flat_map(silent_in).collect()
}

fn silent_in(file: &FileDescriptorProto) -> Vec<String> {
    let mut search = Search {
        file: file.name(),
        commented: commented(file),
        complaints: Vec::new(),
    };
    let root = Place {
        path: Vec::new(),
        name: file.package().to_owned(),
    };
    for (message, place) in children(&root, FILE_MESSAGE, &file.message_type, DescriptorProto::name) {
        search.message(message, &place);
    }
    for (enumeration, place) in children(&root, FILE_ENUM, &file.enum_type, EnumDescriptorProto::name) {
        search.enumeration(enumeration, &place);
    }
    for (service, place) in children(&root, FILE_SERVICE, &file.service, ServiceDescriptorProto::name) {
        search.look(&place);
        for (_, place) in children(&place, SERVICE_METHOD, &service.method, |method| method.name()) {
            search.look(&place);
        }
    }
    search.complaints
}

/// The paths of all elements that have a comment before them.
fn commented(file: &FileDescriptorProto) -> BTreeSet<&[i32]> {
    let locations = file.source_code_info.iter().flat_map(|info| &info.location);
    let spoken = locations.filter(|location| !location.leading_comments().trim().is_empty());
    spoken.map(|location| location.path.as_slice()).collect()
}

/// Where an element stands in its file, and what it is called.
struct Place {
    path: Vec<i32>,
    name: String,
}

/// The elements of one list, each with its place.
fn children<'a, T>(parent: &Place, list: i32, elements: &'a [T], name: impl Fn(&T) -> &str) -> Vec<(&'a T, Place)> {
    let place = |(index, element): (i32, &'a T)| {
        let path = parent.path.iter().copied().chain([list, index]).collect();
        (
            element,
            Place {
                path,
                name: format!("{}.{}", parent.name, name(element)),
            },
        )
    };
    (0..).zip(elements).map(place).collect()
}

struct Search<'a> {
    file: &'a str,
    commented: BTreeSet<&'a [i32]>,
    complaints: Vec<String>,
}

impl Search<'_> {
    fn look(&mut self, place: &Place) {
        if !self.commented.contains(place.path.as_slice()) {
            let Place { name, .. } = place;
            self.complaints.push(format!(
                "proto/{}: {name} has no comment that says what it means",
                self.file
            ));
        }
    }

    fn message(&mut self, message: &DescriptorProto, place: &Place) {
        // The entry of a map is made by the compiler.
        if message.options.as_ref().is_some_and(|options| options.map_entry()) {
            return;
        }
        self.look(place);
        for (_, place) in children(place, MESSAGE_FIELD, &message.field, |field| field.name()) {
            self.look(&place);
        }
        let made: Vec<_> = message.field.iter().filter(|field| field.proto3_optional()).collect();
        let oneofs = children(place, MESSAGE_ONEOF, &message.oneof_decl, |oneof| oneof.name());
        for ((_, place), index) in oneofs.into_iter().zip(0..) {
            // So is the oneof around an optional field.
            if made.iter().all(|field| field.oneof_index != Some(index)) {
                self.look(&place);
            }
        }
        for (nested, place) in children(place, MESSAGE_NESTED, &message.nested_type, DescriptorProto::name) {
            self.message(nested, &place);
        }
        for (nested, place) in children(place, MESSAGE_ENUM, &message.enum_type, EnumDescriptorProto::name) {
            self.enumeration(nested, &place);
        }
    }

    fn enumeration(&mut self, enumeration: &EnumDescriptorProto, place: &Place) {
        self.look(place);
        for (_, place) in children(place, ENUM_VALUE, &enumeration.value, |value| value.name()) {
            self.look(&place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPOKEN: &str = r#"syntax = "proto3";
package a.v1;
// A box.
message Box {
  // Its size.
  optional int64 size = 1;
  // Its labels.
  map<string, string> labels = 2;
  // One of two.
  oneof either {
    // Its weight.
    int64 weight = 3;
  }
  // Its lid.
  message Lid {
    // How it opens.
    enum Way {
      // It does not.
      WAY_UNSPECIFIED = 0;
    }
  }
}
// A shop.
service Shop {
  // Buys a box.
  rpc Buy(Box) returns (Box);
}
"#;

    fn silent_elements(source: &str) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a.proto"), source).unwrap();
        silent(&protox::compile(["a.proto"], [directory.path()]).unwrap())
    }

    #[test]
    fn a_file_whose_elements_speak_is_fine() {
        crate::assert_none(&silent_elements(SPOKEN));
    }

    #[test]
    fn each_silent_element_is_named() {
        for (comment, culprit) in [
            ("// A box.", "a.proto: a.v1.Box has no comment"),
            ("// Its size.", "a.v1.Box.size has"),
            ("// Its labels.", "a.v1.Box.labels has"),
            ("// One of two.", "a.v1.Box.either has"),
            ("// Its weight.", "a.v1.Box.weight has"),
            ("// Its lid.", "a.v1.Box.Lid has"),
            ("// How it opens.", "a.v1.Box.Lid.Way has"),
            ("// It does not.", "a.v1.Box.Lid.Way.WAY_UNSPECIFIED has"),
            ("// A shop.", "a.v1.Shop has"),
            ("// Buys a box.", "a.v1.Shop.Buy has"),
        ] {
            assert_eq!(SPOKEN.matches(comment).count(), 1);
            crate::assert_caught(&silent_elements(&SPOKEN.replace(comment, "")), &[culprit]);
        }
    }
}
