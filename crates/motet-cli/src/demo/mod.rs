//! `motet demo`: serves a few services to try things on, and prints lines that call them.

mod bank;
mod chat;
mod clock;
mod greeter;
mod lines;
mod totals;
mod words;

use std::io::Write;

use motet::{App, AppBuilder, RunningApp};

use crate::{
    failure::{Failure, Outcome, exit},
    global::Global,
    run::{paste, signals::Signals},
};

/// The arguments of `motet demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to listen: a free port of this machine by default, else such as `tcp://0.0.0.0:4000`.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(args: Args, global: &Global) -> Outcome {
    let mut signals = Signals::new()?;
    let app = describe(&args, global).start().await?;
    say(&banner(&app, global));
    let stopped = tokio::select! {
        biased;
        () = signals.next() => Ok(()),
        ended = app.wait() => ended.map_err(Failure::from),
    };
    say("stopping");
    tokio::select! {
        biased;
        () = signals.next() => {
            app.halt().await;
            Err(Failure::new(exit::PROGRAM, "stopped at once by a second signal"))
        }
        _ = app.stop() => stopped,
    }
}

/// What cannot be written is lost: whoever read it has gone, the services have not.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Everything in one App. It ends what runs after two seconds: some of it never ends by itself.
fn describe(args: &Args, global: &Global) -> AppBuilder {
    let registry = global.registry.as_deref().filter(|url| !url.is_empty()).unwrap_or("file:");
    let stop = motet::Config::new().with("app.stop_timeout", "2s").with("app.drain_delay", "0");
    let app = App::builder().name("demo").registry(registry).config(stop);
    let app = args.listen.iter().fold(app, |app, address| app.listen(address));
    app.service(greeter::service())
        .service(bank::service())
        .service(words::service())
        .service(clock::service())
        .service(totals::service())
        .service(chat::service())
}

/// What runs where, and what to paste.
fn banner(app: &RunningApp, global: &Global) -> String {
    let endpoints: Vec<_> = app.endpoints().iter().map(ToString::to_string).collect();
    let mut nodes = app.nodes();
    nodes.sort_by(|a, b| a.service.cmp(&b.service));
    let services: Vec<_> = nodes.iter().map(|node| format!("{} {}", node.service, node.version)).collect();
    let width = services.iter().map(String::len).max().unwrap_or(0);
    let mut text = format!("serving at {}, registered in {}:\n", endpoints.join(", "), app.registry().url());
    for (node, service) in nodes.iter().zip(&services) {
        text += &format!("  {service:<width$}  {}\n", node.methods.join(", "));
    }
    text += "\ntry in another terminal:\n";
    let program = format!("{}{}", paste::program(), paste::flags(global));
    for (about, line) in lines::LINES {
        text += &format!("  # {about}\n  {}\n", line.replace("motet ", &format!("{program} ")));
    }
    if let Some(line) = lines::curl(app) {
        text += &format!("  # without this program\n  {line}\n");
    }
    text + "\nCtrl-C stops."
}
