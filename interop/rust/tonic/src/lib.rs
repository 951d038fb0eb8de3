//! tonic as the other side of gRPC's interoperability tests: the service, and the cases with it as the client.

pub mod cases;
pub mod server;

/// What tonic generates for `grpc.testing`.
pub mod testing {
    #![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]
    tonic::include_proto!("grpc.testing");
}

mod details;
