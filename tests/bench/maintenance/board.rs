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
use crate::job::Ended;

/// What users' p95 may become.
const RATIO_MAX: f64 = 1.25;

/// What one run came to: figures by name.
pub(crate) type Figures = BTreeMap<&'static str, f64>;

/// Whether maintenance ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Without,
    With,
}

impl Side {
    const fn name(self) -> &'static str {
        match self {
            Self::Without => "without",
            Self::With => "with",
        }
    }
}

/// All of it.
pub(crate) struct Board {
    /// By operation and side, round by round.
    runs: BTreeMap<(String, Side), Vec<Figures>>,
    order: Vec<String>,
    backed_off: BTreeMap<String, Vec<Option<String>>>,
    not_there: Vec<(String, String)>,
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
        let path = target
            .join("bench")
            .join(format!("maintenance-{}.jsonl", now.as_secs()));
        Ok(Self {
            runs: BTreeMap::new(),
            order: Vec::new(),
            backed_off: BTreeMap::new(),
            not_there: Vec::new(),
            lines: File::create(&path)?,
            path,
        })
    }

    /// Adds a run, and says it.
    pub(crate) fn add(
        &mut self,
        operation: &str,
        side: Side,
        figures: Figures,
        ended: Option<Ended>,
    ) -> Result<(), Failure> {
        let shown = figures.iter().map(|(name, figure)| format!("{name} {figure:.3}"));
        let shown = shown.collect::<Vec<_>>().join(", ");
        let outcome = ended.as_ref().map(|ended| match &ended.backed_off {
            Some(words) => format!("; {}, backed off: {words}", ended.state),
            None => format!("; {}", ended.state),
        });
        println!("{operation} {}: {shown}{}", side.name(), outcome.unwrap_or_default());
        let line = json!({
            "operation": operation, "side": side.name(), "figures": figures,
            "state": ended.as_ref().map(|ended| ended.state), "told": ended.as_ref().map(|ended| &ended.told),
            "backed_off": ended.as_ref().and_then(|ended| ended.backed_off.clone()),
        });
        writeln!(self.lines, "{line}")?;
        if !self.order.iter().any(|known| known == operation) {
            self.order.push(operation.to_owned());
        }
        if let Some(ended) = ended {
            let outcomes = self.backed_off.entry(operation.to_owned()).or_default();
            outcomes.push(ended.backed_off);
        }
        self.runs.entry((operation.to_owned(), side)).or_default().push(figures);
        Ok(())
    }

    /// Says that there is no such job.
    pub(crate) fn not_there(&mut self, operation: &str, why: &str) -> Result<(), Failure> {
        println!("{operation}: not there: {why}");
        writeln!(self.lines, "{}", json!({"operation": operation, "not_there": why}))?;
        self.not_there.push((operation.to_owned(), why.to_owned()));
        Ok(())
    }

    fn median(&self, operation: &str, side: Side, figure: &str) -> Option<f64> {
        let runs = self.runs.get(&(operation.to_owned(), side))?;
        median(runs.iter().filter_map(|figures| figures.get(figure).copied()).collect())
    }

    /// The median of the ratios within each round: what slows a whole round down does not count.
    fn ratio(&self, operation: &str, figure: &str) -> Option<f64> {
        let of = |side: Side| self.runs.get(&(operation.to_owned(), side));
        let pairs = of(Side::With)?.iter().zip(of(Side::Without)?);
        let ratios = pairs.filter_map(|(with, without)| Some(with.get(figure)? / without.get(figure)?));
        median(ratios.collect())
    }

    fn table(&self) -> comfy_table::Table {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_header(HEADINGS);
        for (operation, side) in self
            .order
            .iter()
            .flat_map(|name| [(name, Side::Without), (name, Side::With)])
        {
            let shown = |figure: &str, digits: usize| {
                let median = self.median(operation, side, figure);
                median.map_or_else(String::new, |figure| format!("{figure:.digits$}"))
            };
            let ratio = |figure: &str| {
                let ratio = self.ratio(operation, figure).filter(|_| side == Side::With);
                ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"))
            };
            table.add_row(vec![
                operation.clone(),
                side.name().to_owned(),
                shown("tps", 0),
                shown("p95_ms", 2),
                ratio("p95_ms"),
                shown("p99_ms", 2),
                ratio("p99_ms"),
                shown("job_s", 1),
                shown("reclaimed_mb", 1),
                shown("postgres_us", 0),
                shown("maintenance_ms", 0),
                self.times_backed_off(operation, side),
            ]);
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    fn times_backed_off(&self, operation: &str, side: Side) -> String {
        let outcomes = self.backed_off.get(operation).filter(|_| side == Side::With);
        outcomes.map_or_else(String::new, |all| {
            format!("{} of {}", all.iter().flatten().count(), all.len())
        })
    }

    /// What was promised of each operation, and what came of it.
    fn promises(&self) -> Vec<String> {
        let one = |operation: &String| {
            let ratio = self.ratio(operation, "p95_ms")?;
            let backed_off = self
                .backed_off
                .get(operation)
                .is_some_and(|all| all.iter().all(Option::is_some));
            let verdict = match (ratio <= RATIO_MAX, backed_off) {
                (true, _) => "kept",
                (false, true) => "kept: it backed off",
                (false, false) => "BROKEN",
            };
            Some(format!(
                "{operation}: p95 of users x {ratio:.2}, at most {RATIO_MAX}: {verdict}"
            ))
        };
        self.order.iter().filter_map(one).collect()
    }
}

const HEADINGS: [&str; 12] = [
    "operation",
    "maintenance",
    "tps",
    "p95 ms",
    "ratio",
    "p99 ms",
    "ratio",
    "job s",
    "reclaimed MB",
    "postgres µs/tx",
    "maintenance ms",
    "backed off",
];

impl fmt::Display for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.table())?;
        for promise in self.promises() {
            writeln!(f, "{promise}")?;
        }
        for (operation, why) in &self.not_there {
            writeln!(f, "{operation}: not there: {why}")?;
        }
        write!(f, "every run: {}", self.path.display())
    }
}

fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    let upper = *figures.get(middle)?;
    if figures.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(upper, *figures.get(middle - 1)?))
}
