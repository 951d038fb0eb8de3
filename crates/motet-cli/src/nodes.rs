//! `motet nodes`: where services run.

use motet::{Node, NodeState};
use motet_app::meta::{Filter, NodesReply};
use serde::Serialize;

use crate::{
    failure::{Failure, Outcome},
    global::Global,
    output::{Cell, Output, Style, Table},
    process::Process,
    session::{Session, unknown_service},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The service; all if absent.
    #[arg(value_name = "SERVICE", add = crate::completions::services())]
    service: Option<String>,
}

/// The nodes, as `--json` prints them.
#[derive(Debug, Serialize)]
struct Nodes<'a> {
    /// Where they were looked up.
    place: String,
    /// The records.
    nodes: &'a [Node],
}

/// Prints the nodes.
pub(crate) async fn run(args: Args, global: &Global) -> Outcome {
    let session = Session::open(global).await?;
    let service = args.service.as_deref();
    let nodes = match (&session.address, service) {
        (Some(_), _) => at_address(&session, service).await?,
        (None, Some(name)) => {
            crate::target::check_name(name)?;
            session.nodes_of(name).await?
        }
        (None, None) => session.lookup(None).await?,
    };
    let output = &session.output;
    if output.json {
        return output.json(&Nodes { place: session.place(), nodes: &nodes });
    }
    if nodes.is_empty() {
        output.note(format!("No node is registered in {}.", session.place()));
        return Ok(());
    }
    output.write(table(&nodes, output))
}

async fn at_address(session: &Session, service: Option<&str>) -> Outcome<Vec<Node>> {
    let process = Process::pinned(session);
    let reply: NodesReply =
        process.ask("nodes", &Filter::default(), session.patience()).await.map_err(Failure::from)?;
    let Some(name) = service else { return Ok(reply.nodes) };
    let own: Vec<_> = reply.nodes.iter().filter(|node| node.service == name).cloned().collect();
    if own.is_empty() {
        let problem = format!("`{name}` does not run at {}", session.place());
        return Err(unknown_service(&problem, name, reply.nodes.iter().map(|node| &*node.service)));
    }
    Ok(own)
}

fn table(nodes: &[Node], output: &Output) -> String {
    let mut table = Table::new(&["SERVICE", "VERSION", "NODE", "STATE", "ADDRESS", "?WEIGHT", "?ZONE", "?LABELS"]);
    for node in nodes {
        let state = match node.state {
            NodeState::Active => Cell::styled(Style::Good, "active"),
            NodeState::Starting => Cell::styled(Style::Warn, "starting"),
            NodeState::Draining => Cell::styled(Style::Warn, "draining"),
            _ => "?".into(),
        };
        let endpoints: Vec<_> = node.endpoints.iter().map(ToString::to_string).collect();
        let labels: Vec<_> = node.metadata.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let weight = if node.weight == 100 { String::new() } else { node.weight.to_string() };
        table.row([
            Cell::styled(Style::Name, &node.service),
            (&node.version).into(),
            (&node.id).into(),
            state,
            endpoints.join(", ").into(),
            weight.into(),
            (&node.zone).into(),
            labels.join(", ").into(),
        ]);
    }
    table.render(output)
}

#[cfg(test)]
mod tests {
    use motet::Endpoint;

    use super::*;

    #[test]
    fn what_all_nodes_have_in_common_by_default_is_not_shown() {
        let output = Output { json: false, terminal: false, colour: false };
        let node = Node::new("greeter", "a").version("1.0.0").endpoint(Endpoint::new("tcp", "127.0.0.1:1"));
        let plain = table(std::slice::from_ref(&node), &output);
        assert!(plain.contains("tcp://127.0.0.1:1") && !plain.contains("WEIGHT") && !plain.contains("LABELS"));
        let labelled = node.label("tier", "gold");
        assert!(table(&[labelled], &output).contains("tier=gold"));
    }
}
