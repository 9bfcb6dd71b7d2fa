//! The lines at the head: the server, how its statements fare, what is used, what is wrong. Pure.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use weir_proto::common::v1::Severity;
use weir_proto::monitor::v1::AlertState;

use super::super::state::State;
use super::super::units::{latency, percent, rate, seconds_since, span, time_of_day};
use super::paint::Paint;
use crate::terminal::Tone;
use crate::text::{clean, columns, cut};

/// A figure with its name in front.
struct Item {
    name: &'static str,
    value: String,
    tone: Tone,
}

fn item(name: &'static str, value: impl Into<String>, tone: Tone) -> Item {
    Item {
        name,
        value: value.into(),
        tone,
    }
}

/// As many lines as leave room for rows.
pub(super) fn lines(state: &State, area: Rect, paint: Paint) -> Vec<Line<'static>> {
    let width = usize::from(area.width);
    let mut lines = vec![title(state, width, paint)];
    let figures = [load(state), usage(state), troubles(state)];
    if area.height >= 16 {
        lines.extend(figures.iter().map(|items| fitted(items, width, paint)));
    } else {
        // What is wrong comes first where there is room for little.
        let all: Vec<Item> = figures.into_iter().rev().flatten().collect();
        lines.push(fitted(&all, width, paint));
    }
    lines.extend(away(state, width, paint));
    lines
}

/// Whole items, as many as fit.
fn fitted(items: &[Item], width: usize, paint: Paint) -> Line<'static> {
    let mut line = Line::default();
    for item in items {
        let gap = if line.spans.is_empty() { "" } else { "  " };
        let takes = gap.len() + item.name.len() + usize::from(!item.name.is_empty()) + columns(&item.value);
        if line.width() + takes > width {
            break;
        }
        if !item.name.is_empty() {
            line.push_span(Span::styled(format!("{gap}{} ", item.name), paint.style(Tone::Dim)));
        }
        let value = if item.name.is_empty() {
            format!("{gap}{}", item.value)
        } else {
            item.value.clone()
        };
        line.push_span(Span::styled(value, paint.style(item.tone)));
    }
    line
}

fn title(state: &State, width: usize, paint: Paint) -> Line<'static> {
    let pace = if state.is_paused {
        "paused".to_owned()
    } else {
        format!("every {} s", state.interval.as_secs_f64())
    };
    let right = format!("{}  {pace}", time_of_day(state.now_ms));
    let room = width.saturating_sub(columns(&right) + 2);
    let mut items = vec![
        item("", "weir top", Tone::Strong),
        item("project", cut(&clean(state.project_name()), 24), Tone::Plain),
    ];
    items.extend(server(state));
    let mut line = fitted(&items, room, paint);
    let gap = width.saturating_sub(line.width() + columns(&right));
    line.push_span(Span::raw(" ".repeat(gap)));
    let tone = if state.is_paused { Tone::Warning } else { Tone::Dim };
    line.push_span(Span::styled(right, paint.style(tone)));
    line
}

fn server(state: &State) -> Vec<Item> {
    let servers = &state.known.servers;
    let Some(server) = servers.iter().find(|server| !server.is_standby).or(servers.first()) else {
        return Vec::new();
    };
    let name = clean(&server.upstream);
    if !server.is_up {
        let since = time_of_day(server.since_unix_ms);
        return vec![
            item("", name, Tone::Bad),
            item("", format!("away since {since}"), Tone::Bad),
        ];
    }
    let up = seconds_since(server.started_unix_ms, state.now_ms).map_or_else(|| "-".to_owned(), span);
    vec![
        item("", name, Tone::Plain),
        item("up", up, Tone::Plain),
        item("PostgreSQL", clean(&server.version), Tone::Plain),
    ]
}

fn load(state: &State) -> Vec<Item> {
    let load = &state.known.load;
    let dash = || "-".to_owned();
    let calls = load
        .lately
        .map_or_else(dash, |lately| format!("{}/s", rate(lately.calls)));
    let errors = load
        .lately
        .map_or_else(dash, |lately| format!("{}/s", rate(lately.errors)));
    let failing = load.lately.is_some_and(|lately| lately.errors > 0.0);
    let mut items = vec![
        item("calls", calls, Tone::Strong),
        item("errors", errors, if failing { Tone::Bad } else { Tone::Plain }),
    ];
    for (index, name) in ["p50", "p95", "p99"].into_iter().enumerate() {
        let ms = load
            .percentiles_ms
            .and_then(|percentiles| percentiles.get(index).copied());
        items.push(item(name, ms.map_or_else(dash, latency), Tone::Plain));
    }
    items
}

fn usage(state: &State) -> Vec<Item> {
    let pools = &state.known.pools;
    let sum =
        |read: fn(&weir_proto::common::v1::Pool) -> u32| pools.iter().map(|pool| u64::from(read(pool))).sum::<u64>();
    let waiting = sum(|pool| pool.waiting);
    let mut items = vec![
        item(
            "pools",
            format!("{} of {} in use", sum(|pool| pool.active), sum(|pool| pool.max)),
            Tone::Plain,
        ),
        item(
            "waiting",
            waiting.to_string(),
            if waiting > 0 { Tone::Bad } else { Tone::Plain },
        ),
        item(
            "cache hits",
            state.known.cache.ratio().map_or_else(|| "-".to_owned(), percent),
            Tone::Plain,
        ),
    ];
    let server = state
        .known
        .servers
        .iter()
        .find(|server| server.is_up && !server.is_standby);
    items.extend(server.map(|server| {
        let close = u64::from(server.connections) * 10 >= u64::from(server.connections_max) * 9;
        let tone = if close && server.connections_max > 0 {
            Tone::Warning
        } else {
            Tone::Plain
        };
        item(
            "server's connections",
            format!("{} of {}", server.connections, server.connections_max),
            tone,
        )
    }));
    items
}

fn troubles(state: &State) -> Vec<Item> {
    let firing = |severity: Severity| {
        let alerts = state.known.alerts.iter();
        alerts
            .filter(|alert| alert.state() == AlertState::Firing && alert.severity() == severity)
            .count()
    };
    let toned = |count: usize, tone: Tone| if count > 0 { tone } else { Tone::Plain };
    let (critical, warning, info) = (
        firing(Severity::Critical),
        firing(Severity::Warning),
        firing(Severity::Info),
    );
    let blocked: usize = state.known.chains.iter().map(|chain| chain.blocked.len()).sum();
    vec![
        item("alerts", format!("{critical} critical"), toned(critical, Tone::Bad)),
        item("", format!("{warning} warning"), toned(warning, Tone::Warning)),
        item("", format!("{info} info"), Tone::Plain),
        item("blocked", blocked.to_string(), toned(blocked, Tone::Bad)),
        item("jobs running", state.known.jobs.running().to_string(), Tone::Plain),
    ]
}

/// Services that do not answer, in one line.
fn away(state: &State, width: usize, paint: Paint) -> Option<Line<'static>> {
    let away = state.away();
    let mut names = away
        .iter()
        .map(|(name, away)| format!("{name} since {}", time_of_day(away.since_ms)));
    let first = names.next()?;
    let text = names.fold(format!("away: {first}"), |text, name| format!("{text}, {name}"));
    Some(Line::styled(cut(&text, width), paint.style(Tone::Bad)))
}
