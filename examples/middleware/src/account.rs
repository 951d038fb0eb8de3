//! A token that clients send and servers ask for: middleware as types, which tells the handler who
//! the caller is.

use std::fmt;

use motet::{BoxFuture, Call, Middleware, Next, Reply, Result, Status};

const AUTHORIZATION: &str = "authorization";

/// Sends a token with every call of a client.
pub struct SendToken(String);

impl SendToken {
    /// This token.
    pub fn new(token: impl Into<String>) -> SendToken {
        SendToken(token.into())
    }
}

impl Middleware for SendToken {
    fn handle<'a>(&'a self, mut call: Call, next: Next) -> BoxFuture<'a, Result<Reply>> {
        Box::pin(async move {
            call.metadata.insert(AUTHORIZATION, &format!("Bearer {}", self.0))?;
            next.run(call).await
        })
    }
}

/// Who calls: a value that [`RequireToken`] puts into the Context.
#[derive(Clone, Debug)]
pub struct Account {
    /// The name.
    pub name: String,
}

/// Answers calls without the token before they reach a handler, and tells the handler whose it is.
/// The health of the process is open to whoever watches it: middleware is for the App's own services.
pub struct RequireToken {
    token: String,
    account: Account,
}

impl RequireToken {
    /// This token, which is that of the account of this name.
    pub fn new(token: impl Into<String>, name: impl Into<String>) -> RequireToken {
        RequireToken { token: token.into(), account: Account { name: name.into() } }
    }
}

impl Middleware for RequireToken {
    fn handle<'a>(&'a self, mut call: Call, next: Next) -> BoxFuture<'a, Result<Reply>> {
        Box::pin(async move {
            let token = call.metadata.get(AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
            match token {
                Some(token) if same(token, &self.token) => {
                    call.cx = call.cx.with_value(self.account.clone());
                    next.run(call).await
                }
                Some(_) => Err(Status::permission_denied("the token is not the right one")),
                None => Err(Status::unauthenticated(format!("send a token as metadata {AUTHORIZATION}"))),
            }
        })
    }
}

/// Compares in a time that does not tell how much is right.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |seen, (a, b)| seen | (a ^ b)) == 0
}

impl fmt::Debug for SendToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendToken")
    }
}

impl fmt::Debug for RequireToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequireToken")
    }
}
