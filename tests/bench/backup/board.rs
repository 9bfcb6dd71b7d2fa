//! Figures, medians over all rounds, and what was promised.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use comfy_table::presets;
use serde_json::json;

use crate::Failure;
use crate::figures::Figures;

/// Whose figures they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Peer,
    Weir,
}

/// A cell, and the most that its wall time, CPU time and size may be of the other's.
type Promise = (&'static str, Option<f64>, Option<f64>, Option<f64>);

/// What was promised.
const PROMISES: [Promise; 7] = [
    ("full", Some(0.60), Some(0.65), Some(1.05)),
    ("contiguous", Some(0.40), None, Some(0.30)),
    ("random", None, None, Some(0.50)),
    ("restore", Some(0.85), None, None),
    ("delta", Some(0.50), None, None),
    ("increments", Some(1.10), None, None),
    ("log", None, Some(0.60), None),
];

/// All of it.
pub(crate) struct Board {
    runs: BTreeMap<(String, Side), Vec<Figures>>,
    order: Vec<String>,
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
        let path = target.join("bench").join(format!("backup-{}.jsonl", now.as_secs()));
        Ok(Self {
            runs: BTreeMap::new(),
            order: Vec::new(),
            lines: File::create(&path)?,
            path,
        })
    }

    /// Adds a run, and says it.
    pub(crate) fn add(&mut self, cell: &str, side: Side, figures: Figures) -> Result<(), Failure> {
        let Figures {
            wall_s,
            cpu_s,
            stored_mb,
        } = figures;
        println!("{cell} {side:?}: wall {wall_s:.2} s, cpu {cpu_s:.2} s, stored {stored_mb:.1} MB");
        let line = json!({"cell": cell, "side": format!("{side:?}"), "wall_s": wall_s, "cpu_s": cpu_s, "stored_mb": stored_mb});
        writeln!(self.lines, "{line}")?;
        if !self.order.iter().any(|known| known == cell) {
            self.order.push(cell.to_owned());
        }
        self.runs.entry((cell.to_owned(), side)).or_default().push(figures);
        Ok(())
    }

    fn median(&self, cell: &str, side: Side, of: fn(&Figures) -> f64) -> Option<f64> {
        let runs = self.runs.get(&(cell.to_owned(), side))?;
        median(runs.iter().map(of).collect())
    }

    fn row(&self, cell: &str) -> Vec<String> {
        let ways: [fn(&Figures) -> f64; 3] = [|run| run.wall_s, |run| run.cpu_s, |run| run.stored_mb];
        let promise = PROMISES.iter().find(|promise| promise.0 == cell);
        let limits = promise.map_or([None; 3], |(_, wall, cpu, size)| [*wall, *cpu, *size]);
        let mut row = vec![cell.to_owned()];
        for (of, limit) in ways.into_iter().zip(limits) {
            let (peer, weir) = (self.median(cell, Side::Peer, of), self.median(cell, Side::Weir, of));
            row.push(match (peer, weir) {
                (Some(peer), Some(weir)) if peer > 0.0 => compared(peer, weir, limit),
                _ => String::new(),
            });
        }
        row
    }
}

fn compared(peer: f64, weir: f64, limit: Option<f64>) -> String {
    let ratio = weir / peer;
    let verdict = match limit {
        Some(limit) if ratio > limit => format!(", BROKEN: {limit:.2} was promised"),
        Some(limit) => format!(" (<= {limit:.2})"),
        None => String::new(),
    };
    format!("{peer:.2} -> {weir:.2}: {ratio:.2}{verdict}")
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => Some(f64::midpoint(
            *values.get(middle.checked_sub(1)?)?,
            *values.get(middle)?,
        )),
        _ => values.get(middle).copied(),
    }
}

impl fmt::Display for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = comfy_table::Table::new();
        table
            .load_style(presets::NOTHING)
            .set_header(["cell", "wall s", "cpu s", "stored MB"]);
        for cell in &self.order {
            table.add_row(self.row(cell));
        }
        writeln!(
            f,
            "pgBackRest -> Weir: ratio; for `increments` a full backup's restore -> the last increment's"
        )?;
        writeln!(f, "{table}")?;
        write!(f, "every run: {}", self.path.display())
    }
}
