//! Time, CPU time and sizes.

use std::fs;
use std::path::Path;

use crate::Failure;

/// What one operation took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    pub(crate) wall_s: f64,
    pub(crate) cpu_s: f64,
    /// Bytes that it added to its repository.
    pub(crate) stored_mb: f64,
}

/// Clock ticks in a second, as the kernel counts for programs.
const TICKS: f64 = 100.0;

/// CPU seconds of a process, user and system.
pub(crate) fn cpu_of(pid: u32) -> Result<f64, Failure> {
    fields(&format!("/proc/{pid}/stat"), &[11, 12])
}

/// CPU seconds of every child of this process that ended.
pub(crate) fn cpu_of_children() -> Result<f64, Failure> {
    fields("/proc/self/stat", &[13, 14])
}

fn fields(stat: &str, wanted: &[usize]) -> Result<f64, Failure> {
    let text = fs::read_to_string(stat)?;
    let rest = text.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks: Result<Vec<f64>, Failure> = wanted
        .iter()
        .map(|at| Ok(fields.get(*at).ok_or("a short line in /proc")?.parse::<f64>()?))
        .collect();
    Ok(ticks?.iter().sum::<f64>() / TICKS)
}

/// Megabytes of all files below a directory.
pub(crate) fn size_mb(directory: &Path) -> Result<f64, Failure> {
    fn bytes(directory: &Path) -> std::io::Result<u64> {
        let mut sum = 0;
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let about = entry.metadata()?;
            sum += if about.is_dir() {
                bytes(&entry.path())?
            } else {
                about.len()
            };
        }
        Ok(sum)
    }
    if !directory.exists() {
        return Ok(0.0);
    }
    Ok(bytes(directory)? as f64 / 1e6)
}
