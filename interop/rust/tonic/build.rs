//! Compiles `interop/proto/grpc/testing/test.proto` with protox, so that no protoc is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=../../proto/grpc/testing/test.proto");
    tonic_prost_build::configure().compile_fds(protox::compile(["grpc/testing/test.proto"], ["../../proto"])?)?;
    Ok(())
}
