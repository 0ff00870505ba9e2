//! The edge worker's bundle, by worker-build.

use super::{Artefacts, EdgeEntry};
use crate::files;
use crate::process::run_foreground;
use crate::repo::Repo;
use crate::tools::EdgeTools;
use anyhow::{Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use tokio::process::Command;

/// All that the bundle is made from. The crates are those that `cargo xtask tidy` lets the edge use.
const INPUTS: [&str; 11] = [
    "Cargo.lock",
    "Cargo.toml",
    "core/domain/Cargo.toml",
    "core/domain/src",
    "core/policy/Cargo.toml",
    "core/policy/src",
    "edge/Cargo.toml",
    "edge/package-lock.json",
    "edge/src",
    "local/tools.txt",
    "rust-toolchain.toml",
];
const BUNDLE: [&str; 2] = ["index.js", "index_bg.wasm"];

/// Builds the bundle, unless the one in `artefacts` is made from the same inputs.
pub(super) async fn package(
    repo: &Repo,
    artefacts: &Artefacts,
    before: Option<&EdgeEntry>,
) -> Result<EdgeEntry> {
    let inputs_sha256 = hash_inputs(repo)?;
    let out = artefacts.dir.join("edge");
    let complete = BUNDLE.iter().all(|name| out.join(name).is_file());
    if let Some(before) = before
        && before.inputs_sha256 == inputs_sha256
        && complete
    {
        return Ok(before.clone());
    }
    build(repo).await?;
    fs::create_dir_all(&out)?;
    let (mut bytes, mut gzip_bytes) = (0_u64, 0_u64);
    for name in BUNDLE {
        let content = fs::read(repo.root.join("edge/build").join(name))?;
        fs::write(out.join(name), &content)?;
        bytes = bytes.saturating_add(u64::try_from(content.len())?);
        gzip_bytes = gzip_bytes.saturating_add(gzip_len(&content)?);
    }
    Ok(EdgeEntry {
        inputs_sha256,
        bytes,
        gzip_bytes,
        gzip_kib: gzip_bytes.div_ceil(1024),
    })
}

async fn build(repo: &Repo) -> Result<()> {
    let tools = EdgeTools::find(repo)?;
    let mut command = Command::new(&tools.worker_build);
    command
        .args(["--profile", "edge"])
        .current_dir(repo.root.join("edge"))
        .env("PATH", tools.path(&repo.search_path)?)
        .env("WASM_BINDGEN_BIN", &tools.wasm_bindgen)
        .env("WASM_OPT_BIN", &tools.wasm_opt)
        .env("ESBUILD_BIN", &tools.esbuild)
        .env("CARGO_TARGET_DIR", &repo.target);
    if let Some(toolchain) = &repo.wasm_toolchain {
        command.env("RUSTUP_TOOLCHAIN", toolchain);
    }
    if !run_foreground(&mut command).await?.success() {
        bail!(
            "the edge worker does not build; where the target wasm32-unknown-unknown cannot be \
             installed, SOUK_WASM_TOOLCHAIN can name a toolchain that has it"
        );
    }
    Ok(())
}

fn hash_inputs(repo: &Repo) -> Result<String> {
    let mut hash = Sha256::new();
    for input in INPUTS {
        hash_path(&mut hash, &repo.root, &repo.root.join(input))?;
    }
    hash.update(repo.wasm_toolchain.as_deref().unwrap_or_default());
    Ok(hex::encode(hash.finalize()))
}

/// Name and content of each file; lengths keep neighbours apart.
fn hash_path(hash: &mut Sha256, root: &Path, path: &Path) -> Result<()> {
    if path.is_dir() {
        for entry in files::entries(path)? {
            hash_path(hash, root, &entry)?;
        }
        return Ok(());
    }
    let content = fs::read(path)?;
    let name = path.strip_prefix(root)?.as_os_str().as_encoded_bytes();
    for field in [name, &content] {
        hash.update(u64::try_from(field.len())?.to_le_bytes());
        hash.update(field);
    }
    Ok(())
}

fn gzip_len(content: &[u8]) -> Result<u64> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    Ok(u64::try_from(encoder.finish()?.len())?)
}
