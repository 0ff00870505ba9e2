//! A version that stands in two places must be the same in both.

use crate::repo::Repo;
use anyhow::{Context, Result};
use std::fs;

/// Crates whose tool must have exactly the version of the library, with the tool's name.
const LIBRARY_AND_TOOL: [(&str, &str); 1] = [("worker", "worker-build")];

/// Checks `local/tools.txt` and the workspace's pins against Cargo.lock.
pub(super) fn check(repo: &Repo) -> Result<Vec<String>> {
    let read = |path: &str| fs::read_to_string(repo.root.join(path)).with_context(|| path.to_owned());
    let (lock, tools, workspace) =
        (read("Cargo.lock")?, read("local/tools.txt")?, read("Cargo.toml")?);
    let mut broken = Vec::new();
    for (library, tool) in LIBRARY_AND_TOOL {
        let locked = locked_version(&lock, library)
            .with_context(|| format!("{library} is not in Cargo.lock"))?;
        let installed = tool_version(&tools, tool)
            .with_context(|| format!("{tool} is not in local/tools.txt"))?;
        if locked != installed {
            broken.push(format!(
                "local/tools.txt has {tool} {installed}, Cargo.lock has {library} {locked}"
            ));
        }
    }
    let bindgen =
        locked_version(&lock, "wasm-bindgen").context("wasm-bindgen is not in Cargo.lock")?;
    // The tool is installed in the locked version; an exact pin keeps `cargo update` from moving it.
    if !workspace.contains(&format!("wasm-bindgen = \"={bindgen}\"")) {
        broken.push(format!("Cargo.toml does not pin wasm-bindgen to ={bindgen}, as in Cargo.lock"));
    }
    Ok(broken)
}

fn locked_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let (_, rest) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    rest.split_once('"').map(|(version, _)| version)
}

fn tool_version<'a>(tools: &'a str, tool: &str) -> Option<&'a str> {
    tools.lines().find_map(|line| line.strip_prefix(tool)?.strip_prefix(' ')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let lock = "[[package]]\nname = \"worker\"\nversion = \"0.8.7\"\n";
        assert_eq!(locked_version(lock, "worker"), Some("0.8.7"));
        assert_eq!(locked_version(lock, "work"), None);
        assert_eq!(tool_version("# tools\nworker-build 0.8.7\n", "worker-build"), Some("0.8.7"));
        assert_eq!(tool_version("worker-build-extra 1.0\n", "worker-build"), None);
    }
}
