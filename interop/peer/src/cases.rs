//! The cases, Motet being the client
//! (<https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md>), and more.

use std::{process::Command, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use motet::{
    Body, Client, Code, Codec, Context, Kind, Metadata, ReplyMeta, Status, Streaming,
    core::{Family, MethodDescriptor, Payload, validate::Report},
};
use prost::Message;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    messages::{
        Block, EchoStatus, InputRequest, InputResponse, Nothing, OutputRequest, OutputResponse, ResponseParameters,
        SimpleRequest, SimpleResponse,
    },
    service::{REASON, SERVICE, WITH_REASON, WITH_VIOLATIONS, method, read, written},
};

/// gRPC's own cases.
pub const STANDARD: [&str; 14] = [
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "cancel_after_begin",
    "cancel_after_first_response",
    "timeout_on_sleeping_server",
    "custom_metadata",
    "status_code_and_message",
    "special_status_message",
    "unimplemented_method",
    "unimplemented_service",
];

/// Motet's; `json` is one more, for peers that read bodies in it.
pub const MORE: [&str; 6] =
    ["error_details", "largest_message", "message_over_the_limit", "thousand_calls", "silent_for_30_s", "peer_killed"];

const LARGE_REQUEST: usize = 271_828;
const LARGE_REPLY: i32 = 314_159;
const REQUEST_SIZES: [usize; 4] = [27_182, 8, 1_828, 45_904];
const REPLY_SIZES: [i32; 4] = [31_415, 9, 2_653, 58_979];
const LIMIT: usize = 4 << 20;

/// A peer, and how to end it.
pub struct Peer {
    /// What calls it.
    pub client: Client,
    /// Its process, for `peer_killed`.
    pub pid: Option<u32>,
}

/// What came of a call.
struct Seen {
    meta: ReplyMeta,
    body: Body,
}

impl Peer {
    /// Runs a case.
    ///
    /// # Errors
    /// What went otherwise.
    pub async fn run(&self, case: &str) -> Result<()> {
        let limit = if case == "silent_for_30_s" { 60 } else { 20 };
        timeout(Duration::from_secs(limit), self.case(case)).await.context("no end of it")?
    }

    async fn case(&self, case: &str) -> Result<()> {
        match case {
            "empty_unary" => self.empty_unary().await,
            "large_unary" => self.large_unary(LARGE_REQUEST, LARGE_REPLY).await,
            "client_streaming" => self.client_streaming().await,
            "server_streaming" => self.server_streaming().await,
            "ping_pong" => self.ping_pong().await,
            "empty_stream" => self.empty_stream().await,
            "cancel_after_begin" => self.cancel_after_begin().await,
            "cancel_after_first_response" => self.cancel_after_first_response().await,
            "timeout_on_sleeping_server" => self.timeout_on_sleeping_server().await,
            "custom_metadata" => self.custom_metadata().await,
            "status_code_and_message" => self.status_is(2, "test status message").await,
            "special_status_message" => {
                self.status_is(2, "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n").await
            }
            "unimplemented_method" => self.unimplemented(SERVICE).await,
            "unimplemented_service" => self.unimplemented("grpc.testing.UnimplementedService").await,
            "error_details" => self.error_details().await,
            "json" => self.json().await,
            "largest_message" => self.large_unary(LIMIT - 1024, LARGE_REPLY * 10).await,
            "message_over_the_limit" => self.message_over_the_limit().await,
            "thousand_calls" => self.thousand_calls().await,
            "silent_for_30_s" => self.silent().await,
            "peer_killed" => self.peer_killed().await,
            other => bail!("there is no case {other:?}"),
        }
    }

    async fn call(&self, cx: &Context, service: &str, name: &str, kind: Kind, body: Body) -> Result<Seen, Status> {
        let method: Arc<MethodDescriptor> = Arc::new(method(service, name, kind));
        let client = self.client.service(service);
        let codec = motet::Codec::PROTOBUF;
        let (cx, meta) = cx.capture();
        let reply = client.call(client.prepare(&method, &cx, codec, body)?).await?;
        Ok(Seen { meta, body: reply.body })
    }

    async fn unary<T: Message + Default + 'static>(
        &self,
        name: &str,
        request: impl Message + Default + 'static,
    ) -> Result<T, Status> {
        let seen = self.call(&Context::new(), SERVICE, name, Kind::Unary, Body::One(written(request))).await?;
        read(seen.body.one()?)
    }

    async fn duplex(
        &self,
        cx: &Context,
        requests: Streaming<Payload>,
    ) -> Result<(ReplyMeta, Streaming<Payload>), Status> {
        let seen = self.call(cx, SERVICE, "FullDuplexCall", Kind::Bidi, Body::Stream(requests)).await?;
        Ok((seen.meta, seen.body.stream()))
    }

    async fn empty_unary(&self) -> Result<()> {
        let Nothing {} = self.unary("EmptyCall", Nothing {}).await?;
        Ok(())
    }

    async fn large_unary(&self, request: usize, reply: i32) -> Result<()> {
        let asked = SimpleRequest { response_size: reply, payload: Block::of(request), ..Default::default() };
        let answer: SimpleResponse = self.unary("UnaryCall", asked).await?;
        ensure!(size(answer.payload.as_ref()) == reply, "{} bytes came", size(answer.payload.as_ref()));
        Ok(())
    }

    async fn client_streaming(&self) -> Result<()> {
        let requests = REQUEST_SIZES.map(|size| written(InputRequest { payload: Block::of(size) }));
        let body = Body::Stream(Streaming::from_iter(requests));
        let seen = self.call(&Context::new(), SERVICE, "StreamingInputCall", Kind::ClientStream, body).await?;
        let answer: InputResponse = read(seen.body.one()?)?;
        ensure!(answer.aggregated_payload_size == 74_922, "{}", answer.aggregated_payload_size);
        Ok(())
    }

    async fn server_streaming(&self) -> Result<()> {
        let response_parameters = REPLY_SIZES.map(|size| ResponseParameters { size, interval_us: 0 }).to_vec();
        let request = written(OutputRequest { response_parameters, ..Default::default() });
        let body = Body::One(request);
        let seen = self.call(&Context::new(), SERVICE, "StreamingOutputCall", Kind::ServerStream, body).await?;
        let mut sizes = Vec::new();
        for reply in seen.body.stream().collect().await? {
            sizes.push(size(read::<OutputResponse>(reply)?.payload.as_ref()));
        }
        ensure!(sizes == REPLY_SIZES, "{sizes:?}");
        Ok(())
    }

    async fn ping_pong(&self) -> Result<()> {
        let (sender, requests) = Streaming::channel(1);
        let (_, mut replies) = self.duplex(&Context::new(), requests).await?;
        for (request, reply) in REQUEST_SIZES.into_iter().zip(REPLY_SIZES) {
            sender.send(Ok(ask(request, reply))).await?;
            let answer: OutputResponse = read(replies.next().await.context("an early end")??)?;
            ensure!(size(answer.payload.as_ref()) == reply);
        }
        drop(sender);
        ensure!(replies.next().await.is_none(), "more than was asked for");
        Ok(())
    }

    async fn empty_stream(&self) -> Result<()> {
        let (_, replies) = self.duplex(&Context::new(), Streaming::from_iter([])).await?;
        ensure!(replies.collect().await?.is_empty());
        Ok(())
    }

    async fn cancel_after_begin(&self) -> Result<()> {
        let (_sender, requests) = Streaming::channel(1);
        let (cx, cancel) = Context::new().cancellable();
        let body = Body::Stream(requests);
        let call = self.call(&cx, SERVICE, "StreamingInputCall", Kind::ClientStream, body);
        let (outcome, ()) = tokio::join!(call, async {
            sleep(Duration::from_millis(20)).await;
            cancel.cancel();
        });
        ends_with(outcome.err(), Code::Cancelled)
    }

    async fn cancel_after_first_response(&self) -> Result<()> {
        let (sender, requests) = Streaming::channel(1);
        let (cx, cancel) = Context::new().cancellable();
        let (_, mut replies) = self.duplex(&cx, requests).await?;
        sender.send(Ok(ask(27_182, 31_415))).await?;
        replies.next().await.context("an early end")??;
        cancel.cancel();
        ends_with(replies.next().await.and_then(Result::err), Code::Cancelled)
    }

    async fn timeout_on_sleeping_server(&self) -> Result<()> {
        let (sender, requests) = Streaming::channel(1);
        let cx = Context::new().with_timeout(Duration::from_millis(1));
        sender.send(Ok(ask(27_182, 31_415))).await?;
        let error = match self.duplex(&cx, requests).await {
            Err(status) => Some(status),
            Ok((_, mut replies)) => loop {
                match replies.next().await {
                    Some(Ok(_)) => {}
                    end => break end.and_then(Result::err),
                }
            },
        };
        ends_with(error, Code::DeadlineExceeded)
    }

    async fn custom_metadata(&self) -> Result<()> {
        let cx = Context::new().with_metadata("x-grpc-test-echo-initial", "test_initial_metadata_value")?;
        let unary =
            SimpleRequest { response_size: LARGE_REPLY, payload: Block::of(LARGE_REQUEST), response_status: None };
        let seen = self.echoed(&cx, "UnaryCall", Kind::Unary, Body::One(written(unary))).await?;
        seen.body.one()?;
        check_echo(&seen.meta)?;
        let (sender, requests) = Streaming::channel(1);
        sender.send(Ok(ask(LARGE_REQUEST, LARGE_REPLY))).await?;
        drop(sender);
        let seen = self.echoed(&cx, "FullDuplexCall", Kind::Bidi, Body::Stream(requests)).await?;
        ensure!(seen.body.stream().collect().await?.len() == 1);
        check_echo(&seen.meta)
    }

    /// As [`Peer::call`], with bytes in the metadata, which a Context has no method for.
    async fn echoed(&self, cx: &Context, name: &str, kind: Kind, body: Body) -> Result<Seen, Status> {
        let client = self.client.service(SERVICE);
        let (cx, meta) = cx.capture();
        let mut call = client.prepare(&Arc::new(method(SERVICE, name, kind)), &cx, motet::Codec::PROTOBUF, body)?;
        call.metadata.append_bin("x-grpc-test-echo-trailing-bin", vec![0xab; 3])?;
        let reply = client.call(call).await?;
        Ok(Seen { meta, body: reply.body })
    }

    async fn status_is(&self, code: i32, message: &str) -> Result<()> {
        let status = || Some(EchoStatus { code, message: message.to_owned() });
        let asked = SimpleRequest { response_status: status(), ..Default::default() };
        let unary = self.unary::<SimpleResponse>("UnaryCall", asked).await.err();
        let request = written(OutputRequest { response_status: status(), ..Default::default() });
        let (_, mut replies) = self.duplex(&Context::new(), Streaming::from_iter([request])).await?;
        let stream = replies.next().await.and_then(Result::err);
        for found in [unary, stream] {
            let found = found.context("it succeeded")?;
            ensure!((i32::from(found.code().number()), found.message()) == (code, message), "{found}");
        }
        Ok(())
    }

    async fn unimplemented(&self, service: &str) -> Result<()> {
        let body = Body::One(written(Nothing {}));
        let outcome = self.call(&Context::new(), service, "UnimplementedCall", Kind::Unary, body).await;
        ends_with(outcome.err(), Code::Unimplemented)
    }

    async fn error_details(&self) -> Result<()> {
        for message in [WITH_REASON, WITH_VIOLATIONS] {
            let status = || Some(EchoStatus { code: 3, message: message.to_owned() });
            let asked = SimpleRequest { response_status: status(), ..Default::default() };
            let unary = self.unary::<SimpleResponse>("UnaryCall", asked).await.err();
            let request = written(OutputRequest { response_status: status(), ..Default::default() });
            let (_, mut replies) = self.duplex(&Context::new(), Streaming::from_iter([request])).await?;
            let stream = replies.next().await.and_then(Result::err);
            for found in [unary, stream] {
                let found = found.context("it succeeded")?;
                let field = Report::of(&found).map(|report| report.violations()[0].field.clone());
                let details = if message == WITH_REASON { found.reason() } else { field.as_deref() };
                let expected = if message == WITH_REASON { REASON } else { "payload" };
                ensure!(found.code() == Code::InvalidArgument && details == Some(expected), "{found}: {details:?}");
            }
        }
        Ok(())
    }

    /// Bodies in JSON, as a caller sends them that has no types of the service.
    async fn json(&self) -> Result<()> {
        let client = self.client.service(SERVICE);
        for (name, kind, request) in [
            ("UnaryCall", Kind::Unary, r#"{"responseSize": 3}"#),
            ("StreamingOutputCall", Kind::ServerStream, r#"{"responseParameters": [{"size": 3}]}"#),
        ] {
            let method = Arc::new(method(SERVICE, name, kind).family(Family::Raw));
            let body = Body::One(Payload::encoded(request, Codec::JSON));
            let reply = client.call(client.prepare(&method, &Context::new(), Codec::JSON, body)?).await?;
            let replies = reply.body.stream().collect().await?;
            let [reply] = &replies[..] else { bail!("{} replies", replies.len()) };
            let text = String::from_utf8_lossy(&reply.bytes()?).into_owned();
            ensure!(*reply.codec() == Codec::JSON && text.contains("\"AAAA\""), "{name}: {text}");
        }
        Ok(())
    }

    /// Both what we send and what we are sent.
    async fn message_over_the_limit(&self) -> Result<()> {
        for (request, reply) in [(LIMIT + 1, 1), (1, i32::try_from(LIMIT)? + 1)] {
            let asked = SimpleRequest { response_size: reply, payload: Block::of(request), response_status: None };
            let error = self.unary::<SimpleResponse>("UnaryCall", asked).await.err();
            ends_with(error, Code::ResourceExhausted).with_context(|| format!("{request} and {reply} bytes"))?;
        }
        self.empty_unary().await
    }

    async fn thousand_calls(&self) -> Result<()> {
        let calls = (0..1000).map(|_| self.large_unary(1000, 1000));
        for outcome in futures_util::future::join_all(calls).await {
            outcome?;
        }
        Ok(())
    }

    /// A peer that counts pings would go away.
    async fn silent(&self) -> Result<()> {
        let wish = ResponseParameters { size: 1, interval_us: 30_000_000 };
        let request = OutputRequest { response_parameters: vec![wish], ..Default::default() };
        let body = Body::One(written(request));
        let began = Instant::now();
        let seen = self.call(&Context::new(), SERVICE, "StreamingOutputCall", Kind::ServerStream, body).await?;
        ensure!(seen.body.stream().collect().await?.len() == 1);
        ensure!(began.elapsed() >= Duration::from_secs(29), "it took {:?}", began.elapsed());
        self.empty_unary().await
    }

    async fn peer_killed(&self) -> Result<()> {
        let pid = self.pid.context("--pid says which")?.to_string();
        let (sender, requests) = Streaming::channel(1);
        let (_, mut replies) = self.duplex(&Context::new(), requests).await?;
        sender.send(Ok(ask(8, 9))).await?;
        replies.next().await.context("an early end")??;
        ensure!(Command::new("kill").args(["-9", &pid]).status()?.success(), "it cannot be killed");
        ends_with(replies.next().await.and_then(Result::err), Code::Unavailable)
    }
}

fn size(block: Option<&Block>) -> i32 {
    i32::try_from(block.map_or(0, |block| block.body.len())).unwrap_or(i32::MAX)
}

fn ask(request: usize, reply: i32) -> Payload {
    let response_parameters = vec![ResponseParameters { size: reply, interval_us: 0 }];
    written(OutputRequest { response_parameters, payload: Block::of(request), response_status: None })
}

fn ends_with(error: Option<Status>, code: Code) -> Result<()> {
    let error = error.with_context(|| format!("it succeeded in place of {code}"))?;
    ensure!(error.code() == code, "{error} in place of {code}");
    Ok(())
}

fn check_echo(meta: &ReplyMeta) -> Result<()> {
    let initial = meta.initial().unwrap_or_default();
    ensure!(initial.get("x-grpc-test-echo-initial") == Some("test_initial_metadata_value"), "{initial:?}");
    let trailing: Metadata = meta.trailing().unwrap_or_default();
    let bytes = trailing.get_bin("x-grpc-test-echo-trailing-bin").context("no trailing metadata")?;
    ensure!(bytes[..] == [0xab; 3], "{bytes:?}");
    Ok(())
}
