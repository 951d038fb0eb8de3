//! What every [`Registry`] must do: one suite that all backends run.
//!
//! A backend describes itself once, as a [`RegistryHarness`], and [`registry_conformance!`] makes a
//! test of every rule, so that a failure names the rule that is broken. A rule that does not apply
//! says so on standard error, with the reason, even when the test's output is captured.
//!
//! ```
//! use motet_core::{BoxFuture, MemoryRegistry, Registry, Result};
//! use motet_testkit::registry::{RegistryHarness, Shared};
//!
//! struct Memory(MemoryRegistry);
//!
//! impl RegistryHarness for Memory {
//!     fn open(&self) -> BoxFuture<'_, Result<Shared>> {
//!         Box::pin(async { Ok(Shared::from(self.0.clone())) })
//!     }
//! }
//!
//! motet_testkit::registry_conformance!(Memory(MemoryRegistry::new()));
//! # fn main() {}
//! ```
//!
//! [`registry_conformance!`]: crate::registry_conformance

use std::{any::Any, io::Write, sync::Arc, time::Duration};

use motet_core::{BoxFuture, Node, Registration, Registry, Result};

mod observer;
pub mod rules;

pub use observer::Observer;

/// What a backend's tests say about it. Every test of the suite makes one of its own, with a backend
/// that holds no nodes.
pub trait RegistryHarness: Send + Sync + 'static {
    /// Opens the backend as another process would.
    ///
    /// # Errors
    /// What the backend says.
    fn open(&self) -> BoxFuture<'_, Result<Shared>>;

    /// A registry with these nodes, and what keeps them there. By default they are registered, one
    /// by one, through a registry of their own.
    ///
    /// # Errors
    /// What the backend says.
    fn open_with(&self, nodes: Vec<Node>) -> BoxFuture<'_, Result<(Shared, Keep)>> {
        Box::pin(async move {
            let owner = self.open().await?;
            let mut registrations = Vec::new();
            for node in nodes {
                registrations.push(owner.register(node, TTL).await?);
            }
            Ok((self.open().await?, Box::new((owner, registrations)) as Keep))
        })
    }

    /// Registers a node from another process, and gives what ends that process at once, without a
    /// chance to clean up. `None`, the default, when an owner cannot end without its backend.
    fn mortal(&self, node: Node) -> Option<BoxFuture<'_, Kill>> {
        let _ = node;
        None
    }

    /// Puts a record of this service into the backend that cannot be read, and gives what keeps it
    /// there. `None`, the default, when the backend cannot hold such a thing.
    fn unreadable<'a>(&'a self, service: &'a str) -> Option<BoxFuture<'a, Keep>> {
        let _ = service;
        None
    }

    /// How long a change may take to be seen by everybody, on a busy machine; 10 s by default.
    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }
}

/// A registry that several tasks use.
#[derive(Clone, Debug)]
pub struct Shared(Arc<dyn Registry>);

impl<R: Registry> From<R> for Shared {
    fn from(registry: R) -> Shared {
        Shared(Arc::new(registry))
    }
}

impl std::ops::Deref for Shared {
    type Target = dyn Registry;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

/// Ends the owner of a node, as `kill -9` does.
pub type Kill = Box<dyn FnOnce() + Send>;

/// Something that ends when it is dropped.
pub type Keep = Box<dyn Any + Send>;

/// Whether a rule has been put to the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// The backend keeps the rule.
    Kept,
    /// The rule does not apply to the backend, and why.
    NotApplicable(&'static str),
}

/// How long registrations of the suite may outlive their owners.
pub(crate) const TTL: Duration = Duration::from_secs(2);

/// Reports the verdict on a rule; [`registry_conformance!`](crate::registry_conformance) calls it.
pub async fn check(rule: &str, harness: &dyn RegistryHarness, verdict: BoxFuture<'_, Verdict>) {
    if let Verdict::NotApplicable(why) = verdict.await {
        let url = harness.open().await.map(|registry| registry.url()).unwrap_or_default();
        // Not a print macro, whose output is hidden for tests that pass.
        let line = format!("rule {rule} does not apply to {url:?}: {why}\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

/// Registers a node for as long as the test lasts.
pub(crate) async fn register(registry: &Shared, node: Node) -> Box<dyn Registration> {
    let name = format!("{}/{}", node.service, node.id);
    match registry.register(node, TTL).await {
        Ok(registration) => registration,
        Err(status) => panic!("{name} could not be registered: {status}"),
    }
}

/// Makes a `#[tokio::test]` of every rule in [`rules`](crate::registry::rules), each with a harness
/// of its own from this expression.
#[macro_export]
macro_rules! registry_conformance {
    ($harness:expr) => {
        $crate::registry_conformance! { @tests $harness;
            a_registered_node_is_found_by_everybody
            every_field_of_a_node_survives
            the_lookup_of_an_unknown_service_is_empty
            the_list_is_sorted_and_summed_up
            two_services_do_not_mix
            a_node_without_service_id_or_endpoint_is_refused
            a_registry_that_takes_no_registrations_says_so
            a_watch_starts_with_all_nodes
            a_watch_of_an_unknown_service_starts_empty
            a_watch_tells_each_change
            a_watch_outlives_the_registry_it_came_from
            every_watch_of_a_service_sees_a_change
            a_watch_that_lags_ends_with_the_right_nodes
            an_update_changes_the_record_in_place
            an_update_to_another_service_or_id_is_refused
            activating_marks_the_node_as_taking_calls
            closing_removes_the_record
            closing_twice_changes_nothing
            a_closed_registration_cannot_be_updated
            a_dropped_registration_is_removed_in_the_background
            a_dropped_registering_leaves_the_id_free
            a_living_id_is_refused_to_others
            an_id_has_one_winner_when_many_want_it
            only_its_own_record_is_removed
            the_record_of_a_dead_owner_disappears_within_its_lease
            the_id_of_a_dead_owner_can_be_taken_over
            nodes_registered_at_once_are_all_found
            an_unreadable_record_is_passed_over
        }
    };
    (@tests $harness:expr; $($rule:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                let harness = $harness;
                let verdict = ::std::boxed::Box::pin($crate::registry::rules::$rule(&harness));
                $crate::registry::check(stringify!($rule), &harness, verdict).await;
            }
        )+
    };
}
