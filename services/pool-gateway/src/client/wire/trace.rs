//! Which trace a statement belongs to: the one that its comment names, or that the name of the calling program does.

use std::borrow::Cow;
use std::sync::Arc;

use weir_model::{TRACEPARENT_BYTES, is_traceparent};

use crate::profile::{Profile, Setting};

/// What divides a program's name from what else stands in it.
const DIVIDERS: [char; 16] = [
    ' ', ',', ';', ':', '=', '|', '/', '-', '_', '@', '#', '(', ')', '[', ']', '"',
];
/// What may stand before a trace.
const LABEL: &str = "traceparent";

/// The trace in a statement's comment.
pub(super) fn of_text(sql: &[u8]) -> Option<Arc<str>> {
    weir_sql::trace(sql).map(|trace| trace.parent.into())
}

/// The trace in a session's `application_name`.
pub(super) fn of_profile(profile: &Profile) -> Option<Arc<str>> {
    let (Setting::Value(text) | Setting::Statement(text)) = profile.get("application_name")?;
    find(text).map(|(_, trace, _)| trace.into())
}

/// A program's name without the trace in it.
pub(super) fn without(application: &str) -> Cow<'_, str> {
    let Some((before, _, after)) = find(application) else {
        return Cow::Borrowed(application);
    };
    let before = before.trim_end_matches(DIVIDERS);
    let at_label = before.len().saturating_sub(LABEL.len());
    let label = before.get(at_label..).filter(|word| word.eq_ignore_ascii_case(LABEL));
    let before = label.and_then(|_| before.get(..at_label)).unwrap_or(before);
    let parts = [before, after].map(|part| part.trim_matches(DIVIDERS));
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    Cow::Owned(parts.join(" "))
}

/// The first trace in a text, and what stands before and behind it.
fn find(text: &str) -> Option<(&str, &str, &str)> {
    text.match_indices("00-").find_map(|(at, _)| {
        let (before, rest) = text.split_at_checked(at)?;
        let (trace, after) = rest.split_at_checked(TRACEPARENT_BYTES)?;
        let is_apart = |next: Option<char>| next.is_none_or(|next| !next.is_alphanumeric());
        let is_one = is_traceparent(trace) && is_apart(before.chars().next_back()) && is_apart(after.chars().next());
        is_one.then_some((before, trace, after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profiles;

    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_program_is_called_what_is_left_of_its_name() {
        for (given, left) in [
            ("shop", "shop"),
            ("", ""),
            (TRACE, ""),
            (&format!("shop {TRACE}"), "shop"),
            (&format!("shop;traceparent={TRACE}"), "shop"),
            (&format!("traceparent={TRACE}"), ""),
            (&format!("shop ({TRACE}) web"), "shop web"),
            (&format!("é-{TRACE}"), "é"),
            ("shop 00-1-2-01", "shop 00-1-2-01"),
            (&format!("shop {TRACE}0"), &format!("shop {TRACE}0")),
            (&format!("shop 0{TRACE}"), &format!("shop 0{TRACE}")),
        ] {
            assert_eq!(without(given), left, "{given}");
        }
    }

    #[test]
    fn a_session_has_the_trace_of_its_name_however_that_was_set() {
        let profiles = Profiles::new();
        let of = |setting| of_profile(&profiles.of([("application_name".into(), setting)]));
        let set = format!("set application_name = 'shop {TRACE}'");
        assert_eq!(of(Setting::Statement(set.into())).as_deref(), Some(TRACE));
        let given = format!("shop {TRACE}");
        assert_eq!(of(Setting::Value(given.into())).as_deref(), Some(TRACE));
        assert_eq!(of(Setting::Value("shop".into())), None);
        assert_eq!(of_profile(&profiles.baseline()), None);
    }
}
