//! A service and a page that calls it from the browser: a reply, a stream, a conversation, an error.

use std::time::Duration;

use ::http::{HeaderValue, Response, header};
use motet::{
    App, AppBuilder, Bytes,
    http::{Body, Routes},
    prelude::*,
};

/// What went wrong with a greeting.
#[derive(Debug, RpcError)]
pub enum GreetError {
    /// Somebody whom this service does not greet.
    #[rpc(code = NotFound, message = "{name} is not welcome here")]
    Stranger {
        /// The name.
        name: String,
    },
    /// Anything else.
    #[rpc(other)]
    Other(Status),
}

/// A line of a conversation.
#[motet::message]
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What is said.
    #[garde(length(min = 1, max = 200))]
    pub text: String,
}

/// Greets, counts and talks.
#[motet::service(name = "parlour", version = "1.0.0")]
pub trait Parlour {
    /// Greets somebody; but not Moriarty.
    async fn greet(&self, cx: &Context, name: String) -> Result<String, GreetError>;
    /// Counts to a number, a step each so many milliseconds.
    async fn count(&self, cx: &Context, to: u32, every_ms: u64) -> Result<Streaming<u32>>;
    /// Hears lines out, and says how many there were.
    async fn listen(&self, cx: &Context, lines: Streaming<Line>) -> Result<u32>;
    /// Answers each line.
    async fn talk(&self, cx: &Context, lines: Streaming<Line>) -> Result<Streaming<Line>>;
}

/// The service.
#[derive(Clone, Debug)]
pub struct Host;

impl Parlour for Host {
    async fn greet(&self, _: &Context, name: String) -> Result<String, GreetError> {
        match &*name {
            "Moriarty" => Err(GreetError::Stranger { name }),
            name => Ok(format!("Good evening, {name}.")),
        }
    }

    async fn count(&self, _: &Context, to: u32, every_ms: u64) -> Result<Streaming<u32>> {
        let (sender, numbers) = Streaming::channel(1);
        tokio::spawn(async move {
            for n in 1..=to {
                tokio::select! {
                    // Nobody looks any more.
                    () = sender.closed() => return,
                    () = tokio::time::sleep(Duration::from_millis(every_ms)) => {}
                }
                if sender.send(Ok(n)).await.is_err() {
                    return;
                }
            }
        });
        Ok(numbers)
    }

    async fn listen(&self, _: &Context, mut lines: Streaming<Line>) -> Result<u32> {
        let mut heard = 0;
        while let Some(line) = lines.next().await {
            line?;
            heard += 1;
        }
        Ok(heard)
    }

    async fn talk(&self, _: &Context, lines: Streaming<Line>) -> Result<Streaming<Line>> {
        Ok(lines.map(|line| Ok(Line { text: format!("“{}”, you say?", line.text.trim()) })))
    }
}

/// The service and the page on one port.
///
/// # Errors
/// InvalidArgument when two handlers have one path.
pub fn app() -> Result<AppBuilder> {
    let routes = Routes::new()
        .get("/", |_| async { page("text/html; charset=utf-8", include_str!("page.html")) })
        .get("/page.js", |_| async { page("text/javascript; charset=utf-8", include_str!("page.js")) });
    Ok(App::builder().name("browser").service(ParlourServer::new(Host)).fallback(routes.build()?))
}

fn page(kind: &'static str, text: &'static str) -> Response<Body> {
    let mut page = Response::new(Body::from(Bytes::from_static(text.as_bytes())));
    page.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    page
}
