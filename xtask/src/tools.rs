//! Tools that `script/bootstrap` has installed, in the versions that this repository pins.

use crate::files;
use crate::repo::{Repo, need};
use anyhow::{Context, Result, bail};
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What builds and runs the edge worker.
#[derive(Debug, Clone)]
pub(crate) struct EdgeTools {
    /// Node in the version that wrangler needs, whatever the machine has.
    pub(crate) node: PathBuf,
    pub(crate) wrangler: PathBuf,
    pub(crate) wasm_opt: PathBuf,
    pub(crate) esbuild: PathBuf,
    pub(crate) wasm_bindgen: PathBuf,
}

impl EdgeTools {
    /// Finds them, or says what to do.
    pub(crate) fn find(repo: &Repo) -> Result<Self> {
        let modules = repo.root.join("edge/node_modules");
        need(&modules)?;
        let bindgen = locked_version(repo, "wasm-bindgen")?;
        let tools = Self {
            node: node(repo)?,
            wrangler: modules.join("wrangler/bin/wrangler.js"),
            wasm_opt: modules.join(".bin/wasm-opt"),
            esbuild: find_below(&modules.join("@esbuild"), "", "bin/esbuild")?,
            wasm_bindgen: tool(repo, "wasm-bindgen-cli", &bindgen, "wasm-bindgen"),
        };
        for program in [&tools.wrangler, &tools.wasm_opt, &tools.wasm_bindgen] {
            need(program)?;
        }
        Ok(tools)
    }

    /// A `PATH` on which `node` is the pinned one, before the folders of `rest`.
    pub(crate) fn path(&self, rest: &Path) -> Result<OsString> {
        let node = self.node.parent().context("node lies in a folder")?;
        let rest = env::split_paths(rest);
        Ok(env::join_paths(
            core::iter::once(node.to_owned()).chain(rest),
        )?)
    }
}

/// Node in the pinned version.
pub(crate) fn node(repo: &Repo) -> Result<PathBuf> {
    let modules = repo.root.join("edge/node_modules");
    need(&modules)?;
    find_below(&modules, "node-", "bin/node")
}

fn tool(repo: &Repo, package: &str, version: &str, program: &str) -> PathBuf {
    repo.cache
        .join(format!("tools/{package}-{version}/bin"))
        .join(program)
}

/// `dir/<prefix…>/<rest>`: npm brings the one folder that fits the machine.
fn find_below(dir: &Path, prefix: &str, rest: &str) -> Result<PathBuf> {
    for entry in files::entries(dir)? {
        let name = entry.file_name().map(|name| name.to_string_lossy());
        let program = entry.join(rest);
        if name.is_some_and(|name| name.starts_with(prefix)) && program.is_file() {
            return Ok(program);
        }
    }
    bail!(
        "{}/{prefix}*/{rest} is missing: run script/bootstrap",
        dir.display()
    )
}

/// The version of a crate in Cargo.lock.
pub(crate) fn locked_version(repo: &Repo, name: &str) -> Result<String> {
    let path = repo.root.join("Cargo.lock");
    let lock = files::read_if_there(&path)?.context("Cargo.lock is missing")?;
    let wanted = format!("name = \"{name}\"");
    lock.lines()
        .skip_while(|line| *line != wanted)
        .nth(1)
        .and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
        .map(str::to_owned)
        .with_context(|| format!("Cargo.lock has no {name}"))
}
