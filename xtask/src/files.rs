//! Files: hashes, copies, private files, secrets.

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// SHA-256 of a file, 64 hex digits.
pub(crate) fn sha256_hex(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(hex::encode(Sha256::digest(bytes)))
}

/// What a directory holds, sorted by name.
pub(crate) fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    let listing = fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    for entry in listing {
        paths.push(
            entry
                .with_context(|| format!("cannot list {}", dir.display()))?
                .path(),
        );
    }
    paths.sort();
    Ok(paths)
}

/// Makes a directory for this user only, with its parents; one that exists is left as it is.
pub(crate) fn private_dir(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot make {}", path.display()))
}

/// Writes a file that only this user may read, replacing one that exists in a single step.
pub(crate) fn write_private(path: &Path, content: &str) -> Result<()> {
    write_with_mode(path, content, 0o600)
}

fn write_with_mode(path: &Path, content: &str, mode: u32) -> Result<()> {
    let draft = path.with_extension(format!("draft-{}", std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&draft)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(content.as_bytes())?;
        fs::rename(&draft, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// The content of a small text file, without the spaces around it; `None` where there is no file.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// A secret that is generated once and kept in a private file.
pub(crate) fn kept_secret(
    path: &Path,
    generate: impl FnOnce() -> Result<String>,
) -> Result<String> {
    if let Some(secret) = read_if_there(path)? {
        return Ok(secret);
    }
    let secret = generate()?;
    write_private(path, &secret)?;
    Ok(secret)
}

/// `N` bytes from the kernel's generator.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0_u8; N];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("cannot read /dev/urandom")?;
    Ok(bytes)
}

/// A secret of 192 bits, in hex digits.
pub(crate) fn random_token() -> Result<String> {
    Ok(hex::encode(random_bytes::<24>()?))
}

/// Removes a directory with all it holds, if it is there.
pub(crate) fn remove_dir(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot remove {}", path.display())),
    }
}

/// Empties a directory, except for the entry called `kept`.
pub(crate) fn clear_dir(dir: &Path, kept: &str) -> Result<()> {
    for entry in entries(dir)? {
        if entry.ends_with(kept) {
            continue;
        }
        if fs::symlink_metadata(&entry)?.is_dir() {
            remove_dir(&entry)?;
        } else {
            fs::remove_file(&entry)
                .with_context(|| format!("cannot remove {}", entry.display()))?;
        }
    }
    Ok(())
}

/// Copies a tree of files and directories, keeping modes. `to` must not exist.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to).with_context(|| format!("cannot make {}", to.display()))?;
    for source in entries(from)? {
        let name = source.file_name().context("a directory entry has a name")?;
        let target = to.join(name);
        let kind = fs::symlink_metadata(&source)?.file_type();
        if kind.is_dir() {
            copy_tree(&source, &target)?;
        } else if kind.is_file() {
            fs::copy(&source, &target)
                .with_context(|| format!("cannot copy {}", source.display()))?;
        } else {
            bail!("{} is neither file nor directory", source.display());
        }
    }
    Ok(())
}

/// Whether `to` holds every file of `from`, each with the same size.
pub(crate) fn same_tree(from: &Path, to: &Path) -> Result<bool> {
    for source in entries(from)? {
        let name = source.file_name().context("a directory entry has a name")?;
        let target = to.join(name);
        let expected = fs::symlink_metadata(&source)?;
        let Ok(found) = fs::symlink_metadata(&target) else {
            return Ok(false);
        };
        let same = if expected.is_dir() {
            found.is_dir() && same_tree(&source, &target)?
        } else {
            found.is_file() && found.len() == expected.len()
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}
