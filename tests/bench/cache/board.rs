//! Figures, medians over all rounds, and what was promised.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use comfy_table::{CellAlignment, presets};
use serde_json::json;

use crate::Failure;
use crate::sides::Side;

/// What one run of one cell through one side came to: figures by name.
pub(crate) type Figures = BTreeMap<&'static str, f64>;

/// All of them.
pub(crate) struct Board {
    /// By cell and side, round by round; none where a run failed.
    runs: BTreeMap<(String, Side), Vec<Option<Figures>>>,
    order: Vec<String>,
    notes: Vec<String>,
    lines: File,
    path: PathBuf,
}

impl Board {
    /// An empty one, with a file for every run in `target/bench`.
    pub(crate) fn create() -> Result<Self, Failure> {
        let own = std::env::current_exe()?;
        let target = own
            .ancestors()
            .nth(3)
            .ok_or("this program lies in no target directory")?;
        fs::create_dir_all(target.join("bench"))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let path = target.join("bench").join(format!("cache-{}.jsonl", now.as_secs()));
        Ok(Self {
            runs: BTreeMap::new(),
            order: Vec::new(),
            notes: Vec::new(),
            lines: File::create(&path)?,
            path,
        })
    }

    /// Adds a run, and says it.
    pub(crate) fn add(&mut self, cell: &str, side: Side, ran: Result<Figures, Failure>) -> Result<(), Failure> {
        let shown = match &ran {
            Ok(figures) => {
                let each = figures.iter().map(|(name, figure)| format!("{name} {figure:.3}"));
                each.collect::<Vec<_>>().join(", ")
            }
            Err(failure) => format!("failed: {failure}"),
        };
        println!("{cell} {}: {shown}", side.name());
        let line = json!({"cell": cell, "side": side.name(), "figures": ran.as_ref().ok(), "shown": shown});
        writeln!(self.lines, "{line}")?;
        if !self.order.iter().any(|known| known == cell) {
            self.order.push(cell.to_owned());
        }
        self.runs.entry((cell.to_owned(), side)).or_default().push(ran.ok());
        Ok(())
    }

    /// A line below the table.
    pub(crate) fn note(&mut self, line: String) {
        println!("{line}");
        self.notes.push(line);
    }

    /// The median of a figure.
    fn median(&self, cell: &str, side: Side, figure: &str) -> Option<f64> {
        let runs = self.runs.get(&(cell.to_owned(), side))?;
        median(
            runs.iter()
                .flatten()
                .filter_map(|figures| figures.get(figure).copied())
                .collect(),
        )
    }

    /// The median of the ratios within each round: what slows a whole round down does not count.
    fn ratio(&self, cell: &str, (above, below): (Side, Side), figure: &str) -> Option<f64> {
        let above = self.runs.get(&(cell.to_owned(), above))?.iter();
        let below = self.runs.get(&(cell.to_owned(), below))?;
        let ratios = above.zip(below).filter_map(|(above, below)| {
            let below = below.as_ref()?.get(figure)?;
            Some(above.as_ref()?.get(figure)? / below)
        });
        median(ratios.collect())
    }

    fn table(&self) -> comfy_table::Table {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_header(HEADINGS);
        for ((cell, side), runs) in self.in_order() {
            let shown = |figure: &str, digits: usize| {
                let median = self.median(cell, *side, figure);
                median.map_or_else(String::new, |figure| format!("{figure:.digits$}"))
            };
            let against = |other: Side| {
                let ratio = self.ratio(cell, (*side, other), "tps").filter(|_| *side != other);
                ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"))
            };
            let failed = runs.iter().filter(|run| run.is_none()).count();
            table.add_row(vec![
                cell.clone(),
                side.name().to_owned(),
                shown("tps", 0),
                against(Side::Direct),
                against(Side::Off),
                against(Side::Pgpool),
                shown("mean_ms", 4),
                shown("p99_ms", 3),
                shown("reads_p99_ms", 3),
                shown("hits", 3),
                shown("pooler_us", 1),
                shown("postgres_us", 1),
                if failed == 0 { String::new() } else { failed.to_string() },
            ]);
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    fn in_order(&self) -> impl Iterator<Item = (&(String, Side), &Vec<Option<Figures>>)> {
        self.order
            .iter()
            .flat_map(|cell| self.runs.iter().filter(move |((name, _), _)| name == cell))
    }

    /// What was promised, and what came of it.
    fn promises(&self) -> Vec<String> {
        let on = |cell: &str, figure: &str| self.median(cell, Side::On, figure);
        let to = |cell: &str, other: Side, figure: &str| self.ratio(cell, (Side::On, other), figure);
        let at_least =
            |what: &str, seen: Option<f64>, least: f64| promise(what, seen, least, |seen| seen >= least, "at least");
        let at_most =
            |what: &str, seen: Option<f64>, most: f64| promise(what, seen, most, |seen| seen <= most, "at most");
        let moved = on("writes-10-prepared-16", "reads_p99_ms")
            .zip(on("writes-none-prepared-16", "reads_p99_ms"))
            .map(|(with, without)| with / without);
        let mut promises = vec![
            at_least(
                "prepared point reads a second, 1 client",
                on("point-prepared-1", "tps"),
                40_000.0,
            ),
            at_least(
                "prepared point reads a second, 16 clients",
                on("point-prepared-16", "tps"),
                75_000.0,
            ),
            at_least(
                "the same against PostgreSQL itself, 1 client",
                to("point-prepared-1", Side::Direct, "tps"),
                1.5,
            ),
            at_least(
                "the same against PostgreSQL itself, 16 clients",
                to("point-prepared-16", Side::Direct, "tps"),
                1.5,
            ),
            at_least(
                "an aggregate over a million rows a second, 1 client",
                on("aggregate-prepared-1", "tps"),
                40_000.0,
            ),
            at_least(
                "misses a second against no cache, 1 client",
                to("unique-prepared-1", Side::Off, "tps"),
                0.95,
            ),
            at_least(
                "misses a second against no cache, 16 clients",
                to("unique-prepared-16", Side::Off, "tps"),
                0.95,
            ),
            at_most("p99 of reads with 10 % writes against none", moved, 1.1),
            at_most("invalidation p99, ms", on("invalidation", "p99_ms"), 5.0),
            at_most("strict read p50, ms", on("strict-read", "p50_ms"), 0.1),
        ];
        for cell in ["auth-prepared-16", "auth-extended-16"] {
            promises.push(at_least(&format!("{cell}: hits"), on(cell, "hits"), 0.9));
            promises.push(at_most(
                &format!("{cell}: mean against PostgreSQL itself"),
                to(cell, Side::Direct, "mean_ms"),
                0.4,
            ));
            for pooled in [Side::Off, Side::PgBouncer] {
                let what = format!("{cell}: throughput against {}", pooled.name());
                promises.push(at_least(&what, to(cell, pooled, "tps"), 2.5));
            }
        }
        for trouble in crate::shared::TROUBLES {
            let cell = format!("shared-{trouble}");
            promises.push(at_most(
                &format!("p99 of misses, Redis {trouble}, against no cache"),
                to(&cell, Side::Off, "p99_ms"),
                1.2,
            ));
        }
        for cell in self
            .order
            .iter()
            .filter(|cell| self.runs.contains_key(&((*cell).clone(), Side::Pgpool)))
        {
            promises.push(at_least(
                &format!("{cell} against pgpool-II"),
                to(cell, Side::Pgpool, "tps"),
                1.0,
            ));
        }
        promises.into_iter().flatten().collect()
    }
}

fn promise(what: &str, seen: Option<f64>, bar: f64, holds: impl Fn(f64) -> bool, word: &str) -> Option<String> {
    let seen = seen?;
    let verdict = if holds(seen) { "kept  " } else { "MISSED" };
    Some(format!("{verdict} {what}: {seen:.3} ({word} {bar})"))
}

const HEADINGS: [&str; 13] = [
    "cell",
    "side",
    "tps",
    "/direct",
    "/off",
    "/pgpool",
    "mean ms",
    "p99 ms",
    "reads p99",
    "hits",
    "pooler µs",
    "postgres µs",
    "failed",
];

impl fmt::Display for Board {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "medians over all rounds; processor time of each transaction\n{}",
            self.table()
        )?;
        for line in self.notes.iter().chain(&self.promises()) {
            writeln!(out, "{line}")?;
        }
        write!(out, "every run: {}", self.path.display())
    }
}

/// The middle of some figures.
pub(crate) fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_unstable_by(f64::total_cmp);
    let upper = figures.get(figures.len() / 2).copied()?;
    if figures.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = figures.get(figures.len() / 2 - 1);
    lower.map(|lower| f64::midpoint(*lower, upper))
}
