//! What a WASM build is made from, as one hash.

use crate::files;
use crate::repo::Repo;
use anyhow::Result;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

/// Name and content of all files of `inputs`, which are files and folders of the repository, and the toolchain.
pub(super) fn hash_inputs(repo: &Repo, inputs: &[&str]) -> Result<String> {
    let mut hash = Sha256::new();
    for input in inputs {
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
