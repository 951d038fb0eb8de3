//! Middleware: code around every call, unary or stream, on a server or a client. A closure is enough
//! where there is no state to share; a type shows its settings.

mod account;
mod request_id;
mod timing;

use motet::prelude::*;

pub use account::{Account, RequireToken, SendToken};
pub use request_id::{REQUEST_ID, request_ids};
pub use timing::{Log, timed};

/// The service inside.
#[motet::service(name = "library", version = "1.0.0")]
pub trait Library {
    /// Says hello, and in which request.
    async fn hello(&self, cx: &Context, name: String) -> Result<String>;
    /// Says who the caller is.
    async fn whoami(&self, cx: &Context) -> Result<String>;
    /// Says hello by asking another library.
    async fn forward(&self, cx: &Context, name: String) -> Result<String>;
    /// Lists so many books.
    async fn books(&self, cx: &Context, count: u32) -> Result<Streaming<u32>>;
}

/// The service; another one may stand behind it.
#[derive(Debug)]
pub struct MyLibrary {
    /// Who is asked by `forward`.
    pub behind: Option<LibraryClient>,
}

impl Library for MyLibrary {
    async fn hello(&self, cx: &Context, name: String) -> Result<String> {
        let request = cx.metadata().get(REQUEST_ID).unwrap_or("none");
        Ok(format!("hello {name}, request {request}"))
    }

    async fn whoami(&self, cx: &Context) -> Result<String> {
        let account = cx.value::<Account>().ok_or_else(|| Status::unauthenticated("nobody knows who you are"))?;
        Ok(account.name.clone())
    }

    async fn forward(&self, cx: &Context, name: String) -> Result<String> {
        match &self.behind {
            // With `cx` the call inherits deadline, cancellation, trace and request id; never the
            // caller's credentials.
            Some(behind) => behind.hello(cx, name).await,
            None => Err(Status::failed_precondition("there is no library behind this one")),
        }
    }

    async fn books(&self, _: &Context, count: u32) -> Result<Streaming<u32>> {
        Ok(Streaming::from_iter(0..count))
    }
}
