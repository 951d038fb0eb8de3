//! `grpc.testing.TestService`, served by tonic.

use std::{pin::Pin, str::FromStr, time::Duration};

use anyhow::bail;
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

/// A version of the reflection service.
#[derive(Clone, Copy, Debug)]
pub enum Reflection {
    /// `grpc.reflection.v1`.
    V1,
    /// `grpc.reflection.v1alpha`.
    V1Alpha,
}

impl FromStr for Reflection {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> anyhow::Result<Reflection> {
        match name {
            "v1" => Ok(Reflection::V1),
            "v1alpha" => Ok(Reflection::V1Alpha),
            other => bail!("{other}: the versions of reflection are v1 and v1alpha"),
        }
    }
}

/// Serves until it is dropped, with this version of reflection and no other.
///
/// # Errors
/// What the transport fails with.
pub async fn serve(listener: TcpListener, reflection: Option<Reflection>) -> anyhow::Result<()> {
    let files = || tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(FILES);
    let (mut v1, mut v1alpha) = (None, None);
    match reflection {
        Some(Reflection::V1) => v1 = Some(files().build_v1()?),
        Some(Reflection::V1Alpha) => v1alpha = Some(files().build_v1alpha()?),
        None => {}
    }
    let services = Server::builder().add_service(TestServiceServer::new(Me));
    let services = services.add_optional_service(v1).add_optional_service(v1alpha);
    services.serve_with_incoming(TcpListenerStream::new(listener)).await?;
    Ok(())
}

/// The files that the service is declared in.
const FILES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/testing.binpb"));

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
