//! The house rules as tests.
//!
//! Every rule is a pure function from facts to complaints. It has one test with facts that break it, so that it is
//! known to bite, and one test on the real tree. A complaint says what is wrong, where, and which rule it breaks.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod code_map;
mod compose;
mod doors;
mod facts;
mod floors;
mod kubernetes;
mod metrics;
mod places;
mod proto_contract;
mod reference;
mod service_graph;
mod settings;
mod sources;

/// Fails with every complaint at once.
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n\n{}\n", complaints.join("\n"));
}

/// Asserts that facts made up to break a rule are complained about in words that name the culprit.
fn assert_caught(complaints: &[String], culprits: &[&str]) {
    assert_eq!(complaints.len(), culprits.len(), "{complaints:#?}");
    for (complaint, culprit) in complaints.iter().zip(culprits) {
        assert!(complaint.contains(culprit), "{complaint} does not name {culprit}");
    }
}
