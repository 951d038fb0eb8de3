//! Compiles `interop/proto/grpc/testing/test.proto` with protox, so that no protoc is needed.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=../../proto/grpc/testing/test.proto");
    let files = protox::compile(["grpc/testing/test.proto"], ["../../proto"])?;
    let set = PathBuf::from(std::env::var("OUT_DIR")?).join("testing.binpb");
    std::fs::write(set, prost::Message::encode_to_vec(&files))?;
    tonic_prost_build::configure().compile_fds(files)?;
    Ok(())
}
