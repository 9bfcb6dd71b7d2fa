//! `SET SESSION CHARACTERISTICS`: the settings that its modes stand for.

use super::statement;
use crate::Deed;

#[test]
fn each_mode_is_a_setting_of_its_own() {
    for (modes, expected) in [
        ("READ ONLY", &[("read_only", "on")][..]),
        ("read write", &[("read_only", "off")]),
        ("isolation level read committed", &[("isolation", "read committed")]),
        (
            "isolation level repeatable read, read write not deferrable",
            &[
                ("isolation", "repeatable read"),
                ("read_only", "off"),
                ("deferrable", "off"),
            ],
        ),
    ] {
        let found = statement(&format!("SET SESSION CHARACTERISTICS AS TRANSACTION {modes}"));
        let expected = expected.iter().map(|(which, value)| Deed::Set {
            name: format!("default_transaction_{which}").into(),
            local: false,
            text: format!("SET default_transaction_{which} TO '{value}'").into(),
        });
        assert_eq!(found.deeds.into_vec(), expected.collect::<Vec<_>>(), "{modes}");
    }
}
