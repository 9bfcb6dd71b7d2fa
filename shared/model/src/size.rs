//! Numbers of bytes in words. Pure.

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
    fn sizes_are_said_as_people_do() {
        let mb = 1024 * 1024;
        assert_eq!(
            [12, 2_048, 3 * mb / 2, 5_000 * mb, 3 * mb * mb].map(size_in_words),
            ["12 B", "2.0 kB", "1.5 MB", "4.9 GB", "3.0 TB"]
        );
    }
}
