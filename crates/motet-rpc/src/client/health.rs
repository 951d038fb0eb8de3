//! Looking at connections from time to time.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::task::AbortHandle;

use super::settings::Settings;

/// How often connections are looked at while calls run: a protocol takes 1.5 s to find that a peer
/// has fallen silent, so this adds little.
const TICK: Duration = Duration::from_millis(250);
/// After so many looks without a running call the task ends; the next call starts it again.
const IDLE_TICKS: u32 = 40;

/// Looks at the connections while calls run, so that nodes that fell silent are avoided and are used
/// again once they answer, and so that their calls can be sent again elsewhere.
#[derive(Default)]
pub(super) struct Watchman {
    running: AtomicBool,
    task: Mutex<Option<AbortHandle>>,
}

impl Watchman {
    /// Sees to it that somebody looks. One read while somebody does.
    #[inline]
    pub(super) fn wake(&self, settings: &Arc<Settings>) {
        if !self.running.load(Ordering::Relaxed) {
            self.start(settings);
        }
    }

    #[cold]
    fn start(&self, settings: &Arc<Settings>) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.running.swap(true, Ordering::Relaxed) {
            *task = Some(tokio::spawn(run(Arc::downgrade(settings))).abort_handle());
        }
    }
}

/// When the task ends, by itself or with its runtime, another may be started.
struct Running(Weak<Settings>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(settings) = self.0.upgrade() {
            settings.health.running.store(false, Ordering::Relaxed);
        }
    }
}

impl Drop for Watchman {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut().unwrap_or_else(PoisonError::into_inner) {
            task.abort();
        }
    }
}

async fn run(settings: Weak<Settings>) {
    let _running = Running(settings.clone());
    let mut idle = 0;
    while idle < IDLE_TICKS {
        tokio::time::sleep(TICK).await;
        let Some(settings) = settings.upgrade() else { return };
        let pools: Vec<_> = {
            let pools = settings.pools.lock().unwrap_or_else(PoisonError::into_inner);
            pools.values().filter_map(Weak::upgrade).collect()
        };
        let now = settings.now_ns();
        let busy = pools.iter().fold(false, |busy, pool| pool.check(now) | busy);
        idle = if busy { 0 } else { idle + 1 };
    }
}
