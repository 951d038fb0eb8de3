//! Counters and latency histograms per method.
//!
//! A few relaxed atomic additions per call and a fixed 2.3 KiB per method; nothing is sampled and
//! nothing is sent anywhere. Snapshots are plain data that several nodes' can be added up.
//!
//! ```
//! use std::time::Duration;
//! use motet_rpc::Stats;
//!
//! let stats = Stats::new();
//! let hello = stats.method("greeter/hello");
//! hello.begin();
//! hello.end(Duration::from_micros(250), None);
//! assert_eq!(hello.snapshot().count, 1);
//! ```

mod histogram;
mod method;
mod snapshot;

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use motet_core::Map;

pub use self::{method::MethodStats, snapshot::MethodSnapshot};

/// Counters of all methods of one server or one client. Clones share them.
#[derive(Clone, Debug)]
pub struct Stats(Option<Arc<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    methods: ArcSwap<Map<String, Arc<MethodStats>>>,
    adding: Mutex<()>,
}

impl Default for Stats {
    fn default() -> Stats {
        Stats::new()
    }
}

impl Stats {
    /// How many methods are counted apart; those beyond are counted together as [`Stats::OTHER`].
    pub const MAX_METHODS: usize = 4096;
    /// The path under which methods beyond [`Stats::MAX_METHODS`] are counted.
    pub const OTHER: &'static str = "other";

    /// Counters at zero.
    pub fn new() -> Stats {
        Stats(Some(Arc::default()))
    }

    /// Counters that count nothing and cost nothing.
    pub fn disabled() -> Stats {
        Stats(None)
    }

    /// Whether anything is counted.
    pub fn is_enabled(&self) -> bool {
        self.0.is_some()
    }

    /// The counters of a method's path, such as `greeter/hello`; made when first asked for. Reading
    /// takes no lock; still, keep what it gives where calls are many.
    pub fn method(&self, path: &str) -> Arc<MethodStats> {
        let Some(inner) = &self.0 else { return Arc::new(MethodStats::disabled()) };
        if let Some(found) = inner.methods.load().get(path) {
            return found.clone();
        }
        inner.add(path)
    }

    /// What all methods have counted, sorted by path.
    pub fn snapshot(&self) -> Vec<MethodSnapshot> {
        let Some(inner) = &self.0 else { return Vec::new() };
        let mut all: Vec<_> = inner.methods.load().values().map(|method| method.snapshot()).collect();
        all.sort_by(|a, b| a.path.cmp(&b.path));
        all
    }
}

impl Inner {
    fn add(&self, path: &str) -> Arc<MethodStats> {
        let _one_at_a_time = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let methods = self.methods.load_full();
        // One place is kept for OTHER itself.
        let full = methods.len() >= Stats::MAX_METHODS - 1;
        let path = if full && path != Stats::OTHER { Stats::OTHER } else { path };
        if let Some(found) = methods.get(path) {
            return found.clone();
        }
        let added = Arc::new(MethodStats::new(path));
        let mut methods = Map::clone(&methods);
        methods.insert(path.to_owned(), added.clone());
        self.methods.store(Arc::new(methods));
        added
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_path_has_one_set_of_counters() {
        let stats = Stats::new();
        stats.method("a/b").begin();
        stats.clone().method("a/b").end(Duration::ZERO, None);
        assert_eq!(stats.snapshot().len(), 1);
        assert_eq!(stats.snapshot()[0].count, 1);
    }

    #[test]
    fn methods_beyond_the_bound_are_counted_together() {
        let stats = Stats::new();
        for n in 0..Stats::MAX_METHODS + 10 {
            stats.method(&format!("a/{n}")).end(Duration::ZERO, None);
        }
        let all = stats.snapshot();
        assert_eq!(all.len(), Stats::MAX_METHODS);
        let other = all.iter().find(|method| method.path == Stats::OTHER).expect("counted together");
        assert_eq!(other.count, 11);
    }

    #[test]
    fn disabled_stats_count_nothing() {
        let stats = Stats::disabled();
        let method = stats.method("a/b");
        method.begin();
        method.end(Duration::from_secs(1), None);
        assert_eq!(method.snapshot().count, 0);
        assert!(stats.snapshot().is_empty());
    }
}
