//! The server side: from a request to a call and back.

mod answer;
mod index;
mod request;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use http::{Method, Request, Response, StatusCode, header, request::Parts};
use motet_core::{BoxFuture, Dispatcher, Executed, Status};
use motet_http::{Body, Door, HttpProtocol, refusal, refusal_as};

use crate::builtin::{self, Insight};
use index::{Found, Index, Lookup};

/// HTTP/JSON behind the HTTP door, and the built-in paths under `/-/`. It belongs to one server.
#[derive(Default)]
pub struct HttpJson {
    index: ArcSwapOption<Index>,
    insight: Option<Arc<dyn Insight>>,
}

impl HttpJson {
    /// Calls only, no built-in paths.
    pub fn new() -> HttpJson {
        HttpJson::default()
    }

    /// Adds the built-in paths: health, metrics, services, OpenAPI and the page to try it, under
    /// `/-/` and, where neither a service nor what is mounted takes them, without it.
    #[must_use]
    pub fn with_insight(mut self, insight: Arc<dyn Insight>) -> HttpJson {
        self.insight = Some(insight);
        self
    }

    /// The [short forms](crate::SHORT_FORMS) of the built-in paths that a service has taken for its own
    /// methods or routes.
    pub fn taken(dispatcher: &Dispatcher) -> Vec<&'static str> {
        let index = Index::new(dispatcher, dispatcher.revision());
        let is_taken = |path: &&str| !matches!(index.find(&Method::GET, path), Lookup::Nothing);
        builtin::SHORT_FORMS.into_iter().filter(is_taken).collect()
    }

    /// The index of what is served now.
    fn index(&self, dispatcher: &Dispatcher) -> Arc<Index> {
        let revision = dispatcher.revision();
        if let Some(index) = &*self.index.load()
            && index.revision() == revision
        {
            return index.clone();
        }
        let index = Arc::new(Index::new(dispatcher, revision));
        self.index.store(Some(index.clone()));
        index
    }

    fn built_in(&self, head: &Parts) -> Option<(builtin::Page, &Arc<dyn Insight>)> {
        builtin::page(head.uri.path()).zip(self.insight.as_ref())
    }
}

impl HttpProtocol for HttpJson {
    fn name(&self) -> &str {
        "http"
    }

    fn claims(&self, head: &Parts, door: &Door) -> bool {
        let path = head.uri.path();
        let found = self.index(door.dispatcher()).find(&head.method, path);
        !matches!(found, Lookup::Nothing) || path.starts_with("/-/") && self.built_in(head).is_some()
    }

    /// The short forms of the built-in paths.
    fn offers(&self, head: &Parts, _: &Door) -> bool {
        self.built_in(head).is_some()
    }

    fn handle(&self, request: Request<Body>, door: &Door) -> BoxFuture<'static, Response<Body>> {
        let (head, body) = request.into_parts();
        match self.index(door.dispatcher()).find(&head.method, head.uri.path()) {
            Lookup::Found(found) => Box::pin(call(found, head, body, door.clone())),
            Lookup::OtherVerbs(verbs) => Box::pin(std::future::ready(other_verb(&verbs))),
            Lookup::Nothing => match self.built_in(&head) {
                Some((page, insight)) => builtin::answer(page, insight.clone(), &head, door),
                None => Box::pin(std::future::ready(refusal(&Status::internal("claimed and not found")))),
            },
        }
    }

    fn unclaimed(&self, head: &Parts, door: &Door) -> Option<Status> {
        let path = head.uri.path().trim_start_matches('/');
        let service = path.split('/').next().unwrap_or_default();
        let known = door.dispatcher().services().into_iter().any(|served| served.name == service);
        (known && path.contains('/')).then(|| door.dispatcher().resolve(path).err()).flatten()
    }
}

/// The answer to a path that is served under other verbs.
fn other_verb(verbs: &[Method]) -> Response<Body> {
    let verbs = verbs.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    let status = Status::unimplemented(format!("this path is asked by {verbs}")).with_executed(Executed::No);
    let mut answer = refusal_as(StatusCode::METHOD_NOT_ALLOWED, &status);
    if let Ok(verbs) = verbs.parse() {
        answer.headers_mut().insert(header::ALLOW, verbs);
    }
    answer
}

/// Makes the call that a request asks for.
async fn call(found: Found, head: Parts, body: Body, door: Door) -> Response<Body> {
    let wish = match answer::Wish::of(&head, door.dispatcher().codecs(), found.route.method()) {
        Ok(wish) => wish,
        Err(status) => return refusal_as(StatusCode::NOT_ACCEPTABLE, &status.with_executed(Executed::No)),
    };
    let one_way = request::is_one_way(&head, found.route.method());
    let route = found.route.clone();
    let mut call = match request::call(found, &head, body, &door).await {
        Ok(call) => call,
        Err(refused) => {
            let status = refused.status.with_executed(Executed::No);
            return refused.code.map_or_else(|| refusal(&status), |code| refusal_as(code, &status));
        }
    };
    if one_way {
        motet_rpc::server::spawn_one_way(&route, call, door.drain());
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::ACCEPTED;
        return answer;
    }
    let codec = call.codec.clone();
    call.one_way = false;
    match motet_http::run(&route, call).await {
        Ok(reply) => wish.answer(reply, codec),
        Err(status) => refusal(&status),
    }
}
