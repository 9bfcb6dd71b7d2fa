//! Figures as a person reads them. Pure.

/// A number, with a comma between thousands; below ten with one digit behind the point, if that is not zero.
pub fn count_in_words(number: f64) -> String {
    if number < 10.0 && (number - number.round()).abs() >= 0.05 {
        return format!("{number:.1}");
    }
    let digits = format!("{:.0}", number.max(0.0));
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes as people say them, such as `1.5 MB`; a step is 1,024.
pub fn size_in_words(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 1024.0 {
            return if unit == "B" {
                format!("{bytes} B")
            } else {
                format!("{value:.1} {unit}")
            };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_apart_by_thousands() {
        let counts = [0.0, 1.25, 9.98, 10.4, 999.0, 1_000.0, 1_234_567.0].map(count_in_words);
        assert_eq!(counts, ["0", "1.2", "10", "10", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn sizes_are_said_as_people_do() {
        let mb = 1024 * 1024;
        assert_eq!(
            [12, 2_048, 3 * mb / 2, 5_000 * mb, 3 * mb * mb].map(size_in_words),
            ["12 B", "2.0 kB", "1.5 MB", "4.9 GB", "3.0 TB"]
        );
    }
}
