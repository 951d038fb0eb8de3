//! What a connection costs on a server while nothing happens on it: a process of its own serves, and its
//! memory is read before and after many connections.

mod support;

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use support::*;

const CHILD: &str = "MOTET_TEST_SERVER";
const CONNECTIONS: u64 = 500;
/// In bytes, all of it: the socket's buffers, tasks and what the allocator rounds up.
const MOST: u64 = 6 << 10;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if std::env::var_os(CHILD).is_some() {
        return runtime.block_on(serve());
    }
    runtime.block_on(an_idle_connection_takes_at_most_6_kib());
    println!("test an_idle_connection_takes_at_most_6_kib ... ok");
}

/// Prints its address and serves until it is ended.
async fn serve() {
    let (app, _) = start("").await;
    println!("{}", address(&app));
    std::future::pending().await
}

struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start() -> Server {
        let this = std::env::current_exe().expect("this program");
        let child = Command::new(this).env(CHILD, "1").stdout(Stdio::piped()).spawn();
        let mut child = child.expect("it starts");
        let mut address = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        output.read_line(&mut address).expect("its address");
        Server { child, address: address.trim().to_owned() }
    }

    /// Resident memory, in bytes.
    fn resident(&self) -> u64 {
        let id = self.child.id().to_string();
        if let Ok(status) = std::fs::read_to_string(format!("/proc/{id}/status")) {
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line of Linux");
            return line.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).expect("a number of kB") << 10;
        }
        let answer = Command::new("ps").args(["-o", "rss=", "-p", &id]).output().expect("ps runs");
        let text = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
        text.parse::<u64>().expect("a number of kB") << 10
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn connections(server: &Server, count: u64) -> Vec<Talk> {
    let mut all = Vec::new();
    for _ in 0..count {
        let mut talk = Talk::at(&server.address, "/ws").await;
        let answer = talk.call(r#"{"jsonrpc":"2.0","method":"numbers/square","params":[3],"id":1}"#).await;
        assert_eq!(answer["result"], 9);
        all.push(talk);
    }
    // A connection keeps its buffers for a second.
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    all
}

async fn an_idle_connection_takes_at_most_6_kib() {
    let server = Server::start();
    // The first ones pay for what all share.
    let first = connections(&server, 100).await;
    let before = server.resident();
    let all = connections(&server, CONNECTIONS).await;
    let each = server.resident().saturating_sub(before) / CONNECTIONS;
    assert_eq!((first.len(), all.len() as u64), (100, CONNECTIONS));
    assert!(each <= MOST, "{each} bytes for each idle connection");
    println!("{each} bytes for each idle connection");
}
