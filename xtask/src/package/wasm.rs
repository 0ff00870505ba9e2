//! Crates that are compiled to WASM.

use crate::process::run_foreground;
use crate::repo::Repo;
use anyhow::{Result, bail};
use tokio::process::Command;

/// Compiles `package` for `target`, by the toolchain that is named for WASM, if one is.
pub(super) async fn compile(repo: &Repo, package: &str, profile: &str, target: &str) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--profile", profile, "--package", package])
        .args(["--target", target])
        .current_dir(&repo.root)
        .env("CARGO_TARGET_DIR", &repo.target);
    if let Some(toolchain) = &repo.wasm_toolchain {
        cargo.env("RUSTUP_TOOLCHAIN", toolchain);
    }
    if !run_foreground(&mut cargo).await?.success() {
        bail!(
            "{package} does not build; where the target {target} cannot be installed, \
             SOUK_WASM_TOOLCHAIN can name a toolchain that has it"
        );
    }
    Ok(())
}
