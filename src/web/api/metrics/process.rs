//! What the process itself uses, as Prometheus' own libraries name it.

use std::path::Path;

use super::exposition::{Exposition, float};

/// Ticks of a second in `/proc`: what Linux tells to programs is in hundredths, on every machine.
const TICKS: f64 = 100.0;

/// What is written in `/proc/self/stat`.
#[derive(Debug, Default, PartialEq)]
struct Stat {
    cpu: u64,
    threads: u64,
    started: u64,
    virtual_bytes: u64,
}

impl Stat {
    /// Fields are counted behind the name of the program, which may have spaces in it.
    fn read(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |place: usize| fields.get(place - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu: number(14)? + number(15)?,
            threads: number(20)?,
            started: number(22)?,
            virtual_bytes: number(23)?,
        })
    }
}

/// Writes what can be found out.
pub(super) fn process(text: &mut Exposition) {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    if let Some(stat) = read("/proc/self/stat").and_then(|text| Stat::read(&text)) {
        text.counter(
            "process_cpu_seconds_total",
            "Processor time of the process, user and system.",
            float(stat.cpu) / TICKS,
        );
        text.gauge(
            "process_virtual_memory_bytes",
            "Addresses of the process.",
            float(stat.virtual_bytes),
        );
        text.gauge(
            "process_threads",
            "Threads of the process.",
            float(stat.threads),
        );
        let boot = read("/proc/stat").and_then(|text| boot(&text));
        if let Some(boot) = boot {
            text.gauge(
                "process_start_time_seconds",
                "When the process began.",
                float(boot) + float(stat.started) / TICKS,
            );
        }
    }
    if let Some(bytes) = read("/proc/self/status").and_then(|text| resident(&text)) {
        let help = "Memory of the process.";
        text.gauge("process_resident_memory_bytes", help, float(bytes));
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        // One of them is for looking.
        let open = open.count().saturating_sub(1);
        text.gauge("process_open_fds", "Open files.", float(open as u64));
    }
    if let Some(most) = read("/proc/self/limits").and_then(|text| most_files(&text)) {
        text.gauge("process_max_fds", "Most open files.", float(most));
    }
}

/// Seconds since the epoch at which the machine was started.
fn boot(text: &str) -> Option<u64> {
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

fn resident(text: &str) -> Option<u64> {
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

fn most_files(text: &str) -> Option<u64> {
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Bytes of the run state's files.
pub(super) fn state_bytes(state: &Path) -> u64 {
    let files = ["state.db", "state.db-wal"].map(|name| std::fs::metadata(state.join(name)));
    files.into_iter().flatten().map(|file| file.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_s_name_may_have_anything_in_it() {
        let text = "7 (a) b (c) S 1 7 7 0 -1 4194304 1 0 0 0 12 30 0 0 20 0 5 0 900 4096000 77 1";
        let stat = Stat {
            cpu: 42,
            threads: 5,
            started: 900,
            virtual_bytes: 4_096_000,
        };
        assert_eq!(Stat::read(text), Some(stat));
        assert_eq!(Stat::read("7 (a"), None);
    }

    #[test]
    fn what_the_kernel_says_is_understood() {
        assert_eq!(resident("VmHWM:\t 9 kB\nVmRSS:\t    42 kB\n"), Some(43_008));
        assert_eq!(boot("cpu 1 2\nbtime 1700000000\n"), Some(1_700_000_000));
        let limits =
            "Limit  Soft Hard\nMax open files            1024                 4096   files\n";
        assert_eq!(most_files(limits), Some(1024));
    }
}
