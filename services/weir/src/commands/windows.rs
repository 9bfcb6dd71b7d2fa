//! `weir windows`: when maintenance may run.

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};
use weir_config::Sources;
use weir_proto::scheduler::v1::{
    DeleteWindowRequest, ListWindowsRequest, ListWindowsResponse, PutWindowRequest, Weekday, Window, WindowSource,
};

use crate::connect::{Services, refusal};
use crate::terminal::{Failure, Listing, moment, say, say_done, say_json};

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// The project. Without it: default.
    #[arg(long, default_value = "", global = true)]
    project: String,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List windows, and say whether one is open (this is what `weir windows` does by itself).
    List,
    /// Make a window, or change the one of that name. A project with windows of its own has only these.
    Put {
        /// Its name.
        name: String,
        /// When it opens, such as 22:00.
        start: String,
        /// When it closes, such as 05:00. Not after the start: on the next day.
        end: String,
        /// The days on which it opens, such as `mon,tue,sat`.
        #[arg(long, value_delimiter = ',', value_parser = day)]
        days: Vec<Weekday>,
        /// In which time zone.
        #[arg(long, default_value = "UTC")]
        time_zone: String,
        /// Keep it, but let it not count. A project whose windows are all disabled has none.
        #[arg(long)]
        disabled: bool,
    },
    /// Remove a window.
    Delete {
        /// Its name.
        name: String,
    },
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let mut scheduler = Services(&sources).scheduler().await?;
    let project = arguments.project;
    match arguments.action.unwrap_or(Action::List) {
        Action::List => {
            let reply = scheduler
                .list_windows(ListWindowsRequest { project })
                .await
                .map_err(refusal)?;
            list(&reply.into_inner(), arguments.json)
        }
        Action::Put {
            name,
            start,
            end,
            days,
            time_zone,
            disabled,
        } => {
            let window = Window {
                project,
                name,
                weekdays: days.into_iter().map(i32::from).collect(),
                start,
                end,
                time_zone,
                disabled,
                ..Window::default()
            };
            let request = PutWindowRequest { window: Some(window) };
            let reply = scheduler.put_window(request).await.map_err(refusal)?.into_inner();
            if arguments.json {
                return say_json(&json!({ "windows": reply.window.iter().map(as_json).collect::<Vec<_>>() }));
            }
            table(reply.window.as_slice())
        }
        Action::Delete { name } => {
            let request = DeleteWindowRequest {
                project,
                name: name.clone(),
            };
            scheduler.delete_window(request).await.map_err(refusal)?;
            say_done(&name, "is removed", arguments.json)
        }
    }
}

fn day(text: &str) -> Result<Weekday, String> {
    let found = DAYS.iter().find(|(name, _)| *name == text.trim().to_ascii_lowercase());
    found
        .map(|(_, day)| *day)
        .ok_or_else(|| format!("{text:?} is not one of mon, tue, wed, thu, fri, sat, sun"))
}

fn list(reply: &ListWindowsResponse, as_json_wanted: bool) -> Result<(), Failure> {
    if as_json_wanted {
        return say_json(&json!({
            "windows": reply.windows.iter().map(as_json).collect::<Vec<_>>(),
            "is_open": reply.is_open,
            "open_until_unix_ms": reply.open_until_unix_ms,
            "next_open_unix_ms": reply.next_open_unix_ms,
        }));
    }
    table(&reply.windows)?;
    say(&standing(reply))
}

fn standing(reply: &ListWindowsResponse) -> String {
    match (reply.is_open, reply.open_until_unix_ms, reply.next_open_unix_ms) {
        (true, 0, _) => "open, without an end".to_owned(),
        (true, until, _) => format!("open until {}", moment(until)),
        (false, _, 0) => "closed, and none ever opens".to_owned(),
        (false, _, next) => format!("closed until {}", moment(next)),
    }
}

fn table(windows: &[Window]) -> Result<(), Failure> {
    let headings = ["NAME", "DAYS", "FROM", "TO", "ZONE", "OF", "COUNTS"];
    let mut listing = Listing::new(&headings, "no windows");
    for window in windows {
        let counts = match (window.in_force, window.disabled) {
            (true, _) => "yes",
            (false, true) => "disabled",
            (false, false) => "no",
        };
        listing.row([
            window.name.clone(),
            days(window),
            window.start.clone(),
            window.end.clone(),
            window.time_zone.clone(),
            source(window).to_owned(),
            counts.to_owned(),
        ]);
    }
    listing.say()
}

fn days(window: &Window) -> String {
    if window.weekdays.len() == DAYS.len() {
        return "all".to_owned();
    }
    let on = DAYS.iter().filter(|(_, day)| window.weekdays().any(|one| one == *day));
    on.map(|(name, _)| *name).collect::<Vec<_>>().join(",")
}

fn source(window: &Window) -> &'static str {
    match window.source() {
        WindowSource::Unspecified => "-",
        WindowSource::Default => "settings",
        WindowSource::File => "file",
        WindowSource::Operator => "operator",
        WindowSource::Learned => "learned",
    }
}

fn as_json(window: &Window) -> Json {
    json!({
        "project": window.project,
        "name": window.name,
        "days": DAYS.iter().filter(|(_, day)| window.weekdays().any(|one| one == *day)).map(|(name, _)| *name).collect::<Vec<_>>(),
        "start": window.start,
        "end": window.end,
        "time_zone": window.time_zone,
        "disabled": window.disabled,
        "source": source(window),
        "in_force": window.in_force,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_windows_stand_is_one_line() {
        let reply = |is_open, open_until_unix_ms, next_open_unix_ms| ListWindowsResponse {
            is_open,
            open_until_unix_ms,
            next_open_unix_ms,
            ..ListWindowsResponse::default()
        };
        assert_eq!(standing(&reply(true, 0, 0)), "open, without an end");
        assert_eq!(
            standing(&reply(true, 1_790_000_000_000, 0)),
            "open until 2026-09-21 14:13:20Z"
        );
        assert_eq!(
            standing(&reply(false, 0, 1_790_000_000_000)),
            "closed until 2026-09-21 14:13:20Z"
        );
        assert_eq!(standing(&reply(false, 0, 0)), "closed, and none ever opens");
        assert_eq!(day(" Sun"), Ok(Weekday::Sunday));
        assert!(day("someday").is_err());
    }
}
