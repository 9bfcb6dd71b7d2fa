//! The protocol never breaks by accident: what is compiled is compared with `proto/descriptor.binpb`, the protocol as it
//! was last accepted, and every element of it says what it means.
//!
//! An addition is accepted with `WEIR_ACCEPT=additions`, a break with `WEIR_ACCEPT=breaking`; both write the file anew.

mod comments;
mod compare;
mod elements;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use prost::Message as _;
use prost_types::FileDescriptorSet;

use compare::{Difference, compare};

/// What the environment allows this run to accept.
const ACCEPT: &str = "WEIR_ACCEPT";
const COMMAND: &str = "cargo test -p weir-tests --test tidy proto_contract";

/// What is to be done about a difference.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Nothing changed.
    Same,
    /// The change was asked for: write it down.
    Accept,
    /// The change was not asked for: say so.
    Refuse(String),
}

/// Decides about a difference. Breaks are accepted only by their own name, so that an addition never lets one slip in.
fn verdict(difference: &Difference, accept: Option<&str>) -> Verdict {
    let Difference { breaks, additions } = difference;
    match (breaks.is_empty(), additions.is_empty(), accept) {
        (true, true, _) => Verdict::Same,
        (_, _, Some("breaking")) | (true, _, Some("additions")) => Verdict::Accept,
        (false, _, _) => Verdict::Refuse(refusal(
            "the protocol breaks those who speak it",
            breaks,
            "Put it back, or add beside it. Only where nobody speaks it yet",
            "breaking",
        )),
        (true, false, _) => Verdict::Refuse(refusal("the protocol grew", additions, "If that is meant", "additions")),
    }
}

fn refusal(what: &str, changes: &[String], advice: &str, accept: &str) -> String {
    let mut text = format!("{what}:\n");
    for change in changes {
        let _ = writeln!(text, "  {change}");
    }
    text + &format!("{advice}: {ACCEPT}={accept} {COMMAND}, and commit proto/descriptor.binpb with it.")
}

fn proto_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto")
}

#[expect(
    clippy::disallowed_methods,
    reason = "a switch of this test for the person who runs it, and no setting of Weir"
)]
fn accepted() -> Option<String> {
    std::env::var(ACCEPT).ok()
}

#[test]
fn the_protocol_is_the_accepted_one() {
    let path = proto_directory().join("descriptor.binpb");
    let known = std::fs::read(&path).unwrap_or_default();
    let known = FileDescriptorSet::decode(known.as_slice()).expect("proto/descriptor.binpb is a descriptor set");
    let now = FileDescriptorSet::decode(weir_proto::FILE_DESCRIPTOR_SET).expect("the compiled descriptor set");
    match verdict(&compare(&known, &now), accepted().as_deref()) {
        Verdict::Same => {}
        Verdict::Accept => {
            std::fs::write(&path, weir_proto::FILE_DESCRIPTOR_SET).expect("proto/descriptor.binpb can be written");
        }
        Verdict::Refuse(text) => panic!("{text}"),
    }
}

#[test]
fn every_element_says_what_it_means() {
    let root = proto_directory();
    let now = FileDescriptorSet::decode(weir_proto::FILE_DESCRIPTOR_SET).expect("the compiled descriptor set");
    let files = now.file.iter().map(|file| root.join(file.name()));
    let with_comments = protox::compile(files, [&root]).expect("the protocol files compile");
    crate::assert_none(&comments::silent(&with_comments));
}

#[test]
fn a_change_is_accepted_by_its_own_name_only() {
    let text = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect();
    let same = Difference::default();
    let grown = Difference {
        breaks: Vec::new(),
        additions: text(&["field a.B.c is new"]),
    };
    let broken = Difference {
        breaks: text(&["field a.B.d was removed"]),
        additions: grown.additions.clone(),
    };
    for accept in [None, Some("additions"), Some("breaking"), Some("yes")] {
        assert_eq!(verdict(&same, accept), Verdict::Same);
    }
    assert_eq!(verdict(&grown, Some("additions")), Verdict::Accept);
    assert_eq!(verdict(&grown, Some("breaking")), Verdict::Accept);
    assert_eq!(verdict(&broken, Some("breaking")), Verdict::Accept);
    for (difference, accept, expected) in [
        (&grown, None, ["field a.B.c is new", "WEIR_ACCEPT=additions cargo test"]),
        (
            &grown,
            Some("yes"),
            ["field a.B.c is new", "WEIR_ACCEPT=additions cargo test"],
        ),
        (
            &broken,
            None,
            ["field a.B.d was removed", "WEIR_ACCEPT=breaking cargo test"],
        ),
        (
            &broken,
            Some("additions"),
            ["field a.B.d was removed", "WEIR_ACCEPT=breaking cargo test"],
        ),
    ] {
        let Verdict::Refuse(refused) = verdict(difference, accept) else {
            panic!("{accept:?} accepted {difference:?}")
        };
        assert!(expected.iter().all(|part| refused.contains(part)), "{refused}");
    }
}
