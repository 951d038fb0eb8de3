//! What to say when a service has no node.

use std::{sync::Arc, time::Duration};

use motet_core::{Deadline, Executed, Result, Status};
use tokio::time::Instant;

use super::target::{Nodes, Target};

/// How long the registry may take to list what runs, for the sake of the message.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a service that is listed may take until its nodes are known here as well: longer than
/// registries that poll need.
const CATCH_UP: Duration = Duration::from_secs(1);
/// How many running services the message names.
const NAMED: usize = 20;

/// Makes sure that there is no node to call. What is known here may be a little late: where the
/// registry lists the service, its nodes are waited for, and given back.
///
/// # Errors
/// Unavailable, executed: no; it names the registry, what runs instead and the name that was probably
/// meant.
pub(super) async fn no_node(target: &Target, nodes: &Nodes, by: Option<Deadline>) -> Result<Arc<Nodes>> {
    let service = &target.service;
    let settings = &target.settings;
    let text = if !nodes.foreign.is_empty() {
        let ours = settings.protocol_names().join(", ");
        format!("the nodes of `{service}` speak {}; this client speaks {ours}", nodes.foreign.join(", "))
    } else if nodes.starting > 0 {
        format!("no node of `{service}` is ready yet; starting: {}", nodes.starting)
    } else if let Some(registry) = &settings.registry {
        let until = |patience| by.map_or(Instant::now() + patience, |by| by.at.min(Instant::now() + patience));
        let mut text = format!("no node of `{service}` is registered in {}", registry.url());
        if let Ok(Ok(running)) = tokio::time::timeout_at(until(PATIENCE), registry.list()).await {
            let names: Vec<_> = running.iter().map(|summary| &*summary.name).collect();
            if names.contains(&service.as_str()) {
                let until = until(CATCH_UP);
                loop {
                    let changed = target.changed.notified();
                    let nodes = target.nodes().clone();
                    if !nodes.places.is_empty() {
                        return Ok(nodes);
                    }
                    if tokio::time::timeout_at(until, changed).await.is_err() {
                        break;
                    }
                }
                text = format!("the registry {} lists `{service}`, but no node of it that takes calls", registry.url());
            } else {
                text.push_str(&running_services(service, &names));
            }
        }
        text
    } else {
        format!("no node of `{service}` is known")
    };
    Err(Status::unavailable(text).with_executed(Executed::No))
}

fn running_services(wanted: &str, names: &[&str]) -> String {
    if names.is_empty() {
        return "; no service is running".to_owned();
    }
    let more = if names.len() > NAMED { ", …" } else { "" };
    let mut text = format!("; running services: {}{more}", names[..names.len().min(NAMED)].join(", "));
    if let Some(meant) = nearest(wanted, names) {
        text.push_str(&format!("; did you mean `{meant}`?"));
    }
    text
}

/// The name that differs least, if it differs little.
fn nearest<'a>(wanted: &str, names: &[&'a str]) -> Option<&'a str> {
    let limit = (wanted.chars().count() / 3).max(1);
    let distances = names.iter().map(|name| (distance(wanted, name), *name));
    distances.filter(|(distance, _)| *distance <= limit).min().map(|(_, name)| name)
}

/// How many characters must be inserted, removed or replaced, case apart (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let b: Vec<_> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_a_far_one_is_not() {
        let names = ["billing", "greeter", "orders"];
        for (wanted, meant) in
            [("greter", Some("greeter")), ("Greeters", Some("greeter")), ("order", Some("orders")), ("mail", None)]
        {
            assert_eq!(nearest(wanted, &names), meant, "{wanted}");
        }
    }

    #[test]
    fn the_distance_counts_insertions_removals_and_replacements() {
        for (a, b, expected) in [("", "", 0), ("a", "", 1), ("kitten", "sitting", 3), ("flaw", "lawn", 2)] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn the_message_names_what_runs() {
        assert_eq!(running_services("x", &[]), "; no service is running");
        assert_eq!(
            running_services("greter", &["greeter", "orders"]),
            "; running services: greeter, orders; did you mean `greeter`?"
        );
    }
}
