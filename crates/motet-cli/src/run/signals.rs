//! What asks a run to end.

use crate::failure::{Failure, Outcome, exit};

/// Ctrl-C, and on Unix also the end of the terminal and a request to terminate.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    all: [tokio::signal::unix::Signal; 3],
}

impl Signals {
    /// Listens from now on, in place of what the system would do.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn new() -> Outcome<Signals> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let listen = |kind| {
                signal(kind)
                    .map_err(|error| Failure::new(exit::PROGRAM, format!("signals cannot be received: {error}")))
            };
            let all =
                [listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?, listen(SignalKind::hangup())?];
            Ok(Signals { all })
        }
        #[cfg(not(unix))]
        Ok(Signals {})
    }

    /// Waits for the next. Cancel safe.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        {
            let [interrupt, terminate, hangup] = &mut self.all;
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
