//! Pictures of one state at several sizes, held against `pictures/`; and what must never be in any picture.

use std::collections::BTreeMap;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use weir_proto::backup::v1 as backup;
use weir_proto::cache::v1 as cache;
use weir_proto::common::v1 as common;
use weir_proto::gateway::v1 as gateway;
use weir_proto::maintenance::v1 as maintenance;
use weir_proto::monitor::v1 as monitor;

use super::super::console::Console;
use super::super::hear::Answer;
use super::super::rates::Look;
use super::super::state::{Mode, Pane, State, Topic};
use super::{draw, settle};
use crate::text::columns;

const NOW_MS: i64 = 1_790_000_007_000;

fn picture_with(state: &State, width: u16, height: u16, has_colours: bool) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, state, has_colours)).unwrap();
    terminal.backend().buffer().clone()
}

fn picture(state: &State, width: u16, height: u16) -> String {
    let buffer = picture_with(state, width, height, true);
    let mut lines = Vec::new();
    for y in 0..height {
        let mut line = String::new();
        let mut x = 0;
        while x < width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            // A wide character takes the cell behind it, too.
            x += u16::try_from(columns(symbol).max(1)).unwrap();
        }
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n")
}

fn statement(number: u64, text: &str) -> monitor::QueryStatistics {
    monitor::QueryStatistics {
        fingerprint: format!("{number:016x}"),
        text: text.to_owned(),
        database: "shop".to_owned(),
        calls: 6_700 / number,
        errors: if number == 2 { 67 } else { 0 },
        rows: 670 * number,
        p95_ms: 3.0 * number as f64,
        total_ms: 1e5 / number as f64,
        cache_hits: 90,
        cache_misses: 10,
        ..monitor::QueryStatistics::default()
    }
}

fn statements(texts: &[&str]) -> Answer {
    let queries: Vec<_> = texts
        .iter()
        .zip(1..)
        .map(|(text, number)| statement(number, text))
        .collect();
    let all = monitor::QueryStatistics {
        calls: queries.iter().map(|query| query.calls).sum(),
        errors: queries.iter().map(|query| query.errors).sum(),
        p50_ms: 1.234,
        p95_ms: 12.34,
        p99_ms: 123.4,
        ..monitor::QueryStatistics::default()
    };
    let span = monitor::TimelineSpan {
        from_unix_ms: NOW_MS - 17_000,
        to_unix_ms: NOW_MS - 7_000,
        statistics: Some(all),
    };
    let look = Look {
        anchor_ms: NOW_MS - 67_000,
        queries,
        spans: vec![span],
        missing: String::new(),
    };
    Answer::Statements { look, next: None }
}

fn session(pid: i32, state: &str, text: &str) -> monitor::ServerSession {
    monitor::ServerSession {
        upstream: "db:5432".to_owned(),
        pid,
        database: "shop".to_owned(),
        role: "ann".to_owned(),
        application: "web".to_owned(),
        state: state.to_owned(),
        wait_event_type: "Lock".to_owned(),
        wait_event: "transactionid".to_owned(),
        transaction_seconds: 75.0,
        state_seconds: f64::from(pid) / 100.0,
        text: text.to_owned(),
        ..monitor::ServerSession::default()
    }
}

fn sessions() -> Answer {
    let (root, one, other) = (
        session(101, "idle in transaction", "update stock set n = n - $1"),
        session(102, "active", "update stock set n = n + $1 where name = '日本語の名前'"),
        session(103, "active", "delete from stock"),
    );
    let blocked = |session: &monitor::ServerSession, by: i32| monitor::BlockedSession {
        session: Some(session.clone()),
        blocked_by: vec![by],
        ..monitor::BlockedSession::default()
    };
    let chain = monitor::BlockingChain {
        root: Some(root.clone()),
        blocked: vec![blocked(&one, 101), blocked(&other, 102)],
        ..monitor::BlockingChain::default()
    };
    Answer::Sessions(
        vec![root, one, other, session(200, "active", "select now()")],
        vec![chain],
    )
}

fn shown(columns: &[&str], rows: &[&[&str]]) -> gateway::ShowResponse {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    gateway::ShowResponse {
        columns: texts(columns),
        rows: rows
            .iter()
            .map(|row| gateway::ShownRow { values: texts(row) })
            .collect(),
    }
}

fn console() -> Answer {
    let pools = [
        "database",
        "user",
        "cl_active",
        "maxwait",
        "maxwait_us",
        "pool_mode",
        "paused",
        "reason",
    ];
    let clients = [
        "id",
        "user",
        "database",
        "state",
        "state_ms",
        "addr",
        "application_name",
        "project",
    ];
    Answer::Console(Console {
        pools: shown(
            &pools,
            &[&[
                "shop",
                "ann",
                "8",
                "1",
                "500000",
                "transaction",
                "0",
                "every connection is lent",
            ]],
        )
        .into(),
        upstreams: shown(&["upstream", "breaker"], &[&["db:5432", "closed"]]).into(),
        clients: shown(
            &clients,
            &[
                &[
                    "7",
                    "ann",
                    "shop",
                    "idle in transaction",
                    "1010",
                    "10.0.0.1:5",
                    "web",
                    "default",
                ],
                &["8", "bob", "shop", "waiting", "1500", "10.0.0.2:5", "batch", "default"],
                &["9", "eve", "shop", "idle", "90000", "10.0.0.3:5", "idler", "default"],
            ],
        )
        .into(),
        servers: shown(
            &["addr", "remote_pid", "client", "state"],
            &[
                &["db:5432", "101", "7", "idle in transaction"],
                &["db:5432", "200", "", "idle"],
            ],
        )
        .into(),
    })
}

fn jobs() -> [Answer; 2] {
    let upkeep = maintenance::Job {
        id: "one".to_owned(),
        project: "default".to_owned(),
        operation: "vacuum".to_owned(),
        state: common::JobState::Running.into(),
        requested_unix_ms: NOW_MS - 60_000,
        started_unix_ms: NOW_MS - 30_000,
        progress: Some(common::Progress {
            done: 3,
            total: 12,
            note: "public.orders".to_owned(),
        }),
        ..maintenance::Job::default()
    };
    let copy = backup::Job {
        id: "two".to_owned(),
        operation: "backup".to_owned(),
        state: common::JobState::Running.into(),
        requested_unix_ms: NOW_MS - 10_000,
        started_unix_ms: NOW_MS - 9_000,
        transfer: Some(backup::Transfer {
            phase: "copy".to_owned(),
            done_bytes: 512 << 20,
            total_bytes: 1 << 30,
            bytes_per_second: 64 << 20,
            remaining_ms: 8_000,
            throttled: true,
            ..backup::Transfer::default()
        }),
        ..backup::Job::default()
    };
    let failed = backup::Job {
        id: "three".to_owned(),
        operation: "prove".to_owned(),
        state: common::JobState::Failed.into(),
        error: "the repository is away".to_owned(),
        requested_unix_ms: NOW_MS - 9_000_000,
        ..backup::Job::default()
    };
    [Answer::Maintenance(vec![upkeep]), Answer::Backup(vec![copy, failed])]
}

fn alert(severity: common::Severity, summary: &str) -> monitor::Alert {
    monitor::Alert {
        id: summary.to_owned(),
        rule: "slow-query".to_owned(),
        severity: severity.into(),
        state: monitor::AlertState::Firing.into(),
        summary: summary.to_owned(),
        since_unix_ms: NOW_MS - 300_000,
        ..monitor::Alert::default()
    }
}

fn server() -> Answer {
    Answer::Server(vec![monitor::Server {
        upstream: "db:5432".to_owned(),
        is_up: true,
        version: "15.4".to_owned(),
        started_unix_ms: NOW_MS - 9_000_000,
        connections: 12,
        connections_max: 97,
        ..monitor::Server::default()
    }])
}

/// A state in which everything was answered.
fn full(texts: &[&str]) -> State {
    let mut state = State::new(String::new(), Duration::from_secs(2), NOW_MS);
    let pool = common::Pool {
        upstream: "db:5432".to_owned(),
        database: "shop".to_owned(),
        role: "ann".to_owned(),
        active: 8,
        idle: 0,
        max: 8,
        waiting: 1,
        ..common::Pool::default()
    };
    let statistics = cache::Statistics {
        lookups_total: 1_000,
        hits_memory_total: 931,
        ..cache::Statistics::default()
    };
    let [maintenance, backup] = jobs();
    let alerts = vec![
        alert(common::Severity::Info, "a statement became slower"),
        alert(common::Severity::Critical, "the disk is full in an hour"),
    ];
    for (topic, answer) in [
        (Topic::Statements, statements(texts)),
        (Topic::Server, server()),
        (Topic::Sessions, sessions()),
        (Topic::Console, console()),
        (Topic::Pools, Answer::Pools(vec![pool])),
        (Topic::Cache, Answer::Cache(statistics)),
        (Topic::Maintenance, maintenance),
        (Topic::Backup, backup),
        (Topic::Alerts, Answer::Alerts(alerts)),
    ] {
        state.hear(topic, Ok(answer), Duration::ZERO);
    }
    state
}

fn usual() -> State {
    full(&[
        "select id, name, price, stock from products where id = $1",
        "insert into orders (customer, status) values ($1, $2) returning id",
        "select '日本語' as 名前, count(*) from orders group by 1",
    ])
}

fn at(pane: Pane) -> State {
    State { pane, ..usual() }
}

fn away() -> State {
    let mut state = usual();
    state.now_ms += 4_000;
    for topic in [Topic::Statements, Topic::Cache] {
        state.hear(topic, Err("it does not answer".to_owned()), Duration::from_secs(4));
    }
    state
}

fn difference(name: &str, drawn: &str, expected: &str) -> Option<String> {
    (drawn.trim_end() != expected.trim_end()).then(|| format!("<<<{name}\n{drawn}\n>>>\n"))
}

macro_rules! looks {
    ($($name:literal: $state:expr, $width:literal, $height:literal;)*) => {
        #[test]
        fn pictures_are_as_they_were() {
            let pictures = [$(($name, picture(&$state, $width, $height), include_str!(concat!("tests/pictures/", $name, ".txt")))),*];
            let differ = pictures.iter().filter_map(|(name, drawn, expected)| difference(name, drawn, expected));
            let differ: String = differ.collect();
            assert!(differ.is_empty(), "pictures are other than they were:\n{differ}");
        }
    };
}

looks! {
    "queries-80x24": usual(), 80, 24;
    "queries-120x40": usual(), 120, 40;
    "queries-40x10": usual(), 40, 10;
    "queries-away-80x24": away(), 80, 24;
    "sessions-80x24": at(Pane::Sessions), 80, 24;
    "sessions-120x40": at(Pane::Sessions), 120, 40;
    "sessions-40x10": at(Pane::Sessions), 40, 10;
    "pools-80x24": at(Pane::Pools), 80, 24;
    "jobs-80x24": at(Pane::Jobs), 80, 24;
    "alerts-80x24": at(Pane::Alerts), 80, 24;
    "closer-80x24": State { mode: Mode::Closer(0), ..at(Pane::Sessions) }, 80, 24;
    "help-40x10": State { mode: Mode::Help(3), ..usual() }, 40, 10;
    "nothing-80x24": State::new("shop".to_owned(), Duration::from_secs(1), NOW_MS), 80, 24;
    "small-39x9": usual(), 39, 9;
}

#[test]
fn no_size_is_too_small() {
    for mode in [Mode::Looking, Mode::Help(0), Mode::Closer(0), Mode::Filtering] {
        let state = State { mode, ..away() };
        for (width, height) in [
            (1, 1),
            (2, 30),
            (39, 24),
            (40, 9),
            (40, 10),
            (41, 11),
            (300, 2),
            (300, 100),
        ] {
            for pane in Pane::ALL {
                picture(&State { pane, ..state.clone() }, width, height);
            }
        }
    }
}

/// Texts with which somebody tries to move the cursor, to change the title, to hide what follows.
const HOSTILE: [&str; 5] = [
    "select \u{1b}[2J\u{1b}[H \u{1b}]0;title\u{7} \u{9b}31m\u{90}q\u{9c}",
    "select \"\u{202e}drop\u{2066}\" \u{200b}\u{feff}\r\n\0\u{8}\u{7f}\u{85}",
    "e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
    "👩\u{200d}👩\u{200d}👧 ❤\u{fe0f} 🇦🇹 한국어 ﷽ \u{1160}\u{3164}",
    "\u{e0041}\u{e0042}\u{fff9}\u{061c}",
];

/// Every text that a service tells is hostile.
fn hostile(text: &str) -> State {
    let mut state = full(&[text; 3]);
    state.project = text.to_owned();
    let mut dirty = session(1, text, text);
    (dirty.role, dirty.database, dirty.application) = (text.to_owned(), text.to_owned(), text.to_owned());
    (dirty.wait_event, dirty.address, dirty.traceparent) = (text.to_owned(), text.to_owned(), text.to_owned());
    state.hear(
        Topic::Sessions,
        Ok(Answer::Sessions(vec![dirty], Vec::new())),
        Duration::ZERO,
    );
    let pool = common::Pool {
        upstream: text.to_owned(),
        database: text.to_owned(),
        role: text.to_owned(),
        ..common::Pool::default()
    };
    state.hear(Topic::Pools, Ok(Answer::Pools(vec![pool])), Duration::ZERO);
    let labels = BTreeMap::from([(text.to_owned(), text.to_owned())]);
    let mut bad = alert(common::Severity::Info, text);
    (bad.rule, bad.labels, bad.runbook) = (text.to_owned(), labels.into_iter().collect(), text.to_owned());
    (bad.acknowledged_by, bad.acknowledged_note) = (text.to_owned(), text.to_owned());
    state.hear(Topic::Alerts, Ok(Answer::Alerts(vec![bad])), Duration::ZERO);
    let job = maintenance::Job {
        operation: text.to_owned(),
        error: text.to_owned(),
        project: text.to_owned(),
        ..maintenance::Job::default()
    };
    state.hear(Topic::Maintenance, Ok(Answer::Maintenance(vec![job])), Duration::ZERO);
    state.hear(
        Topic::Server,
        Ok(Answer::Server(vec![monitor::Server {
            upstream: text.to_owned(),
            version: text.to_owned(),
            is_up: true,
            ..monitor::Server::default()
        }])),
        Duration::ZERO,
    );
    state.hear(Topic::Cache, Err(text.to_owned()), Duration::ZERO);
    state
}

#[test]
fn nothing_that_others_wrote_is_obeyed_by_the_terminal() {
    for text in HOSTILE {
        for pane in Pane::ALL {
            for mode in [Mode::Looking, Mode::Closer(0), Mode::Choosing(text.to_owned())] {
                let state = State {
                    pane,
                    mode,
                    ..hostile(text)
                };
                let drawn = picture(&state, 120, 40);
                let bad = |character: &char| character.is_control() && *character != '\n' || is_direction(*character);
                let found: Vec<char> = drawn.chars().filter(bad).collect();
                assert!(found.is_empty(), "{found:?} in\n{drawn}");
            }
        }
    }
}

const fn is_direction(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{61c}')
}

#[test]
fn without_colours_there_are_none_and_what_one_is_at_is_seen() {
    for pane in Pane::ALL {
        let state = State { pane, ..away() };
        let plain = picture_with(&state, 80, 24, false);
        assert!(
            plain
                .content()
                .iter()
                .all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset)
        );
        assert!(
            plain
                .content()
                .iter()
                .any(|cell| cell.modifier.contains(Modifier::REVERSED))
        );
        let coloured = picture_with(&state, 80, 24, true);
        assert!(coloured.content().iter().any(|cell| cell.fg == Color::Red), "{pane:?}");
    }
}

#[test]
fn nobody_scrolls_past_the_end() {
    let area = Rect::new(0, 0, 40, 10);
    let mut state = State {
        mode: Mode::Help(900),
        ..usual()
    };
    settle(&mut state, area);
    // Ten lines less three at the head and one at the foot show six of twenty-four.
    assert_eq!(state.mode, Mode::Help(18));
    state.mode = Mode::Closer(900);
    settle(&mut state, area);
    let drawn = picture(&state, 40, 10);
    assert!(
        drawn.contains("products where") && state.mode != Mode::Closer(900),
        "{drawn}"
    );
    state.mode = Mode::Looking;
    settle(&mut state, Rect::new(0, 0, 1, 1));
    assert_eq!(state.mode, Mode::Looking);
}

fn press(state: &mut State, keys: &[KeyCode]) {
    for key in keys {
        state.press(KeyEvent::from(*key));
    }
}

#[test]
fn the_chosen_row_is_followed_wherever_it_goes() {
    let mut state = usual();
    let chosen = |state: &State| {
        let rows = state.table().rows;
        rows[state.chosen(&rows)].id.clone()
    };
    press(&mut state, &[KeyCode::Char('j')]);
    let second = chosen(&state);
    assert!(second.starts_with("0000000000000002"), "{second}");
    press(&mut state, &[KeyCode::Char('r')]);
    assert_eq!(chosen(&state), second);
    let buffer = picture_with(&state, 80, 24, false);
    let marked = (0..24)
        .filter(|y| buffer[(0, *y)].modifier.contains(Modifier::REVERSED))
        .collect::<Vec<_>>();
    // The pane's name, and the row.
    assert_eq!(marked, [4, 7]);
}
