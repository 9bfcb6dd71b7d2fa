//! A caller's trace, as W3C's `traceparent` names it.

/// How long one is.
pub const TRACEPARENT_BYTES: usize = 55;

/// Whether a text is a `traceparent`: `00-<trace>-<span>-<flags>`, in lower-case hexadecimal digits, neither of the two
/// ids all zeros.
pub fn is_traceparent(text: &str) -> bool {
    let is_hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_id = |part: &str, digits| part.len() == digits && is_hex(part) && part.bytes().any(|byte| byte != b'0');
    let mut parts = text.split('-');
    let mut part = || parts.next().unwrap_or_default();
    let is_one = part() == "00" && is_id(part(), 32) && is_id(part(), 16);
    let flags = part();
    is_one && flags.len() == 2 && is_hex(flags) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_w3c_calls_one_is_one() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(is_traceparent(good) && good.len() == TRACEPARENT_BYTES);
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
            "00-0af7651916cd43dd8448eb211c80319cb-7ad6b7169203331-01",
        ] {
            assert!(!is_traceparent(bad), "{bad}");
        }
    }
}
