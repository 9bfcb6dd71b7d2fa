//! What changed between two versions of the protocol, and whether it breaks those who speak the older one. Pure.

use prost_types::FileDescriptorSet;

use super::elements::{Element, Traits, elements};

/// What changed, each change as one line that names the element.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// Changes that break somebody: in bytes, in JSON or in generated code.
    pub(super) breaks: Vec<String>,
    /// Pure additions.
    pub(super) additions: Vec<String>,
}

/// Compares the protocol as it was with the protocol as it is.
pub(super) fn compare(was: &FileDescriptorSet, is: &FileDescriptorSet) -> Difference {
    let (was, is) = (elements(was), elements(is));
    let mut difference = Difference::default();
    for (element, traits) in &was {
        match is.get(element) {
            Some(now) => difference.breaks.extend(changes(element, traits, now)),
            None => difference.breaks.push(format!("{element} was removed")),
        }
    }
    let new = is.keys().filter(|element| !was.contains_key(element));
    difference
        .additions
        .extend(new.map(|element| format!("{element} is new")));
    difference
}

fn changes(element: &Element, was: &Traits, is: &Traits) -> Vec<String> {
    let pairs = was.iter().zip(is).filter(|(was, is)| was != is);
    pairs
        .map(|((what, was), (_, is))| format!("{element}: {what} was {was} and is {is}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use prost_types::descriptor_proto::ReservedRange;
    use prost_types::field_descriptor_proto::{Label, Type};
    use prost_types::{
        DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
        MethodDescriptorProto, OneofDescriptorProto, ServiceDescriptorProto,
    };

    use super::*;

    fn name(value: &str) -> Option<String> {
        Some(value.to_owned())
    }

    fn field(of: &str, number: i32) -> FieldDescriptorProto {
        FieldDescriptorProto {
            name: name(of),
            json_name: name(of),
            number: Some(number),
            label: Some(Label::Optional.into()),
            r#type: Some(Type::Int64.into()),
            ..FieldDescriptorProto::default()
        }
    }

    fn value(of: &str, number: i32) -> EnumValueDescriptorProto {
        EnumValueDescriptorProto {
            name: name(of),
            number: Some(number),
            options: None,
        }
    }

    fn rpc(of: &str) -> MethodDescriptorProto {
        MethodDescriptorProto {
            name: name(of),
            input_type: name(".a.v1.Box"),
            output_type: name(".a.v1.Box"),
            ..MethodDescriptorProto::default()
        }
    }

    /// `Box` with fields `size`, `weight` (which is in the oneof `either`) and `lid`, a nested `Box.Lid`, number 9
    /// reserved; `Colour` with two values; `Shop` with two calls.
    fn sample() -> FileDescriptorSet {
        let lid = DescriptorProto {
            name: name("Lid"),
            field: vec![field("hinge", 1)],
            ..DescriptorProto::default()
        };
        let message = DescriptorProto {
            name: name("Box"),
            field: vec![
                field("size", 1),
                FieldDescriptorProto {
                    oneof_index: Some(0),
                    ..field("weight", 2)
                },
                FieldDescriptorProto {
                    r#type: Some(Type::Message.into()),
                    type_name: name(".a.v1.Box.Lid"),
                    ..field("lid", 3)
                },
            ],
            nested_type: vec![lid],
            oneof_decl: vec![OneofDescriptorProto {
                name: name("either"),
                options: None,
            }],
            reserved_range: vec![ReservedRange {
                start: Some(9),
                end: Some(10),
            }],
            reserved_name: vec!["colour".to_owned()],
            ..DescriptorProto::default()
        };
        let colour = EnumDescriptorProto {
            name: name("Colour"),
            value: vec![value("COLOUR_UNSPECIFIED", 0), value("COLOUR_RED", 1)],
            ..EnumDescriptorProto::default()
        };
        let shop = ServiceDescriptorProto {
            name: name("Shop"),
            method: vec![rpc("Buy"), rpc("Sell")],
            options: None,
        };
        let file = FileDescriptorProto {
            name: name("a/v1/a.proto"),
            package: name("a.v1"),
            message_type: vec![message],
            enum_type: vec![colour],
            service: vec![shop],
            ..FileDescriptorProto::default()
        };
        FileDescriptorSet { file: vec![file] }
    }

    fn changed(change: impl FnOnce(&mut FileDescriptorProto)) -> Difference {
        let mut after = sample();
        change(&mut after.file[0]);
        compare(&sample(), &after)
    }

    #[track_caller]
    fn breaks(expected: &[&str], change: impl FnOnce(&mut FileDescriptorProto)) {
        assert_eq!(changed(change).breaks, expected);
    }

    #[test]
    fn nothing_changed_is_no_difference() {
        assert_eq!(changed(|_| {}), Difference::default());
        let reordered = changed(|file| file.message_type[0].field.reverse());
        assert_eq!(reordered, Difference::default(), "the order of elements means nothing");
    }

    #[test]
    fn a_removed_element_breaks() {
        breaks(&["field a.v1.Box.size was removed"], |file| {
            file.message_type[0].field.remove(0);
        });
        breaks(
            &[
                "message a.v1.Box.Lid was removed",
                "field a.v1.Box.Lid.hinge was removed",
            ],
            |file| {
                file.message_type[0].nested_type.clear();
            },
        );
        breaks(&["value a.v1.Colour.COLOUR_RED was removed"], |file| {
            file.enum_type[0].value.pop();
        });
        breaks(
            &[
                "enum a.v1.Colour was removed",
                "value a.v1.Colour.COLOUR_RED was removed",
                "value a.v1.Colour.COLOUR_UNSPECIFIED was removed",
            ],
            |file| file.enum_type.clear(),
        );
        breaks(&["rpc a.v1.Shop.Buy was removed"], |file| {
            file.service[0].method.remove(0);
        });
        breaks(
            &[
                "service a.v1.Shop was removed",
                "rpc a.v1.Shop.Buy was removed",
                "rpc a.v1.Shop.Sell was removed",
            ],
            |file| file.service.clear(),
        );
        breaks(
            &[
                "the reservation of a.v1.Box.9 was removed",
                "the reservation of a.v1.Box.colour was removed",
            ],
            |file| {
                file.message_type[0].reserved_range.clear();
                file.message_type[0].reserved_name.clear();
            },
        );
        let everything = compare(&sample(), &FileDescriptorSet::default());
        assert_eq!(everything.breaks.len(), elements(&sample()).len());
    }

    #[test]
    fn a_renamed_element_breaks() {
        let difference = changed(|file| file.message_type[0].field[0] = field("volume", 1));
        assert_eq!(difference.breaks, ["field a.v1.Box.size was removed"]);
        assert_eq!(difference.additions, ["field a.v1.Box.volume is new"]);
        breaks(&["field a.v1.Box.size: name in JSON was size and is SIZE"], |file| {
            file.message_type[0].field[0].json_name = name("SIZE");
        });
        assert_eq!(
            changed(|file| file.package = name("b.v1")).breaks.len(),
            elements(&sample()).len()
        );
    }

    #[test]
    fn a_renumbered_element_breaks() {
        breaks(&["field a.v1.Box.size: number was 1 and is 4"], |file| {
            file.message_type[0].field[0].number = Some(4);
        });
        breaks(&["value a.v1.Colour.COLOUR_RED: number was 1 and is 2"], |file| {
            file.enum_type[0].value[1].number = Some(2);
        });
    }

    #[test]
    fn a_retyped_field_breaks() {
        breaks(&["field a.v1.Box.size: type was int64 and is fixed64"], |file| {
            file.message_type[0].field[0].r#type = Some(Type::Fixed64.into());
        });
        breaks(&["field a.v1.Box.lid: type was a.v1.Box.Lid and is a.v1.Box"], |file| {
            file.message_type[0].field[2].type_name = name(".a.v1.Box");
        });
    }

    #[test]
    fn a_changed_cardinality_breaks() {
        breaks(
            &["field a.v1.Box.size: cardinality was optional and is repeated"],
            |file| {
                file.message_type[0].field[0].label = Some(Label::Repeated.into());
            },
        );
        breaks(
            &["field a.v1.Box.size: presence was as its kind has it and is told apart from its default"],
            |file| {
                let size = &mut file.message_type[0].field[0];
                (size.proto3_optional, size.oneof_index) = (Some(true), Some(1));
            },
        );
    }

    #[test]
    fn a_field_moved_into_or_out_of_a_oneof_breaks() {
        breaks(&["field a.v1.Box.size: oneof was none and is either"], |file| {
            file.message_type[0].field[0].oneof_index = Some(0);
        });
        breaks(&["field a.v1.Box.weight: oneof was either and is none"], |file| {
            file.message_type[0].field[1].oneof_index = None;
        });
    }

    #[test]
    fn a_changed_call_breaks() {
        breaks(
            &["rpc a.v1.Shop.Buy: request was a.v1.Box and is a.v1.Box.Lid"],
            |file| {
                file.service[0].method[0].input_type = name(".a.v1.Box.Lid");
            },
        );
        breaks(
            &["rpc a.v1.Shop.Buy: response was a.v1.Box and is a.v1.Box.Lid"],
            |file| {
                file.service[0].method[0].output_type = name(".a.v1.Box.Lid");
            },
        );
        breaks(
            &["rpc a.v1.Shop.Buy: the client sends was one message and is a stream"],
            |file| {
                file.service[0].method[0].client_streaming = Some(true);
            },
        );
        breaks(
            &["rpc a.v1.Shop.Buy: the server sends was one message and is a stream"],
            |file| {
                file.service[0].method[0].server_streaming = Some(true);
            },
        );
    }

    #[test]
    fn an_addition_breaks_nothing() {
        let difference = changed(|file| {
            file.message_type[0].field.push(field("price", 4));
            file.message_type[0].field.push(FieldDescriptorProto {
                oneof_index: Some(0),
                ..field("count", 5)
            });
            file.enum_type[0].value.push(value("COLOUR_BLUE", 2));
            file.service[0].method.push(rpc("Return"));
            file.message_type.push(DescriptorProto {
                name: name("Bag"),
                ..DescriptorProto::default()
            });
        });
        assert_eq!(difference.breaks, Vec::<String>::new());
        assert_eq!(
            difference.additions,
            [
                "message a.v1.Bag is new",
                "field a.v1.Box.count is new",
                "field a.v1.Box.price is new",
                "value a.v1.Colour.COLOUR_BLUE is new",
                "rpc a.v1.Shop.Return is new",
            ]
        );
    }
}
