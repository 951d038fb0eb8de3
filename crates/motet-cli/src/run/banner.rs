//! Tells what runs where, and how to call it.

use std::{collections::BTreeSet, fmt::Write, time::Duration};

use motet::{Kind, Node};
use tokio::{sync::mpsc, time::Instant};

use super::{example, finder::Found, keeper::Event, paste, screen::Screen};

/// How long the banner waits for programs that have started but not registered.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells what runs where.
pub(super) struct Banner {
    pub(super) screen: Screen,
    /// The registry's URL, for those who wait for a service that is in another.
    pub(super) registry: String,
    /// Flags of a call that finds the services.
    pub(super) flags: String,
    /// What a reader can do beside calling.
    pub(super) closing: String,
}

impl Banner {
    /// Tells until nothing more can happen. One block for the programs of a launch, when all of them
    /// serve; a line for one that serves again.
    pub(super) async fn tell(self, mut events: mpsc::Receiver<Event>) {
        let mut awaited = BTreeSet::new();
        let mut known = BTreeSet::new();
        let mut fresh: Vec<(usize, Found, Duration)> = Vec::new();
        let mut patience = Instant::now();
        loop {
            let event = tokio::select! {
                biased;
                event = events.recv() => event,
                () = tokio::time::sleep_until(patience), if !awaited.is_empty() => {
                    std::mem::take(&mut awaited).into_iter().for_each(|program| self.missing(program));
                    self.show(&mut fresh, &mut known);
                    continue;
                }
            };
            match event {
                None => return,
                Some(Event::Starting(programs)) => {
                    awaited.extend(programs);
                    patience = Instant::now() + PATIENCE;
                }
                Some(Event::Up(program, found, took)) => {
                    awaited.remove(&program);
                    fresh.push((program, found, took));
                }
                Some(Event::Down(program)) => {
                    awaited.remove(&program);
                    fresh.retain(|(other, ..)| *other != program);
                }
            }
            if awaited.is_empty() {
                self.show(&mut fresh, &mut known);
            }
        }
    }

    fn show(&self, fresh: &mut Vec<(usize, Found, Duration)>, known: &mut BTreeSet<usize>) {
        let (again, first): (Vec<_>, Vec<_>) = std::mem::take(fresh).into_iter().partition(|up| known.contains(&up.0));
        for (program, found, took) in again {
            let label = self.screen.label(program);
            let at = found.nodes.first().map(address).unwrap_or_default();
            self.screen.say(&format!("{label} serves again at {at}, after {:.1} s", took.as_secs_f64()));
        }
        if !first.is_empty() {
            known.extend(first.iter().map(|up| up.0));
            self.screen.block(&self.block(&first));
        }
    }

    fn block(&self, up: &[(usize, Found, Duration)]) -> String {
        let took = up.iter().map(|up| up.2).max().unwrap_or_default();
        let rows: Vec<_> =
            up.iter().flat_map(|(program, found, _)| found.nodes.iter().map(move |node| (*program, node))).collect();
        let width = rows.iter().map(|(_, node)| title(node).chars().count()).max().unwrap_or(0);
        let mut text = format!("\n{}\n", self.screen.strong(&format!("serving after {:.1} s:", took.as_secs_f64())));
        for (program, node) in rows {
            let _ =
                writeln!(text, "  {:<width$}  at {}  by {}", title(node), address(node), self.screen.label(program));
        }
        let calls: Vec<_> = up.iter().flat_map(|(_, found, _)| calls(found, &self.flags)).collect();
        if !calls.is_empty() {
            let _ = writeln!(text, "\ncall from another terminal:");
            calls.iter().for_each(|call| {
                let _ = writeln!(text, "  {}", self.screen.strong(call));
            });
            if let Some(curl) = up.iter().find_map(|(_, found, _)| curl(found)) {
                let _ = writeln!(text, "  {}", self.screen.strong(&curl));
            }
        }
        let _ = writeln!(text, "\n{}\n", self.closing);
        text
    }

    fn missing(&self, program: usize) {
        self.screen.say(&format!(
            "{} runs, but has not registered in {} within {} s: it is still starting, serves nothing, or uses another \
             registry (then say which: --registry URL)",
            self.screen.label(program),
            self.registry,
            PATIENCE.as_secs()
        ));
    }
}

fn title(node: &Node) -> String {
    format!("{} {}", node.service, node.version)
}

fn address(node: &Node) -> String {
    node.endpoints.first().map(ToString::to_string).unwrap_or_default()
}

/// One call without this program.
fn curl(found: &Found) -> Option<String> {
    found.services.iter().find_map(|service| {
        let method = example::first(service).filter(|method| method.kind == Kind::Unary)?;
        let node = found.nodes.iter().find(|node| node.service == service.name)?;
        paste::curl(&node.endpoints, &method.path, &example::request(method).to_string())
    })
}

/// One call for each service.
fn calls(found: &Found, flags: &str) -> Vec<String> {
    let registered = |name: &str| found.nodes.iter().any(|node| node.service == name);
    let services = found.services.iter().filter(|service| registered(&service.name));
    let calls = services.filter_map(|service| {
        let method = example::first(service)?;
        let verb = if method.kind == Kind::Unary { "call" } else { "stream" };
        let (service, name) = (paste::quoted(&service.name), paste::quoted(&method.name));
        let json = paste::quoted(&example::request(method).to_string());
        Some(format!("{}{flags} {verb} {service} {name} {json}", paste::program()))
    });
    calls.collect()
}
