//! Figures as a person reads them, and amounts of memory as PostgreSQL does. Pure.

pub(super) use weir_model::count_in_words as count;

pub(super) const KB: f64 = 1024.0;
pub(super) const MB: f64 = 1024.0 * KB;
pub(super) const GB: f64 = 1024.0 * MB;

/// Bytes in the unit that fits.
pub(super) fn size(bytes: f64) -> String {
    match bytes {
        bytes if bytes >= 1024.0 * GB => format!("{} TB", count(bytes / 1024.0 / GB)),
        bytes if bytes >= GB => format!("{} GB", count(bytes / GB)),
        bytes if bytes >= MB => format!("{} MB", count(bytes / MB)),
        bytes => format!("{} kB", count(bytes / KB)),
    }
}

/// A part of a whole in per cent.
pub(super) fn percent(part: f64) -> String {
    let percent = part * 100.0;
    if percent > 0.0 && percent < 10.0 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

/// Hours in the unit that fits.
pub(super) fn hours(hours: f64) -> String {
    match hours {
        hours if hours >= 24.0 * 365.0 * 2.0 => format!("{} years", count(hours / 24.0 / 365.0)),
        hours if hours >= 48.0 => format!("{} days", count(hours / 24.0)),
        hours if hours >= 1.0 => format!("{} h", count(hours)),
        hours if hours >= 1.0 / 60.0 => format!("{} min", count(hours * 60.0)),
        hours => format!("{} s", count(hours * 3600.0)),
    }
}

/// An amount of memory as a setting has it: of two significant binary digits after the first, in GB if it is whole.
pub(super) fn memory(bytes: f64) -> String {
    let mb = (bytes / MB).floor().max(1.0);
    let step = 2_f64.powf((mb.log2().floor() - 2.0).max(0.0));
    let mb = (mb / step).floor() * step;
    if mb >= 1024.0 && mb % 1024.0 == 0.0 {
        format!("{:.0}GB", mb / 1024.0)
    } else {
        format!("{mb:.0}MB")
    }
}

/// The next power of two of megabytes that holds so many bytes.
pub(super) fn power_of_two(bytes: f64) -> f64 {
    let mb = (bytes / MB).max(1.0);
    2_f64.powf(mb.log2().ceil()) * MB
}

/// A share as a setting has it: one digit that counts, so that it stays the same while figures move a little.
pub(super) fn share(value: f64) -> f64 {
    if value <= 0.0 {
        return 0.0;
    }
    let unit = 10_f64.powf(value.log10().floor());
    // 1, 2 and 5 of each decade.
    let digit = match value / unit {
        digit if digit >= 5.0 => 5.0,
        digit if digit >= 2.0 => 2.0,
        _ => 1.0,
    };
    digit * unit
}

/// The text of such a share.
pub(super) fn share_text(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Names in a row: `a`, `a and b`, `a, b and c`.
pub(super) fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_settings_are_round() {
        assert_eq!(count(1_234_567.0), "1,234,567");
        assert_eq!(size(1.5 * GB), "1.5 GB");
        assert_eq!(size(3.0 * 1024.0 * GB), "3 TB");
        assert_eq!(percent(0.034), "3.4 %");
        assert_eq!(hours(0.5), "30 min");
        assert_eq!(hours(100.0), "4.2 days");
        assert_eq!(memory(5.9 * GB), "5GB");
        assert_eq!(memory(700.0 * MB), "640MB");
        assert_eq!(memory(1.0), "1MB");
        assert_eq!(power_of_two(65.0 * MB), 128.0 * MB);
        assert_eq!(share_text(share(0.0374)), "0.02");
        assert_eq!(share_text(share(0.0078)), "0.005");
        assert_eq!(share_text(share(0.0)), "0");
    }
}
