//! The nodes: whether each answers where it is registered, is what it is registered as, and is well.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use motet::{Code, Endpoint, HealthReport, Node, Status};
use motet_app::meta::{self, Filter};
use tokio::{sync::Semaphore, task::JoinSet, time::Instant};

use super::{
    Limit,
    finding::Finding,
    process::{self, Process as OfSystem},
    program::VERSION,
    registry::{Listed, Looked},
};
use crate::{failure::Failure, foreign::is_silence, health::why, output::micros, process::Process, session::Session};

const AREA: &str = "nodes";

/// How many are asked at once.
const AT_ONCE: usize = 64;
/// The longest that one may take to answer, unless `--timeout` leaves more.
const ANSWER: Duration = Duration::from_secs(2);

/// What an address says.
#[derive(Debug)]
struct Answer {
    health: motet::Result<HealthReport>,
    /// The framework's version; none where it does not say.
    version: Option<String>,
    took: Duration,
}

/// Asks every address of every node, or the one address.
pub(super) async fn ask(session: &Session, registry: &Looked, limit: Limit) -> Vec<Finding> {
    let Places { places, mut findings } = match &session.address {
        Some(_) => Places { places: vec![(Process::pinned(session), None)], findings: Vec::new() },
        None => Places::of(session, registry),
    };
    if places.is_empty() && findings.is_empty() {
        return vec![Finding::ok(AREA, "no service is registered")];
    }
    let within = limit.of_one().min(ANSWER.max(limit.time / 2));
    let gate = Arc::new(Semaphore::new(AT_ONCE));
    // Dropped with this future, which ends them.
    let mut asking = JoinSet::new();
    for (at, (place, _)) in places.iter().cloned().enumerate() {
        let gate = gate.clone();
        asking.spawn(async move {
            let _one_of_some = gate.acquire_owned().await;
            (at, answer(&place, within).await)
        });
    }
    let mut answers: Vec<_> = places.iter().map(|_| None).collect();
    let all = async {
        while let Some(asked) = asking.join_next().await {
            if let Ok((at, answer)) = asked {
                answers[at] = Some(answer);
            }
        }
    };
    // Those that have answered by then are told of.
    _ = limit.on(AREA, "", all).await;
    findings.extend(places.iter().zip(answers).flat_map(|((place, pid), answer)| judge(place, answer, *pid, within)));
    findings
}

/// The addresses that are asked, and what there is to say of the others.
struct Places {
    /// Each with the number of its process, where the registry tells it.
    places: Vec<(Process, Option<u32>)>,
    findings: Vec<Finding>,
}

impl Places {
    /// Every address of every node, once, in order.
    fn of(session: &Session, registry: &Looked) -> Places {
        let mut all = BTreeMap::<String, (Endpoint, Option<u32>, Vec<Node>)>::new();
        for Listed { node, pid } in &registry.nodes {
            for endpoint in &node.endpoints {
                let (_, _, nodes) =
                    all.entry(endpoint.to_string()).or_insert_with(|| (endpoint.clone(), *pid, Vec::new()));
                let mut node = node.clone();
                node.endpoints = vec![endpoint.clone()];
                nodes.push(node);
            }
        }
        let mut found = Places { places: Vec::new(), findings: Vec::new() };
        for (address, (endpoint, pid, nodes)) in all {
            if endpoint.transport == "memory" || endpoint.protocols.iter().all(|name| name != "motet") {
                let text = format!("{address} was not asked: it does not speak motet to other processes");
                found.findings.push(Finding::ok(AREA, text));
                continue;
            }
            match Process::of_nodes(session, nodes) {
                Ok(processes) => found.places.extend(processes.into_iter().map(|process| (process, pid))),
                Err(failure) => {
                    let text = format!("{address} was not asked: {}", failure.message);
                    let fix = "this command may be older than the service: build both with the same version of Motet";
                    found.findings.push(Finding::warning(AREA, text, fix));
                }
            }
        }
        found
    }
}

async fn answer(place: &Process, within: Duration) -> Answer {
    let (begun, filter) = (Instant::now(), Filter::default());
    let health = place.ask::<HealthReport>("health", &filter, within).await;
    let took = begun.elapsed();
    let version = match health {
        Ok(_) => {
            place.describe(Some(meta::SERVICE), (within.saturating_sub(took)).max(Duration::from_millis(1))).await.ok()
        }
        Err(_) => None,
    };
    let version = version.and_then(|reply| reply.services.first().map(|service| service.version.clone()));
    Answer { health, version, took }
}

fn judge(place: &Process, answer: Option<Answer>, pid: Option<u32>, within: Duration) -> Vec<Finding> {
    let services: Vec<_> = place.nodes.iter().map(|node| node.service.clone()).collect();
    let at = match &services[..] {
        [] => place.address.clone(),
        services => format!("{} ({})", place.address, services.join(", ")),
    };
    let Some(Answer { health, version, took }) = answer else {
        return vec![Finding::warning(
            AREA,
            format!("{at} was not asked: no time was left"),
            "give it longer with --timeout 1m",
        )];
    };
    let report = match health {
        Ok(report) => report,
        Err(status) => return vec![silent(&at, &status, pid, within)],
    };
    let mut found = Vec::new();
    let missing = services.iter().filter(|name| report.services.iter().all(|service| service.name != **name));
    let missing: Vec<_> = missing.map(|name| format!("`{name}`")).collect();
    if !missing.is_empty() {
        let what =
            format!("{} is registered at {}, but another program answers there", missing.join(", "), place.address);
        found.push(Finding::problem(AREA, what, "its address was given to another program: start the service again"));
    } else if !report.live {
        let fix = "it gets no work done: see its log, and start it again";
        found.push(Finding::problem(AREA, format!("{at} does not live"), fix));
    } else if !report.ready {
        let what = format!("{at} is not ready: {}", why(&report));
        found.push(Finding::warning(AREA, what, "see its log; motet health shows all of its modules"));
    } else {
        let runs = version.as_ref().map_or(String::new(), |version| format!(", with motet {version}"));
        let took = micros(took.as_secs_f64() * 1e6);
        found.push(Finding::ok(AREA, format!("{at} answers in {took}{runs}")));
    }
    if let Some(version) = version.filter(|version| version != VERSION) {
        let what = format!("{at} is built with motet {version}, this command with {VERSION}");
        found.push(Finding::warning("versions", what, "build both with the same version if calls fail"));
    }
    found
}

/// What it means that an address does not say how it is.
fn silent(at: &str, status: &Status, pid: Option<u32>, within: Duration) -> Finding {
    let message = Failure::from(status.clone()).message;
    let why = message.strip_prefix("cannot connect to ").and_then(|rest| rest.split_once(": "));
    let why = why.map_or(&*message, |(_, why)| why);
    let end = pid.map_or_else(|| "end the process".to_owned(), |pid| format!("end it: kill {pid}"));
    match status.code() {
        _ if is_silence("motet", status) => Finding::ok(AREA, format!("{at} answers, and does not say how it is")),
        _ if message.contains("--ca FILE") => {
            Finding::warning(AREA, format!("{at} was not asked: {message}"), "name the authority with --ca FILE")
        }
        Code::DeadlineExceeded => {
            let what = format!("{at} has not answered within {}", crate::duration::show(within));
            match pid.map(|pid| (pid, process::of(pid))) {
                Some((pid, OfSystem::Stopped)) => {
                    let what = format!("{what}: its process {pid} is stopped");
                    Finding::problem(AREA, what, format!("let it go on: kill -CONT {pid}"))
                }
                _ => Finding::problem(AREA, what, format!("it hangs, or is very busy: see its log, or {end}")),
            }
        }
        _ => {
            let fix = format!("nobody can call it: start it again; if it still runs, {end}");
            Finding::problem(AREA, format!("{at} cannot be reached: {why}"), fix)
        }
    }
}

#[cfg(test)]
mod tests {
    use motet::ServiceHealth;

    use super::*;
    use crate::doctor::finding::State;

    fn place() -> Process {
        let session = Session::without_registry(&crate::global::Global::default()).expect("no options");
        let node = Node::new("greeter", "a").endpoint(motet::Endpoint::new("tcp", "127.0.0.1:4000"));
        Process::of_nodes(&session, vec![node]).expect("an address").remove(0)
    }

    fn well() -> HealthReport {
        let mut report = HealthReport::default();
        let mut service = ServiceHealth::default();
        (service.name, service.registered) = ("greeter".to_owned(), true);
        (report.live, report.ready, report.services) = (true, true, vec![service]);
        report
    }

    fn judged(health: motet::Result<HealthReport>, version: &str) -> Vec<Finding> {
        let answer = Answer { health, version: Some(version.to_owned()), took: Duration::from_millis(1) };
        judge(&place(), Some(answer), Some(std::process::id()), Duration::from_secs(1))
    }

    #[tokio::test]
    async fn what_an_address_says_is_told_with_what_to_do() {
        let of = |change: fn(&mut HealthReport)| {
            let mut report = well();
            change(&mut report);
            Ok(report)
        };
        for (health, state, says) in [
            (of(|_| {}), State::Ok, "tcp://127.0.0.1:4000 (greeter) answers in 1.0 ms, with motet"),
            (of(|report| report.live = false), State::Problem, "does not live"),
            (of(|report| report.ready = false), State::Warning, "not ready"),
            (of(|report| report.services.clear()), State::Problem, "another program answers there"),
            (Err(Status::unimplemented("no such method")), State::Ok, "does not say how it is"),
            (Err(Status::deadline_exceeded("late")), State::Problem, "has not answered within 1s"),
            (
                Err(Status::unavailable("it is full")),
                State::Problem,
                "(greeter) cannot be reached: UNAVAILABLE: it is full",
            ),
        ] {
            let found = judged(health, VERSION);
            assert_eq!((found.len(), found[0].state), (1, state), "{found:?}");
            assert!(found[0].what.contains(says), "{found:?}");
            assert_eq!(found[0].fix.is_some(), state != State::Ok, "{found:?}");
        }
        let missed = judge(&place(), None, None, Duration::from_secs(1));
        assert!(missed[0].state == State::Warning && missed[0].what.contains("was not asked"), "{missed:?}");
    }

    #[tokio::test]
    async fn an_address_that_this_command_cannot_call_spoils_no_other() {
        let session = Session::without_registry(&crate::global::Global::default()).expect("no options");
        let mut foreign = Endpoint::new("tcp", "127.0.0.1:2");
        foreign.protocols = vec!["grpc".to_owned()];
        let own = Endpoint::new("tcp", "127.0.0.1:1");
        let endpoints = [own.clone(), foreign, Endpoint::new("pigeon", "coop"), own];
        let nodes = endpoints.into_iter().zip(["a", "b", "c", "d"]);
        let nodes = nodes.map(|(at, name)| Listed { node: Node::new(name, "1").endpoint(at), pid: Some(5) }).collect();
        let Places { places, findings } = Places::of(&session, &Looked { nodes, ..Looked::default() });
        assert_eq!((places.len(), places[0].0.nodes.len(), places[0].1), (1, 2, Some(5)), "one address, two services");
        let told: Vec<_> = findings.iter().map(|finding| (finding.state, &*finding.what)).collect();
        assert!(
            matches!(told[..], [(State::Warning, pigeon), (State::Ok, grpc)]
            if pigeon.starts_with("pigeon://coop was not asked: ") && grpc.contains(":2 was not asked")),
            "{told:?}"
        );
    }

    #[tokio::test]
    async fn another_version_of_the_framework_is_a_warning() {
        let found = judged(Ok(well()), "0.0.1");
        assert_eq!((found.len(), found[1].state, found[1].area), (2, State::Warning, "versions"));
        assert!(found[1].what.contains("built with motet 0.0.1, this command with"), "{found:?}");
    }
}
