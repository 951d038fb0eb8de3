//! Which nodes a call may reach.

use motet_core::{Call, CallOptions, Node};

/// Takes away nodes that a call must not reach. Closures of `(&Node, &Call) -> bool` are filters.
///
/// Called for every node on every attempt of a client that has filters: it must be quick.
pub trait Filter: Send + Sync + 'static {
    /// Whether the call may reach the node.
    fn keep(&self, node: &Node, call: &Call) -> bool;
}

impl<F: Fn(&Node, &Call) -> bool + Send + Sync + 'static> Filter for F {
    fn keep(&self, node: &Node, call: &Call) -> bool {
        self(node, call)
    }
}

/// Whether any option of a call chooses among nodes.
pub(crate) fn chooses(options: &CallOptions) -> bool {
    options.node.is_some() || options.version.is_some() || options.protocol.is_some() || !options.labels.is_empty()
}

/// Whether a node is what the options ask for; the protocol is looked at where the node's endpoints
/// are known.
pub(crate) fn accepts(options: &CallOptions, node: &Node) -> bool {
    options.node.as_ref().is_none_or(|id| *id == node.id)
        && options.version.as_ref().is_none_or(|version| *version == node.version)
        && options.labels.iter().all(|(key, value)| node.metadata.get(key) == Some(value))
}

/// What options ask for, for people.
pub(crate) fn wish(options: &CallOptions) -> String {
    let node = options.node.iter().map(|id| format!("id {id:?}"));
    let version = options.version.iter().map(|version| format!("version {version:?}"));
    let protocol = options.protocol.iter().map(|protocol| format!("protocol {protocol:?}"));
    let labels = options.labels.iter().map(|(key, value)| format!("label {key}={value}"));
    node.chain(version).chain(protocol).chain(labels).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_choose_by_id_version_and_labels() {
        let node = Node::new("greeter", "a").version("2.0.0").label("zone", "east");
        let with = |change: fn(&mut CallOptions)| {
            let mut options = CallOptions::default();
            change(&mut options);
            (chooses(&options), accepts(&options, &node))
        };
        assert_eq!(with(|_| ()), (false, true));
        assert_eq!(with(|o| o.node = Some("a".into())), (true, true));
        assert_eq!(with(|o| o.node = Some("b".into())), (true, false));
        assert_eq!(with(|o| o.version = Some("2.0.0".into())), (true, true));
        assert_eq!(with(|o| o.version = Some("1.0.0".into())), (true, false));
        assert_eq!(with(|o| o.labels = vec![("zone".into(), "east".into())]), (true, true));
        assert_eq!(with(|o| o.labels = vec![("zone".into(), "west".into())]), (true, false));
        assert_eq!(with(|o| o.labels = vec![("disk".into(), "fast".into())]), (true, false));
    }
}
