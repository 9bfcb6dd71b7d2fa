//! How well attacks are told from what applications send, by figures that must not get worse.
//!
//! Statements are put together from lists: payloads of each family in each place of a template, and statements of
//! applications with harmless and hostile values, quoted as drivers quote them. The held-out lists are measured, and no
//! rule is made for them.

mod attacks;
mod benign;
#[path = "../texts/checks.rs"]
mod checks;

use attacks::{FAMILIES, Family, HELD_FAMILIES, HELD_TEMPLATES, Place, TEMPLATES};
use weir_sql::{DANGEROUS, Limits, RULES, SUSPICIOUS, Statement, analyse};

fn statement(sql: &str) -> Statement {
    analyse(sql, Limits::default())
}

fn score(sql: &str) -> u16 {
    statement(sql).risk.as_ref().map_or(0, |risk| risk.score)
}

/// How many of some statements were seen.
#[derive(Debug, Default)]
struct Tally {
    all: usize,
    seen: usize,
    parsed: usize,
    parsed_seen: usize,
    missed: Vec<String>,
}

impl Tally {
    fn count(&mut self, sql: &str) {
        let found = statement(sql);
        let seen = found.risk.as_ref().is_some_and(|risk| risk.score >= DANGEROUS);
        self.all += 1;
        self.seen += usize::from(seen);
        self.parsed += usize::from(found.parsed);
        self.parsed_seen += usize::from(found.parsed && seen);
        if !seen {
            self.missed.push(format!("{} {sql}", score(sql)));
        }
    }

    /// Per mille.
    fn rate(part: usize, whole: usize) -> usize {
        part * 1000 / whole.max(1)
    }

    fn told(&self) -> String {
        format!(
            "{} of {} seen, {} of {} that parse; missed: {:#?}",
            self.seen, self.all, self.parsed_seen, self.parsed, self.missed
        )
    }
}

fn attacks(templates: &[(Place, &str)], families: &[Family]) -> Tally {
    let mut tally = Tally::default();
    for family in families {
        for (place, template) in templates {
            for sql in attacks::spliced(*place, template, family) {
                tally.count(&sql);
            }
        }
    }
    tally
}

#[test]
fn attacks_are_seen() {
    let tally = attacks(&TEMPLATES, &FAMILIES);
    assert!(tally.all > 1_000, "{}", tally.all);
    assert!(Tally::rate(tally.seen, tally.all) >= 990, "{}", tally.told());
    assert!(Tally::rate(tally.parsed_seen, tally.parsed) >= 990, "{}", tally.told());
}

#[test]
fn attacks_that_were_held_out_are_seen_too() {
    for (templates, families) in [
        (&HELD_TEMPLATES[..], &FAMILIES[..]),
        (&TEMPLATES[..], &HELD_FAMILIES[..]),
        (&HELD_TEMPLATES[..], &HELD_FAMILIES[..]),
    ] {
        let tally = attacks(templates, families);
        assert!(Tally::rate(tally.seen, tally.all) >= 970, "{}", tally.told());
        assert!(Tally::rate(tally.parsed_seen, tally.parsed) >= 970, "{}", tally.told());
    }
}

#[test]
fn applications_are_left_in_peace() {
    let mut tally = Tally::default();
    let mut noted = Vec::new();
    for template in benign::STATEMENTS {
        assert!(statement(&benign::parameterised(template)).parsed, "{template}");
        for (before, behind) in benign::AROUND {
            let parameters = benign::parameterised(template);
            let values = (0..4).map(|at| benign::filled(template, benign::TEXTS[at], at * 7));
            for sql in values.chain([parameters]) {
                let sql = format!("{before}{sql}{behind}");
                if benign::is_ambiguous(&sql) {
                    continue;
                }
                tally.count(&sql);
                noted.extend((score(&sql) >= SUSPICIOUS).then_some(sql));
            }
        }
    }
    assert!(tally.all > 3_000, "{}", tally.all);
    assert_eq!(tally.seen, 0, "of {}: {noted:#?}", tally.all);
    assert!(
        Tally::rate(noted.len(), tally.all) <= 20,
        "of {}: {noted:#?}",
        tally.all
    );
}

#[test]
fn hostile_texts_are_harmless_between_quotes() {
    for template in benign::STATEMENTS {
        let plain = statement(&benign::filled(template, "alice", 7)).risk;
        for text in benign::TEXTS {
            let sql = benign::filled(template, text, 7);
            if benign::is_ambiguous(&sql) {
                continue;
            }
            assert!(score(&sql) < DANGEROUS, "{sql}");
            if plain.is_none() && !text.is_empty() {
                assert_eq!(statement(&sql).risk, None, "{sql}");
            }
        }
    }
}

#[test]
fn an_optional_filter_with_an_empty_text_is_what_an_attack_looks_like() {
    let template = "SELECT * FROM t WHERE (name = {s} OR {s} = '')";
    assert!(score(&benign::filled(template, "alice", 1)) < SUSPICIOUS);
    let sql = benign::filled(template, "", 1);
    assert_eq!(sql, "SELECT * FROM t WHERE (name = '{}')".replace("{}", "' OR '' = '"));
    assert!(score(&sql) >= DANGEROUS);
}

/// Checks a text like any other that is sent.
fn check(sql: &str) {
    checks::check(&checks::text_of(format!("\0{sql}").as_bytes()));
}

#[test]
fn verdicts_hang_on_literals_only_where_they_say_so() {
    for families in [&FAMILIES[..], &HELD_FAMILIES] {
        for family in families {
            for (place, template) in TEMPLATES.iter().chain(&HELD_TEMPLATES) {
                for sql in attacks::spliced(*place, template, family) {
                    check(&sql);
                }
            }
        }
    }
    for template in benign::STATEMENTS {
        for (before, behind) in benign::AROUND {
            for text in ["alice", "", "%", "' --"] {
                check(&format!("{before}{}{behind}", benign::filled(template, text, 0)));
            }
        }
    }
}

#[test]
fn the_guide_names_every_rule() {
    assert!(RULES.is_sorted());
    let guide = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides/firewall.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    for (name, _) in RULES {
        assert!(guide.contains(&format!("| `{name}` |")), "{name} is not in the guide");
    }
}
