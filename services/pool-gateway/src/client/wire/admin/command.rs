//! What can be said to the console. Pure.

use super::super::refusal::Refusal;

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Nothing,
    Show(String),
    /// Of a database, or all.
    Pause(Option<String>),
    Resume(Option<String>),
    Reload,
    /// Ends one client.
    Kill(i32),
    /// Ends every client of a database.
    KillDatabase(String),
    /// Changes a setting.
    Set(String, String),
    /// Closes idle connections.
    Reconnect(Option<String>),
}

/// Reads a command. Words are in any case, names may be quoted.
pub(super) fn parse(text: &str) -> Result<Command, Refusal> {
    let text = text.trim().trim_end_matches(';').trim();
    let mut words = text.split_whitespace();
    let Some(verb) = words.next() else {
        return Ok(Command::Nothing);
    };
    if verb.eq_ignore_ascii_case("set") {
        return set(text.get(verb.len()..).unwrap_or_default()).ok_or_else(|| unknown(text));
    }
    let object = words.next().map(unquoted);
    if words.next().is_some() {
        return Err(unknown(text));
    }
    Ok(match (verb.to_ascii_lowercase().as_str(), object) {
        ("show", Some(what)) => Command::Show(what.to_ascii_lowercase()),
        ("pause", database) => Command::Pause(database),
        ("resume", database) => Command::Resume(database),
        ("reconnect", database) => Command::Reconnect(database),
        ("reload", None) => Command::Reload,
        ("kill" | "kill_client", Some(who)) => match who.parse() {
            Ok(id) => Command::Kill(id),
            Err(_) => Command::KillDatabase(who),
        },
        _ => return Err(unknown(text)),
    })
}

/// `key = value` or `key TO value`; the value may be quoted as in SQL.
fn set(text: &str) -> Option<Command> {
    let text = text.trim();
    let end = text.find(|end: char| end == '=' || end.is_whitespace())?;
    let (key, rest) = text.split_at(end);
    let rest = rest.trim_start();
    let to = rest.get(..2).filter(|word| word.eq_ignore_ascii_case("to")).map(|_| 2);
    let value = rest.strip_prefix('=').or_else(|| rest.get(to?..))?.trim();
    let quoted = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let value = quoted.map_or_else(|| value.to_owned(), |inner| inner.replace("''", "'"));
    (!key.is_empty()).then(|| Command::Set(key.to_ascii_lowercase(), value))
}

fn unquoted(word: &str) -> String {
    let inner = word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(word).to_owned()
}

fn unknown(text: &str) -> Refusal {
    let shown: String = text.chars().take(60).collect();
    Refusal::new("42601", format!("the console does not know the command \"{shown}\"")).with_hint("Type SHOW HELP.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_in_any_case() {
        let own = |text: &str| Some(text.to_owned());
        for (text, command) in [
            ("", Command::Nothing),
            ("show Pools;", Command::Show("pools".to_owned())),
            ("PAUSE", Command::Pause(None)),
            ("pause \"Shop\"", Command::Pause(own("Shop"))),
            ("RESUME shop ;", Command::Resume(own("shop"))),
            ("kill 17", Command::Kill(17)),
            ("KILL shop", Command::KillDatabase("shop".to_owned())),
            ("reload", Command::Reload),
            ("set pool_max = 9;", Command::Set("pool_max".to_owned(), "9".to_owned())),
            (
                "SET gateway.Rules TO 'user=a : weight=2'",
                Command::Set("gateway.rules".to_owned(), "user=a : weight=2".to_owned()),
            ),
            (
                "set auth_query='a ''b'' c'",
                Command::Set("auth_query".to_owned(), "a 'b' c".to_owned()),
            ),
        ] {
            assert_eq!(parse(text), Ok(command), "{text}");
        }
        for text in [
            "select 1",
            "kill",
            "show",
            "reload now",
            "show a b",
            "set",
            "set a",
            "set =1",
            "set a b",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
