//! `motet services`: what runs.

use std::collections::BTreeMap;

use motet::{Node, NodeState};
use serde::Serialize;

use crate::{
    failure::{Failure, Outcome},
    global::Global,
    output::{Cell, Output, Style, Table},
    process::Process,
    session::Session,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// What runs, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Services {
    /// Where it was looked up.
    place: String,
    services: Vec<Entry>,
}

#[derive(Debug, Default, Serialize)]
struct Entry {
    name: String,
    versions: Vec<String>,
    /// How many nodes there are; absent where an address was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<usize>,
    /// How many of them take calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<usize>,
    methods: Vec<String>,
}

/// Prints the services.
pub(crate) async fn run(_: Args, global: &Global) -> Outcome {
    let session = Session::open(global).await?;
    let services = match session.address {
        Some(_) => at_address(&session).await?,
        None => of_nodes(&session.lookup(None).await?),
    };
    let output = &session.output;
    if output.json {
        return output.json(&Services { place: session.place(), services });
    }
    if services.is_empty() {
        output.note(format!(
            "No service is registered in {}.\nStart one: `motet demo` serves a few to try, `motet new hello` makes one of your own.",
            session.place()
        ));
        return Ok(());
    }
    output.write(table(&services, output))
}

async fn at_address(session: &Session) -> Outcome<Vec<Entry>> {
    let reply = Process::pinned(session).describe(None, session.patience()).await.map_err(Failure::from)?;
    let entry = |service: &std::sync::Arc<motet::ServiceDescriptor>| Entry {
        name: service.name.clone(),
        versions: vec![service.version.clone()],
        methods: service.methods.iter().map(|method| method.name.clone()).collect(),
        ..Entry::default()
    };
    Ok(reply.services.iter().map(entry).collect())
}

fn of_nodes(nodes: &[Node]) -> Vec<Entry> {
    let mut all: BTreeMap<&str, Entry> = BTreeMap::new();
    for node in nodes {
        let entry = all.entry(&node.service).or_default();
        entry.name.clone_from(&node.service);
        *entry.nodes.get_or_insert_default() += 1;
        *entry.active.get_or_insert_default() += usize::from(node.state == NodeState::Active);
        if !entry.versions.contains(&node.version) {
            entry.versions.push(node.version.clone());
        }
        for method in &node.methods {
            if !entry.methods.contains(method) {
                entry.methods.push(method.clone());
            }
        }
    }
    all.into_values().collect()
}

fn table(services: &[Entry], output: &Output) -> String {
    let mut table = Table::new(&["SERVICE", "VERSION", "?NODES", "METHODS"]);
    for entry in services {
        let nodes: Cell = match (entry.nodes, entry.active) {
            (Some(nodes), Some(active)) if active == nodes => nodes.to_string().into(),
            (Some(nodes), Some(active)) => Cell::styled(Style::Warn, format!("{active} of {nodes} active")),
            _ => "".into(),
        };
        let row = [
            Cell::styled(Style::Name, &entry.name),
            entry.versions.join(", ").into(),
            nodes,
            entry.methods.join(", ").into(),
        ];
        table.row(row);
    }
    table.render(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_summed_up_by_service() {
        let mut draining = Node::new("greeter", "b").version("2.0.0");
        draining.state = NodeState::Draining;
        draining.methods = vec!["hello".to_owned()];
        let services = of_nodes(&[Node::new("greeter", "a").version("1.0.0"), draining]);
        assert_eq!((services[0].nodes, services[0].active), (Some(2), Some(1)));
        assert_eq!(
            (&*services[0].versions, &*services[0].methods[0]),
            (&["1.0.0".to_owned(), "2.0.0".to_owned()][..], "hello")
        );
        let output = Output { json: false, terminal: false, colour: false };
        assert!(table(&services, &output).contains("1 of 2 active"));
    }
}
