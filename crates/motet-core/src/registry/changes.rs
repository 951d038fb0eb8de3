//! How a list of nodes becomes another, event by event.

use std::{
    cmp::Ordering,
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;
use tokio::sync::watch;

use super::{RegistryEvent, Watch};
use crate::{BoxFuture, Node, Result, Streaming};

impl RegistryEvent {
    /// The events that lead from one list of nodes to another, both of one service and sorted by id.
    /// Nodes go after others have come: who applies them one by one never finds a service without
    /// nodes whose nodes were replaced.
    pub fn between(before: &[Node], after: &[Node]) -> Vec<RegistryEvent> {
        let (mut before, mut after) = (before.iter().peekable(), after.iter().peekable());
        let (mut events, mut gone) = (Vec::new(), Vec::new());
        loop {
            let order = match (before.peek(), after.peek()) {
                (None, None) => {
                    events.append(&mut gone);
                    return events;
                }
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => old.id.cmp(&new.id),
            };
            let old = if order.is_le() { before.next() } else { None };
            let new = if order.is_ge() { after.next() } else { None };
            match (old, new) {
                (Some(old), None) => gone.push(RegistryEvent::Remove(old.id.clone())),
                (old, Some(new)) if old != Some(new) => events.push(RegistryEvent::Put(new.clone())),
                _ => {}
            }
        }
    }

    /// Applies the event to a list of nodes sorted by id, which stays sorted.
    pub fn apply(self, nodes: &mut Vec<Node>) {
        match self {
            RegistryEvent::Reset(all) => {
                *nodes = all;
                nodes.sort_by(|a, b| a.id.cmp(&b.id));
            }
            RegistryEvent::Put(node) => match nodes.binary_search_by(|known| known.id.cmp(&node.id)) {
                Ok(at) => nodes[at] = node,
                Err(at) => nodes.insert(at, node),
            },
            RegistryEvent::Remove(id) => nodes.retain(|node| node.id != id),
        }
    }
}

/// A watch over a list of nodes that others keep up to date: for backends that hold the newest list
/// and are told, or find out by polling, that it changed.
///
/// `read` gives the nodes of one service, sorted by id, out of what the channel holds; it runs once
/// at the first poll and once after each change. Its error is handed on once, and the next list
/// after it comes as `Reset`. A reader that lags skips lists: it gets what leads from the last list
/// that it saw to the newest, so that no more than one list waits for it. The watch stays open, and
/// silent, when all senders are gone.
pub fn follow_nodes<T: Send + Sync + 'static>(
    changes: watch::Receiver<T>,
    read: impl FnMut(&T) -> Result<Arc<[Node]>> + Send + Unpin + 'static,
) -> Watch {
    Streaming::new(Follow { read, known: Known::Nothing, events: VecDeque::new(), channel: Channel::Ready(changes) })
}

struct Follow<T, F> {
    read: F,
    known: Known,
    events: VecDeque<RegistryEvent>,
    channel: Channel<T>,
}

enum Known {
    Nothing,
    Nodes(Arc<[Node]>),
    Outage,
}

enum Channel<T> {
    /// To be read.
    Ready(watch::Receiver<T>),
    /// Read; waits for a change.
    Waiting(BoxFuture<'static, Option<watch::Receiver<T>>>),
    /// Nothing will ever change again.
    Silent,
}

impl<T, F> Follow<T, F>
where
    T: Send + Sync + 'static,
    F: FnMut(&T) -> Result<Arc<[Node]>>,
{
    /// Takes in the newest list.
    fn read(&mut self, changes: &mut watch::Receiver<T>) -> Result<()> {
        match (self.read)(&changes.borrow_and_update()) {
            Ok(now) => {
                match &self.known {
                    Known::Nodes(before) if Arc::ptr_eq(before, &now) => {}
                    Known::Nodes(before) => self.events.extend(RegistryEvent::between(before, &now)),
                    Known::Nothing | Known::Outage => self.events.push_back(RegistryEvent::Reset(now.to_vec())),
                }
                self.known = Known::Nodes(now);
                Ok(())
            }
            Err(_) if matches!(self.known, Known::Outage) => Ok(()),
            Err(status) => {
                self.known = Known::Outage;
                Err(status)
            }
        }
    }
}

impl<T, F> Stream for Follow<T, F>
where
    T: Send + Sync + 'static,
    F: FnMut(&T) -> Result<Arc<[Node]>> + Unpin,
{
    type Item = Result<RegistryEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(event) = this.events.pop_front() {
                return Poll::Ready(Some(Ok(event)));
            }
            match std::mem::replace(&mut this.channel, Channel::Silent) {
                Channel::Ready(mut changes) => {
                    let outcome = this.read(&mut changes);
                    this.channel =
                        Channel::Waiting(Box::pin(async move { changes.changed().await.ok().map(|()| changes) }));
                    if let Err(status) = outcome {
                        return Poll::Ready(Some(Err(status)));
                    }
                }
                Channel::Waiting(mut wait) => {
                    let Poll::Ready(changed) = wait.as_mut().poll(cx) else {
                        this.channel = Channel::Waiting(wait);
                        return Poll::Pending;
                    };
                    this.channel = changed.map_or(Channel::Silent, Channel::Ready);
                }
                Channel::Silent => return Poll::Pending,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Endpoint, Status};

    fn nodes(ids: &[(&str, &str)]) -> Arc<[Node]> {
        let node = |(id, version): &(&str, &str)| {
            Node::new("greeter", *id).version(*version).endpoint(Endpoint::new("tcp", "127.0.0.1:1"))
        };
        ids.iter().map(node).collect()
    }

    #[test]
    fn the_events_between_two_lists_lead_from_one_to_the_other() {
        let lists = [
            nodes(&[]),
            nodes(&[("a", "1")]),
            nodes(&[("a", "2"), ("b", "1")]),
            nodes(&[("b", "1"), ("c", "1"), ("d", "1")]),
            nodes(&[("a", "1"), ("d", "1")]),
        ];
        for before in &lists {
            for after in &lists {
                let mut known = before.to_vec();
                let events = RegistryEvent::between(before, after);
                assert!(before != after || events.is_empty(), "{events:?}");
                for event in events {
                    event.apply(&mut known);
                    assert!(!known.is_empty() || after.is_empty(), "replaced nodes leave no gap");
                }
                assert_eq!(known, after.to_vec());
            }
        }
    }

    #[tokio::test]
    async fn an_outage_is_told_once_and_ends_with_a_reset() {
        let away = || Err(Status::unavailable("away"));
        let (sender, receiver) = watch::channel(Ok(nodes(&[("a", "1")])));
        let mut watch = follow_nodes(receiver, |state: &Result<Arc<[Node]>>| state.clone());
        let mut next = async || watch.next().await.expect("open");
        assert_eq!(next().await, Ok(RegistryEvent::Reset(nodes(&[("a", "1")]).to_vec())));
        let _ = sender.send_replace(away());
        assert_eq!(next().await, Err(Status::unavailable("away")));
        let _ = sender.send_replace(away());
        let _ = sender.send_replace(Ok(nodes(&[])));
        assert_eq!(next().await, Ok(RegistryEvent::Reset(Vec::new())));
    }

    #[tokio::test]
    async fn a_reader_that_lags_gets_what_leads_to_the_newest_list() {
        let (sender, receiver) = watch::channel(nodes(&[("a", "1"), ("b", "1")]));
        let mut watch = follow_nodes(receiver, |nodes: &Arc<[Node]>| Ok(nodes.clone()));
        assert!(matches!(watch.next().await, Some(Ok(RegistryEvent::Reset(_)))));
        for version in 2..500 {
            sender.send_replace(nodes(&[("a", &version.to_string())]));
        }
        assert_eq!(watch.next().await, Some(Ok(RegistryEvent::Put(nodes(&[("a", "499")])[0].clone()))));
        assert_eq!(watch.next().await, Some(Ok(RegistryEvent::Remove("b".into()))));
    }
}
