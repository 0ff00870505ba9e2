//! The gateway: the policy in a Spin component, and its manifest beside it.

use super::inputs::hash_inputs;
use super::{Artefacts, GatewayEntry, wasm};
use crate::repo::Repo;
use anyhow::{Context as _, Result, bail};
use std::fs;

const TARGET: &str = "wasm32-wasip2";
const PROFILE: &str = "gateway";
const COMPONENT: &str = "souk_gateway.wasm";
const MANIFEST: &str = "spin.toml";

/// All that it is made from. The crates are those that `cargo xtask tidy` lets the gateway use.
const INPUTS: [&str; 9] = [
    "Cargo.lock",
    "Cargo.toml",
    "core/domain/Cargo.toml",
    "core/domain/src",
    "core/policy/Cargo.toml",
    "core/policy/src",
    "rust-toolchain.toml",
    "wasm/gateway/Cargo.toml",
    "wasm/gateway/src",
];

/// Builds it, unless the one in `artefacts` is made from the same inputs. The manifest is always copied.
pub(super) async fn package(
    repo: &Repo,
    artefacts: &Artefacts,
    before: Option<&GatewayEntry>,
) -> Result<GatewayEntry> {
    let inputs_sha256 = hash_inputs(repo, &INPUTS)?;
    let out = artefacts.dir.join("gateway");
    fs::create_dir_all(&out)?;
    let compiled = repo.target.join(TARGET).join(PROFILE).join(COMPONENT);
    let manifest = repo.root.join("wasm/gateway").join(MANIFEST);
    let manifest = fs::read_to_string(&manifest)
        .with_context(|| format!("cannot read {}", manifest.display()))?;
    fs::write(out.join(MANIFEST), beside_component(&manifest)?)?;
    let component = artefacts.gateway_component();
    if let Some(before) = before
        && before.inputs_sha256 == inputs_sha256
        && component.is_file()
    {
        return Ok(before.clone());
    }
    wasm::compile(repo, "souk-gateway", PROFILE, TARGET).await?;
    fs::copy(&compiled, &component)
        .with_context(|| format!("cannot copy {}", compiled.display()))?;
    Ok(GatewayEntry {
        inputs_sha256,
        bytes: fs::metadata(&component)?.len(),
    })
}

/// The manifest for who has the component beside it, and nothing to build it from.
fn beside_component(manifest: &str) -> Result<String> {
    let mut text = String::new();
    let (mut has_source, mut is_build) = (false, false);
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_build = line.ends_with(".build]");
        }
        if is_build {
            continue;
        }
        if line.starts_with("source = ") {
            has_source = true;
            text.push_str("source = \"");
            text.push_str(COMPONENT);
            text.push_str("\"\n");
        } else {
            text.push_str(line);
            text.push('\n');
        }
    }
    if !has_source {
        bail!("wasm/gateway/{MANIFEST} has no line that begins with `source = `");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packaged_manifest_is_the_same_but_for_its_source() {
        let own = include_str!("../../../wasm/gateway/spin.toml");
        let packaged = beside_component(own).unwrap();
        let of = |text: &str| -> toml::Table { text.parse().unwrap() };
        let (mut own, packaged) = (of(own), of(&packaged));
        let gateway = own["component"]["gateway"].as_table_mut().unwrap();
        assert!(gateway.remove("build").is_some());
        gateway["source"] = COMPONENT.into();
        assert_eq!(own, packaged);
        assert!(beside_component("[component.gateway]").is_err());
    }
}
