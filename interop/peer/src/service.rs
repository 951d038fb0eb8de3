//! `grpc.testing.TestService`, served by Motet from its `.proto` file.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use motet::{
    Code, Context, Kind, MethodDescriptor, Payload, Result, Status, Streaming,
    core::{Codec, Family, MessageType, Service, validate::Report},
};
use prost::Message;

use crate::generated::grpc::testing::{
    EchoStatus, Empty, Payload as Block, SimpleRequest, SimpleResponse, StreamingInputCallRequest,
    StreamingInputCallResponse, StreamingOutputCallRequest, StreamingOutputCallResponse, TestService,
    TestServiceServer,
};

/// The service's name.
pub const SERVICE: &str = "grpc.testing.TestService";

/// A method of it, as one who has no types of it calls it.
pub fn method(service: &str, name: &str, kind: Kind) -> MethodDescriptor {
    MethodDescriptor::new(service, name).kind(kind).family(Family::Proto)
}

/// A message as a payload.
pub fn written<T: Message + Default + 'static>(message: T) -> Payload {
    Payload::typed(message, &MessageType::proto(), Codec::PROTOBUF)
}

/// The message in a payload.
///
/// # Errors
/// InvalidArgument when it is another.
pub fn read<T: Message + Default + 'static>(payload: Payload) -> Result<T> {
    payload.take(&MessageType::proto())
}

/// The service.
///
/// # Errors
/// None that it is known to have.
pub fn test_service() -> Result<Service> {
    TestServiceServer::new(Me).into_service()
}

/// Gives back the metadata that the tests want back.
fn echo(cx: &Context) -> Result<()> {
    let reply = cx.reply();
    if let Some(value) = cx.metadata().get("x-grpc-test-echo-initial") {
        reply.add_initial("x-grpc-test-echo-initial", value)?;
    }
    if let Some(value) = cx.metadata().get_bin("x-grpc-test-echo-trailing-bin") {
        let mut trailing = reply.trailing().unwrap_or_default();
        trailing.append_bin("x-grpc-test-echo-trailing-bin", value.clone())?;
        reply.set_trailing(trailing);
    }
    Ok(())
}

/// What asks for an error with details: `ErrorInfo`, or `BadRequest`.
pub(crate) const WITH_REASON: &str = "with a reason";
/// As [`WITH_REASON`].
pub(crate) const WITH_VIOLATIONS: &str = "with violations";
/// What they say.
pub(crate) const REASON: &str = "Interop.Detailed";

fn wished(status: Option<EchoStatus>) -> Result<()> {
    match status {
        Some(EchoStatus { message, .. }) if message == WITH_REASON => {
            Err(Status::invalid_argument(message).with_reason(REASON))
        }
        Some(EchoStatus { message, .. }) if message == WITH_VIOLATIONS => {
            let mut report = Report::default();
            report.field("payload", |report| report.length("", Some(1), None));
            Err(report.into_status())
        }
        Some(EchoStatus { code, message }) if code != 0 => {
            Err(Status::new(Code::from_number(u64::try_from(code).unwrap_or(2)), message))
        }
        _ => Ok(()),
    }
}

fn block(size: i32) -> Result<Option<Block>> {
    let size = usize::try_from(size).map_err(|_| Status::invalid_argument("response_size: it is negative"))?;
    Ok(Some(Block { r#type: 0, body: vec![0; size] }))
}

/// What one request wants, one after the other.
fn answers(
    request: StreamingOutputCallRequest,
) -> impl futures_util::Stream<Item = Result<StreamingOutputCallResponse>> + Send {
    let end = wished(request.response_status).err().map(Err);
    let parts = stream::iter(request.response_parameters).then(|wish| async move {
        if wish.interval_us > 0 {
            tokio::time::sleep(Duration::from_micros(u64::from(wish.interval_us.unsigned_abs()))).await;
        }
        Ok(StreamingOutputCallResponse { payload: block(wish.size)? })
    });
    parts.chain(stream::iter(end))
}

/// Its methods that are not here answer that they are unimplemented.
struct Me;

impl TestService for Me {
    async fn empty_call(&self, _: &Context, _: Empty) -> Result<Empty> {
        Ok(Empty {})
    }

    async fn unary_call(&self, cx: &Context, request: SimpleRequest) -> Result<SimpleResponse> {
        echo(cx)?;
        wished(request.response_status)?;
        Ok(SimpleResponse { payload: block(request.response_size)? })
    }

    async fn cacheable_unary_call(&self, cx: &Context, request: SimpleRequest) -> Result<SimpleResponse> {
        self.unary_call(cx, request).await
    }

    async fn streaming_input_call(
        &self,
        _: &Context,
        mut requests: Streaming<StreamingInputCallRequest>,
    ) -> Result<StreamingInputCallResponse> {
        let mut total = 0;
        while let Some(request) = requests.next().await {
            total += request?.payload.map_or(0, |payload| payload.body.len());
        }
        Ok(StreamingInputCallResponse { aggregated_payload_size: i32::try_from(total).unwrap_or(i32::MAX) })
    }

    async fn streaming_output_call(
        &self,
        cx: &Context,
        request: StreamingOutputCallRequest,
    ) -> Result<Streaming<StreamingOutputCallResponse>> {
        echo(cx)?;
        Ok(Streaming::new(Box::pin(answers(request))))
    }

    async fn full_duplex_call(
        &self,
        cx: &Context,
        requests: Streaming<StreamingOutputCallRequest>,
    ) -> Result<Streaming<StreamingOutputCallResponse>> {
        echo(cx)?;
        let replies = requests.flat_map(|request| match request {
            Ok(request) => answers(request).left_stream(),
            Err(status) => stream::iter([Err(status)]).right_stream(),
        });
        // Nothing follows an error.
        let mut over = false;
        let replies = replies.take_while(move |item| {
            let go_on = !over;
            over = item.is_err();
            std::future::ready(go_on)
        });
        Ok(Streaming::new(Box::pin(replies)))
    }

    async fn half_duplex_call(
        &self,
        cx: &Context,
        requests: Streaming<StreamingOutputCallRequest>,
    ) -> Result<Streaming<StreamingOutputCallResponse>> {
        self.full_duplex_call(cx, requests).await
    }
}
