//! `grpc.testing.TestService`, served by tonic.

use std::{pin::Pin, time::Duration};

use futures_util::{Stream, StreamExt, stream};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap, transport::Server};

use crate::{
    details,
    testing::{
        EchoStatus, Empty, Payload, SimpleRequest, SimpleResponse, StreamingInputCallRequest,
        StreamingInputCallResponse, StreamingOutputCallRequest, StreamingOutputCallResponse,
        test_service_server::{TestService, TestServiceServer},
    },
};

type Replies = Pin<Box<dyn Stream<Item = Result<StreamingOutputCallResponse, Status>> + Send>>;

/// Serves until it is dropped.
///
/// # Errors
/// What the transport fails with.
pub async fn serve(listener: TcpListener) -> anyhow::Result<()> {
    let service = TestServiceServer::new(Me);
    Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener)).await?;
    Ok(())
}

struct Me;

/// A block of zeros.
pub(crate) fn block(size: usize) -> Option<Payload> {
    Some(Payload { r#type: 0, body: vec![0; size] })
}

fn wished(status: Option<EchoStatus>) -> Result<(), Status> {
    match status {
        Some(EchoStatus { code, message }) if code != 0 => Err(details::status(code, &message)),
        _ => Ok(()),
    }
}

/// Gives back the initial metadata that the tests want back. tonic's handlers have no way to set trailing
/// metadata of a success: they go with what fails.
fn echo<T>(sent: &MetadataMap, reply: T) -> Response<T> {
    let mut response = Response::new(reply);
    if let Some(value) = sent.get("x-grpc-test-echo-initial") {
        response.metadata_mut().insert("x-grpc-test-echo-initial", value.clone());
    }
    response
}

fn answers(request: StreamingOutputCallRequest) -> impl Stream<Item = Result<StreamingOutputCallResponse, Status>> {
    let end = wished(request.response_status).err().map(Err);
    let parts = stream::iter(request.response_parameters).then(|wish| async move {
        tokio::time::sleep(Duration::from_micros(u64::from(wish.interval_us.unsigned_abs()))).await;
        Ok(StreamingOutputCallResponse { payload: block(usize::try_from(wish.size).unwrap_or_default()) })
    });
    parts.chain(stream::iter(end))
}

#[tonic::async_trait]
impl TestService for Me {
    type StreamingOutputCallStream = Replies;
    type FullDuplexCallStream = Replies;
    type HalfDuplexCallStream = Replies;

    async fn empty_call(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        Ok(Response::new(Empty {}))
    }

    async fn unary_call(&self, request: Request<SimpleRequest>) -> Result<Response<SimpleResponse>, Status> {
        let (sent, _, request) = request.into_parts();
        wished(request.response_status)?;
        let size = usize::try_from(request.response_size).map_err(|_| Status::invalid_argument("response_size"))?;
        Ok(echo(&sent, SimpleResponse { payload: block(size) }))
    }

    async fn cacheable_unary_call(&self, request: Request<SimpleRequest>) -> Result<Response<SimpleResponse>, Status> {
        self.unary_call(request).await
    }

    async fn streaming_input_call(
        &self,
        request: Request<Streaming<StreamingInputCallRequest>>,
    ) -> Result<Response<StreamingInputCallResponse>, Status> {
        let (mut requests, mut total) = (request.into_inner(), 0);
        while let Some(request) = requests.message().await? {
            total += request.payload.map_or(0, |payload| payload.body.len());
        }
        let aggregated_payload_size = i32::try_from(total).unwrap_or(i32::MAX);
        Ok(Response::new(StreamingInputCallResponse { aggregated_payload_size }))
    }

    async fn streaming_output_call(
        &self,
        request: Request<StreamingOutputCallRequest>,
    ) -> Result<Response<Replies>, Status> {
        let (sent, _, request) = request.into_parts();
        Ok(echo(&sent, Box::pin(answers(request)) as Replies))
    }

    async fn full_duplex_call(
        &self,
        request: Request<Streaming<StreamingOutputCallRequest>>,
    ) -> Result<Response<Replies>, Status> {
        let (sent, _, requests) = request.into_parts();
        let replies = requests.flat_map(|request| match request {
            Ok(request) => answers(request).left_stream(),
            Err(status) => stream::iter([Err(status)]).right_stream(),
        });
        Ok(echo(&sent, Box::pin(replies) as Replies))
    }

    async fn half_duplex_call(
        &self,
        request: Request<Streaming<StreamingOutputCallRequest>>,
    ) -> Result<Response<Replies>, Status> {
        self.full_duplex_call(request).await
    }

    async fn unimplemented_call(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        Err(Status::unimplemented("it is not there"))
    }
}
