//! Services to try the commands on.

use std::time::Duration;

use motet::prelude::*;

/// Whom to greet.
#[motet::message]
pub(crate) struct HelloRequest {
    /// The name.
    #[garde(length(min = 1, max = 40))]
    pub(crate) name: String,
    /// How polite to be.
    pub(crate) tone: Option<Tone>,
    /// The caller's secret.
    #[motet(sensitive)]
    #[serde(default)]
    pub(crate) password: String,
    /// Whom else to greet.
    #[serde(default)]
    #[garde(length(max = 3), dive)]
    pub(crate) others: Vec<Person>,
    /// How often, at most 9 times.
    #[garde(range(max = 9))]
    pub(crate) times: Option<u32>,
}

/// How polite to be.
#[motet::message]
#[derive(Debug)]
pub(crate) enum Tone {
    /// As among friends.
    Plain,
    /// As at court.
    Formal,
}

/// Somebody else.
#[motet::message]
#[derive(Debug)]
pub(crate) struct Person {
    /// The name.
    #[garde(length(min = 1))]
    pub(crate) name: String,
}

/// The greeting.
#[motet::message]
pub(crate) struct HelloReply {
    /// The text.
    pub(crate) text: String,
}

/// A number in a stream.
#[motet::message]
#[derive(Clone)]
pub(crate) struct Number {
    /// The number.
    pub(crate) n: u64,
}

/// Why somebody is not greeted.
#[derive(Debug, RpcError)]
pub(crate) enum GreetError {
    /// Nobody knows them.
    #[rpc(code = NotFound, message = "{name} is not known here")]
    Unknown {
        /// Who.
        name: String,
    },
    /// Anything else.
    #[rpc(other)]
    Other(Status),
}

/// Greets people.
#[motet::service(name = "greeter", version = "1.2.0")]
pub(crate) trait Greeter {
    /// Says hello.
    ///
    /// The greeting is in English.
    #[method(idempotent)]
    async fn hello(&self, cx: &Context, req: HelloRequest) -> Result<HelloReply>;
    /// Finds somebody.
    async fn find(&self, cx: &Context, name: String) -> Result<Option<u64>, GreetError>;
    /// Adds two numbers.
    async fn add(&self, cx: &Context, a: i64, b: i64) -> Result<i64>;
    /// Forgets everybody.
    async fn forget(&self, cx: &Context) -> Result<()>;
    /// Never answers.
    #[method(timeout = "30s")]
    async fn hang(&self, cx: &Context) -> Result<()>;
    /// Counts up, and fails where it is told to.
    async fn count(&self, cx: &Context, to: u64, pause_ms: u64, fail_at: u64) -> Result<Streaming<Number>>;
    /// Adds up.
    async fn sum(&self, cx: &Context, numbers: Streaming<Number>) -> Result<Number>;
    /// Doubles each number.
    async fn double(&self, cx: &Context, numbers: Streaming<Number>) -> Result<Streaming<Number>>;
    /// Says who calls: the metadata `who`.
    async fn whoami(&self, cx: &Context) -> Result<String>;
}

/// Greets people; it tells `told` what happens to it.
#[derive(Clone)]
pub(crate) struct MyGreeter {
    told: tokio::sync::mpsc::UnboundedSender<&'static str>,
}

impl MyGreeter {
    /// The service, and what happens to it.
    pub(crate) fn new() -> (MyGreeter, tokio::sync::mpsc::UnboundedReceiver<&'static str>) {
        let (told, hear) = tokio::sync::mpsc::unbounded_channel();
        (MyGreeter { told }, hear)
    }
}

/// Tells that a call was dropped before its end.
struct Dropped(tokio::sync::mpsc::UnboundedSender<&'static str>);

impl Drop for Dropped {
    fn drop(&mut self) {
        _ = self.0.send("dropped");
    }
}

impl Greeter for MyGreeter {
    async fn hello(&self, cx: &Context, req: HelloRequest) -> Result<HelloReply> {
        cx.reply().add_initial("greeted-by", "fixture")?;
        _ = self.told.send("hello");
        Ok(HelloReply { text: format!("Hello, {}!", req.name) })
    }

    async fn find(&self, _: &Context, name: String) -> Result<Option<u64>, GreetError> {
        if name == "Ada" { Ok(Some(1815)) } else { Err(GreetError::Unknown { name }) }
    }

    async fn add(&self, _: &Context, a: i64, b: i64) -> Result<i64> {
        Ok(a + b)
    }

    async fn forget(&self, _: &Context) -> Result<()> {
        Ok(())
    }

    async fn hang(&self, _: &Context) -> Result<()> {
        let _dropped = Dropped(self.told.clone());
        _ = self.told.send("hangs");
        std::future::pending().await
    }

    async fn count(&self, _: &Context, to: u64, pause_ms: u64, fail_at: u64) -> Result<Streaming<Number>> {
        let (sender, stream) = Streaming::channel(1);
        let told = self.told.clone();
        tokio::spawn(async move {
            let _dropped = Dropped(told);
            for n in 1..=to {
                let item = if n == fail_at { Err(Status::aborted("that is too far")) } else { Ok(Number { n }) };
                if sender.send(item).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            }
        });
        Ok(stream)
    }

    async fn sum(&self, _: &Context, mut numbers: Streaming<Number>) -> Result<Number> {
        let mut sum = 0;
        while let Some(number) = numbers.next().await {
            sum += number?.n;
        }
        Ok(Number { n: sum })
    }

    async fn double(&self, _: &Context, numbers: Streaming<Number>) -> Result<Streaming<Number>> {
        Ok(numbers.map(|number| Ok(Number { n: number.n * 2 })))
    }

    async fn whoami(&self, cx: &Context) -> Result<String> {
        cx.metadata().get("who").map(str::to_owned).ok_or_else(|| Status::unauthenticated("nobody"))
    }
}

/// A second service, of closures and bytes.
pub(crate) fn tools() -> motet::Router {
    motet::Router::new()
        .named("tools", "0.3.0")
        .docs("Odds and ends.")
        .args("/say/hi", ["name"], |_cx: Context, name: String| async move { Ok(format!("hi {name}")) })
        .raw("mirror", |_cx: Context, body: motet::Bytes| async move { Ok(body) })
}
