//! Where things are, read from the environment once.

use crate::files;
use anyhow::{Context, Result, bail};
use std::env;
use std::path::{Path, PathBuf};

/// The repository, and the places around it.
#[derive(Debug, Clone)]
pub(crate) struct Repo {
    /// The workspace's root.
    pub(crate) root: PathBuf,
    /// Tools and build output that all clones of one user share.
    pub(crate) cache: PathBuf,
    /// Cargo's build output.
    pub(crate) target: PathBuf,
    /// A Postgres server to use in place of an own one; its role may create databases and roles.
    pub(crate) postgres_url: Option<String>,
    /// The cargo that runs this task.
    pub(crate) cargo: PathBuf,
    /// Where programs are looked for.
    pub(crate) search_path: PathBuf,
    /// A rustup toolchain, by name or path, that has the WASM targets which the usual one lacks.
    pub(crate) wasm_toolchain: Option<String>,
    /// A folder that `cargo xtask package` has filled, to run in place of the working tree.
    pub(crate) artefacts: Option<PathBuf>,
}

impl Repo {
    /// Reads what `cargo run` and `script/lib/env.sh` set.
    pub(crate) fn from_env() -> Result<Self> {
        // The run-time value: clones share a target directory, so this very binary may have been
        // compiled from another clone.
        let manifest_dir = path_var("CARGO_MANIFEST_DIR")
            .context("CARGO_MANIFEST_DIR is not set: start this as `cargo xtask`")?;
        let root = manifest_dir
            .parent()
            .context("xtask lies in no folder")?
            .to_owned();
        let cache = match path_var("SOUK_CACHE") {
            Some(cache) => cache,
            None => path_var("HOME")
                .context("HOME is not set")?
                .join(".cache/souk"),
        };
        let target = path_var("CARGO_TARGET_DIR").unwrap_or_else(|| cache.join("target"));
        Ok(Self {
            root,
            cache,
            target,
            postgres_url: text_var("SOUK_POSTGRES_URL").or_else(|| text_var("DATABASE_URL")),
            cargo: path_var("CARGO").unwrap_or_else(|| "cargo".into()),
            search_path: path_var("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()),
            wasm_toolchain: text_var("SOUK_WASM_TOOLCHAIN"),
            artefacts: path_var("SOUK_ARTEFACTS")
                .map(std::path::absolute)
                .transpose()?,
        })
    }

    /// The Python environment that `script/bootstrap` made from `local/requirements.txt`.
    pub(crate) fn venv(&self) -> Result<PathBuf> {
        let venv = self.venv_of("requirements.txt")?;
        need(&venv)?;
        Ok(venv)
    }

    /// The schemathesis that `script/bootstrap --full` installed from
    /// `local/requirements-full.txt`.
    pub(crate) fn schemathesis(&self) -> Result<PathBuf> {
        let venv = self.venv_of("requirements-full.txt")?;
        if !venv.join("complete").exists() {
            bail!("{} is missing: run script/bootstrap --full", venv.display());
        }
        Ok(venv.join("bin/schemathesis"))
    }

    /// Where the environment of a file of `local` is, as `venv_dir` in `script/lib/env.sh` says.
    fn venv_of(&self, requirements: &str) -> Result<PathBuf> {
        let hash = files::sha256_hex(&self.root.join("local").join(requirements))?;
        let short = hash.get(..16).context("a hash of 64 digits")?;
        Ok(self.cache.join(format!("venv-{short}")))
    }

    /// `site-packages` of [`Repo::venv`].
    pub(crate) fn site_packages(&self) -> Result<PathBuf> {
        let lib = self.venv()?.join("lib");
        for entry in files::entries(&lib)? {
            let packages = entry.join("site-packages");
            if packages.is_dir() {
                return Ok(packages);
            }
        }
        bail!(
            "{} has no site-packages: remove its parent and run script/bootstrap",
            lib.display()
        )
    }

    /// A file of SQL for operators and tools; all SQL lies with the crate that owns the schema.
    pub(crate) fn sql(&self, name: &str) -> PathBuf {
        self.root.join("core/postgres/queries/ops").join(name)
    }

    /// State of the local cloud; `.gitignore` names it.
    pub(crate) fn state(&self) -> PathBuf {
        self.root.join(".souk")
    }
}

/// Fails with what to do when a tool is not there.
pub(crate) fn need(path: &Path) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    bail!("{} is missing: run script/bootstrap", path.display())
}

/// A variable that is set and not empty.
pub(crate) fn text_var(name: &str) -> Option<String> {
    env::var_os(name)
        .and_then(|value| value.into_string().ok())
        .filter(|value| !value.is_empty())
}

fn path_var(name: &str) -> Option<PathBuf> {
    env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}
