//! Compiles the protocol files in pure Rust (protox), so that no system `protoc` is needed.

mod json;

use std::error::Error;
use std::path::{Path, PathBuf};

use prost::Message as _;

/// One package for each of these rooms, at `proto/weir/<room>/v1/<room>.proto`.
const ROOMS: [&str; 8] = [
    "common",
    "events",
    "gateway",
    "monitor",
    "cache",
    "scheduler",
    "maintenance",
    "backup",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    println!("cargo::rerun-if-changed=json.rs");
    let files = ROOMS.map(|room| root.join(format!("weir/{room}/v1/{room}.proto")));
    let with_comments = protox::compile(files, [root])?;
    write_descriptor(with_comments.clone())?;

    let mut builder = tonic_prost_build::configure()
        .bytes(".")
        .btree_map(".")
        // It need not be made of values before it is sent.
        .extern_path(".weir.gateway.v1.RowBatch", "crate::RowBatch")
        // They are shown without what nobody may see: src/discreet.rs.
        .skip_debug([
            ".weir.gateway.v1.ResolveSessionRequest",
            ".weir.gateway.v1.CallStatementRequest",
        ])
        .emit_rerun_if_changed(false);
    for room in ROOMS {
        let package = format!("weir.{room}.v1");
        builder = builder
            .client_mod_attribute(&package, format!("#[cfg(feature = \"{room}-client\")]"))
            .server_mod_attribute(&package, format!("#[cfg(feature = \"{room}-server\")]"));
    }
    json::derive(builder, &with_comments).compile_fds(with_comments)?;
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "cargo tells a build script where to write through the environment only"
)]
fn out_dir() -> Result<PathBuf, std::env::VarError> {
    std::env::var("OUT_DIR").map(PathBuf::from)
}

/// The descriptor that reflection serves and the contract test compares: everything but the comments.
fn write_descriptor(mut set: tonic_prost_build::FileDescriptorSet) -> Result<(), Box<dyn Error>> {
    for file in &mut set.file {
        file.source_code_info = None;
    }
    std::fs::write(out_dir()?.join("descriptor.binpb"), set.encode_to_vec())?;
    Ok(())
}
