//! Pure. The functions that PostgreSQL brings along, by name: everything in `pg_catalog` of versions 15 and 18.
//!
//! `builtin_functions.txt` is what both servers answer to `SELECT DISTINCT proname FROM pg_proc WHERE pronamespace =
//! 'pg_catalog'::regnamespace`, sorted by bytes. A name that is missing costs a look-up in the catalogue; one that is
//! there wrongly would hide a function of the user's, so none is added by hand.

use std::sync::LazyLock;

static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| include_str!("builtin_functions.txt").lines().collect());

/// Whether PostgreSQL has a function of this name.
pub(crate) fn is_function(name: &str) -> bool {
    NAMES.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{NAMES, is_function};

    #[test]
    fn the_names_are_sorted_and_whole() {
        assert!(NAMES.is_sorted());
        assert!(NAMES.len() > 2_700, "{}", NAMES.len());
        for name in [
            "lower",
            "count",
            "set_config",
            "uuidv7",
            "pg_backup_stop",
            "xpath_exists",
        ] {
            assert!(is_function(name), "{name}");
        }
        for name in ["coalesce", "dblink", "", "lower\n", "zzz"] {
            assert!(!is_function(name), "{name}");
        }
    }
}
