//! Figures as a person reads them. Pure.

pub(crate) use weir_model::count_in_words as count;

/// KiB in the unit that fits.
pub(crate) fn size(kb: f64) -> String {
    match kb {
        kb if kb >= 10.0 * 1024.0 * 1024.0 => format!("{} GB", count(kb / 1024.0 / 1024.0)),
        kb if kb >= 10.0 * 1024.0 => format!("{} MB", count(kb / 1024.0)),
        kb => format!("{} kB", count(kb)),
    }
}

/// Milliseconds.
pub(crate) fn duration(ms: f64) -> String {
    match ms {
        ms if ms >= 10_000.0 => format!("{:.1} s", ms / 1e3),
        ms if ms >= 10.0 => format!("{} ms", count(ms)),
        ms => format!("{ms:.2} ms"),
    }
}

/// A value for `work_mem` that has room for this many KiB: the next power of two MB.
pub(crate) fn memory_setting(kb: f64) -> String {
    let mut mb = 4_u32;
    while f64::from(mb) * 1024.0 < kb && mb < 1 << 20 {
        mb *= 2;
    }
    format!("{mb}MB")
}

/// Names in a row: `a`, `a and b`, `a, b and c`.
pub(crate) fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}
