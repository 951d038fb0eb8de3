//! What this process and its runtime hold.

use std::process::Command;

/// What a process holds.
#[motet::message]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Holdings {
    /// Resident memory.
    pub(crate) kib: u64,
    /// Tasks of the runtime that have not ended.
    pub(crate) tasks: u64,
    /// Open files and sockets.
    pub(crate) descriptors: u64,
}

impl Holdings {
    /// Those of this process, and of the runtime that runs this.
    pub(crate) fn here() -> Holdings {
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks() as u64;
        // Reading the folder needs one of its own.
        let descriptors = std::fs::read_dir("/dev/fd").expect("a Unix").count() as u64 - 1;
        Holdings { kib: resident_kib(), tasks, descriptors }
    }
}

fn resident_kib() -> u64 {
    let number = |text: &str| text.split_whitespace().next().and_then(|number| number.parse().ok());
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        return status.lines().find_map(|line| line.strip_prefix("VmRSS:")).and_then(number).expect("a line of Linux");
    }
    let own = std::process::id().to_string();
    let answer = Command::new("ps").args(["-o", "rss=", "-p", &own]).output().expect("ps runs");
    number(&String::from_utf8_lossy(&answer.stdout)).expect("a number of kB")
}
