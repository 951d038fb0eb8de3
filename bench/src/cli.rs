//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::row::Shape;
use crate::sample::Message;
use crate::window::Load;

/// Compares Motet with other frameworks, and with floors below which none can go, in one
/// run: the server process on one core, the client process on another, systems
/// alternating round by round.
#[derive(Debug, Parser)]
#[command(name = "motet-bench", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) compare: Compare,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Options of a comparison.
#[derive(Clone, Debug, Args)]
pub(crate) struct Compare {
    /// Systems to run, for example `floor-codec,tonic`; all by default
    #[arg(long, value_name = "SYSTEM,…", value_delimiter = ',')]
    pub(crate) only: Vec<String>,

    /// How often every row is measured
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) rounds: u16,

    /// Messages to send
    #[arg(long, value_enum, value_delimiter = ',', default_value = "big,small")]
    pub(crate) messages: Vec<Message>,

    /// Connections : calls in flight over all of them
    #[arg(
        long,
        value_name = "C:N,…",
        value_delimiter = ',',
        default_value = "1:1,1:16,1:100,1:1000,8:100,100:100,100:1000"
    )]
    pub(crate) shapes: Vec<Shape>,

    /// Length of a row's window; 2, or less when the run would not end in 15 minutes
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(crate) seconds: Option<Duration>,

    /// Time before the window, with the same load
    #[arg(long, value_name = "S", value_parser = seconds, default_value = "0.5")]
    pub(crate) warm_up: Duration,

    /// Multi-thread runtimes of so many workers, pinned unless several; 0 means a single-thread
    /// runtime. By default 1, as `#[tokio::main]` on one core, and 0 for motet-main
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16))]
    pub(crate) workers: Option<u16>,

    /// Write every row to this file as a line of JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// What else the binary does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the tables of a file written with --json
    Report {
        /// Lines of JSON, of one or several runs on the same machine
        file: PathBuf,
    },
    /// List the systems and what each does for one call
    Systems,
    /// Size and cost of the same messages in protobuf, MessagePack and JSON
    Codec,
    /// Cost of a call through middlewares, without a network
    Middlewares,
    /// Cost of telling a connection's protocol from its first bytes
    Recognise,
    /// Heap allocations per call; needs the feature `count-allocations`
    Allocations,
    /// Fail when a call takes more CPU time than was recorded
    Gate {
        /// Print what to record instead
        #[arg(long)]
        record: bool,
    },
    /// Streams, large messages, transports, idle and new connections
    Extras(Extras),
    /// The server process of such a figure
    #[command(hide = true)]
    ExtraServe(ExtraServe),
    /// The client process of such a figure
    #[command(hide = true)]
    ExtraLoad(ExtraLoad),
    #[command(flatten)]
    Process(Process),
}

/// The processes of a row.
#[derive(Debug, Subcommand)]
pub(crate) enum Process {
    /// The server process of a row: prints its address, ends with its standard input
    #[command(hide = true)]
    Serve(Serve),
    /// The client process of a row: prints the row as JSON
    #[command(hide = true)]
    Load(LoadArgs),
}

/// What the binary of Motet alone does.
#[derive(Debug, Parser)]
#[command(name = "motet-bench-motet", version)]
pub(crate) struct MotetOnly {
    #[command(subcommand)]
    pub(crate) process: Process,
}

/// Which figures, and how.
#[derive(Clone, Debug, Args)]
pub(crate) struct Extras {
    /// What is measured: streams, large, transports, connections, idle; everything by default
    pub(crate) groups: Vec<String>,
    /// How often every figure is measured
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) rounds: u16,
    /// Length of a figure's window
    #[arg(long, value_name = "S", value_parser = seconds, default_value = "1")]
    pub(crate) seconds: Duration,
    /// Time before the window, with the same load
    #[arg(long, value_name = "S", value_parser = seconds, default_value = "0.3")]
    pub(crate) warm_up: Duration,
}

/// Which figure a process is for, and where it runs.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExtraPlace {
    pub(crate) group: String,
    pub(crate) case: String,
    #[arg(long)]
    pub(crate) scratch: PathBuf,
    #[arg(long)]
    pub(crate) core: usize,
}

/// The server process's options.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExtraServe {
    #[command(flatten)]
    pub(crate) place: ExtraPlace,
}

/// The client process's options.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExtraLoad {
    #[command(flatten)]
    pub(crate) place: ExtraPlace,
    #[arg(long)]
    pub(crate) server: String,
    #[arg(long)]
    pub(crate) server_pid: u32,
    #[arg(long, value_parser = seconds)]
    pub(crate) warm_up: Duration,
    #[arg(long, value_parser = seconds)]
    pub(crate) seconds: Duration,
}

/// The server process's options.
#[derive(Clone, Debug, Args)]
pub(crate) struct Serve {
    pub(crate) system: String,
    #[arg(long, value_enum)]
    pub(crate) message: Message,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// The client process's options.
#[derive(Clone, Debug, Args)]
pub(crate) struct LoadArgs {
    pub(crate) system: String,
    #[arg(long)]
    pub(crate) server: SocketAddr,
    #[arg(long)]
    pub(crate) server_pid: u32,
    #[arg(long, value_enum)]
    pub(crate) message: Message,
    #[arg(long)]
    pub(crate) shape: Shape,
    #[arg(long, value_parser = seconds)]
    pub(crate) warm_up: Duration,
    #[arg(long, value_parser = seconds)]
    pub(crate) seconds: Duration,
    #[command(flatten)]
    pub(crate) place: Place,
}

impl LoadArgs {
    pub(crate) fn load(&self) -> Load {
        Load {
            server: self.server,
            server_pid: self.server_pid,
            message: self.message,
            connections: self.shape.connections,
            in_flight: self.shape.in_flight,
            warm_up: self.warm_up,
            window: self.seconds,
        }
    }
}

/// Where and on how many threads a process runs.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Place {
    /// The core to stay on; any by default.
    #[arg(long)]
    pub(crate) core: Option<usize>,
    /// Worker threads; a single-thread runtime by default.
    #[arg(long)]
    pub(crate) workers: Option<usize>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "not a number".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("not a time above zero".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn compare(arguments: &[&str]) -> Result<Compare, clap::Error> {
        let arguments = ["motet-bench"].iter().chain(arguments);
        Cli::try_parse_from(arguments).map(|cli| cli.compare)
    }

    #[test]
    fn the_command_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn everything_is_measured_by_default() {
        let compare = compare(&[]).expect("no arguments");
        assert!(compare.only.is_empty());
        assert_eq!(compare.rounds, 3);
        assert_eq!(compare.messages, Message::ALL);
        assert_eq!(compare.shapes.len(), 7);
        assert_eq!(compare.seconds, None);
        assert_eq!(compare.workers, None);
    }

    #[test]
    fn lists_are_separated_by_commas() {
        let compare =
            compare(&["--only", "tonic,tarpc", "--shapes", "1:1,1:100", "--messages", "small", "--seconds", "0.5"])
                .expect("good arguments");
        assert_eq!(compare.only, ["tonic", "tarpc"]);
        assert_eq!(compare.shapes, [Shape::new(1, 1), Shape::new(1, 100)]);
        assert_eq!(compare.messages, [Message::Small]);
        assert_eq!(compare.seconds, Some(Duration::from_millis(500)));
    }

    #[test]
    fn nonsense_is_refused() {
        for wrong in
            [["--rounds", "0"], ["--shapes", "5"], ["--seconds", "-1"], ["--seconds", "nan"], ["--messages", "huge"]]
        {
            assert!(compare(&wrong).is_err(), "{wrong:?}");
        }
    }
}
