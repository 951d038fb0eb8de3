//! What a connection's task shares with its handlers or callers.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use bytes::BytesMut;

/// What a connection's task shares with its handlers or callers: the output that they write, and `T`.
pub(crate) struct Shared<T>(Mutex<State<T>>);

pub(crate) struct State<T> {
    /// What is to be written.
    pub(crate) out: BytesMut,
    /// How much was taken out to be written, and how much of it the socket took.
    taken: u64,
    pub(crate) written: u64,
    task: Option<Waker>,
    /// Whether the task knows that there is something to do.
    woken: bool,
    pub(crate) more: T,
}

impl<T> Shared<T> {
    pub(crate) fn new(more: T) -> Arc<Shared<T>> {
        let out = BytesMut::new();
        Arc::new(Shared(Mutex::new(State { out, taken: 0, written: 0, task: None, woken: false, more })))
    }

    /// The state, to look at; what the task must know of goes through [`Shared::change`].
    pub(crate) fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes the connection's task.
    pub(crate) fn change<R>(&self, f: impl FnOnce(&mut State<T>) -> R) -> R {
        let mut state = self.lock();
        let result = f(&mut state);
        let task = if std::mem::replace(&mut state.woken, true) { None } else { state.task.take() };
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
        result
    }
}

impl<T> State<T> {
    /// Where in all output the next byte will stand.
    pub(crate) fn position(&self) -> u64 {
        self.taken + self.out.len() as u64
    }

    /// Takes all output; `writing` must be empty.
    pub(crate) fn take(&mut self, writing: &mut BytesMut) {
        self.taken += self.out.len() as u64;
        std::mem::swap(&mut self.out, writing);
    }

    /// Notes who is to be woken, and says whether somebody wanted to.
    pub(crate) fn listen(&mut self, waker: &Waker) -> bool {
        if self.task.as_ref().is_none_or(|task| !task.will_wake(waker)) {
            self.task = Some(waker.clone());
        }
        std::mem::take(&mut self.woken)
    }
}
