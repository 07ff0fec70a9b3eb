//! Generates the gRPC service from its published definition.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    tonic_prost_build::configure()
        .codec_path("crate::grpc::codec::Codec")
        // One whose events are not values yet.
        .extern_path(".storepulse.collector.v1.CollectRequest", "crate::grpc::request::CollectRequest")
        .file_descriptor_set_path(out.join("collector.bin"))
        .compile_protos(&["proto/storepulse/collector/v1/collector.proto"], &["proto"])?;
    Ok(())
}
