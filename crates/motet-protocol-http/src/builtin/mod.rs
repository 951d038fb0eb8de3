//! What a node says of itself, under `/-/`.
//!
//! | path | short form | who | what |
//! |---|---|---|---|
//! | `/-/health/live` | `/health/live` | everyone | 200 while the process gets work done, else 503 |
//! | `/-/health/ready` | `/health/ready`, `/health` | everyone | 200 while it should be called, else 503 |
//! | `/-/metrics` | `/metrics` | introspection | counters as Prometheus reads them |
//! | `/-/services` | `/services` | introspection | the services as JSON |
//! | `/-/openapi.json` | `/openapi.json` | introspection | the services as OpenAPI 3.1 |
//! | `/-/try` | `/try` | introspection | a page to read and try them |

mod metrics;
mod openapi;
mod schema;
mod scrub;

use std::sync::Arc;

use http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};
use motet_core::{BoxFuture, Context, Result, ServiceDescriptor, Status};
use motet_http::{Body, Door, metadata_from, refusal, refusal_as};
use motet_rpc::{MethodSnapshot, server::ConnectionCounts};
use serde_json::Value;

pub use metrics::metrics;
pub use openapi::openapi;
pub use scrub::scrubbed;

/// What the built-in paths ask of the process that they are part of.
pub trait Insight: Send + Sync + 'static {
    /// The name of the App.
    fn name(&self) -> String;

    /// Whether a caller may ask what runs here.
    ///
    /// # Errors
    /// PermissionDenied saying what it takes.
    fn may_ask(&self, cx: &Context) -> Result<()>;

    /// How the process is, as much of it as this caller may know.
    fn health(&self, cx: Context) -> BoxFuture<'static, HealthAnswer>;

    /// What it has counted.
    fn counted(&self) -> Counted;
}

/// How a process is.
#[derive(Clone, Debug, Default)]
pub struct HealthAnswer {
    /// Whether it gets work done.
    pub live: bool,
    /// Whether it should be called.
    pub ready: bool,
    /// All of it, as JSON.
    pub report: Value,
}

/// What a process has counted.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// Calls that it served.
    pub server: Vec<MethodSnapshot>,
    /// Calls that it made.
    pub client: Vec<MethodSnapshot>,
    /// Its connections.
    pub connections: ConnectionCounts,
}

/// A built-in page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    Live,
    Ready,
    Metrics,
    Services,
    OpenApi,
    Try,
}

/// The short forms of the built-in paths; before each, `/-` makes the long one, which is always there.
pub const SHORT_FORMS: [&str; 7] =
    ["/health/live", "/health/ready", "/health", "/metrics", "/services", "/openapi.json", "/try"];

/// The built-in page of a path, in its long or short form.
pub(crate) fn page(path: &str) -> Option<Page> {
    Some(match path.strip_prefix("/-").unwrap_or(path) {
        "/health/live" => Page::Live,
        "/health/ready" | "/health" => Page::Ready,
        "/metrics" => Page::Metrics,
        "/services" => Page::Services,
        "/openapi.json" => Page::OpenApi,
        "/try" => Page::Try,
        _ => return None,
    })
}

/// Answers for a built-in page.
pub(crate) fn answer(
    page: Page,
    insight: Arc<dyn Insight>,
    head: &Parts,
    door: &Door,
) -> BoxFuture<'static, Response<Body>> {
    let now = |answer| Box::pin(std::future::ready(answer)) as BoxFuture<'static, Response<Body>>;
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return now(refusal_as(StatusCode::METHOD_NOT_ALLOWED, &Status::unimplemented("this path is asked by GET")));
    }
    let metadata = metadata_from(&head.headers, |_| false).unwrap_or_default();
    let cx = Context::incoming(None, metadata, Some(door.peer().clone()), None);
    if let Page::Live | Page::Ready = page {
        return Box::pin(async move {
            let health = insight.health(cx).await;
            let well = if page == Page::Live { health.live } else { health.ready };
            let mut answer = json(&health.report);
            if !well {
                *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            }
            answer
        });
    }
    if let Err(status) = insight.may_ask(&cx) {
        return now(refusal(&status));
    }
    let services = services(door);
    now(match page {
        Page::Metrics => typed(metrics(&insight.counted()), "text/plain; version=0.0.4; charset=utf-8"),
        Page::Services => json(&serde_json::json!({ "app": insight.name(), "services": services })),
        Page::OpenApi => json(&openapi(&insight.name(), &services)),
        _ => try_page(),
    })
}

/// The user's own services, sorted by name, without values of sensitive fields.
fn services(door: &Door) -> Vec<Arc<ServiceDescriptor>> {
    let mut services = door.dispatcher().services();
    services.retain(|service| !service.name.starts_with("motet."));
    services.sort_by(|a, b| a.name.cmp(&b.name));
    services.iter().map(|service| Arc::new(scrubbed(service))).collect()
}

fn try_page() -> Response<Body> {
    let mut answer = typed(include_str!("try.html").to_owned(), "text/html; charset=utf-8");
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                  base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    answer
}

fn json(value: &Value) -> Response<Body> {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    typed(text, "application/json")
}

fn typed(text: String, kind: &'static str) -> Response<Body> {
    let mut answer = Response::new(Body::from(text));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_short_form_has_its_long_one() {
        for path in SHORT_FORMS {
            assert!(page(path).is_some(), "{path}");
            assert_eq!(page(path), page(&format!("/-{path}")));
        }
        assert_eq!((page("/"), page("/-/"), page("/-/-/metrics")), (None, None, None));
    }
}
