//! Every case of every pairing, and the table of what came of it.

use std::{
    fmt::Write,
    process::{Output, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
    time::timeout,
};

const FLAVOURS: [(&str, &str); 3] =
    [("gob", "net/rpc, gob"), ("http", "net/rpc, CONNECT"), ("jsonrpc", "net/rpc/jsonrpc")];
const CASES: [&str; 9] =
    ["unary", "errors", "zero", "large", "concurrent", "pipelined", "late", "killed", "half-close"];
/// Client and server.
const PAIRINGS: [(&str, &str); 4] = [("go", "motet"), ("motet", "go"), ("go", "go"), ("motet", "motet")];
const CONNECTED: &[u8] = b"HTTP/1.0 200 Connected to Go RPC\n\n";
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs everything; fails if a case does.
pub(crate) async fn all(go: &str, page: Option<&str>) -> Result<(), String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let own = own.to_str().ok_or("the path of this program is no text")?;
    let programs = Programs { go, own };
    let mut runs = Vec::new();
    for (flavour, _) in FLAVOURS {
        for (client, server) in PAIRINGS {
            for case in CASES {
                runs.push((flavour, client, server, case));
            }
        }
    }
    // The minute of silence passes for all of them at once.
    let late = runs.iter().filter(|run| run.3 == "late").copied();
    let late: Vec<_> = late.map(|run| tokio::spawn(Programs::own(programs).run(run))).collect();
    let mut failures = Vec::new();
    for run in runs.iter().filter(|run| run.3 != "late") {
        note(run, Programs::own(programs).run(*run).await, &mut failures);
    }
    for (run, task) in runs.iter().filter(|run| run.3 == "late").zip(late) {
        note(run, task.await.map_err(|error| error.to_string())?, &mut failures);
    }
    let table = table(&failures);
    print!("{table}");
    if let Some(page) = page {
        write(page, &table)?;
    }
    if failures.is_empty() { Ok(()) } else { Err(format!("{} cases failed", failures.len())) }
}

type Run = (&'static str, &'static str, &'static str, &'static str);

fn note(run: &Run, outcome: Result<(), String>, failures: &mut Vec<Run>) {
    let (flavour, client, server, case) = run;
    match outcome {
        Ok(()) => eprintln!("ok     {flavour}: {client} -> {server}: {case}"),
        Err(error) => {
            eprintln!("FAILED {flavour}: {client} -> {server}: {case}: {error}");
            failures.push(*run);
        }
    }
}

fn table(failures: &[Run]) -> String {
    let mut out = String::from("| protocol | client → server | ");
    let _ = writeln!(out, "{} |", CASES.join(" | "));
    let _ = writeln!(out, "|---|---|{}", "---|".repeat(CASES.len()));
    for (flavour, name) in FLAVOURS {
        for (client, server) in PAIRINGS {
            let held =
                CASES.map(|case| if failures.contains(&(flavour, client, server, case)) { "**no**" } else { "yes" });
            let _ = writeln!(out, "| {name} | {client} → {server} | {} |", held.join(" | "));
        }
    }
    out
}

/// Puts the table between the marks of a page.
fn write(page: &str, table: &str) -> Result<(), String> {
    const BEGIN: &str = "<!-- begin netrpc: written by interop/netrpc --write -->\n";
    const END: &str = "<!-- end netrpc -->";
    let text = std::fs::read_to_string(page).map_err(|error| format!("{page}: {error}"))?;
    let marks = || format!("{page} has not the marks {BEGIN}and {END}");
    let (before, rest) = text.split_once(BEGIN).ok_or_else(marks)?;
    let (_, after) = rest.split_once(END).ok_or_else(marks)?;
    let text = format!("{before}{BEGIN}{table}{END}{after}");
    std::fs::write(page, text).map_err(|error| format!("{page}: {error}"))
}

#[derive(Clone, Copy)]
struct Programs<'a> {
    go: &'a str,
    own: &'a str,
}

struct Owned {
    go: String,
    own: String,
}

impl Programs<'_> {
    fn own(self) -> Owned {
        Owned { go: self.go.to_owned(), own: self.own.to_owned() }
    }
}

impl Owned {
    fn command(&self, side: &str) -> Command {
        let mut command = Command::new(if side == "go" { &self.go } else { &self.own });
        command.kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    async fn run(self, (flavour, client, server, case): Run) -> Result<(), String> {
        let (mut serving, address) = self.serve(server, flavour).await?;
        let outcome = match case {
            "half-close" => half_close(flavour, &address).await,
            "killed" => {
                let calling = self.command(client).args(["call", flavour, &address, case]).spawn();
                let mut calling = calling.map_err(|error| error.to_string())?;
                first_line(&mut calling).await?;
                // The call is on its way.
                tokio::time::sleep(Duration::from_millis(300)).await;
                serving.kill().await.map_err(|error| error.to_string())?;
                finish(calling.wait_with_output()).await
            }
            _ => finish(self.command(client).args(["call", flavour, &address, case]).output()).await,
        };
        let _ = serving.kill().await;
        outcome
    }

    async fn serve(&self, side: &str, flavour: &str) -> Result<(Child, String), String> {
        let mut command = self.command(side);
        command.stdin(Stdio::piped()).stderr(Stdio::inherit()).arg("serve");
        if side == "go" {
            command.arg(flavour);
        }
        let mut serving = command.spawn().map_err(|error| error.to_string())?;
        let address = first_line(&mut serving).await?;
        Ok((serving, address))
    }
}

async fn first_line(child: &mut Child) -> Result<String, String> {
    let output = child.stdout.as_mut().ok_or("it has no output")?;
    let mut line = String::new();
    let reading = timeout(PATIENCE, BufReader::new(output).read_line(&mut line)).await;
    reading.map_err(|_| "it says nothing".to_owned())?.map_err(|error| error.to_string())?;
    Ok(line.trim().to_owned())
}

async fn finish(running: impl Future<Output = std::io::Result<Output>>) -> Result<(), String> {
    let output = timeout(PATIENCE, running).await.map_err(|_| "it does not end".to_owned())?;
    let output = output.map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// A call written by hand, and the writing side closed behind it: `printf … | nc`.
async fn half_close(flavour: &str, address: &str) -> Result<(), String> {
    let gob: &[u8] = b"\x2e\x7f\x03\x01\x01\x07Request\x01\xff\x80\x00\x01\x02\x01\x0dServiceMethod\x01\x0c\x00\x01\
        \x03Seq\x01\x06\x00\x00\x00\x0f\xff\x80\x01\x0aworld.Slow\x00\x05\x06\x00\xfe\x01\x2c";
    let (request, expected): (Vec<u8>, &[u8]) = match flavour {
        "jsonrpc" => (
            b"{\"method\":\"world.Slow\",\"params\":[300],\"id\":{\"any\":[1]}}".to_vec(),
            b"{\"id\":{\"any\":[1]},\"result\":300,\"error\":null}\n",
        ),
        _ => (gob.to_vec(), b"\xfe\x01\x2c"),
    };
    let talking = async {
        let mut socket = TcpStream::connect(address).await?;
        let mut answer = Vec::new();
        if flavour == "http" {
            // Go's server drops what is sent before it has answered.
            socket.write_all(b"CONNECT /_goRPC_ HTTP/1.0\n\n").await?;
            answer.resize(CONNECTED.len(), 0);
            socket.read_exact(&mut answer).await?;
        }
        socket.write_all(&request).await?;
        socket.shutdown().await?;
        socket.read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer =
        timeout(PATIENCE, talking).await.map_err(|_| "no end".to_owned())?.map_err(|error| error.to_string())?;
    let connected = flavour != "http" || answer.starts_with(CONNECTED);
    match connected && answer.ends_with(expected) {
        true => Ok(()),
        false => Err(format!("the answer was {:?}", String::from_utf8_lossy(&answer))),
    }
}
