//! Medians over all rounds, and the ratios that matter.

use std::collections::BTreeMap;
use std::fmt;

use comfy_table::{CellAlignment, presets};
use serde_json::{Value, json};
use weir_tests::facts::Cpu;
use weir_tests::peers::Kind;

use crate::cells::CELLS;
use crate::figures::Sample;

/// How a run went.
pub(crate) enum Outcome {
    /// Well.
    Ran(Box<Sample>),
    /// The peer does not have what the cell needs.
    Cannot,
    /// It broke.
    Failed(String),
}

impl Outcome {
    /// For the file.
    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Ran(sample) => sample.json(),
            Self::Cannot => json!("cannot"),
            Self::Failed(reason) => json!({"failed": reason}),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ran(sample) => {
                let (measured, pooler) = (sample.measured, sample.cpu.pooler);
                let (tps, mean, p99) = (measured.tps, measured.mean_ms, measured.p99_ms);
                write!(out, "{tps:.0} tps, mean {mean:.3} ms, p99 {p99:.3} ms, ")?;
                write!(out, "pooler {:.1} µs", pooler.total_us())
            }
            Self::Cannot => write!(out, "cannot"),
            Self::Failed(reason) => write!(out, "failed: {reason}"),
        }
    }
}

/// What one peer did in one cell, round by round. A round without a figure is kept, so that rounds stay side by side.
#[derive(Default)]
struct Runs {
    samples: Vec<Option<Sample>>,
    word: Option<&'static str>,
}

impl Runs {
    fn median(&self, figure: impl Fn(&Sample) -> f64) -> Option<f64> {
        median(self.samples.iter().flatten().map(figure).collect())
    }
}

/// All runs of all cells.
#[derive(Default)]
pub(crate) struct Table {
    runs: BTreeMap<(&'static str, &'static str), Runs>,
}

impl Table {
    /// Adds a run.
    pub(crate) fn add(&mut self, cell: &'static str, kind: Kind, outcome: Outcome) {
        let runs = self.runs.entry((cell, kind.name())).or_default();
        let sample = match outcome {
            Outcome::Ran(sample) => Some(*sample),
            Outcome::Cannot => {
                runs.word = Some("cannot");
                None
            }
            Outcome::Failed(_) => {
                runs.word = Some("failed");
                None
            }
        };
        runs.samples.push(sample);
    }

    /// The median of the ratios within each round: what slows a whole round down does not count.
    fn ratio(&self, cell: &'static str, above: Kind, below: Kind, figure: impl Fn(&Sample) -> f64) -> Option<f64> {
        let above = self.runs.get(&(cell, above.name()))?;
        let below = self.runs.get(&(cell, below.name()))?;
        let rounds = above.samples.iter().zip(&below.samples);
        let ratios = rounds.filter_map(|(above, below)| Some(figure(above.as_ref()?) / figure(below.as_ref()?)));
        median(ratios.collect())
    }

    fn row(&self, cell: &'static str, kind: Kind, runs: &Runs) -> Vec<String> {
        let shown = |figure: Option<f64>, digits: usize| figure.map_or_else(String::new, |f| format!("{f:.digits$}"));
        let (tps, missing) = (
            shown(runs.median(|sample| sample.measured.tps), 0),
            runs.samples.iter().filter(|sample| sample.is_none()).count(),
        );
        let tps = match runs.word {
            Some(word) if tps.is_empty() => word.to_owned(),
            Some(word) => format!("{tps}, {missing} {word}"),
            None => tps,
        };
        let against = |other: Kind| {
            let ratio = self.ratio(cell, kind, other, |sample| sample.measured.tps);
            shown(ratio.filter(|_| kind != other), 2)
        };
        let cpu = |part: fn(&Sample) -> Cpu| {
            let figures = [Cpu::total_us, |cpu: Cpu| cpu.user_us, |cpu: Cpu| cpu.system_us];
            let medians = figures.map(|figure| runs.median(|sample| figure(part(sample))));
            match medians {
                [Some(total), Some(user), Some(system)] if total > 0.0 => format!("{total:.1} ({user:.1}+{system:.1})"),
                _ => String::new(),
            }
        };
        vec![
            cell.to_owned(),
            kind.name().to_owned(),
            tps,
            against(Kind::Direct),
            against(Kind::PgBouncer),
            against(Kind::WeirSilent),
            shown(runs.median(|sample| sample.measured.mean_ms), 3),
            shown(runs.median(|sample| sample.measured.p99_ms), 3),
            cpu(|sample| sample.cpu.pooler),
            cpu(|sample| sample.cpu.nats),
            cpu(|sample| sample.cpu.postgres),
        ]
    }
}

const HEADINGS: [&str; 11] = [
    "cell",
    "peer",
    "tps",
    "/direct",
    "/pgbouncer",
    "/silent",
    "mean ms",
    "p99 ms",
    "pooler µs (user+system)",
    "nats µs",
    "postgres µs",
];

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_header(HEADINGS);
        for cell in CELLS {
            for kind in Kind::ALL {
                if let Some(runs) = self.runs.get(&(cell.name, kind.name())) {
                    table.add_row(self.row(cell.name, kind, runs));
                }
            }
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        write!(out, "medians over all rounds; processor time per transaction\n{table}")
    }
}

/// The middle of some figures.
pub(crate) fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_unstable_by(f64::total_cmp);
    let middle = figures.len() / 2;
    let upper = figures.get(middle).copied()?;
    if figures.len() % 2 == 1 {
        return Some(upper);
    }
    figures
        .get(middle.wrapping_sub(1))
        .map(|lower| f64::midpoint(*lower, upper))
}
