//! A call that waits for its turn.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll, ready},
};

use motet_core::{Call, Reply, Result, Status};
use tokio::time::{Instant, Sleep, sleep_until};

use super::gate::{Gate, Place, Ticket};

/// A call that waits for its turn, and then runs. What refuses it, and what runs it, is the
/// pipeline's.
pub(in crate::server) struct Waiting<P: Proceed> {
    gate: Arc<Gate>,
    proceed: P,
    /// Until its turn has come.
    call: Option<Call>,
    ticket: Option<Ticket>,
    timer: Pin<Box<Sleep>>,
    running: Option<P::Running>,
}

/// How a call goes on when its turn has come, and how it ends when it does not.
pub(in crate::server) trait Proceed: Unpin {
    /// The call while it runs.
    type Running: Future<Output = Result<Reply>> + Unpin;

    /// Lets the call into its handler, where it counts from now on.
    ///
    /// # Errors
    /// Why it is not to run.
    fn run(&self, call: Call, admitted: Instant) -> Result<Self::Running>;

    /// Accounts for a call that is refused.
    fn refuse(&self, status: Status) -> Status;
}

impl<P: Proceed> Waiting<P> {
    /// Lets a call wait.
    pub(in crate::server) fn new(gate: &Arc<Gate>, ticket: Ticket, call: Call, proceed: P) -> Waiting<P> {
        let timer = Box::pin(sleep_until(ticket.until));
        Waiting { gate: gate.clone(), proceed, call: Some(call), ticket: Some(ticket), timer, running: None }
    }

    /// Whether its turn has come, or how it ends without.
    fn poll_turn(&mut self, task: &mut Task<'_>) -> Poll<Result<Place, &'static str>> {
        let Some(ticket) = &mut self.ticket else { return Poll::Ready(Err("it was polled after its end")) };
        match Pin::new(&mut ticket.turn).poll(task) {
            Poll::Ready(Ok(place)) => Poll::Ready(Ok(place)),
            Poll::Ready(Err(_)) => Poll::Ready(Err("others of its connection wait already")),
            Poll::Pending => self.timer.as_mut().poll(task).map(|()| Err("it has waited too long")),
        }
    }
}

impl<P: Proceed> Future for Waiting<P> {
    type Output = Result<Reply>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<Reply>> {
        let this = &mut *self;
        if let Some(running) = &mut this.running {
            return Pin::new(running).poll(task);
        }
        let turn = ready!(this.poll_turn(task));
        this.ticket = None;
        let Some(call) = this.call.take() else {
            return Poll::Ready(Err(Status::internal("the call was polled after its end")));
        };
        match turn {
            Ok(place) => {
                let running = this.proceed.run(call, Instant::now());
                match running {
                    Ok(running) => {
                        place.forget();
                        Pin::new(this.running.insert(running)).poll(task)
                    }
                    Err(status) => Poll::Ready(Err(status)),
                }
            }
            Err(why) => Poll::Ready(Err(this.proceed.refuse(this.gate.refuse(&call, why)))),
        }
    }
}
