//! How many connections there may be, and which goes first when there are too many.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// Counts the connections of a server and its silent ones, oldest first.
#[derive(Debug)]
pub(in crate::server) struct Admission {
    max_open: usize,
    max_silent: usize,
    seats: Mutex<Seats>,
}

#[derive(Debug, Default)]
struct Seats {
    open: usize,
    next: u64,
    /// How many silent ones had to make room.
    evicted: u64,
    /// Dropping the sender tells the connection to go.
    silent: BTreeMap<u64, oneshot::Sender<()>>,
}

/// The place of one open connection.
#[derive(Debug)]
pub(super) struct Seat {
    admission: Arc<Admission>,
    silent: Option<(u64, oneshot::Receiver<()>)>,
}

impl Admission {
    pub(in crate::server) fn new(max_open: usize, max_silent: usize) -> Admission {
        Admission { max_open: max_open.max(1), max_silent: max_silent.max(1), seats: Mutex::default() }
    }

    /// A place for one more connection, which is silent at first. When all are taken the oldest
    /// silent one makes room; `None` when none is silent.
    pub(super) fn admit(self: &Arc<Admission>) -> Option<Seat> {
        let mut seats = self.seats();
        if seats.open >= self.max_open && !seats.evict() {
            return None;
        }
        seats.open += 1;
        let silent = seats.wait(self.max_silent);
        Some(Seat { admission: self.clone(), silent: Some(silent) })
    }

    /// How many are open, how many of them silent, and how many silent ones had to make room.
    pub(super) fn open_silent_evicted(&self) -> (usize, usize, u64) {
        let seats = self.seats();
        (seats.open, seats.silent.len(), seats.evicted)
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seats {
    /// Tells the oldest silent connection to go.
    fn evict(&mut self) -> bool {
        let evicted = self.silent.pop_first().is_some();
        self.evicted += u64::from(evicted);
        evicted
    }

    fn wait(&mut self, max_silent: usize) -> (u64, oneshot::Receiver<()>) {
        if self.silent.len() >= max_silent {
            self.evict();
        }
        let (sender, receiver) = oneshot::channel();
        let id = self.next;
        self.next += 1;
        self.silent.insert(id, sender);
        (id, receiver)
    }
}

impl Seat {
    /// The connection is silent again: after a TLS handshake the first byte of the protocol may take
    /// its time as well.
    pub(super) fn silent(&mut self) {
        let silent = self.admission.seats().wait(self.admission.max_silent);
        self.silent = Some(silent);
    }

    /// The first byte is there: the connection need not make room for others any more.
    pub(super) fn speaks(&mut self) {
        if let Some((id, _)) = self.silent.take() {
            self.admission.seats().silent.remove(&id);
        }
    }

    /// Waits until the connection has to make room; for ever once it speaks. Cancel safe.
    pub(super) async fn evicted(&mut self) {
        match &mut self.silent {
            // Nothing is ever sent: an error says that the sender was dropped.
            Some((_, evicted)) => drop(evicted.await),
            None => std::future::pending().await,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.speaks();
        self.admission.seats().open -= 1;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn gone(seat: &mut Seat) -> bool {
        seat.evicted().now_or_never().is_some()
    }

    #[test]
    fn the_oldest_silent_connection_makes_room() {
        let admission = Arc::new(Admission::new(10, 2));
        let mut seats: Vec<_> = (0..3).filter_map(|_| admission.admit()).collect();
        assert_eq!(seats.iter_mut().map(gone).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(admission.open_silent_evicted(), (3, 2, 1));
        seats[1].speaks();
        seats.push(admission.admit().expect("places are free"));
        assert!(!gone(&mut seats[1]) && !gone(&mut seats[2]));
        drop(seats);
        assert_eq!(admission.open_silent_evicted(), (0, 0, 1));
    }

    #[test]
    fn a_full_house_of_talkers_admits_nobody() {
        let admission = Arc::new(Admission::new(2, 2));
        let mut seats: Vec<_> = (0..2).filter_map(|_| admission.admit()).collect();
        seats[1].speaks();
        let third = admission.admit().expect("a silent one makes room");
        assert!(gone(&mut seats[0]));
        drop(seats.remove(0));
        drop(third);
        let mut third = admission.admit().expect("a place is free");
        third.speaks();
        assert!(admission.admit().is_none());
    }
}
