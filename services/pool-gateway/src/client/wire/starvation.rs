//! Why a pool has no connection left, in words. Pure.

use std::fmt;

use super::seat::Doing;

/// As much of a statement as is shown.
const STATEMENT_CHARS_MAX: usize = 200;
/// As much of a program's name as is shown.
const APPLICATION_CHARS_MAX: usize = 63;

/// One who has a connection.
#[derive(Debug, Clone)]
pub(super) struct Holder {
    pub(super) doing: Doing,
    /// For how long it has had it, in milliseconds.
    pub(super) held_ms: u64,
    pub(super) user: String,
    pub(super) application: String,
    pub(super) place: Place,
    /// What it runs, or ran last, without literals.
    pub(super) statement: Option<String>,
}

/// Where one who has a connection comes from.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// A client of the PostgreSQL door, at this address.
    Client(String),
    /// A call of this project,
    Call(String),
    /// or a transaction that it keeps between calls.
    Transaction(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(peer) => write!(f, "client {peer}"),
            Self::Call(project) => write!(f, "gRPC call of project {project}"),
            Self::Transaction(project) => write!(f, "gRPC transaction of project {project}"),
        }
    }
}

/// The figures of a pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figures {
    pub(super) active: usize,
    pub(super) max: usize,
    pub(super) waiting: usize,
    pub(super) paused: bool,
}

/// What those do who hold the connections, and who has held one longest.
pub(super) fn why(figures: Figures, holders: &[Holder]) -> String {
    if figures.paused {
        return format!("it is paused (RESUME lets it go on); {} wait", figures.waiting);
    }
    let count = |doing: Doing| holders.iter().filter(|holder| holder.doing == doing).count();
    let parts = [
        (count(Doing::Holding), "idle in transaction"),
        (count(Doing::Active), "running statements"),
        (count(Doing::Idle), "kept by sessions that are idle"),
        (
            figures.active.saturating_sub(holders.len()),
            "in other hands (being opened or reset)",
        ),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, what)| format!("{count} {what}")).collect();
    let mut said = format!("{} of {} servers are busy", figures.active, figures.max);
    for (text, mark) in [(parts.join(", "), ": "), (held_longest(holders), ", ")] {
        if !text.is_empty() {
            said.push_str(mark);
            said.push_str(&text);
        }
    }
    format!("{said}; {} wait", figures.waiting)
}

fn held_longest(holders: &[Holder]) -> String {
    let Some(holder) = holders.iter().max_by_key(|holder| holder.held_ms) else {
        return String::new();
    };
    let statement = match &holder.statement {
        Some(text) => format!(", last statement: {}", shown(text, STATEMENT_CHARS_MAX)),
        None => String::new(),
    };
    let seconds = holder.held_ms / 1_000;
    format!("held longest by {} for {seconds} s{statement}", named(holder))
}

/// Who it is.
pub(super) fn named(holder: &Holder) -> String {
    let application = match holder.application.as_str() {
        "" => String::new(),
        name => format!(", application {}", shown(name, APPLICATION_CHARS_MAX)),
    };
    format!("user {}{application} ({})", holder.user, holder.place)
}

/// One line of a text, and not too much of it.
pub(super) fn shown(text: &str, chars_max: usize) -> String {
    let mut shown: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((at, _)) = shown.char_indices().nth(chars_max) {
        shown.truncate(at);
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(doing: Doing, held_ms: u64, application: &str) -> Holder {
        Holder {
            doing,
            held_ms,
            user: "app".to_owned(),
            application: application.to_owned(),
            place: Place::Client("10.0.0.7:4711".to_owned()),
            statement: Some("select *\n  from t where a = $1".to_owned()),
        }
    }

    fn figures(active: usize, waiting: usize) -> Figures {
        Figures {
            active,
            max: 20,
            waiting,
            paused: false,
        }
    }

    #[test]
    fn it_says_what_those_do_who_hold_and_who_has_held_longest() {
        let mut holders = vec![holder(Doing::Holding, 40_123, "billing")];
        holders.extend((0..13).map(|_| holder(Doing::Holding, 3_000, "web")));
        holders.extend((0..4).map(|_| holder(Doing::Active, 10, "web")));
        assert_eq!(
            why(figures(20, 300), &holders),
            "20 of 20 servers are busy: 14 idle in transaction, 4 running statements, 2 in other hands (being \
             opened or reset), held longest by user app, application billing (client 10.0.0.7:4711) for 40 s, last statement: \
             select * from t where a = $1; 300 wait"
        );
        let [call, transaction] = [Place::Call, Place::Transaction].map(|place| Holder {
            place: place("shop".to_owned()),
            ..holder(Doing::Holding, 1_000, "api")
        });
        assert_eq!(named(&call), "user app, application api (gRPC call of project shop)");
        assert_eq!(
            named(&transaction),
            "user app, application api (gRPC transaction of project shop)"
        );
        let nameless = Holder {
            statement: None,
            ..holder(Doing::Idle, 900, "")
        };
        assert_eq!(
            why(figures(1, 1), &[nameless]),
            "1 of 20 servers are busy: 1 kept by sessions that are idle, held longest by user app (client \
             10.0.0.7:4711) for 0 s; 1 wait"
        );
    }

    #[test]
    fn a_paused_pool_and_a_long_statement_are_put_in_few_words() {
        let paused = Figures {
            paused: true,
            ..figures(0, 7)
        };
        assert_eq!(why(paused, &[]), "it is paused (RESUME lets it go on); 7 wait");
        assert_eq!(
            why(figures(2, 1), &[]),
            "2 of 20 servers are busy: 2 in other hands (being opened or reset); 1 wait"
        );
        let long = "é".repeat(300);
        assert_eq!(shown(&long, 200).chars().count(), 201);
    }
}
