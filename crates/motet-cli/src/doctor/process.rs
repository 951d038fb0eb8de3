//! Processes of this machine, as far as the system tells of them.

/// How a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Process {
    /// There is none of this number.
    Gone,
    /// It is stopped (`kill -STOP`, Ctrl-Z): it runs not, and ends not.
    Stopped,
    /// It runs, or how it is cannot be told.
    Runs,
}

/// How the process of a number is.
#[cfg(unix)]
pub(super) fn of(pid: u32) -> Process {
    let number = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    let gone = number.is_none_or(
        |number| matches!(rustix::process::test_kill_process(number), Err(error) if error == rustix::io::Errno::SRCH),
    );
    match gone {
        true => Process::Gone,
        false if is_stopped(pid) => Process::Stopped,
        false => Process::Runs,
    }
}

/// How the process of a number is.
#[cfg(not(unix))]
pub(super) fn of(_: u32) -> Process {
    Process::Runs
}

/// By what Linux says; elsewhere it is not known.
#[cfg(unix)]
fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name before it may hold anything, a parenthesis too.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['T', 't']))
}

/// Who listens at a TCP port, such as `nginx (process 4711)`; none where that cannot be told, as of
/// processes of other users. It looks through all processes, and blocks.
pub(super) fn listens_at(port: u16) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let socket = tables.iter().flat_map(|table| table.lines().skip(1)).find_map(|line| listening(line, port))?;
    let wanted = format!("socket:[{socket}]");
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // Those of other users cannot be read.
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let is_wanted = |file: std::fs::DirEntry| {
            std::fs::read_link(file.path()).is_ok_and(|target| target.to_str() == Some(&*wanted))
        };
        if files.flatten().any(is_wanted) {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (process {pid})", name.trim()));
        }
    }
    None
}

/// The number of the socket, if a line of Linux's table of TCP sockets is one that listens at a port.
fn listening(line: &str, port: u16) -> Option<&str> {
    const LISTEN: &str = "0A";
    let mut fields = line.split_whitespace();
    let (_, at) = fields.nth(1)?.rsplit_once(':')?;
    let state = fields.nth(1)?;
    let socket = fields.nth(5)?;
    (state == LISTEN && u16::from_str_radix(at, 16) == Ok(port)).then_some(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_is_read() {
        let line =
            "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0";
        assert_eq!(listening(line, 8080), Some("4711"));
        assert_eq!(listening(line, 8081), None);
        assert_eq!(listening(&line.replace(" 0A ", " 01 "), 8080), None, "it is connected");
        assert_eq!(listening("", 8080), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn who_listens_here_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("free");
        let port = listener.local_addr().expect("bound").port();
        let who = listens_at(port).expect("this process");
        assert!(who.ends_with(&format!("(process {})", std::process::id())), "{who}");
        drop(listener);
        assert_eq!(listens_at(port), None);
    }

    #[cfg(unix)]
    #[test]
    fn processes_that_run_and_processes_that_are_gone_are_told_apart() {
        assert_eq!(of(std::process::id()), Process::Runs);
        let mut child = std::process::Command::new("true").spawn().expect("runs");
        child.wait().expect("ends");
        assert_eq!((of(child.id()), of(0), of(u32::MAX)), (Process::Gone, Process::Gone, Process::Gone));
    }
}
