//! gRPC, gRPC-Web and Connect: server and client side.
//!
//! [`GrpcServer`] goes behind an [`HttpServer`](motet_http::HttpServer) and serves what the App serves;
//! [`GrpcServer::with_health`] and [`GrpcServer::with_reflection`] add what tools expect beside it.
//! [`GrpcClient`], [`GrpcWebClient`] and [`ConnectClient`] call services that speak one of the three. [`wire`] is the pure
//! part: bytes and headers.
//! No type of a gRPC library is in any signature here.

mod budget;
mod client;
mod config;
mod content;
mod flavour;
mod messages;
mod server;
mod services;
mod task;
pub mod wire;
mod within;

pub use client::{ConnectClient, GrpcClient, GrpcWebClient};
pub use config::{CompressionName, GrpcConfig};
pub use server::GrpcServer;
pub use services::{health::HealthSource, reflection::MayAsk};
