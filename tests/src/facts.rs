//! What the kernel knows of a running process: processor time and memory; and how many files this one may open.

use std::fs;
use std::ops::{Add, Sub};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The kernel counts processor time for user space in hundredths of a second on every machine that Rust knows.
const TICK_US: f64 = 10_000.0;

/// Processor time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cpu {
    /// In the program itself, in microseconds.
    pub user_us: f64,
    /// In the kernel on its behalf, in microseconds.
    pub system_us: f64,
}

impl Cpu {
    /// Both.
    pub fn total_us(self) -> f64 {
        self.user_us + self.system_us
    }

    fn of_ticks(user: u64, system: u64) -> Self {
        // Exact up to 2^53 ticks, which is more than any machine has lived.
        let us = |ticks: u64| f64::from(u32::try_from(ticks).unwrap_or(u32::MAX)) * TICK_US;
        Self {
            user_us: us(user),
            system_us: us(system),
        }
    }
}

impl Add for Cpu {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            user_us: self.user_us + other.user_us,
            system_us: self.system_us + other.system_us,
        }
    }
}

impl Sub for Cpu {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self {
            user_us: self.user_us - other.user_us,
            system_us: self.system_us - other.system_us,
        }
    }
}

/// The part of `/proc/PID/stat` that is of use here.
struct Stat {
    parent: u32,
    own: Cpu,
    reaped: Cpu,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may contain anything, so count from the last one.
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(number(1)?).ok()?,
        own: Cpu::of_ticks(number(11)?, number(12)?),
        reaped: Cpu::of_ticks(number(13)?, number(14)?),
    })
}

/// The processor time of a process with all its threads; nothing where it is gone.
pub fn cpu_of(pid: u32) -> Cpu {
    stat(pid).map(|stat| stat.own).unwrap_or_default()
}

/// The processor time of a process and its children, those that ended included.
pub fn cpu_of_family(pid: u32) -> Cpu {
    let own = stat(pid).map(|stat| stat.own + stat.reaped).unwrap_or_default();
    let children = children_of(pid).into_iter().map(cpu_of);
    children.fold(own, Cpu::add)
}

fn children_of(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|found| stat(*found).is_some_and(|stat| stat.parent == pid))
        .collect()
}

/// The memory of a process that is in RAM, in KiB; 0 where it is gone.
pub fn rss_kib(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// Raises the number of files that this process, and those it starts from now on, may open as far as the system
/// allows; returns that number.
pub fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum.unwrap_or(u64::MAX),
        Err(_) => limit.current.unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_time_and_memory() {
        let pid = std::process::id();
        let until = |enough: &dyn Fn() -> bool| while !enough() {};
        until(&|| cpu_of(pid).total_us() > 0.0);
        assert!(rss_kib(pid) > 100);
        assert!(cpu_of_family(pid).total_us() >= cpu_of(pid).total_us());
    }

    #[test]
    fn a_process_that_is_gone_has_none() {
        assert_eq!((cpu_of(u32::MAX), rss_kib(u32::MAX)), (Cpu::default(), 0));
    }

    #[test]
    fn a_child_is_found() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(children_of(std::process::id()).contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
