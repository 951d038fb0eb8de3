//! What a process used, from Linux's `/proc`, and the cores it may run on.
//!
//! CPU time is the scheduler's own count in nanoseconds (`task/*/schedstat`), summed
//! over the threads alive now. The figure of a thread that is running is at most one
//! tick (1–10 ms) old, below 1 % of a window of a second.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// CPU time of all living threads of a process since it started.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let folder = format!("/proc/{pid}/task");
    let mut nanos = 0;
    for thread in fs::read_dir(&folder).with_context(|| folder.clone())? {
        // A thread may end between the listing and the reading.
        let Ok(line) = fs::read_to_string(thread?.path().join("schedstat")) else {
            continue;
        };
        nanos += first_number(&line).with_context(|| format!("schedstat of {pid}"))?;
    }
    Ok(Duration::from_nanos(nanos))
}

/// Resident memory of a process, in kB.
pub(crate) fn rss_kb(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| path.clone())?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(first_number)
        .with_context(|| format!("no VmRSS in {path}"))
}

/// CPU time that all processes of the machine used since it booted, to 10 ms.
pub(crate) fn machine_cpu_time() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat").context("/proc/stat")?;
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line.split_ascii_whitespace().skip(1).map_while(|field| field.parse().ok()).collect();
    // user, nice, system, (idle, iowait), irq, softirq, steal, in 1/100 s (proc_stat(5)).
    let busy: u64 = ticks.iter().take(3).chain(ticks.iter().skip(5).take(3)).sum();
    Ok(Duration::from_millis(busy * 10))
}

/// The cores this process may run on.
#[cfg(target_os = "linux")]
pub(crate) fn cores() -> Result<Vec<usize>> {
    let set = rustix::thread::sched_getaffinity(None).context("sched_getaffinity")?;
    let limit = rustix::thread::CpuSet::MAX_CPU;
    Ok((0..limit).filter(|&core| set.is_set(core)).collect())
}

/// Binds this thread, and those it starts later, to one core.
#[cfg(target_os = "linux")]
pub(crate) fn pin(core: usize) -> Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    rustix::thread::sched_setaffinity(None, &set).with_context(|| format!("cannot use core {core}"))
}

/// Allows this process as many open files as it may ask for.
#[cfg(target_os = "linux")]
pub(crate) fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn raise_open_files() {}

#[cfg(not(target_os = "linux"))]
pub(crate) fn cores() -> Result<Vec<usize>> {
    anyhow::bail!("motet-bench measures through /proc: it needs Linux")
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn pin(_core: usize) -> Result<()> {
    anyhow::bail!("motet-bench measures through /proc: it needs Linux")
}

fn first_number(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn cpu_time_grows_with_work() {
        let me = std::process::id();
        let before = cpu_time(me).expect("own CPU time");
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(60) {
            std::hint::spin_loop();
        }
        assert!(cpu_time(me).expect("own CPU time") > before);
    }

    #[test]
    fn this_process_has_memory_and_a_core() {
        assert!(rss_kb(std::process::id()).expect("own memory") > 0);
        assert!(!cores().expect("own cores").is_empty());
        assert!(machine_cpu_time().expect("the machine's time") > Duration::ZERO);
    }
}
