//! Compiles `idl/bench.thrift`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=idl/bench.thrift");
    volo_build::Builder::thrift().add_service("idl/bench.thrift").write()?;
    Ok(())
}
