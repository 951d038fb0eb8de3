//! One test body for every way to a service: in the same value, in the same App, through memory, TCP, a
//! Unix socket and TLS by motet/1, by gRPC with and without TLS, by gRPC-Web and Connect, by HTTP/JSON over
//! HTTP/2, and by a protocol of lines. What comes of a call is the same.
#![cfg(unix)]

mod actions;
mod fixed;
mod generated;
mod service;
mod ways;

#[path = "../../../motet-rpc/tests/server_support/line.rs"]
#[allow(unreachable_pub, missing_docs, reason = "it is shared with the tests of the listener")]
mod line;
#[path = "../../../motet-rpc/tests/server_support/line_client.rs"]
#[allow(unreachable_pub, missing_docs, reason = "it is shared with the tests of the listener")]
mod line_client;
