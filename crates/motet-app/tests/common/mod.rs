//! Services and modules that the tests run.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use motet_app::{AppContext, ConfigView, Module};
use motet_core::{
    Body, BoxFuture, Call, Codec, Context, Drain, MethodDescriptor, Payload, Reply, Result, Service, ServiceDescriptor,
    Status,
};
use motet_rpc::{Client, NativeClient, TcpTransport};

/// A service whose method `say` answers with the request, `wait` after as many milliseconds as the
/// request says.
pub(crate) fn echo(name: &str) -> Service {
    let mut descriptor = ServiceDescriptor::new(name, "1.0.0");
    descriptor.methods.push(Arc::new(MethodDescriptor::new(name, "say")));
    descriptor.methods.push(Arc::new(MethodDescriptor::new(name, "wait")));
    let say =
        |call: Call| -> BoxFuture<'static, Result<Reply>> { Box::pin(async move { Ok(Reply::one(call.body.one()?)) }) };
    let wait = |call: Call| -> BoxFuture<'static, Result<Reply>> {
        Box::pin(async move {
            let body = call.body.one()?;
            let ms = std::str::from_utf8(&body.bytes()?).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Ok(Reply::one(body))
        })
    };
    Service::new(descriptor, vec![Arc::new(say), Arc::new(wait)]).expect("a valid service")
}

/// A client that is part of no App and calls one address over TCP.
pub(crate) fn stranger(address: &str) -> Client {
    let client = Client::builder().protocol(Arc::new(NativeClient::default())).transport(Arc::new(TcpTransport::new()));
    client.build().to(address).expect("an address")
}

/// Calls a unary method with bytes of a codec.
pub(crate) async fn call(client: &Client, path: (&str, &str), body: &str, codec: Codec) -> Result<String> {
    call_in(client, &Context::new(), path, body, codec).await
}

/// The same in a Context.
pub(crate) async fn call_in(
    client: &Client,
    cx: &Context,
    path: (&str, &str),
    body: &str,
    codec: Codec,
) -> Result<String> {
    let service = client.service(path.0);
    let body = Body::One(Payload::encoded(body.to_owned(), codec.clone()));
    let call = service.prepare(&Arc::new(MethodDescriptor::new(path.0, path.1)), cx, codec, body)?;
    let bytes = service.call(call).await?.body.one()?.bytes()?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What happened, in order.
#[derive(Clone, Default)]
pub(crate) struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.lock().expect("no panic").push(what.into());
    }

    pub(crate) fn entries(&self) -> Vec<String> {
        self.0.lock().expect("no panic").clone()
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.entries().iter().filter(|entry| *entry == what).count()
    }
}

/// How a module's `run` behaves.
#[derive(Clone, Copy, Default)]
pub(crate) enum Runs {
    /// Until it is told to finish.
    #[default]
    ToTheEnd,
    /// For ever.
    Hangs,
    /// Ends at once.
    Ends,
    /// Panics after a while.
    Panics,
    /// Fails after a while.
    Fails,
}

/// A module that writes a diary.
#[derive(Clone)]
pub(crate) struct Diarist {
    pub name: &'static str,
    pub diary: Diary,
    pub runs: Runs,
    pub init_fails: bool,
    pub serves: Option<&'static str>,
}

impl Diarist {
    pub(crate) fn new(name: &'static str, diary: &Diary) -> Diarist {
        Diarist { name, diary: diary.clone(), runs: Runs::default(), init_fails: false, serves: None }
    }

    pub(crate) fn runs(mut self, runs: Runs) -> Diarist {
        self.runs = runs;
        self
    }

    pub(crate) fn serves(mut self, service: &'static str) -> Diarist {
        self.serves = Some(service);
        self
    }

    pub(crate) fn failing(mut self) -> Diarist {
        self.init_fails = true;
        self
    }

    fn note(&self, step: &str) {
        self.diary.note(format!("{} {step}", self.name));
    }
}

impl Module for Diarist {
    fn name(&self) -> &str {
        self.name
    }

    fn configure(&self, _: &ConfigView) -> Result<()> {
        self.note("configure");
        Ok(())
    }

    fn init<'a>(&'a self, cx: &'a AppContext) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.note("init");
            if let Some(service) = self.serves {
                cx.serve(echo(service))?;
            }
            if self.init_fails { Err(Status::unavailable("no database")) } else { Ok(()) }
        })
    }

    fn run(&self, _: AppContext, drain: Drain) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.note("run");
            match self.runs {
                Runs::ToTheEnd => drain.draining().await,
                Runs::Hangs => std::future::pending().await,
                Runs::Ends => {}
                Runs::Panics => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    panic!("expected in this test");
                }
                Runs::Fails => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    return Err(Status::unavailable("lost the queue"));
                }
            }
            self.note("finished");
            Ok(())
        })
    }

    fn stop<'a>(&'a self, _: &'a AppContext) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.note("stop");
            Ok(())
        })
    }
}
