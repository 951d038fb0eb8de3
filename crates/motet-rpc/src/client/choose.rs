//! Choosing a node where a strategy alone cannot: filters, options, retries, and none at all.

use std::sync::Arc;

use motet_core::{Call, Candidate, Executed, Result, Status};

use super::{
    suggest,
    target::{Nodes, Place, Target},
};
use crate::selector::{accepts, wish};

impl Target {
    /// A node for this call: waits until nodes are known, leaves those that the call must not reach
    /// and, while there are others, the one of an earlier attempt.
    ///
    /// # Errors
    /// Unavailable, executed: no, when there is no such node; it says what there is instead.
    pub(crate) async fn choose(self: &Arc<Self>, call: &Call, not: Option<&Place>) -> Result<Arc<Place>> {
        self.settle(call.deadline).await?;
        let mut nodes = self.nodes().clone();
        if nodes.places.is_empty() {
            nodes = suggest::no_node(self, &nodes, call.deadline).await?;
        }
        let mut left: Vec<_> = nodes.places.iter().filter(|place| self.keeps(place, call)).collect();
        if left.is_empty() {
            return Err(self.none_left(&nodes, call));
        }
        if let Some(not) = not
            && left.len() > 1
        {
            left.retain(|place| place.candidate.node().id != not.candidate.node().id);
        }
        let candidates: Vec<Arc<Candidate>> = left.iter().map(|place| place.candidate.clone()).collect();
        let picked = self.settings.selector.pick(&candidates, &self.settings.entropy);
        Ok(left[picked].clone())
    }

    /// Whether options and filters let the call go to a node.
    pub(crate) fn keeps(&self, place: &Place, call: &Call) -> bool {
        let node = place.candidate.node();
        accepts(&call.options, node)
            && self.settings.selector.filters().iter().all(|filter| filter.keep(node, call))
            && place.by(&self.settings, call.options.protocol.as_deref()).is_some()
    }

    fn none_left(&self, nodes: &Nodes, call: &Call) -> Status {
        let wish = wish(&call.options);
        let wish = if wish.is_empty() { "the client's filters".to_owned() } else { wish };
        let ids: Vec<_> = nodes.places.iter().take(8).map(|place| &*place.candidate.node().id).collect();
        let more = if nodes.places.len() > 8 { ", …" } else { "" };
        Status::unavailable(format!(
            "no node of `{}` matches {wish}; there are {}: {}{more}",
            self.service,
            nodes.places.len(),
            ids.join(", ")
        ))
        .with_executed(Executed::No)
    }
}
