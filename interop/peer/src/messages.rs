//! The messages of `grpc.testing`, as far as the cases use them
//! (<https://github.com/grpc/grpc-proto/blob/master/grpc/testing/messages.proto>).
#![allow(missing_docs, reason = "they are what the page says")]

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub struct Nothing {}

#[derive(Clone, PartialEq, Message)]
pub struct Block {
    #[prost(int32, tag = "1")]
    pub kind: i32,
    #[prost(bytes = "bytes", tag = "2")]
    pub body: bytes::Bytes,
}

impl Block {
    /// A block of zeros.
    pub fn of(size: usize) -> Option<Block> {
        Some(Block { kind: 0, body: vec![0; size].into() })
    }
}

#[derive(Clone, PartialEq, Message)]
pub struct EchoStatus {
    #[prost(int32, tag = "1")]
    pub code: i32,
    #[prost(string, tag = "2")]
    pub message: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct SimpleRequest {
    #[prost(int32, tag = "2")]
    pub response_size: i32,
    #[prost(message, tag = "3")]
    pub payload: Option<Block>,
    #[prost(message, tag = "7")]
    pub response_status: Option<EchoStatus>,
}

#[derive(Clone, PartialEq, Message)]
pub struct SimpleResponse {
    #[prost(message, tag = "1")]
    pub payload: Option<Block>,
}

#[derive(Clone, PartialEq, Message)]
pub struct InputRequest {
    #[prost(message, tag = "1")]
    pub payload: Option<Block>,
}

#[derive(Clone, PartialEq, Message)]
pub struct InputResponse {
    #[prost(int32, tag = "1")]
    pub aggregated_payload_size: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct ResponseParameters {
    #[prost(int32, tag = "1")]
    pub size: i32,
    #[prost(int32, tag = "2")]
    pub interval_us: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct OutputRequest {
    #[prost(message, repeated, tag = "2")]
    pub response_parameters: Vec<ResponseParameters>,
    #[prost(message, tag = "3")]
    pub payload: Option<Block>,
    #[prost(message, tag = "7")]
    pub response_status: Option<EchoStatus>,
}

#[derive(Clone, PartialEq, Message)]
pub struct OutputResponse {
    #[prost(message, tag = "1")]
    pub payload: Option<Block>,
}
