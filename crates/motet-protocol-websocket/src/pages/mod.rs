//! The client for browsers, and its types.
//!
//! | path | short form | who | what |
//! |---|---|---|---|
//! | `/-/motet.js` | `/motet.js` | everyone | the client, an ES module |
//! | `/-/motet.d.ts` | `/motet.d.ts` | everyone | its types |
//! | `/-/greeter.d.ts` | `/greeter.d.ts` | introspection | the types of the service `greeter` |

mod declarations;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use motet_core::{Context, Dispatcher, Executed, Status};
use motet_http::{Body, Door, metadata_from, refusal, refusal_as};

pub use declarations::declarations;

use crate::server::MayAsk;

/// A page of this crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    Script,
    ScriptTypes,
    /// The types of this service.
    Types(String),
}

/// The page of a path, without `/-`.
pub(crate) fn page(path: &str, dispatcher: &Dispatcher, with_types: bool) -> Option<Page> {
    match path {
        "/motet.js" => return Some(Page::Script),
        "/motet.d.ts" => return Some(Page::ScriptTypes),
        _ => {}
    }
    let service = path.strip_prefix('/')?.strip_suffix(".d.ts").filter(|_| with_types)?;
    let known = dispatcher.services().into_iter().any(|known| known.name == service);
    known.then(|| Page::Types(service.to_owned()))
}

/// Answers for a page.
pub(crate) fn answer(page: Page, request: &Request<Body>, door: &Door, may_ask: Option<&MayAsk>) -> Response<Body> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return refusal_as(StatusCode::METHOD_NOT_ALLOWED, &Status::unimplemented("this path is asked by GET"));
    }
    let service = match page {
        Page::Script => return typed(include_str!("motet.js").to_owned(), "text/javascript; charset=utf-8"),
        Page::ScriptTypes => return typed(include_str!("motet.d.ts").to_owned(), "text/plain; charset=utf-8"),
        Page::Types(service) => service,
    };
    let metadata = metadata_from(request.headers(), |_| false).unwrap_or_default();
    let cx = Context::incoming(None, metadata, Some(door.peer().clone()), None);
    if let Err(status) = may_ask.map_or(Ok(()), |may_ask| may_ask(&cx)) {
        return refusal(&status.with_executed(Executed::No));
    }
    match door.dispatcher().services().into_iter().find(|known| known.name == service) {
        Some(service) => typed(declarations(&service), "text/plain; charset=utf-8"),
        None => refusal(&Status::not_found("this service is no longer served").with_executed(Executed::No)),
    }
}

fn typed(text: String, kind: &'static str) -> Response<Body> {
    let mut answer = Response::new(Body::from(text));
    for (name, value) in
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")]
    {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}
