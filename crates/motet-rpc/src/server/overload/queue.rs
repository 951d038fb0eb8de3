//! Calls that wait for their turn, by connection.

use std::collections::VecDeque;

use motet_core::Map;
use tokio::{sync::oneshot, time::Instant};

/// Where a call waits: its connection and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    connection: usize,
    number: u64,
}

/// Calls that wait for their turn. Connections take turns, so that one with many calls does not
/// starve the others; where there is no room, the one with the most calls loses its oldest.
///
/// A sender that is dropped unused tells its call that its turn will not come.
#[derive(Debug)]
pub(super) struct Queue<T> {
    max: usize,
    next: u64,
    len: usize,
    connections: Map<usize, VecDeque<(u64, oneshot::Sender<T>)>>,
    turns: VecDeque<usize>,
    /// Since when it has not been empty.
    since: Option<Instant>,
}

impl<T> Queue<T> {
    pub(super) fn new(max: u32) -> Queue<T> {
        let (connections, turns) = (Map::default(), VecDeque::new());
        Queue { max: max as usize, next: 0, len: 0, connections, turns, since: None }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Since when it has not been empty.
    pub(super) fn since(&self) -> Option<Instant> {
        self.since
    }

    /// Lets a call of a connection wait; `None` if there is no room for it.
    pub(super) fn push(&mut self, connection: usize, now: Instant) -> Option<(Key, oneshot::Receiver<T>)> {
        if self.len >= self.max {
            self.make_room(connection)?;
        }
        let (sender, receiver) = oneshot::channel();
        let key = Key { connection, number: self.next };
        self.next += 1;
        self.len += 1;
        self.since.get_or_insert(now);
        let waiting = self.connections.entry(connection).or_default();
        if waiting.is_empty() {
            self.turns.push_back(connection);
        }
        waiting.push_back((key.number, sender));
        Some((key, receiver))
    }

    /// Drops the oldest call of the connection that has the most, if another has more than this one.
    fn make_room(&mut self, connection: usize) -> Option<()> {
        let own = self.connections.get(&connection).map_or(0, VecDeque::len);
        let longest = self.connections.iter().max_by_key(|(_, waiting)| waiting.len());
        let (greedy, number) =
            longest.filter(|(_, waiting)| waiting.len() > own + 1).and_then(|(c, w)| Some((*c, w.front()?.0)))?;
        self.remove(Key { connection: greedy, number });
        Some(())
    }

    /// The next call: of the connection whose turn it is the oldest, or the newest, which has the
    /// best chance to be answered in time.
    pub(super) fn pop(&mut self, newest: bool) -> Option<oneshot::Sender<T>> {
        let connection = self.turns.pop_front()?;
        let waiting = self.connections.get_mut(&connection)?;
        let (_, sender) = if newest { waiting.pop_back() } else { waiting.pop_front() }?;
        match waiting.is_empty() {
            true => drop(self.connections.remove(&connection)),
            false => self.turns.push_back(connection),
        }
        self.shorter();
        Some(sender)
    }

    /// Takes a call out that gives up.
    pub(super) fn remove(&mut self, key: Key) {
        let Some(waiting) = self.connections.get_mut(&key.connection) else { return };
        let Ok(at) = waiting.binary_search_by_key(&key.number, |(number, _)| *number) else { return };
        waiting.remove(at);
        if waiting.is_empty() {
            self.connections.remove(&key.connection);
            self.turns.retain(|connection| *connection != key.connection);
        }
        self.shorter();
    }

    fn shorter(&mut self) {
        self.len -= 1;
        if self.len == 0 {
            self.since = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets a call wait that is known by what its receiver gets.
    fn wait(queue: &mut Queue<u32>, connection: usize) -> Option<(Key, oneshot::Receiver<u32>)> {
        queue.push(connection, Instant::now())
    }

    fn served(waiting: &mut [(Key, oneshot::Receiver<u32>)]) -> Vec<Option<u32>> {
        waiting.iter_mut().map(|(_, receiver)| receiver.try_recv().ok()).collect()
    }

    #[tokio::test]
    async fn connections_take_turns() {
        let mut queue = Queue::new(100);
        let mut greedy: Vec<_> = (0..10).filter_map(|_| wait(&mut queue, 1)).collect();
        let mut modest: Vec<_> = (0..2).filter_map(|_| wait(&mut queue, 2)).collect();
        for turn in 0..4 {
            queue.pop(false).expect("somebody waits").send(turn).expect("it waits still");
        }
        assert_eq!(served(&mut modest), [Some(1), Some(3)]);
        assert_eq!(served(&mut greedy)[..3], [Some(0), Some(2), None]);
        assert_eq!(queue.len(), 8);
    }

    #[tokio::test]
    async fn the_newest_may_come_first() {
        let mut queue = Queue::new(100);
        let mut waiting: Vec<_> = (0..3).filter_map(|_| wait(&mut queue, 1)).collect();
        queue.pop(true).expect("somebody waits").send(0).expect("it waits still");
        assert_eq!(served(&mut waiting), [None, None, Some(0)]);
    }

    #[tokio::test]
    async fn a_full_queue_takes_from_the_connection_with_the_most() {
        let mut queue = Queue::new(4);
        let mut greedy: Vec<_> = (0..4).filter_map(|_| wait(&mut queue, 1)).collect();
        assert!(wait(&mut queue, 1).is_none(), "its own calls would have to go");
        let second = wait(&mut queue, 2);
        assert!(second.is_some() && queue.len() == 4);
        assert!(greedy[0].1.try_recv().is_err_and(|e| e == oneshot::error::TryRecvError::Closed), "the oldest went");
        let third = wait(&mut queue, 2);
        assert!(third.is_some(), "3 and 1 become 2 and 2");
        assert!(wait(&mut queue, 2).is_none(), "2 and 2 is fair");
    }

    #[tokio::test]
    async fn a_call_that_gives_up_leaves_nothing_behind() {
        let mut queue = Queue::<u32>::new(4);
        let waiting: Vec<_> = (0..3).filter_map(|n| wait(&mut queue, n % 2)).collect();
        assert!(queue.since().is_some());
        for (key, _) in &waiting {
            queue.remove(*key);
            queue.remove(*key);
        }
        assert_eq!((queue.len(), queue.since()), (0, None));
        assert!(queue.pop(false).is_none() && queue.connections.is_empty() && queue.turns.is_empty());
    }

    #[tokio::test]
    async fn a_queue_of_none_takes_nobody() {
        assert!(wait(&mut Queue::new(0), 1).is_none());
    }
}
