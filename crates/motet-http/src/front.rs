//! From a request to the protocol or service that answers it.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response, StatusCode, header, request::Parts};
use motet_core::{BoxFuture, Code, Status};
use motet_rpc::native::MemoryBudget;

use crate::{
    Body, HttpConfig, HttpProtocol,
    door::{ConnectionParts, Doors},
    hosts::{Cors, Hosts, check_framing},
    mount::Mounted,
    status::{refusal, refusal_as},
};

/// What all connections share: the protocols, what is mounted, and the rules for both.
pub(crate) struct Front {
    pub(crate) config: Arc<HttpConfig>,
    pub(crate) protocols: Vec<Arc<dyn HttpProtocol>>,
    /// Longer prefixes first.
    pub(crate) mounts: Vec<(String, Mounted)>,
    pub(crate) fallback: Option<Mounted>,
    pub(crate) hosts: Hosts,
    /// What long bodies count against.
    pub(crate) memory: MemoryBudget,
}

impl Front {
    pub(crate) fn config(&self) -> &Arc<HttpConfig> {
        &self.config
    }

    pub(crate) fn has_mounts(&self) -> bool {
        !self.mounts.is_empty() || self.fallback.is_some()
    }

    pub(crate) fn doors(&self, connection: ConnectionParts) -> Doors {
        Doors::new(connection, self.protocols.len())
    }

    /// This version of HTTP and what it carries.
    pub(crate) fn speaks(&self, version: &str) -> Vec<String> {
        let carried = self.protocols.iter().map(|protocol| protocol.name().to_owned());
        std::iter::once(version.to_owned()).chain(carried).collect()
    }

    /// Answers a request.
    pub(crate) fn answer(&self, request: Request<Body>, doors: &Doors) -> Answer {
        let (head, body) = request.into_parts();
        if let Err(status) = check_framing(&head) {
            let mut answer = refusal(&status.with_executed(motet_core::Executed::No));
            // Where this request ends, and what follows it, is anybody's guess.
            answer.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
            return Answer::now(answer, None);
        }
        let origin = head.headers.get(header::ORIGIN);
        let cors = origin.and_then(|origin| self.hosts.cors(Some(origin)));
        if let Err(status) = self.hosts.check(&head, doors.of_none().is_loopback()) {
            // Nothing of it has run, whoever asks.
            let status = status.with_executed(motet_core::Executed::No);
            return Answer::now(refusal(&status), None);
        }
        if let Some(cors) = cors {
            if Cors::is_preflight(&head) {
                let mut answer = Response::new(Body::empty());
                *answer.status_mut() = StatusCode::NO_CONTENT;
                cors.put(Some(&head.headers), answer.headers_mut());
                return Answer::now(answer, None);
            }
            return Answer { running: self.route(head, body, doors), cors: Some(cors) };
        }
        Answer { running: self.route(head, body, doors), cors: None }
    }

    /// As [`Front::take`]; a panic of a protocol is an answer.
    fn route(&self, head: Parts, body: Body, doors: &Doors) -> Running {
        catch_unwind(AssertUnwindSafe(|| self.take(head, body, doors)))
            .unwrap_or_else(|_| Running::Now(Some(panicked())))
    }

    /// Gives a request to the first that takes it.
    fn take(&self, head: Parts, body: Body, doors: &Doors) -> Running {
        let mut protocols =
            self.protocols.iter().enumerate().map(|(n, protocol)| (protocol, doors.of(n, protocol.name())));
        if let Some((protocol, door)) = protocols.clone().find(|(protocol, door)| protocol.claims(&head, door)) {
            return Running::Task(protocol.handle(Request::from_parts(head, body), door));
        }
        let path = head.uri.path();
        let under =
            |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let mount = self.mounts.iter().find(|(prefix, _)| under(prefix)).map(|(_, service)| service);
        if let Some(service) = mount.or(self.fallback.as_ref()) {
            return Running::Task(service(Request::from_parts(head, body)));
        }
        match protocols.find(|(protocol, door)| protocol.offers(&head, door)) {
            Some((protocol, door)) => Running::Task(protocol.handle(Request::from_parts(head, body), door)),
            None => Running::Now(Some(self.unclaimed(&head, doors))),
        }
    }

    fn unclaimed(&self, head: &Parts, doors: &Doors) -> Response<Body> {
        let said = self.protocols.iter().enumerate().find_map(|(n, protocol)| {
            let door = doors.of(n, protocol.name());
            protocol.unclaimed(head, door)
        });
        let status = said.unwrap_or_else(|| {
            let names: Vec<_> = self.protocols.iter().map(|protocol| protocol.name()).collect();
            let spoken = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            Status::not_found(format!(
                "nothing is served at this path in this way; this port speaks over HTTP: {spoken}"
            ))
            .with_executed(motet_core::Executed::No)
        });
        match status.code() {
            Code::Unimplemented | Code::NotFound => refusal_as(StatusCode::NOT_FOUND, &status),
            _ => refusal(&status),
        }
    }
}

/// An answer on its way.
pub(crate) struct Answer {
    running: Running,
    cors: Option<Cors>,
}

enum Running {
    Now(Option<Response<Body>>),
    Task(BoxFuture<'static, Response<Body>>),
}

impl Answer {
    fn now(answer: Response<Body>, cors: Option<Cors>) -> Answer {
        Answer { running: Running::Now(Some(answer)), cors }
    }
}

impl Future for Answer {
    type Output = Response<Body>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response<Body>> {
        let this = &mut *self;
        let mut answer = match &mut this.running {
            Running::Now(answer) => answer.take().unwrap_or_default(),
            Running::Task(task) => {
                // A panic of one request must not take the connection's others with it.
                let polled = catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx)));
                match polled {
                    Ok(polled) => ready!(polled),
                    Err(_) => panicked(),
                }
            }
        };
        if let Some(cors) = this.cors.take() {
            cors.put(None, answer.headers_mut());
        }
        Poll::Ready(answer)
    }
}

fn panicked() -> Response<Body> {
    refusal(&Status::internal("the handler of this request panicked"))
}
