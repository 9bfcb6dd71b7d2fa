//! Pure. `SET`, `RESET` and `set_config`: which setting, for how long.

use crate::deeds::Deed;
use crate::scan::{self, Class, Token};

/// A longer statement or value is not kept for another run.
const TEXT_BYTES_MAX: usize = 8 * 1024;

/// What `SET …` does, given what follows the word; none where it concerns the transaction only.
pub(crate) fn set(rest: &[Token<'_>], text: impl Fn() -> Box<str>) -> Option<Deed> {
    let (local, setting) = scoped(rest);
    let (name, value) = special(rest)
        .or_else(|| special(setting))
        .unwrap_or_else(|| generic(setting))?;
    let default = match value {
        [only] => only.is("default") || (name == "timezone" && only.is("local")),
        // `SET NAMES` alone.
        [] => true,
        _ => false,
    };
    if name == "seed" {
        return Some(Deed::Seed);
    }
    let (name, text) = (name.into(), text());
    Some(bounded(if default && !local {
        Deed::Reset { name, text }
    } else {
        Deed::Set { name, local, text }
    }))
}

/// What `SET SESSION CHARACTERISTICS` does: it stands for up to three settings, and leaves those it does not name.
pub(crate) fn characteristics(rest: &[Token<'_>]) -> Vec<Deed> {
    let [session, characteristics, _, _, modes @ ..] = rest else {
        return Vec::new();
    };
    if !session.is("session") || !characteristics.is("characteristics") {
        return Vec::new();
    }
    let (mut modes, mut deeds) = (modes, Vec::new());
    while let Some((mode, behind)) = first_mode(modes) {
        deeds.extend(mode);
        modes = behind;
    }
    deeds
}

/// The first mode of a list, as a deed, and what follows it; a comma is none. `None` at the end, and where the server
/// will not understand it either.
fn first_mode<'t, 'a>(modes: &'t [Token<'a>]) -> Option<(Option<Deed>, &'t [Token<'a>])> {
    const MODES: [(&[&str], &str, &str); 8] = [
        (&["isolation", "level", "serializable"], "isolation", "serializable"),
        (
            &["isolation", "level", "repeatable", "read"],
            "isolation",
            "repeatable read",
        ),
        (
            &["isolation", "level", "read", "committed"],
            "isolation",
            "read committed",
        ),
        (
            &["isolation", "level", "read", "uncommitted"],
            "isolation",
            "read uncommitted",
        ),
        (&["read", "write"], "read_only", "off"),
        (&["read", "only"], "read_only", "on"),
        (&["deferrable"], "deferrable", "on"),
        (&["not", "deferrable"], "deferrable", "off"),
    ];
    if let [comma, behind @ ..] = modes
        && comma.is_symbol(",")
    {
        return Some((None, behind));
    }
    MODES.iter().find_map(|(words, which, value)| {
        let (mode, behind) = modes.split_at_checked(words.len())?;
        let is_this = mode.iter().zip(*words).all(|(token, word)| token.is(word));
        is_this.then(|| {
            let name = format!("default_transaction_{which}");
            let text = format!("SET {name} TO '{value}'").into();
            (
                Some(Deed::Set {
                    name: name.into(),
                    local: false,
                    text,
                }),
                behind,
            )
        })
    })
}

fn bounded(deed: Deed) -> Deed {
    match &deed {
        Deed::Set { text, .. } | Deed::Reset { text, .. } if text.len() >= TEXT_BYTES_MAX => Deed::Opaque,
        _ => deed,
    }
}

/// What `RESET …` does.
pub(crate) fn reset(rest: &[Token<'_>], text: impl Fn() -> Box<str>) -> Deed {
    let name = match rest {
        [first, ..] if first.is("all") => return Deed::ResetAll,
        [first, second, ..] if first.is("time") && second.is("zone") => "timezone".to_owned(),
        [first, second, ..] if first.is("session") && second.is("authorization") => "session_authorization".to_owned(),
        [first, second, ..] if first.is("transaction") && second.is("isolation") => "transaction_isolation".to_owned(),
        _ => name(rest),
    };
    bounded(Deed::Reset {
        name: name.into(),
        text: text(),
    })
}

/// `SET LOCAL x`, `SET SESSION x`; but `SET local.x` and `SET session = 1` name settings.
fn scoped<'t, 'a>(rest: &'t [Token<'a>]) -> (bool, &'t [Token<'a>]) {
    match rest {
        [scope, setting @ ..] if scope.is_any(&["local", "session"]) && !follows_name(setting) => {
            (scope.is("local"), setting)
        }
        _ => (false, rest),
    }
}

/// Whether what comes is what follows a setting's name.
fn follows_name(rest: &[Token<'_>]) -> bool {
    rest.first()
        .is_some_and(|next| next.is_any(&["to", "from"]) || next.is_symbol("=") || next.is_symbol("."))
}

/// A setting's name and the tokens of its value; no such pair where the transaction alone is concerned.
type Setting<'t, 'a> = Option<(String, &'t [Token<'a>])>;

/// The forms that do not name a setting; none at all if it is not one of them.
fn special<'t, 'a>(rest: &'t [Token<'a>]) -> Option<Setting<'t, 'a>> {
    let (first, behind) = rest.split_first()?;
    let second = |word: &str| behind.first().is_some_and(|next| next.is(word));
    let setting = |name: &str, words: usize| Some(Some((name.to_owned(), rest.get(words..).unwrap_or_default())));
    match first.folded().as_ref() {
        _ if first.class != Class::Keyword || follows_name(behind) => None,
        "session" if second("authorization") => setting("session_authorization", 2),
        "time" if second("zone") => setting("timezone", 2),
        "xml" if second("option") => setting("xmloption", 2),
        "names" => setting("client_encoding", 1),
        "schema" => setting("search_path", 1),
        "role" => setting("role", 1),
        "session" if second("characteristics") => Some(None),
        "transaction" | "constraints" => Some(None),
        _ => None,
    }
}

/// `x.y TO value`, `x = value`, `x FROM CURRENT`.
fn generic<'t, 'a>(rest: &'t [Token<'a>]) -> Setting<'t, 'a> {
    let end = rest
        .iter()
        .position(|token| token.is_any(&["to", "from"]) || token.is_symbol("="))
        .unwrap_or(rest.len());
    let (path, value) = rest.split_at_checked(end)?;
    Some((name(path), value.get(1..).unwrap_or_default()))
}

/// A setting's name, which the server compares without regard to case.
fn name(path: &[Token<'_>]) -> String {
    path.iter().map(|token| token.unquoted().to_ascii_lowercase()).collect()
}

/// A call of `set_config`, given its arguments from the parenthesis on.
pub(crate) fn set_config(arguments: &[Token<'_>]) -> Deed {
    let list = match scan::group(arguments) {
        Some(([_, list @ .., _], _)) => list,
        _ => &[],
    };
    let mut depth = scan::Depth::default();
    let mut each = list.split(|token| depth.after(token) == 0 && token.is_symbol(","));
    let mut next = || match each.next() {
        Some([only]) => Some(only),
        _ => None,
    };
    Deed::SetConfig {
        name: next()
            .and_then(string)
            .filter(|name| name.len() < TEXT_BYTES_MAX)
            .map(|name| name.to_ascii_lowercase().into()),
        value: next()
            .and_then(string)
            .filter(|value| value.len() < TEXT_BYTES_MAX)
            .map(Into::into),
        local: next().and_then(truth),
    }
}

/// The value of a plain string on one line.
fn string(token: &Token<'_>) -> Option<String> {
    let inner = token.text.strip_prefix('\'')?.strip_suffix('\'')?;
    let value = inner.replace("''", "\0");
    (token.class == Class::Literal && !value.contains('\'')).then(|| value.replace('\0', "'"))
}

fn truth(token: &Token<'_>) -> Option<bool> {
    match token.text.trim_matches('\'').to_ascii_lowercase().as_str() {
        "true" | "t" | "on" | "1" | "yes" | "y" => Some(true),
        "false" | "f" | "off" | "0" | "no" | "n" => Some(false),
        _ => None,
    }
}
