//! The other side of gRPC's interoperability tests, by Motet: the service, the cases, and a service that is a
//! trait with a field for each row of the mapping to protobuf. The program beside it serves and calls.

pub mod cases;
/// What motet-build makes of `grpc/testing/test.proto`.
pub mod generated {
    motet::include_proto!();
}
pub mod messages;
pub mod rows;
pub mod service;
