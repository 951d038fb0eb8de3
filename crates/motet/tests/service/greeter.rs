//! The service that most tests use: every kind, every shape of body.

use motet::{Context, Result, RpcError, Status, Streaming};

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hello {
    /// Who is greeted.
    #[garde(length(min = 1, max = 5))]
    pub(crate) name: String,
}

pub(crate) type Alias = Hello;
pub(crate) type Outcome<T> = std::result::Result<T, GreetError>;

#[derive(Debug, PartialEq, motet::RpcError)]
pub(crate) enum GreetError {
    #[rpc(code = InvalidArgument, message = "{length} letters are too many, {max} fit")]
    NameTooLong { length: u32, max: u32 },
    #[rpc(code = NotFound, message = "nobody is called {0}")]
    Unknown(String),
    #[rpc(code = ResourceExhausted, message = "{0} of {1} greetings are given")]
    Spent(u32, u32),
    #[rpc(code = Unavailable, message = "asleep")]
    Asleep,
    #[rpc(other)]
    Other(Status),
}

/// Greets people.
///
/// In many ways.
#[motet::service(name = "greeter", version = "1.2.0")]
pub(crate) trait Greeter {
    /// Says hello.
    #[method(idempotent, timeout = "5s", http = "POST /hello")]
    async fn hello(&self, cx: &Context, req: Hello) -> Result<Hello, GreetError>;
    async fn aliased(&self, cx: &Context, req: Alias) -> Outcome<Alias>;
    async fn one(&self, cx: &Context, name: String) -> Result<u64>;
    async fn several(&self, cx: &Context, name: String, times: Option<u32>, who: Hello) -> Result<Vec<String>>;
    #[method(safe, http = "GET /nothing")]
    async fn nothing(&self, _: &Context) -> Result<()>;
    async fn secret(&self, cx: &Context, user: String, #[motet(sensitive)] password: String) -> Result<bool>;
    async fn ticks(&self, cx: &Context, count: u64) -> Result<Streaming<u64>, GreetError>;
    async fn upload(&self, cx: &Context, parts: Streaming<Hello>) -> Result<u64, GreetError>;
    async fn chat(&self, cx: &Context, lines: Streaming<String>) -> Result<Streaming<String>, GreetError>;
    #[method(optional)]
    async fn maybe(&self, cx: &Context, n: u32) -> Result<u32>;
    /// Runs on the server.
    async fn twice(&self, cx: &Context, mut name: String) -> Result<String> {
        name.push('!');
        let known = self.one(cx, name.clone()).await?;
        Ok(format!("{name} {known}"))
    }
    #[method(name = "fancy-name", deprecated)]
    async fn renamed(&self, cx: &Context, r#type: u32) -> Result<u32> {
        let _ = cx;
        Ok(r#type)
    }
}

pub(crate) struct Me;

impl Greeter for Me {
    async fn hello(&self, _: &Context, req: Hello) -> Result<Hello, GreetError> {
        match req.name.as_str() {
            "long" => Err(GreetError::NameTooLong { length: 4, max: 3 }),
            "who" => Err(GreetError::Unknown(req.name)),
            "spent" => Err(GreetError::Spent(3, 4)),
            "sleep" => Err(GreetError::Asleep),
            "other" => Err(Status::aborted("once more").into()),
            _ => Ok(req),
        }
    }

    async fn aliased(&self, _: &Context, req: Alias) -> Outcome<Alias> {
        Ok(req)
    }

    async fn one(&self, _: &Context, name: String) -> Result<u64> {
        Ok(name.len() as u64)
    }

    async fn several(&self, _: &Context, name: String, times: Option<u32>, who: Hello) -> Result<Vec<String>> {
        Ok(vec![format!("{name} {}", who.name); times.unwrap_or(1) as usize])
    }

    async fn nothing(&self, _: &Context) -> Result<()> {
        Ok(())
    }

    async fn secret(&self, _: &Context, user: String, password: String) -> Result<bool> {
        Ok(user == password)
    }

    async fn ticks(&self, _: &Context, count: u64) -> Result<Streaming<u64>, GreetError> {
        match count {
            0 => Err(GreetError::Asleep),
            _ => Ok(Streaming::from_iter(0..count)),
        }
    }

    async fn upload(&self, _: &Context, mut parts: Streaming<Hello>) -> Result<u64, GreetError> {
        let mut count = 0;
        while let Some(part) = parts.next().await {
            part.map_err(GreetError::from_status)?;
            count += 1;
        }
        Ok(count)
    }

    async fn chat(&self, _: &Context, mut lines: Streaming<String>) -> Result<Streaming<String>, GreetError> {
        match lines.next().await {
            Some(Ok(first)) if first == "hush" => Err(GreetError::Unknown(first)),
            Some(first) => Ok(shouted(first?, lines)),
            None => Ok(lines),
        }
    }
}

fn shouted(first: String, mut rest: Streaming<String>) -> Streaming<String> {
    let (sender, replies) = Streaming::channel(1);
    tokio::spawn(async move {
        let mut next = Some(Ok(first));
        while let Some(line) = next {
            if sender.send(line.map(|line| line.to_uppercase())).await.is_err() {
                return;
            }
            next = rest.next().await;
        }
    });
    replies
}
