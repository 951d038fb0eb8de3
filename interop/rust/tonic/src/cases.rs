//! The cases, tonic being the client.

use std::{process::Command, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{future::join_all, stream};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, metadata::MetadataValue, transport::Channel};

use crate::{
    details::{self, WITH_REASON, WITH_VIOLATIONS},
    server::block,
    testing::{
        EchoStatus, Empty, ResponseParameters, SimpleRequest, StreamingInputCallRequest, StreamingOutputCallRequest,
        StreamingOutputCallResponse, test_service_client::TestServiceClient,
        unimplemented_service_client::UnimplementedServiceClient,
    },
};

/// All of them; the last one ends the peer.
pub const ALL: [&str; 19] = [
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
    "error_details",
    "largest_message",
    "message_over_the_limit",
    "thousand_calls",
    "peer_killed",
];

const SPECIAL: &str = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
const REQUEST_SIZES: [usize; 4] = [27_182, 8, 1_828, 45_904];
const REPLY_SIZES: [i32; 4] = [31_415, 9, 2_653, 58_979];
const LIMIT: usize = 4 << 20;

/// A peer, and how to end it.
#[derive(Clone, Debug)]
pub struct Peer {
    channel: Channel,
    pid: Option<u32>,
}

impl Peer {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn connect(address: &str, pid: Option<u32>) -> Result<Peer> {
        let channel = Channel::from_shared(format!("http://{address}"))?.connect().await?;
        Ok(Peer { channel, pid })
    }

    /// Runs a case.
    ///
    /// # Errors
    /// What went otherwise.
    pub async fn run(&self, case: &str) -> Result<()> {
        timeout(Duration::from_secs(30), self.case(case)).await.context("no end of it")?
    }

    fn client(&self) -> TestServiceClient<Channel> {
        TestServiceClient::new(self.channel.clone())
    }

    async fn case(&self, case: &str) -> Result<()> {
        match case {
            "empty_unary" => self.client().empty_call(Empty {}).await.map(drop).map_err(Into::into),
            "large_unary" => self.large(271_828, 314_159).await.map_err(Into::into),
            "client_streaming" => self.client_streaming().await,
            "server_streaming" => self.server_streaming().await,
            "ping_pong" => self.ping_pong().await,
            "empty_stream" => self.empty_stream().await,
            "cancel_after_begin" => self.cancel_after_begin().await,
            "cancel_after_first_response" => self.cancel_after_first_response().await,
            "timeout_on_sleeping_server" => self.timeout().await,
            "custom_metadata" => self.metadata().await,
            "status_code_and_message" => self.status_is("test status message").await,
            "special_status_message" => self.status_is(SPECIAL).await,
            "unimplemented_method" => {
                ends_with(self.client().unimplemented_call(Empty {}).await.err(), Code::Unimplemented)
            }
            "unimplemented_service" => {
                let mut client = UnimplementedServiceClient::new(self.channel.clone());
                ends_with(client.unimplemented_call(Empty {}).await.err(), Code::Unimplemented)
            }
            "error_details" => self.error_details().await,
            "largest_message" => self.large(LIMIT - 1024, 3_141_590).await.map_err(Into::into),
            "message_over_the_limit" => self.over_the_limit().await,
            "thousand_calls" => {
                join_all((0..1000).map(|_| self.large(1000, 1000)))
                    .await
                    .into_iter()
                    .collect::<Result<(), Status>>()?;
                Ok(())
            }
            "peer_killed" => self.peer_killed().await,
            other => bail!("there is no case {other:?}"),
        }
    }

    async fn large(&self, request: usize, reply: i32) -> Result<(), Status> {
        let asked = SimpleRequest { response_size: reply, payload: block(request), ..Default::default() };
        let answer = self.client().unary_call(asked).await?.into_inner();
        match answer.payload.map(|payload| payload.body.len()) {
            Some(size) if i32::try_from(size) == Ok(reply) => Ok(()),
            other => Err(Status::data_loss(format!("{other:?} bytes came"))),
        }
    }

    async fn client_streaming(&self) -> Result<()> {
        let requests = REQUEST_SIZES.map(|size| StreamingInputCallRequest { payload: block(size) });
        let answer = self.client().streaming_input_call(stream::iter(requests)).await?.into_inner();
        ensure!(answer.aggregated_payload_size == 74_922, "{}", answer.aggregated_payload_size);
        Ok(())
    }

    async fn server_streaming(&self) -> Result<()> {
        let response_parameters = REPLY_SIZES.map(|size| ResponseParameters { size, interval_us: 0 }).to_vec();
        let request = StreamingOutputCallRequest { response_parameters, ..Default::default() };
        let mut replies = self.client().streaming_output_call(request).await?.into_inner();
        let mut sizes = Vec::new();
        while let Some(reply) = replies.message().await? {
            sizes.push(size(&reply));
        }
        ensure!(sizes == REPLY_SIZES, "{sizes:?}");
        Ok(())
    }

    async fn ping_pong(&self) -> Result<()> {
        let (sender, requests) = mpsc::channel(1);
        sender.send(ask(REQUEST_SIZES[0], REPLY_SIZES[0], 0)).await?;
        let mut replies = self.client().full_duplex_call(ReceiverStream::new(requests)).await?.into_inner();
        for at in 0..4 {
            if at > 0 {
                sender.send(ask(REQUEST_SIZES[at], REPLY_SIZES[at], 0)).await?;
            }
            let answer = replies.message().await?.context("an early end")?;
            ensure!(size(&answer) == REPLY_SIZES[at]);
        }
        drop(sender);
        ensure!(replies.message().await?.is_none(), "more than was asked for");
        Ok(())
    }

    async fn empty_stream(&self) -> Result<()> {
        let mut replies = self.client().full_duplex_call(stream::empty()).await?.into_inner();
        ensure!(replies.message().await?.is_none());
        Ok(())
    }

    /// A call of tonic is cancelled by dropping it: nobody is told, and others go on.
    async fn cancel_after_begin(&self) -> Result<()> {
        let (_sender, requests) = mpsc::channel(1);
        let mut client = self.client();
        let call = client.streaming_input_call(ReceiverStream::new(requests));
        ensure!(timeout(Duration::from_millis(20), call).await.is_err(), "it has ended");
        self.large(1, 1).await.map_err(Into::into)
    }

    async fn cancel_after_first_response(&self) -> Result<()> {
        let (sender, requests) = mpsc::channel(1);
        sender.send(ask(27_182, 31_415, 0)).await?;
        let mut replies = self.client().full_duplex_call(ReceiverStream::new(requests)).await?.into_inner();
        replies.message().await?.context("an early end")?;
        drop(replies);
        self.large(1, 1).await.map_err(Into::into)
    }

    async fn timeout(&self) -> Result<()> {
        let mut request = Request::new(stream::iter([ask(27_182, 31_415, 5_000_000)]));
        request.set_timeout(Duration::from_millis(20));
        let error = match self.client().full_duplex_call(request).await {
            Err(status) => status,
            Ok(replies) => replies.into_inner().message().await.err().context("it succeeded")?,
        };
        // tonic's own clock says cancelled.
        ensure!(matches!(error.code(), Code::DeadlineExceeded | Code::Cancelled), "{error}");
        Ok(())
    }

    async fn metadata(&self) -> Result<()> {
        let asked = SimpleRequest { response_size: 314_159, payload: block(271_828), ..Default::default() };
        let mut request = Request::new(asked);
        request.metadata_mut().insert("x-grpc-test-echo-initial", "test_initial_metadata_value".parse()?);
        let bytes = MetadataValue::from_bytes(&[0xab; 3]);
        request.metadata_mut().insert_bin("x-grpc-test-echo-trailing-bin", bytes);
        let answer = self.client().unary_call(request).await?;
        // tonic puts both into one map.
        let seen = answer.metadata();
        let initial = seen.get("x-grpc-test-echo-initial").context("no initial metadata")?;
        ensure!(initial == "test_initial_metadata_value", "{initial:?}");
        let trailing = seen.get_bin("x-grpc-test-echo-trailing-bin").context("no trailing metadata")?;
        ensure!(trailing.to_bytes()?[..] == [0xab; 3], "{trailing:?}");
        Ok(())
    }

    async fn failures(&self, code: i32, message: &str) -> Result<[Status; 2]> {
        let status = || Some(EchoStatus { code, message: message.to_owned() });
        let asked = SimpleRequest { response_status: status(), ..Default::default() };
        let unary = self.client().unary_call(asked).await.err().context("it succeeded")?;
        let request = StreamingOutputCallRequest { response_status: status(), ..Default::default() };
        let streamed = match self.client().full_duplex_call(stream::iter([request])).await {
            Err(status) => status,
            Ok(replies) => replies.into_inner().message().await.err().context("it succeeded")?,
        };
        Ok([unary, streamed])
    }

    async fn status_is(&self, message: &str) -> Result<()> {
        for found in self.failures(2, message).await? {
            ensure!((found.code(), found.message()) == (Code::Unknown, message), "{found}");
        }
        Ok(())
    }

    async fn error_details(&self) -> Result<()> {
        for message in [WITH_REASON, WITH_VIOLATIONS] {
            for found in self.failures(3, message).await? {
                ensure!(found.code() == Code::InvalidArgument && details::are_there(message, &found)?, "{found:?}");
            }
        }
        Ok(())
    }

    async fn over_the_limit(&self) -> Result<()> {
        for (request, reply) in [(LIMIT + 1, 1), (1, i32::try_from(LIMIT)? + 1)] {
            ends_with(self.large(request, reply).await.err(), Code::ResourceExhausted)
                .with_context(|| format!("{request} and {reply} bytes"))?;
        }
        self.large(1, 1).await.map_err(Into::into)
    }

    async fn peer_killed(&self) -> Result<()> {
        let pid = self.pid.context("--pid says which")?.to_string();
        let (sender, requests) = mpsc::channel(1);
        sender.send(ask(8, 9, 0)).await?;
        let mut replies = self.client().full_duplex_call(ReceiverStream::new(requests)).await?.into_inner();
        replies.message().await?.context("an early end")?;
        ensure!(Command::new("kill").args(["-9", &pid]).status()?.success(), "it cannot be killed");
        ensure!(replies.message().await.is_err(), "the call went on or ended well");
        Ok(())
    }
}

fn size(reply: &StreamingOutputCallResponse) -> i32 {
    i32::try_from(reply.payload.as_ref().map_or(0, |payload| payload.body.len())).unwrap_or(i32::MAX)
}

fn ask(request: usize, size: i32, interval_us: i32) -> StreamingOutputCallRequest {
    let response_parameters = vec![ResponseParameters { size, interval_us }];
    StreamingOutputCallRequest { response_parameters, payload: block(request), ..Default::default() }
}

fn ends_with(error: Option<Status>, code: Code) -> Result<()> {
    let error = error.with_context(|| format!("it succeeded in place of {code:?}"))?;
    ensure!(error.code() == code, "{error} in place of {code:?}");
    Ok(())
}
