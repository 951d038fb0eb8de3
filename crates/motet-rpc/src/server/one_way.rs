//! Calls without a reply.

use motet_core::{Call, Drain, Route};

/// Runs a one-way call to its end, whatever becomes of its caller or connection: the server's drain
/// owns the task and waits for it, the server's timeout bounds it. Nothing is reported; what it
/// answers is dropped.
///
/// Protocols use it for calls that want no reply. They must not cancel the call's Context when the
/// caller leaves. When too many one-way calls run already (10,000 unless configured), this one is
/// dropped and counted as an error of its method.
pub fn spawn_one_way(route: &Route, mut call: Call, drain: &Drain) {
    call.one_way = true;
    let running = route.call(call);
    let path = route.method().path.clone();
    drain.spawn(async move {
        if let Err(status) = running.await {
            tracing::debug!(method = path, code = status.code().name(), "a one-way call failed");
        }
    });
}
