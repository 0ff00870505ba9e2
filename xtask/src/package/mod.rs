//! `cargo xtask package`: what is deployed. One zip for each function, with its binary as `bootstrap`,
//! the bundle of the edge worker, and the Spin component; `manifest.json` tells their sizes.

mod edge;
mod function;
mod gateway;
mod inputs;
mod wasm;

use crate::repo::Repo;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use souk_names::Names;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// What is packaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// What the local cloud runs.
    Here,
    /// That, and the gateway, which only tests run.
    Tests,
    /// What a cloud runs besides, and the gateway.
    All,
}

impl Which {
    /// Packages of functions, each of which becomes a Lambda function of the same name.
    fn functions(self) -> Result<Vec<String>> {
        let names = Names::read()?;
        let functions = names.functions.iter();
        let wanted = functions.filter(|(_, f)| self == Self::All || f.cloud_only.is_none());
        Ok(wanted.map(|(short, _)| names.full_name(short)).collect())
    }
}

/// What is run beside the functions in the local cloud.
const PSP_SIMULATOR: &str = "souk-psp-simulator";
/// The package of the operator's command line, by which the local cloud publishes its tenants, and its program.
const OPERATOR: (&str, &str) = ("souk-cli", "souk");
const MANIFEST: &str = "manifest.json";

/// A folder with everything that is deployed.
#[derive(Debug, Clone)]
pub(crate) struct Artefacts {
    /// The folder.
    pub(crate) dir: PathBuf,
}

impl Artefacts {
    /// The zip of a function.
    pub(crate) fn zip(&self, function: &str) -> PathBuf {
        self.dir.join(format!("{function}.zip"))
    }

    /// The program that stands for the payment service provider in the local cloud; never deployed.
    pub(crate) fn psp_simulator(&self) -> PathBuf {
        self.dir.join(PSP_SIMULATOR)
    }

    /// The operator's command line; never deployed.
    pub(crate) fn operator(&self) -> PathBuf {
        self.dir.join(OPERATOR.1)
    }

    /// The worker's main module; the WASM lies beside it.
    pub(crate) fn edge_module(&self) -> PathBuf {
        self.dir.join("edge/index.js")
    }

    /// The Spin component; its manifest lies beside it.
    pub(crate) fn gateway_component(&self) -> PathBuf {
        self.dir.join("gateway/souk_gateway.wasm")
    }

    fn require_all(&self, which: Which) -> Result<()> {
        let functions = which.functions()?;
        let zips = functions.iter().map(|function| self.zip(function));
        let gateway = (which != Which::Here).then(|| self.gateway_component());
        let others = [self.edge_module(), self.psp_simulator(), self.operator()];
        for path in zips.chain(others).chain(gateway) {
            if !path.is_file() {
                bail!(
                    "{} is missing: SOUK_ARTEFACTS must name a folder that \
                     `cargo xtask package` has filled",
                    path.display()
                );
            }
        }
        Ok(())
    }
}

/// What was packaged, from what, and how large it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    functions: BTreeMap<String, FunctionEntry>,
    edge: Option<EdgeEntry>,
    #[serde(default)]
    gateway: Option<GatewayEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FunctionEntry {
    zip: String,
    zip_bytes: u64,
    bootstrap_bytes: u64,
    bootstrap_sha256: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct EdgeEntry {
    inputs_sha256: String,
    bytes: u64,
    gzip_bytes: u64,
    /// Rounded up.
    gzip_kib: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct GatewayEntry {
    inputs_sha256: String,
    bytes: u64,
}

/// The artefacts to run: those of `SOUK_ARTEFACTS`, or freshly packaged ones.
pub(crate) async fn artefacts(repo: &Repo) -> Result<Artefacts> {
    these(repo, Which::Here).await
}

/// The same, with the gateway.
pub(crate) async fn artefacts_for_tests(repo: &Repo) -> Result<Artefacts> {
    these(repo, Which::Tests).await
}

async fn these(repo: &Repo, which: Which) -> Result<Artefacts> {
    let Some(dir) = &repo.artefacts else {
        return package(repo, &default_dir(repo), which).await;
    };
    let artefacts = Artefacts { dir: dir.clone() };
    artefacts.require_all(which)?;
    Ok(artefacts)
}

/// Where artefacts go when nothing else is said.
pub(crate) fn default_dir(repo: &Repo) -> PathBuf {
    repo.state().join("artefacts")
}

/// Builds everything that is not up to date into `dir`.
async fn package(repo: &Repo, dir: &Path, which: Which) -> Result<Artefacts> {
    let dir = std::path::absolute(dir)?;
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    // Clones share the target directory, where each build of a binary replaces the other clone's:
    // nobody else may build between our build and our copy.
    fs::create_dir_all(&repo.target)?;
    let lock = File::create(repo.target.join("souk-package.lock"))?;
    let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await??;

    let artefacts = Artefacts { dir };
    let path = artefacts.dir.join(MANIFEST);
    // One that cannot be read was written by another version of this program: all is built anew.
    let before: Manifest = fs::read(&path)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let manifest = Manifest {
        functions: function::package_all(repo, &artefacts, &before, which).await?,
        edge: Some(edge::package(repo, &artefacts, before.edge.as_ref()).await?),
        gateway: match which {
            Which::Here => before.gateway.clone(),
            Which::Tests | Which::All => {
                Some(gateway::package(repo, &artefacts, before.gateway.as_ref()).await?)
            }
        },
    };
    if manifest != before {
        fs::write(&path, serde_json::to_vec_pretty(&manifest)?)?;
    }
    drop(lock);
    Ok(artefacts)
}

/// `cargo xtask package --edge`
pub(crate) async fn run_edge(repo: &Repo, dir: Option<&Path>) -> Result<()> {
    let dir = std::path::absolute(dir.map_or_else(|| default_dir(repo), Path::to_owned))?;
    fs::create_dir_all(&dir)?;
    let artefacts = Artefacts { dir };
    let entry = edge::package(repo, &artefacts, None).await?;
    tell_edge(&artefacts, &entry);
    Ok(())
}

fn tell_edge(artefacts: &Artefacts, edge: &EdgeEntry) {
    let (kib, module) = (edge.gzip_kib, artefacts.edge_module());
    println!("{kib:>8} KiB  {} and its WASM, gzip", module.display());
}

fn tell_gateway(artefacts: &Artefacts, gateway: &GatewayEntry) {
    let (kib, component) = (gateway.bytes.div_ceil(1024), artefacts.gateway_component());
    println!("{kib:>8} KiB  {}", component.display());
}

/// `cargo xtask package`
pub(crate) async fn run(repo: &Repo, dir: Option<&Path>) -> Result<()> {
    let dir = dir.map_or_else(|| default_dir(repo), Path::to_owned);
    let artefacts = package(repo, &dir, Which::All).await?;
    let manifest: Manifest = serde_json::from_slice(&fs::read(artefacts.dir.join(MANIFEST))?)?;
    for entry in manifest.functions.values() {
        let kib = entry.zip_bytes.div_ceil(1024);
        println!("{kib:>8} KiB  {}", artefacts.dir.join(&entry.zip).display());
    }
    if let Some(edge) = &manifest.edge {
        tell_edge(&artefacts, edge);
    }
    if let Some(gateway) = &manifest.gateway {
        tell_gateway(&artefacts, gateway);
    }
    Ok(())
}

/// `cargo xtask package --gateway`
pub(crate) async fn run_gateway(repo: &Repo, dir: Option<&Path>) -> Result<()> {
    let dir = std::path::absolute(dir.map_or_else(|| default_dir(repo), Path::to_owned))?;
    fs::create_dir_all(&dir)?;
    let artefacts = Artefacts { dir };
    let entry = gateway::package(repo, &artefacts, None).await?;
    tell_gateway(&artefacts, &entry);
    Ok(())
}
