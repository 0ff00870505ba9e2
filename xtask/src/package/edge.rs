//! The edge worker's bundle: the policy in WASM, and the JavaScript around it.

use super::inputs::hash_inputs;
use super::{Artefacts, EdgeEntry, wasm};
use crate::files;
use crate::process::run_foreground;
use crate::repo::Repo;
use crate::tools::EdgeTools;
use anyhow::{Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use tokio::process::Command;

const TARGET: &str = "wasm32-unknown-unknown";

/// All that the bundle is made from. The crates are those that `cargo xtask tidy` lets the edge use.
const INPUTS: [&str; 10] = [
    "Cargo.lock",
    "Cargo.toml",
    "core/domain/Cargo.toml",
    "core/domain/src",
    "core/policy/Cargo.toml",
    "core/policy/src",
    "edge/Cargo.toml",
    "edge/package-lock.json",
    "edge/src",
    "rust-toolchain.toml",
];
const WASM: &str = "index_bg.wasm";
/// The worker, and its WASM.
const BUNDLE: [&str; 2] = ["index.js", WASM];
/// The policy without the worker, for whoever runs its vectors in workerd; not deployed.
const POLICY: &str = "policy.js";
/// What workerd's V8 has, and rustc uses.
const WASM_FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// Builds the bundle, unless the one in `artefacts` is made from the same inputs.
pub(super) async fn package(
    repo: &Repo,
    artefacts: &Artefacts,
    before: Option<&EdgeEntry>,
) -> Result<EdgeEntry> {
    let inputs_sha256 = hash_inputs(repo, &INPUTS)?;
    let out = artefacts.dir.join("edge");
    let complete = BUNDLE
        .iter()
        .chain([&POLICY])
        .all(|name| out.join(name).is_file());
    if let Some(before) = before
        && before.inputs_sha256 == inputs_sha256
        && complete
    {
        return Ok(before.clone());
    }
    build(repo, &out).await?;
    let (mut bytes, mut gzip_bytes) = (0_u64, 0_u64);
    for name in BUNDLE {
        let content = fs::read(out.join(name))?;
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

/// Compiles, declares the border (wasm-bindgen), shrinks and bundles.
async fn build(repo: &Repo, out: &Path) -> Result<()> {
    let tools = EdgeTools::find(repo)?;
    let search_path = tools.path(&repo.search_path)?;
    wasm::compile(repo, "souk-edge", "edge", TARGET).await?;

    let draft = repo.target.join("souk-edge-bundle");
    fs::create_dir_all(&draft)?;
    fs::create_dir_all(out)?;
    let compiled = repo.target.join(TARGET).join("edge/souk_edge.wasm");
    let mut bindgen = Command::new(&tools.wasm_bindgen);
    bindgen
        .args([
            "--target",
            "web",
            "--no-typescript",
            "--out-name",
            "souk_edge",
        ])
        .arg("--out-dir")
        .arg(&draft)
        .arg(compiled);
    run(&mut bindgen, "wasm-bindgen has failed").await?;

    let mut shrink = Command::new(&tools.wasm_opt);
    shrink
        .arg("-Oz")
        .args(WASM_FEATURES)
        .arg("-o")
        .arg(out.join(WASM))
        .arg(draft.join("souk_edge_bg.wasm"))
        .env("PATH", &search_path);
    run(&mut shrink, "wasm-opt has failed").await?;

    for entry in files::entries(&repo.root.join("edge/src"))? {
        if let Some(name) = entry.file_name()
            && entry.extension().is_some_and(|kind| kind == "js")
        {
            fs::copy(&entry, draft.join(name))?;
        }
    }
    for (source, bundle) in [("worker.js", "index.js"), (POLICY, POLICY)] {
        let mut esbuild = Command::new(&tools.esbuild);
        esbuild
            .arg(draft.join(source))
            .args(["--bundle", "--format=esm", "--target=es2022", "--minify"])
            .args([
                "--external:./index_bg.wasm",
                "--external:cloudflare:workers",
            ])
            .arg("--log-level=warning")
            .arg(format!("--outfile={}", out.join(bundle).display()));
        run(&mut esbuild, "esbuild has failed").await?;
    }
    Ok(())
}

async fn run(command: &mut Command, problem: &str) -> Result<()> {
    if !run_foreground(command).await?.success() {
        bail!("{problem}");
    }
    Ok(())
}

fn gzip_len(content: &[u8]) -> Result<u64> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    Ok(u64::try_from(encoder.finish()?.len())?)
}
