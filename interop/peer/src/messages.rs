//! The messages of `grpc.testing`, as far as the cases use them
//! (<https://github.com/grpc/grpc-proto/blob/master/grpc/testing/messages.proto>).

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Nothing {}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Block {
    #[prost(int32, tag = "1")]
    pub(crate) kind: i32,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) body: bytes::Bytes,
}

impl Block {
    pub(crate) fn of(size: usize) -> Option<Block> {
        Some(Block { kind: 0, body: vec![0; size].into() })
    }
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct EchoStatus {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SimpleRequest {
    #[prost(int32, tag = "2")]
    pub(crate) response_size: i32,
    #[prost(message, tag = "3")]
    pub(crate) payload: Option<Block>,
    #[prost(message, tag = "7")]
    pub(crate) response_status: Option<EchoStatus>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SimpleResponse {
    #[prost(message, tag = "1")]
    pub(crate) payload: Option<Block>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct InputRequest {
    #[prost(message, tag = "1")]
    pub(crate) payload: Option<Block>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct InputResponse {
    #[prost(int32, tag = "1")]
    pub(crate) aggregated_payload_size: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ResponseParameters {
    #[prost(int32, tag = "1")]
    pub(crate) size: i32,
    #[prost(int32, tag = "2")]
    pub(crate) interval_us: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct OutputRequest {
    #[prost(message, repeated, tag = "2")]
    pub(crate) response_parameters: Vec<ResponseParameters>,
    #[prost(message, tag = "3")]
    pub(crate) payload: Option<Block>,
    #[prost(message, tag = "7")]
    pub(crate) response_status: Option<EchoStatus>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct OutputResponse {
    #[prost(message, tag = "1")]
    pub(crate) payload: Option<Block>,
}
