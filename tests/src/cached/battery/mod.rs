//! Questions whose answers change in ways that caches overlook, as a table: how it is set up, what is asked, what changes
//! meanwhile. Each is asked in the simple protocol and as a prepared statement; an answer is right if PostgreSQL itself
//! gives the same bytes.
//!
//! Where the gateway can be asked what it counts, each case proves first that its answer really came from memory.

mod case;
mod cells;
mod definitions;
mod rights;
mod run;
mod sessions;
mod values;
mod writes;

pub use case::{Case, Check, Step};
pub use run::{Doors, Outcome, deaf, run};

/// Every case.
pub fn cases() -> Vec<Case> {
    let all = [
        writes::CASES,
        definitions::CASES,
        rights::CASES,
        sessions::CASES,
        values::CASES,
        cells::CASES,
    ];
    all.concat()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own_that_can_name_a_schema() {
        let names: HashSet<&str> = cases().iter().map(|case| case.name).collect();
        assert_eq!(names.len(), cases().len());
        assert!(cases().len() >= 30, "{}", cases().len());
        let plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(names.iter().all(|name| plain(name) && name.len() < 50), "{names:?}");
    }

    #[test]
    fn most_cases_are_cacheable() {
        let cacheable = cases().iter().filter(|case| case.cacheable).count();
        assert!(cacheable >= 30, "{cacheable} of {}", cases().len());
    }
}
