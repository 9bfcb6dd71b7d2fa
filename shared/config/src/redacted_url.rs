//! A URL that may hold a password.

use weir_model::Secret;

use crate::setting::Setting;

/// A connection URL. It shows itself without its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedactedUrl(Secret);

impl RedactedUrl {
    /// The whole URL, password included.
    pub const fn secret(&self) -> &Secret {
        &self.0
    }
}

impl Setting for RedactedUrl {
    fn kind() -> String {
        "a URL".to_owned()
    }
    fn read(text: &str) -> Result<Self, String> {
        // The value is not echoed: a malformed URL may still hold a password.
        if text.contains("://") {
            Ok(Self(Secret::new(text)))
        } else {
            Err("the value is not a URL".to_owned())
        }
    }
    fn show(&self) -> String {
        redact(self.0.expose())
    }
    fn hides() -> bool {
        true
    }
}

/// The text with the password of every URL in it replaced by stars: a setting that is only text may hold one too.
pub(crate) fn masked(text: &str) -> String {
    if text.matches("://").count() == 1 && !text.contains(['"', '\'', '\n', ' ']) {
        return redact(text);
    }
    let mut shown = String::with_capacity(text.len());
    for part in text.split_inclusive(['"', '\'', ' ', '\n', ',', ';']) {
        let (word, end) = match part.char_indices().next_back() {
            Some((at, '"' | '\'' | ' ' | '\n' | ',' | ';')) => part.split_at(at),
            _ => (part, ""),
        };
        if word.contains("://") {
            shown.push_str(&redact(word));
        } else {
            shown.push_str(word);
        }
        shown.push_str(end);
    }
    shown
}

/// Replaces the password between `user:` and `@`, and any `password=` parameter, by stars.
fn redact(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return "***".to_owned();
    };
    let (before_query, query) = rest
        .split_once('?')
        .map_or((rest, None), |(left, right)| (left, Some(right)));
    let place = match before_query.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{name}:***@{host}"),
            None => format!("{user}@{host}"),
        },
        None => before_query.to_owned(),
    };
    let query = query
        .map(|query| format!("?{}", redact_query(query)))
        .unwrap_or_default();
    format!("{scheme}://{place}{query}")
}

fn redact_query(query: &str) -> String {
    let parts = query.split('&').map(|part| match part.split_once('=') {
        Some((name, _)) if name.contains("password") => format!("{name}=***"),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_never_shows() {
        for (url, shown) in [
            ("postgres://u:pa@ss@h:5/d", "postgres://u:***@h:5/d"),
            ("postgres://u@h/d?sslmode=require", "postgres://u@h/d?sslmode=require"),
            ("postgres://h/d?user=u&password=x", "postgres://h/d?user=u&password=***"),
            ("nats://h:4222", "nats://h:4222"),
        ] {
            assert_eq!(RedactedUrl::read(url).unwrap().show(), shown);
        }
        for (text, shown) in [
            ("https://u:hunter,2@h/p", "https://u:***@h/p"),
            ("http://127.0.0.1:7003", "http://127.0.0.1:7003"),
            ("a b", "a b"),
            (
                r#"[{ name = "a", url = "s3://k:hunter2@b/p?password=hunter2" }, "x"]"#,
                r#"[{ name = "a", url = "s3://k:***@b/p?password=***" }, "x"]"#,
            ),
        ] {
            assert_eq!(masked(text), shown);
        }
        let refused = RedactedUrl::read("user:hunter2@h").unwrap_err();
        assert!(!refused.contains("hunter2"), "{refused}");
    }
}
