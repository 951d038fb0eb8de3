//! Handlers of one's own by verb and path, in groups with middleware.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use motet_core::{BoxFuture, Result, Status};
use percent_encoding::percent_decode_str;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    Body,
    mount::{Mounted, mounted},
    status::{refusal, refusal_as},
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Handlers by verb and path. Build it and mount it, in an App by `fallback` or `mount`.
///
/// ```
/// use http::Request;
/// use motet_http::{Body, Params, Routes};
///
/// # fn main() -> motet_core::Result<()> {
/// let admin = Routes::new().get("/users/{name}", |request: Request<Body>| async move {
///     Ok::<_, motet_core::Status>(format!("user {}", Params::of(&request).get("name").unwrap_or_default()))
/// });
/// let routes = Routes::new().get("/ping", |_| async { "pong" }).group("/admin", admin).build()?;
/// # let _ = routes;
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct Routes(Vec<(Method, String, Endpoint)>);

/// A handler of one verb and path, as middleware wraps it.
#[derive(Clone)]
pub struct Endpoint(Mounted);

/// The parameters in a request's path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

/// Finds the handler of each request.
#[derive(Clone)]
pub struct RoutesService(Arc<Vec<(Method, matchit::Router<Endpoint>)>>);

/// What a handler gives back.
pub trait IntoAnswer {
    /// The answer.
    fn into_answer(self) -> Response<Body>;
}

impl Routes {
    /// None.
    pub fn new() -> Routes {
        Routes::default()
    }

    /// Adds a handler. Parts of the path may be parameters: `/users/{name}`, `/files/{*path}`.
    #[must_use]
    pub fn on<H, F>(mut self, verb: Method, path: &str, handler: H) -> Routes
    where
        H: Fn(Request<Body>) -> F + Send + Sync + 'static,
        F: Future<Output: IntoAnswer> + Send + 'static,
    {
        let endpoint = move |request| -> BoxFuture<'static, Response<Body>> {
            let answer = handler(request);
            Box::pin(async move { answer.await.into_answer() })
        };
        self.0.push((verb, path.to_owned(), Endpoint(Arc::new(endpoint))));
        self
    }

    /// Adds all handlers of a group, each path behind `prefix`.
    #[must_use]
    pub fn group(mut self, prefix: &str, group: Routes) -> Routes {
        let prefix = prefix.trim_end_matches('/');
        self.0.extend(group.0.into_iter().map(|(verb, path, handler)| (verb, format!("{prefix}{path}"), handler)));
        self
    }

    /// Puts middleware around the handlers that have been added so far: that of tower-http, or any
    /// other [`Layer`].
    #[must_use]
    pub fn layer<L, B>(self, layer: L) -> Routes
    where
        L: Layer<Endpoint>,
        L::Service: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
        <L::Service as Service<Request<Body>>>::Error: Into<BoxError>,
        <L::Service as Service<Request<Body>>>::Future: Send + 'static,
        B: http_body::Body + Send + 'static,
        B::Data: Buf,
        B::Error: Into<BoxError>,
    {
        let wrap = |(verb, path, handler)| (verb, path, Endpoint(mounted(layer.layer(handler))));
        Routes(self.0.into_iter().map(wrap).collect())
    }

    /// The service to mount.
    ///
    /// # Errors
    /// InvalidArgument naming a path that cannot be read, or that another has already.
    pub fn build(self) -> Result<RoutesService> {
        let mut all: Vec<(Method, matchit::Router<Endpoint>)> = Vec::new();
        for (verb, path, handler) in self.0 {
            let at = all.iter().position(|(known, _)| *known == verb).unwrap_or_else(|| {
                all.push((verb.clone(), matchit::Router::new()));
                all.len() - 1
            });
            let added = all[at].1.insert(&path, handler);
            added.map_err(|error| Status::invalid_argument(format!("route {verb} {path}: {error}")))?;
        }
        Ok(RoutesService(Arc::new(all)))
    }
}

macro_rules! verbs {
    ($($name:ident => $verb:ident),*) => {
        impl Routes {$(
            #[doc = concat!("As [`Routes::on`] with the verb ", stringify!($verb), ".")]
            #[must_use]
            pub fn $name<H, F>(self, path: &str, handler: H) -> Routes
            where
                H: Fn(Request<Body>) -> F + Send + Sync + 'static,
                F: Future<Output: IntoAnswer> + Send + 'static,
            {
                self.on(Method::$verb, path, handler)
            }
        )*}
    };
}

verbs! { get => GET, post => POST, put => PUT, patch => PATCH, delete => DELETE }

impl Params {
    /// Those of a request.
    pub fn of(request: &Request<Body>) -> &Params {
        static NONE: Params = Params(Vec::new());
        request.extensions().get().unwrap_or(&NONE)
    }

    /// The parameter of this name, decoded.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }
}

impl RoutesService {
    fn find(&self, request: &mut Request<Body>) -> Result<Endpoint, Box<Response<Body>>> {
        let path = request.uri().path();
        let wanted = if *request.method() == Method::HEAD { &Method::GET } else { request.method() };
        let mut others = Vec::new();
        for (verb, routes) in &*self.0 {
            let Ok(found) = routes.at(path) else { continue };
            if verb != wanted {
                others.push(verb.as_str());
                continue;
            }
            let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            let params = found.params.iter().map(|(name, value)| (name.to_owned(), decoded(value))).collect();
            let endpoint = found.value.clone();
            request.extensions_mut().insert(Params(params));
            return Ok(endpoint);
        }
        if others.is_empty() {
            return Err(Box::new(refusal(&Status::not_found("nothing is served at this path"))));
        }
        let verbs = others.join(", ");
        let status = Status::unimplemented(format!("this path is asked by {verbs}"));
        let mut answer = refusal_as(StatusCode::METHOD_NOT_ALLOWED, &status);
        if let Ok(verbs) = HeaderValue::try_from(verbs) {
            answer.headers_mut().insert(header::ALLOW, verbs);
        }
        Err(Box::new(answer))
    }
}

impl Service<Request<Body>> for RoutesService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match self.find(&mut request) {
            Ok(mut endpoint) => endpoint.call(request),
            Err(answer) => Box::pin(std::future::ready(Ok(*answer))),
        }
    }
}

impl Service<Request<Body>> for Endpoint {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = (self.0)(request);
        Box::pin(async move { Ok(answer.await) })
    }
}

impl IntoAnswer for Response<Body> {
    fn into_answer(self) -> Response<Body> {
        self
    }
}

fn typed(body: impl Into<Body>, kind: &'static str) -> Response<Body> {
    let mut answer = Response::new(body.into());
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

impl IntoAnswer for String {
    fn into_answer(self) -> Response<Body> {
        typed(self, "text/plain; charset=utf-8")
    }
}

impl IntoAnswer for &'static str {
    fn into_answer(self) -> Response<Body> {
        typed(self, "text/plain; charset=utf-8")
    }
}

impl IntoAnswer for Bytes {
    fn into_answer(self) -> Response<Body> {
        typed(self, "application/octet-stream")
    }
}

impl IntoAnswer for serde_json::Value {
    fn into_answer(self) -> Response<Body> {
        typed(self.to_string(), "application/json")
    }
}

impl IntoAnswer for Status {
    fn into_answer(self) -> Response<Body> {
        refusal(&self)
    }
}

impl<T: IntoAnswer> IntoAnswer for Result<T, Status> {
    fn into_answer(self) -> Response<Body> {
        match self {
            Ok(value) => value.into_answer(),
            Err(status) => status.into_answer(),
        }
    }
}

impl<T: IntoAnswer> IntoAnswer for (StatusCode, T) {
    fn into_answer(self) -> Response<Body> {
        let mut answer = self.1.into_answer();
        *answer.status_mut() = self.0;
        answer
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(verb, path, _)| format!("{verb} {path}"))).finish()
    }
}

impl fmt::Debug for RoutesService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoutesService")
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Endpoint")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Adds a field with its name to every answer.
    #[derive(Clone)]
    struct Mark<S>(&'static str, S);

    impl<S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>> Service<Request<Body>> for Mark<S>
    where
        S::Future: Send + 'static,
    {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            self.1.poll_ready(cx)
        }

        fn call(&mut self, request: Request<Body>) -> Self::Future {
            let (name, answer) = (self.0, self.1.call(request));
            Box::pin(async move {
                let mut answer = answer.await?;
                answer.headers_mut().append("mark", HeaderValue::from_static(name));
                Ok(answer)
            })
        }
    }

    struct Marked(&'static str);

    impl Layer<Endpoint> for Marked {
        type Service = Mark<Endpoint>;

        fn layer(&self, inner: Endpoint) -> Mark<Endpoint> {
            Mark(self.0, inner)
        }
    }

    async fn ask(service: &mut RoutesService, verb: Method, path: &str) -> (u16, String, String) {
        let request = Request::builder().method(verb).uri(path).body(Body::empty()).expect("a request");
        let Ok(answer) = service.call(request).await;
        let marks: Vec<_> = answer.headers().get_all("mark").iter().map(|mark| mark.to_str().expect("text")).collect();
        let (status, marks) = (answer.status().as_u16(), marks.join(" "));
        let text = answer.into_body().read_all(1000, Duration::from_secs(1)).await.expect("short");
        (status, marks, String::from_utf8_lossy(&text).into_owned())
    }

    #[tokio::test]
    async fn a_group_has_its_prefix_and_its_middleware() {
        let inner = Routes::new()
            .get(
                "/users/{name}",
                |request| async move { Params::of(&request).get("name").unwrap_or_default().to_owned() },
            )
            .post("/users", |_| async { (StatusCode::CREATED, "made") })
            .layer(Marked("inner"))
            .delete("/users", |_| async { Err::<&str, _>(Status::permission_denied("no")) });
        let routes = Routes::new().get("/ping", |_| async { "pong" }).group("/admin", inner).layer(Marked("outer"));
        let mut service = routes.build().expect("no two alike");
        let text = |status, marks: &str, text: &str| (status, marks.to_owned(), text.to_owned());
        assert_eq!(ask(&mut service, Method::GET, "/ping").await, text(200, "outer", "pong"));
        assert_eq!(ask(&mut service, Method::GET, "/admin/users/a%20b").await, text(200, "inner outer", "a b"));
        assert_eq!(ask(&mut service, Method::POST, "/admin/users").await, text(201, "inner outer", "made"));
        let (status, marks, body) = ask(&mut service, Method::DELETE, "/admin/users").await;
        assert!(status == 403 && marks == "outer" && body.contains("PERMISSION_DENIED"), "{body}");
        assert_eq!(ask(&mut service, Method::GET, "/users").await.0, 404);
        assert_eq!(ask(&mut service, Method::PUT, "/admin/users").await.0, 405);
    }

    #[test]
    fn two_handlers_of_one_path_are_an_error() {
        let routes = Routes::new().get("/a/{x}", |_| async { "1" }).get("/a/{y}", |_| async { "2" });
        assert!(routes.build().expect_err("two").message().contains("GET /a/{y}"));
    }
}
