//! The rules, each a function that panics when a backend breaks it.
//!
//! The file is long because it is one list; every rule stands by itself.

use std::time::Duration;

use motet_core::{Code, Endpoint, Node, NodeState, Registration, RegistryEvent, Result, ServiceSummary, Status};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::{
    Observer, RegistryHarness, Shared, TTL,
    Verdict::{self, Kept, NotApplicable},
    register,
};

const TAKES_NONE: Verdict = NotApplicable("it takes no registrations");
const NO_UPDATE: Verdict = NotApplicable("its records cannot be changed in place");

/// A node as most rules need it.
fn node(service: &str, id: &str) -> Node {
    Node::new(service, id).version("1.0.0").endpoint(Endpoint::new("tcp", "127.0.0.1:4000"))
}

fn ids(nodes: &[Node]) -> Vec<&str> {
    nodes.iter().map(|node| node.id.as_str()).collect()
}

async fn open(harness: &dyn RegistryHarness) -> Shared {
    harness.open().await.expect("the backend can be opened")
}

async fn takes_registrations(harness: &dyn RegistryHarness) -> bool {
    open(harness).await.abilities().register
}

/// Asks again and again until the nodes of a service are as wanted.
async fn lookup_until(harness: &dyn RegistryHarness, service: &str, wanted: impl Fn(&[Node]) -> bool) -> Vec<Node> {
    let registry = open(harness).await;
    let by = Instant::now() + harness.patience();
    loop {
        let found = registry.lookup(service).await.expect("lookup");
        if wanted(&found) {
            return found;
        }
        assert!(Instant::now() < by, "after {:?} the nodes of {service} are still {found:#?}", harness.patience());
        sleep(Duration::from_millis(5)).await;
    }
}

/// The status of what must fail.
#[track_caller]
fn refusal<T>(result: Result<T>) -> Status {
    match result {
        Ok(_) => panic!("it was accepted"),
        Err(status) => status,
    }
}

/// Registers once the id is free, as it is some time after its owner let go of it.
async fn register_soon(harness: &dyn RegistryHarness, registry: &Shared, node: Node) -> Box<dyn Registration> {
    let by = Instant::now() + harness.patience();
    loop {
        match registry.register(node.clone(), TTL).await {
            Ok(registration) => return registration,
            Err(status) if status.code() == Code::AlreadyExists && Instant::now() < by => {
                sleep(Duration::from_millis(20)).await;
            }
            Err(status) => panic!("the id did not become free: {status}"),
        }
    }
}

/// A node that was registered is in the lookups of its own process and of others.
pub async fn a_registered_node_is_found_by_everybody(harness: &dyn RegistryHarness) -> Verdict {
    if !takes_registrations(harness).await {
        return TAKES_NONE;
    }
    let registry = open(harness).await;
    let registration = register(&registry, node("greeter", "a")).await;
    assert_eq!(registration.node(), node("greeter", "a"));
    assert_eq!(registry.lookup("greeter").await, Ok(vec![node("greeter", "a")]));
    lookup_until(harness, "greeter", |found| found == [node("greeter", "a")]).await;
    Kept
}

/// Metadata, labels, weight, zone, methods and endpoints come back as they were, whatever the script.
pub async fn every_field_of_a_node_survives(harness: &dyn RegistryHarness) -> Verdict {
    let mut tls = Endpoint::new("unix", "/run/motet/приве́т мир.sock");
    tls.tls = true;
    tls.protocols = vec!["motet".into(), "grpc".into()];
    let mut full = node("greeter.v2_beta-1", "A1_b.c-d")
        .version("2.0.0-rc.1+build.5")
        .label("owner", "Zoë Ünïcode")
        .label("キー", "値 🎵\u{0}\n\t\"quoted\" \\ <&> '")
        .label("empty", "")
        .endpoint(tls);
    full.zone = "eu-west/1 ü".into();
    full.weight = u32::MAX;
    full.state = NodeState::Draining;
    full.descriptor_hash = "3f9a".into();
    full.methods = vec!["hello".into(), "größe".into()];
    let mut bare = node("greeter.v2_beta-1", "0");
    bare.weight = 0;
    bare.version.clear();
    let (registry, _keep) = harness.open_with(vec![full.clone(), bare.clone()]).await.expect("accepted");
    let mut found = registry.lookup("greeter.v2_beta-1").await.expect("lookup");
    found.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(found, [bare.clone(), full.clone()]);
    let mut observer = Observer::of(&registry, "greeter.v2_beta-1", harness.patience()).await;
    observer.until(|nodes| nodes == [bare.clone(), full.clone()]).await;
    Kept
}

/// Nobody runs an unknown service: that is an answer, not an error.
pub async fn the_lookup_of_an_unknown_service_is_empty(harness: &dyn RegistryHarness) -> Verdict {
    let (registry, _keep) = harness.open_with(vec![node("greeter", "a")]).await.expect("accepted");
    assert_eq!(registry.lookup("nobody").await, Ok(vec![]));
    assert_eq!(registry.lookup("greet").await, Ok(vec![]));
    assert_eq!(registry.lookup("greeter.").await, Ok(vec![]));
    Kept
}

/// The list names each service once, sorted, with its versions and its number of nodes.
pub async fn the_list_is_sorted_and_summed_up(harness: &dyn RegistryHarness) -> Verdict {
    let nodes = vec![
        node("zebra", "1"),
        node("apple", "1").version("2.0.0"),
        node("apple", "2"),
        node("apple", "3").version("2.0.0"),
        node("apple-pie", "1"),
    ];
    let wanted = ServiceSummary::of(&nodes);
    assert_eq!(
        wanted.iter().map(|service| (service.name.as_str(), service.nodes)).collect::<Vec<_>>(),
        [("apple", 3), ("apple-pie", 1), ("zebra", 1)]
    );
    assert_eq!(wanted[0].versions, ["1.0.0", "2.0.0"]);
    let (registry, _keep) = harness.open_with(nodes).await.expect("accepted");
    assert_eq!(registry.list().await, Ok(wanted));
    Kept
}

/// Equal ids in two services are two nodes, and neither lookup nor watch mixes the services.
pub async fn two_services_do_not_mix(harness: &dyn RegistryHarness) -> Verdict {
    let nodes = vec![node("greeter", "a"), node("greeter2", "a"), node("greeter2", "b")];
    let (registry, _keep) = harness.open_with(nodes).await.expect("accepted");
    assert_eq!(registry.lookup("greeter").await, Ok(vec![node("greeter", "a")]));
    assert_eq!(registry.lookup("greeter2").await.map(|nodes| nodes.len()), Ok(2));
    let mut observer = Observer::of(&registry, "greeter", harness.patience()).await;
    assert_eq!(observer.next().await, RegistryEvent::Reset(vec![node("greeter", "a")]));
    if !registry.abilities().register {
        return Kept;
    }
    let _other = register(&registry, node("greeter2", "c")).await;
    let _own = register(&registry, node("greeter", "z")).await;
    observer.until(|nodes| nodes.len() == 2).await;
    assert_eq!(ids(observer.nodes()), ["a", "z"]);
    Kept
}

/// What cannot be found, told apart or reached is not recorded.
pub async fn a_node_without_service_id_or_endpoint_is_refused(harness: &dyn RegistryHarness) -> Verdict {
    let long = "x".repeat(200);
    let wrong = [
        node("", "a"),
        node("a/b", "a"),
        node("greeter", ""),
        node("greeter", "a/../b"),
        node("greeter", "a\0"),
        node("greeter", &long),
        Node::new("greeter", "a"),
    ];
    for node in wrong {
        let status = refusal(harness.open_with(vec![node.clone()]).await);
        assert_eq!(status.code(), Code::InvalidArgument, "{node:?}: {status}");
    }
    if takes_registrations(harness).await {
        assert_eq!(open(harness).await.list().await, Ok(vec![]));
    }
    Kept
}

/// A registry without registrations refuses them with Unimplemented.
pub async fn a_registry_that_takes_no_registrations_says_so(harness: &dyn RegistryHarness) -> Verdict {
    let registry = open(harness).await;
    if registry.abilities().register {
        return NotApplicable("it takes registrations");
    }
    let status = refusal(registry.register(node("greeter", "a"), TTL).await);
    assert_eq!(status.code(), Code::Unimplemented, "{status}");
    Kept
}

/// The first event is `Reset` with the nodes of that moment.
pub async fn a_watch_starts_with_all_nodes(harness: &dyn RegistryHarness) -> Verdict {
    let nodes = vec![node("greeter", "a"), node("greeter", "b"), node("other", "c")];
    let (registry, _keep) = harness.open_with(nodes).await.expect("accepted");
    let mut observer = Observer::of(&registry, "greeter", harness.patience()).await;
    assert!(matches!(observer.next().await, RegistryEvent::Reset(_)));
    assert_eq!(observer.nodes(), [node("greeter", "a"), node("greeter", "b")]);
    Kept
}

/// A service without nodes can be watched, so that its first node is seen.
pub async fn a_watch_of_an_unknown_service_starts_empty(harness: &dyn RegistryHarness) -> Verdict {
    let registry = open(harness).await;
    let mut observer = Observer::of(&registry, "later", harness.patience()).await;
    assert_eq!(observer.next().await, RegistryEvent::Reset(Vec::new()));
    if !registry.abilities().register {
        return Kept;
    }
    let _first = register(&open(harness).await, node("later", "a")).await;
    assert_eq!(observer.next().await, RegistryEvent::Put(node("later", "a")));
    Kept
}

/// Coming, changing and going are told as `Put`, `Put` and `Remove`, to other processes too.
pub async fn a_watch_tells_each_change(harness: &dyn RegistryHarness) -> Verdict {
    let registry = open(harness).await;
    if !registry.abilities().register {
        return TAKES_NONE;
    }
    let mut observer = Observer::of(&open(harness).await, "greeter", harness.patience()).await;
    assert_eq!(observer.next().await, RegistryEvent::Reset(Vec::new()));
    let registration = register(&registry, node("greeter", "a")).await;
    assert_eq!(observer.next().await, RegistryEvent::Put(node("greeter", "a")));
    if registry.abilities().update {
        registration.update(node("greeter", "a").label("k", "v")).await.expect("updated");
        assert_eq!(observer.next().await, RegistryEvent::Put(node("greeter", "a").label("k", "v")));
    }
    registration.close().await.expect("closed");
    assert_eq!(observer.next().await, RegistryEvent::Remove("a".into()));
    Kept
}

/// Who drops the registry and keeps the watch still sees changes.
pub async fn a_watch_outlives_the_registry_it_came_from(harness: &dyn RegistryHarness) -> Verdict {
    let registry = open(harness).await;
    if !registry.abilities().register {
        return TAKES_NONE;
    }
    let watching = open(harness).await;
    let mut observer = Observer::of(&watching, "greeter", harness.patience()).await;
    drop(watching);
    let _registration = register(&registry, node("greeter", "a")).await;
    observer.until(|nodes| ids(nodes) == ["a"]).await;
    Kept
}

/// Ten watches of one service, half of them through one registry.
pub async fn every_watch_of_a_service_sees_a_change(harness: &dyn RegistryHarness) -> Verdict {
    let registry = open(harness).await;
    if !registry.abilities().register {
        return TAKES_NONE;
    }
    let mut observers = Vec::new();
    for _ in 0..5 {
        observers.push(Observer::of(&registry, "greeter", harness.patience()).await);
        observers.push(Observer::of(&open(harness).await, "greeter", harness.patience()).await);
    }
    let registration = register(&registry, node("greeter", "a")).await;
    for observer in &mut observers {
        observer.until(|nodes| ids(nodes) == ["a"]).await;
    }
    registration.close().await.expect("closed");
    for observer in &mut observers {
        observer.until(<[Node]>::is_empty).await;
    }
    Kept
}

/// A watch that is not read while 500 changes happen gets to the right nodes, and has not kept a
/// queue of all that happened.
pub async fn a_watch_that_lags_ends_with_the_right_nodes(harness: &dyn RegistryHarness) -> Verdict {
    let registry = open(harness).await;
    let abilities = registry.abilities();
    if !abilities.register {
        return TAKES_NONE;
    }
    if !abilities.update {
        return NO_UPDATE;
    }
    let mut observer = Observer::of(&registry, "greeter", harness.patience()).await;
    assert!(matches!(observer.next().await, RegistryEvent::Reset(_)));
    let gone = register(&registry, node("greeter", "a")).await;
    let kept = register(&registry, node("greeter", "b")).await;
    for change in 1..=500 {
        let mut node = node("greeter", "b");
        node.weight = change;
        kept.update(node).await.expect("updated");
    }
    gone.close().await.expect("closed");
    let mut events = 0;
    while !matches!(observer.nodes(), [last] if last.weight == 500) {
        observer.next().await;
        events += 1;
    }
    // A backend that tells each change by itself may have told them all; none tells more than happened.
    assert!(events <= 503, "{events} events for 503 changes");
    Kept
}

/// An update is seen by all, keeps the id, and leaves one record.
pub async fn an_update_changes_the_record_in_place(harness: &dyn RegistryHarness) -> Verdict {
    let registry = open(harness).await;
    if !registry.abilities().update {
        return NO_UPDATE;
    }
    let registration = register(&registry, node("greeter", "a")).await;
    let mut changed = node("greeter", "a").version("1.1.0").label("k", "v");
    changed.weight = 7;
    changed.state = NodeState::Draining;
    changed.endpoints = vec![Endpoint::new("tcp", "127.0.0.1:5000")];
    registration.update(changed.clone()).await.expect("updated");
    assert_eq!(registration.node(), changed);
    lookup_until(harness, "greeter", |found| found == [changed.clone()]).await;
    Kept
}

/// Service and id stay, and a refused update changes nothing.
pub async fn an_update_to_another_service_or_id_is_refused(harness: &dyn RegistryHarness) -> Verdict {
    let registry = open(harness).await;
    if !registry.abilities().update {
        return NO_UPDATE;
    }
    let registration = register(&registry, node("greeter", "a")).await;
    for wrong in [node("greeter", "b"), node("other", "a"), Node::new("greeter", "a")] {
        let status = refusal(registration.update(wrong).await);
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    }
    assert_eq!(registration.node(), node("greeter", "a"));
    assert_eq!(registry.lookup("greeter").await, Ok(vec![node("greeter", "a")]));
    assert_eq!(registry.list().await.map(|services| services.len()), Ok(1));
    Kept
}

/// A node may be registered before it is ready, and activated then.
pub async fn activating_marks_the_node_as_taking_calls(harness: &dyn RegistryHarness) -> Verdict {
    let registry = open(harness).await;
    if !registry.abilities().update {
        return NO_UPDATE;
    }
    let mut starting = node("greeter", "a");
    starting.state = NodeState::Starting;
    let registration = register(&registry, starting.clone()).await;
    lookup_until(harness, "greeter", |found| found == [starting.clone()]).await;
    registration.activate().await.expect("activated");
    lookup_until(harness, "greeter", |found| found == [node("greeter", "a")]).await;
    Kept
}

/// What was closed is found by nobody.
pub async fn closing_removes_the_record(harness: &dyn RegistryHarness) -> Verdict {
    let registry = open(harness).await;
    if !registry.abilities().register {
        return TAKES_NONE;
    }
    let registration = register(&registry, node("greeter", "a")).await;
    let _other = register(&registry, node("greeter", "b")).await;
    registration.close().await.expect("closed");
    assert_eq!(registry.lookup("greeter").await.as_deref().map(ids), Ok(vec!["b"]));
    lookup_until(harness, "greeter", |found| ids(found) == ["b"]).await;
    Kept
}

/// Closing again is fine, and so is dropping afterwards.
pub async fn closing_twice_changes_nothing(harness: &dyn RegistryHarness) -> Verdict {
    let registry = open(harness).await;
    if !registry.abilities().register {
        return TAKES_NONE;
    }
    let registration = register(&registry, node("greeter", "a")).await;
    registration.close().await.expect("closed");
    registration.close().await.expect("closed again");
    assert_eq!(registration.node().id, "a");
    drop(registration);
    assert_eq!(registry.lookup("greeter").await, Ok(vec![]));
    Kept
}

/// An update does not bring a closed record back.
pub async fn a_closed_registration_cannot_be_updated(harness: &dyn RegistryHarness) -> Verdict {
    let registry = open(harness).await;
    if !registry.abilities().update {
        return NO_UPDATE;
    }
    let registration = register(&registry, node("greeter", "a")).await;
    registration.close().await.expect("closed");
    for refused in [registration.update(node("greeter", "a")).await, registration.activate().await] {
        assert_eq!(refusal(refused).code(), Code::FailedPrecondition);
    }
    assert_eq!(registry.lookup("greeter").await, Ok(vec![]));
    Kept
}

/// Dropping needs no await to take a node away.
pub async fn a_dropped_registration_is_removed_in_the_background(harness: &dyn RegistryHarness) -> Verdict {
    let registry = open(harness).await;
    if !registry.abilities().register {
        return TAKES_NONE;
    }
    let registration = register(&registry, node("greeter", "a")).await;
    let mut observer = Observer::of(&open(harness).await, "greeter", harness.patience()).await;
    observer.until(|nodes| ids(nodes) == ["a"]).await;
    drop(registration);
    observer.until(<[Node]>::is_empty).await;
    lookup_until(harness, "greeter", <[Node]>::is_empty).await;
    // The id is free for the next one.
    let _next = register_soon(harness, &registry, node("greeter", "a")).await;
    Kept
}

/// A registering that was given up halfway holds the id no longer than its ttl.
pub async fn a_dropped_registering_leaves_the_id_free(harness: &dyn RegistryHarness) -> Verdict {
    let registry = open(harness).await;
    if !registry.abilities().register {
        return TAKES_NONE;
    }
    for _ in 0..20 {
        let mut registering = registry.register(node("greeter", "a"), TTL);
        let once = std::future::poll_fn(|cx| std::task::Poll::Ready(registering.as_mut().poll(cx)));
        drop(once.await);
    }
    lookup_until(harness, "greeter", <[Node]>::is_empty).await;
    let _next = register_soon(harness, &registry, node("greeter", "a")).await;
    lookup_until(harness, "greeter", |found| ids(found) == ["a"]).await;
    Kept
}

/// Who asks for an id that another holds gets AlreadyExists and changes nothing.
pub async fn a_living_id_is_refused_to_others(harness: &dyn RegistryHarness) -> Verdict {
    let registry = open(harness).await;
    if !registry.abilities().register {
        return TAKES_NONE;
    }
    let holder = register(&registry, node("greeter", "a")).await;
    for other in [open(harness).await, registry.clone()] {
        let status = refusal(other.register(node("greeter", "a").label("thief", "yes"), TTL).await);
        assert_eq!(status.code(), Code::AlreadyExists, "{status}");
    }
    assert_eq!(registry.lookup("greeter").await, Ok(vec![node("greeter", "a")]));
    holder.close().await.expect("closed");
    let _next = register_soon(harness, &open(harness).await, node("greeter", "a")).await;
    Kept
}

/// Of many that want one id at the same moment, one gets it.
pub async fn an_id_has_one_winner_when_many_want_it(harness: &dyn RegistryHarness) -> Verdict {
    if !takes_registrations(harness).await {
        return TAKES_NONE;
    }
    let mut tasks = JoinSet::new();
    for number in 0..10 {
        let registry = open(harness).await;
        let wanted = node("greeter", "a").label("owner", number.to_string());
        tasks.spawn(async move { registry.register(wanted, TTL).await });
    }
    let outcomes = tasks.join_all().await;
    let winners: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
    assert_eq!(winners.len(), 1, "winners: {:?}", winners.iter().map(|winner| winner.node()).collect::<Vec<_>>());
    for refused in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert_eq!(refused.code(), Code::AlreadyExists, "{refused}");
    }
    lookup_until(harness, "greeter", |found| found == [winners[0].node()]).await;
    Kept
}

/// A registration that ended touches neither the next of the same id nor that id in other services.
pub async fn only_its_own_record_is_removed(harness: &dyn RegistryHarness) -> Verdict {
    let registry = open(harness).await;
    if !registry.abilities().register {
        return TAKES_NONE;
    }
    let first = register(&registry, node("greeter", "a")).await;
    let _elsewhere = register(&registry, node("other", "a")).await;
    first.close().await.expect("closed");
    let _second = register_soon(harness, &open(harness).await, node("greeter", "a").label("second", "yes")).await;
    first.close().await.expect("closed again");
    drop(first);
    sleep(Duration::from_millis(300)).await;
    assert_eq!(registry.lookup("greeter").await, Ok(vec![node("greeter", "a").label("second", "yes")]));
    assert_eq!(registry.lookup("other").await, Ok(vec![node("other", "a")]));
    Kept
}

/// A process that was killed is gone for lookups and watches once its lease has run out.
pub async fn the_record_of_a_dead_owner_disappears_within_its_lease(harness: &dyn RegistryHarness) -> Verdict {
    let Some(mortal) = harness.mortal(node("greeter", "mortal")) else {
        return NotApplicable("its owners cannot end without it");
    };
    let registry = open(harness).await;
    let Some(lease) = registry.abilities().lease else {
        return NotApplicable("its records outlive their owners");
    };
    let lease = lease.max(TTL);
    let _lives = register(&registry, node("greeter", "lives")).await;
    let kill = mortal.await;
    let mut observer = Observer::of(&registry, "greeter", harness.patience()).await;
    observer.until(|nodes| ids(nodes) == ["lives", "mortal"]).await;
    kill();
    let gone = async {
        observer.until(|nodes| ids(nodes) == ["lives"]).await;
    };
    assert!(timeout(lease, gone).await.is_ok(), "still watched {lease:?} after its owner's death");
    lookup_until(harness, "greeter", |found| ids(found) == ["lives"]).await;
    Kept
}

/// A process may start again under the id of one that was killed.
pub async fn the_id_of_a_dead_owner_can_be_taken_over(harness: &dyn RegistryHarness) -> Verdict {
    let Some(mortal) = harness.mortal(node("greeter", "a")) else {
        return NotApplicable("its owners cannot end without it");
    };
    let kill = mortal.await;
    let registry = open(harness).await;
    let status = refusal(registry.register(node("greeter", "a"), TTL).await);
    assert_eq!(status.code(), Code::AlreadyExists, "{status}");
    kill();
    let successor = node("greeter", "a").label("successor", "yes");
    let _registration = register_soon(harness, &registry, successor.clone()).await;
    lookup_until(harness, "greeter", |found| found == [successor.clone()]).await;
    Kept
}

/// A hundred nodes from twenty tasks, while others look.
pub async fn nodes_registered_at_once_are_all_found(harness: &dyn RegistryHarness) -> Verdict {
    if !takes_registrations(harness).await {
        return TAKES_NONE;
    }
    let mut observer = Observer::of(&open(harness).await, "greeter", harness.patience()).await;
    let mut tasks = JoinSet::new();
    for task in 0..20 {
        let registry = open(harness).await;
        tasks.spawn(async move {
            let mut registrations = Vec::new();
            for number in 0..5 {
                registrations.push(register(&registry, node("greeter", &format!("{task:02}-{number}"))).await);
                registry.lookup("greeter").await.expect("lookup");
            }
            registrations
        });
    }
    let registrations = tasks.join_all().await;
    let found = lookup_until(harness, "greeter", |found| found.len() == 100).await;
    observer.until(|nodes| nodes.len() == 100).await;
    let mut found = ids(&found);
    found.sort_unstable();
    assert_eq!(found, ids(observer.nodes()));
    drop(registrations);
    observer.until(<[Node]>::is_empty).await;
    Kept
}

/// One bad record does not hide the good ones.
pub async fn an_unreadable_record_is_passed_over(harness: &dyn RegistryHarness) -> Verdict {
    let Some(unreadable) = harness.unreadable("greeter") else {
        return NotApplicable("it holds nothing that could be unreadable");
    };
    let _keep = unreadable.await;
    let registry = open(harness).await;
    let mut observer = Observer::of(&registry, "greeter", harness.patience()).await;
    assert_eq!(observer.next().await, RegistryEvent::Reset(Vec::new()));
    let _good = register(&registry, node("greeter", "a")).await;
    observer.until(|nodes| nodes == [node("greeter", "a")]).await;
    assert_eq!(registry.lookup("greeter").await, Ok(vec![node("greeter", "a")]));
    assert_eq!(registry.list().await.map(|services| services[0].nodes), Ok(1));
    Kept
}
