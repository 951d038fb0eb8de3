//! Work under a deadline.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use motet_core::{Deadline, Result};
use tokio::time::Sleep;

/// Runs until the deadline, which drops the work. No timer is made for what is done at once.
///
/// # Errors
/// The deadline's status, naming `method`.
pub(crate) async fn within<T>(
    deadline: Option<Deadline>,
    method: &str,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let Some(deadline) = deadline else { return work.await };
    let mut work = pin!(work);
    let mut timer = pin!(None::<Sleep>);
    poll_fn(|cx| {
        if let Poll::Ready(outcome) = work.as_mut().poll(cx) {
            return Poll::Ready(outcome);
        }
        if timer.is_none() {
            timer.set(Some(tokio::time::sleep_until(deadline.at)));
        }
        match timer.as_mut().as_pin_mut() {
            Some(timer) => timer.poll(cx).map(|()| Err(deadline.status(method))),
            None => Poll::Pending,
        }
    })
    .await
}
