//! What tasks leave for the task that owns a connection.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use tokio::sync::Semaphore;

/// A queue between the tasks of calls and that of their connection. Those who have much to say wait for
/// room first; it has nothing allocated while it is empty.
#[derive(Debug)]
pub(crate) struct Outbox<T> {
    state: Mutex<State<T>>,
    room: Semaphore,
    size: usize,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    listener: Option<Waker>,
}

impl<T> Outbox<T> {
    /// One in which so many bytes may wait.
    pub(crate) fn new(size: usize) -> Outbox<T> {
        let size = size.clamp(1, u32::MAX as usize >> 1);
        let state = Mutex::new(State { items: VecDeque::new(), listener: None });
        Outbox { state, room: Semaphore::new(size), size }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room for so many bytes, all of it where they are more, and takes it: it is to be given
    /// back once they are written. Cancel safe.
    pub(crate) async fn room(&self, bytes: usize) -> usize {
        let bytes = bytes.min(self.size);
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        match self.room.acquire_many(permits).await {
            Ok(permit) => {
                permit.forget();
                bytes
            }
            // It is never closed.
            Err(_) => 0,
        }
    }

    /// Gives room back.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.room.add_permits(bytes);
    }

    /// Leaves something, and wakes the connection.
    pub(crate) fn put(&self, item: T) {
        let mut state = self.state();
        state.items.push_back(item);
        let listener = state.listener.take();
        drop(state);
        if let Some(listener) = listener {
            listener.wake();
        }
    }

    /// Takes what was left first, and keeps no memory when that was all.
    pub(crate) fn take(&self) -> Option<T> {
        let mut state = self.state();
        let item = state.items.pop_front();
        if state.items.is_empty() && state.items.capacity() > 0 {
            state.items = VecDeque::new();
        }
        item
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.state().items.is_empty()
    }

    /// Who is to be woken by the next one.
    pub(crate) fn listen(&self, waker: &Waker) {
        let mut state = self.state();
        if !state.listener.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.listener = Some(waker.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_room_waits_until_it_is_given_back() {
        let outbox = Arc::new(Outbox::new(10));
        assert_eq!(outbox.room(8).await, 8);
        let waiting = tokio::spawn({
            let outbox = outbox.clone();
            async move {
                let room = outbox.room(100).await;
                outbox.put("late");
                room
            }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(outbox.is_empty());
        outbox.give_back(8);
        assert_eq!(waiting.await.expect("no panic"), 10, "what is too long for all room takes all of it");
        assert_eq!((outbox.take(), outbox.take()), (Some("late"), None));
    }
}
