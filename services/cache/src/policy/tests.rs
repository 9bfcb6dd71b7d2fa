//! Which rule applies, case by case.

use std::time::Duration;

use weir_model::{Fingerprint, Project};
use weir_proto::cache::v1 as api;

use super::rule::Mode;
use super::*;

const SHAPE: &str = "00ab00ab00ab00ab";

fn written(fingerprint: &str, table: &str, mode: &str) -> WrittenRule {
    WrittenRule {
        fingerprint: fingerprint.to_owned(),
        table: table.to_owned(),
        mode: mode.to_owned(),
        note: format!("{fingerprint}{table} {mode}"),
        ..WrittenRule::default()
    }
}

fn by_call(written: &WrittenRule) -> Rule {
    let rule = written.read(Origin::Call, String::new()).unwrap();
    let id = format!("call/{}", rule.subject);
    Rule { id, ..rule }
}

fn by_file(written: &WrittenRule) -> Rule {
    written.read_from_file().unwrap()
}

fn applying(rules: &[Rule], relations: &[&str]) -> Option<String> {
    let book = Book::new(rules.iter().rev().cloned());
    let shape: Fingerprint = SHAPE.parse().unwrap();
    let found = book.applying(&Project::default(), shape, relations.iter().copied());
    found.map(|rule| rule.id)
}

#[test]
fn the_most_particular_rule_applies() {
    let shape = by_call(&written(SHAPE, "", "always"));
    let other_shape = by_call(&written("00000000000000ff", "", "never"));
    let users = by_call(&written("", "public.users", "auto"));
    let roles = by_call(&written("", "public.roles", "never"));
    let project = by_call(&written("", "", "dry-run"));
    let elsewhere = by_call(&WrittenRule {
        project: "shop".to_owned(),
        ..written(SHAPE, "", "never")
    });
    let all = [shape, other_shape, users, roles, project, elsewhere];
    for (without, relations, expected) in [
        (0, &["public.users"][..], Some("call/shape/00ab00ab00ab00ab")),
        (0, &[], Some("call/shape/00ab00ab00ab00ab")),
        (2, &["public.users"], Some("call/table/public.users")),
        (2, &["public.orders", "public.users"], Some("call/table/public.users")),
        (2, &["public.users", "public.roles"], Some("call/table/public.roles")),
        (2, &["public.roles", "public.users"], Some("call/table/public.roles")),
        (2, &["users"], Some("call/project")),
        (2, &["public.orders"], Some("call/project")),
        (2, &[], Some("call/project")),
        (5, &["public.users"], None),
        (6, &["public.users"], None),
    ] {
        let rules = all.get(without..).unwrap_or_default();
        let found = applying(rules, relations);
        assert_eq!(found.as_deref(), expected, "without the first {without}, {relations:?}");
    }
}

#[test]
fn of_one_subject_the_files_rule_applies() {
    for (fingerprint, table) in [(SHAPE, ""), ("", "public.users"), ("", "")] {
        let call = by_call(&written(fingerprint, table, "never"));
        let file = by_file(&written(fingerprint, table, "always"));
        for rules in [[call.clone(), file.clone()], [file.clone(), call]] {
            let found = applying(&rules, &["public.users"]);
            assert_eq!(found.as_ref(), Some(&file.id));
        }
    }
    // A call about something more particular still goes before the file.
    let rules = [
        by_call(&written(SHAPE, "", "never")),
        by_file(&written("", "", "always")),
    ];
    assert_eq!(applying(&rules, &[]).as_deref(), Some("call/shape/00ab00ab00ab00ab"));
}

#[test]
fn of_several_tables_the_most_cautious_rule_applies() {
    let rule = |mode: &str, consistency: &str, bound: &str, ttl: &str| WrittenRule {
        mode: mode.to_owned(),
        consistency: consistency.to_owned(),
        bound: bound.to_owned(),
        ttl: ttl.to_owned(),
        ..WrittenRule::default()
    };
    // From the most cautious to the boldest.
    let ladder = [
        rule("never", "ttl", "", "1h"),
        rule("dry-run", "", "", ""),
        rule("always", "strict", "", ""),
        rule("auto", "session", "", ""),
        rule("auto", "", "", ""),
        rule("always", "", "", ""),
        rule("auto", "bounded", "100ms", ""),
        rule("auto", "bounded", "5s", ""),
        rule("auto", "ttl", "", "1s"),
        rule("auto", "ttl", "", "1m"),
    ];
    let names: Vec<String> = (0..ladder.len()).map(|place| format!("public.t{place}")).collect();
    let rules: Vec<Rule> = ladder
        .iter()
        .zip(&names)
        .map(|(rule, name)| {
            by_call(&WrittenRule {
                table: name.clone(),
                ..rule.clone()
            })
        })
        .collect();
    for first in 0..ladder.len() {
        for second in first + 1..ladder.len() {
            let relations = [names[second].as_str(), names[first].as_str()];
            let expected = format!("call/table/{}", names[first]);
            assert_eq!(applying(&rules, &relations), Some(expected), "{first} before {second}");
        }
    }
}

#[test]
fn the_budget_of_a_project_holds_beside_every_rule() {
    let project = by_file(&WrittenRule {
        memory_bytes_max: 1_000,
        ..written("", "", "never")
    });
    let book = Book::new([project, by_call(&written(SHAPE, "", "always"))]);
    let rule = book.applying(&Project::default(), SHAPE.parse().unwrap(), []).unwrap();
    assert_eq!((rule.mode, rule.memory_bytes_max), (Mode::Always, 1_000));
}

#[test]
fn a_rule_is_the_same_written_and_told() {
    let whole = WrittenRule {
        project: "shop".to_owned(),
        table: "public.users".to_owned(),
        mode: "always".to_owned(),
        consistency: "bounded".to_owned(),
        bound: "1500ms".to_owned(),
        ttl: "1h".to_owned(),
        empty_ttl: "5s".to_owned(),
        result_bytes_max: 10,
        note: "why".to_owned(),
        ..WrittenRule::default()
    };
    let rule = whole.read(Origin::Call, "id".to_owned()).unwrap();
    assert_eq!(WrittenRule::of(&rule), whole);
    assert_eq!(from_api(&to_api(&rule), "id".to_owned()).unwrap(), rule);
    assert_eq!(rule.bound, Duration::from_millis(1_500));
    for text in ["shape/00ab00ab00ab00ab", "table/public.a/b", "project"] {
        assert_eq!(Subject::parse(text).unwrap().to_string(), text);
    }
}

#[test]
fn what_calls_may_not_say_is_refused_by_name() {
    let subject = || Some(api::policy::Subject::WholeProject(api::Everything {}));
    let whole = || api::Policy {
        subject: subject(),
        ..api::Policy::default()
    };
    assert!(from_api(&whole(), String::new()).is_ok());
    for (policy, field) in [
        (api::Policy::default(), "subject"),
        (api::Policy { mode: 99, ..whole() }, "mode"),
        (
            api::Policy {
                consistency: -1,
                ..whole()
            },
            "consistency",
        ),
        (
            api::Policy {
                consistency: 4,
                ..whole()
            },
            "ttl",
        ),
        (
            api::Policy {
                note: "x\0".to_owned(),
                ..whole()
            },
            "note",
        ),
        (
            api::Policy {
                note: "x".repeat(1_001),
                ..whole()
            },
            "note",
        ),
        (
            api::Policy {
                project: "A".to_owned(),
                ..whole()
            },
            "project",
        ),
        (
            api::Policy {
                subject: Some(api::policy::Subject::Relation("x.\n".to_owned())),
                ..whole()
            },
            "table",
        ),
    ] {
        assert_eq!(from_api(&policy, String::new()).unwrap_err().field, field);
    }
}

#[test]
fn what_no_gateway_can_do_is_refused() {
    let rule = by_call(&written("", "", "auto"));
    for (policy, field) in [
        (
            api::Policy {
                stale_while_revalidate_ms: 1,
                ..to_api(&rule)
            },
            "stale_while_revalidate_ms",
        ),
        (
            api::Policy {
                shared_bytes_max: 1,
                ..to_api(&rule)
            },
            "shared_bytes_max",
        ),
    ] {
        assert_eq!(from_api(&policy, String::new()).unwrap_err().field, field);
    }
}
