//! Compiles `interop/proto/grpc/testing/test.proto`.

fn main() -> Result<(), motet_build::Error> {
    motet_build::compile(&["grpc/testing/test.proto"], &["../proto"])
}
