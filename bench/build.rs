//! Compiles `proto/bench.proto` with protox, so that no protoc is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto/bench.proto");
    let descriptors = protox::compile(["bench.proto"], ["proto"])?;
    tonic_prost_build::configure()
        // The same Rust types go through bincode, MessagePack and JSON.
        .type_attribute(".", "#[derive(serde::Serialize, serde::Deserialize)]")
        .compile_fds(descriptors)?;
    Ok(())
}
