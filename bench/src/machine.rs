//! What the figures were measured on.

use core::time::Duration;
use serde::Serialize;
use std::fs::read_to_string;
use std::thread::available_parallelism;

/// Clock ticks of `/proc/PID/stat` per second: fixed in Linux's interface.
const TICKS_PER_S: u64 = 100;

/// The machine and how busy it is.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    cpu: String,
    memory_mib: u64,
    kernel: String,
    /// Mean number of runnable processes of the last minute when the benchmark began.
    pub(crate) load_average_before: f64,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let cpuinfo = read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = read_to_string("/proc/meminfo").unwrap_or_default();
        let memory_kib: u64 = field(&meminfo, "MemTotal")
            .and_then(|text| text.split(' ').next()?.parse().ok())
            .unwrap_or_default();
        Self {
            cores: available_parallelism().map_or(0, usize::from),
            cpu: field(&cpuinfo, "model name").unwrap_or_default(),
            memory_mib: memory_kib / 1024,
            kernel: read_to_string("/proc/sys/kernel/osrelease")
                .unwrap_or_default()
                .trim()
                .to_owned(),
            load_average_before: read_to_string("/proc/loadavg")
                .ok()
                .and_then(|text| text.split(' ').next()?.parse().ok())
                .unwrap_or_default(),
        }
    }
}

fn field(text: &str, name: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(own, _)| own.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
}

/// Processor time of a process, user and system.
pub(crate) fn cpu_time_of(pid: u32) -> Option<Duration> {
    let stat = read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command, in parentheses, may have spaces in it.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 1_000 / TICKS_PER_S))
}
