//! Lambda functions: release binaries for `provided.al2023`.

use super::{Artefacts, FunctionEntry, Manifest, OPERATOR, PSP_SIMULATOR, Which};
use crate::process::run_foreground;
use crate::repo::Repo;
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use tokio::process::Command;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// The C library of `provided.al2023` is glibc 2.34: major and minor number.
const GLIBC_MAX: (u32, u32) = (2, 34);

/// Builds all functions and zips those whose binary has changed.
pub(super) async fn package_all(
    repo: &Repo,
    artefacts: &Artefacts,
    before: &Manifest,
    which: Which,
) -> Result<BTreeMap<String, FunctionEntry>> {
    let functions = which.functions()?;
    let mut build = Command::new(&repo.cargo);
    build.args(["build", "--release"]).current_dir(&repo.root);
    for package in functions
        .iter()
        .map(String::as_str)
        .chain([PSP_SIMULATOR, OPERATOR.0])
    {
        build.args(["--package", package]);
    }
    build.env("CARGO_TARGET_DIR", &repo.target);
    if !run_foreground(&mut build).await?.success() {
        bail!("the functions do not compile");
    }
    for (program, copy) in [
        (PSP_SIMULATOR, artefacts.psp_simulator()),
        (OPERATOR.1, artefacts.operator()),
    ] {
        let compiled = repo.target.join("release").join(program);
        replace(&compiled, &copy).with_context(|| format!("cannot copy {program}"))?;
    }
    let mut entries = BTreeMap::new();
    for function in functions {
        let binary = repo.target.join("release").join(&function);
        let known = before.functions.get(&function);
        let entry = package(&binary, artefacts, &function, known)
            .with_context(|| format!("cannot package {function}"))?;
        entries.insert(function, entry);
    }
    Ok(entries)
}

/// By a new file: the old one may be running.
fn replace(binary: &Path, copy: &Path) -> Result<()> {
    let draft = copy.with_extension("draft");
    fs::copy(binary, &draft)?;
    fs::rename(&draft, copy)?;
    Ok(())
}

fn package(
    binary: &Path,
    artefacts: &Artefacts,
    function: &str,
    known: Option<&FunctionEntry>,
) -> Result<FunctionEntry> {
    let content = fs::read(binary)?;
    let sha256 = hex::encode(Sha256::digest(&content));
    let zip = artefacts.zip(function);
    if let Some(known) = known
        && known.bootstrap_sha256 == sha256
        && fs::metadata(&zip).is_ok_and(|found| found.len() == known.zip_bytes)
    {
        return Ok(known.clone());
    }
    check_glibc(&content)?;
    let draft = zip.with_extension("draft");
    write_zip(&draft, &content)?;
    fs::rename(&draft, &zip)?;
    Ok(FunctionEntry {
        zip: format!("{function}.zip"),
        zip_bytes: fs::metadata(&zip)?.len(),
        bootstrap_bytes: u64::try_from(content.len())?,
        bootstrap_sha256: sha256,
    })
}

/// Equal binaries make equal zips: the time in it is always the same.
fn write_zip(path: &Path, bootstrap: &[u8]) -> Result<()> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o755);
    let mut zip = ZipWriter::new(File::create(path)?);
    zip.start_file("bootstrap", options)?;
    zip.write_all(bootstrap)?;
    zip.finish()?;
    Ok(())
}

/// Fails when the binary needs a younger C library than the functions will find.
fn check_glibc(binary: &[u8]) -> Result<()> {
    let needed = glibc_needed(binary);
    if needed > GLIBC_MAX {
        bail!(
            "it needs glibc {}.{}, and provided.al2023 has {}.{}: build on a system with that \
             glibc or an older one (Debian 11, Ubuntu 20.04, Amazon Linux 2023), or with \
             cargo-zigbuild and the target x86_64-unknown-linux-gnu.{}.{}, and name the folder by \
             SOUK_ARTEFACTS",
            needed.0,
            needed.1,
            GLIBC_MAX.0,
            GLIBC_MAX.1,
            GLIBC_MAX.0,
            GLIBC_MAX.1,
        );
    }
    Ok(())
}

/// The highest `GLIBC_x.y` that an ELF file names. Symbol versions are plain text in it; a constant
/// of that form in the program itself would count too, on the safe side.
fn glibc_needed(binary: &[u8]) -> (u32, u32) {
    const MARK: &[u8] = b"GLIBC_";
    binary
        .windows(MARK.len())
        .enumerate()
        .filter(|(_, window)| *window == MARK)
        .filter_map(|(at, _)| {
            let version = binary.get(at.checked_add(MARK.len())?..)?;
            let text: String = version
                .iter()
                .take_while(|byte| byte.is_ascii_digit() || **byte == b'.')
                .map(|byte| char::from(*byte))
                .collect();
            let mut numbers = text.split('.').map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        })
        .max()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_glibc_version_counts_by_number() {
        let binary = b"\0GLIBC_2.4\0GLIBC_2.34\0GLIBC_2.9\0GLIBC_PRIVATE\0GLIBC_2.2.5\0";
        assert_eq!(glibc_needed(binary), (2, 34));
        check_glibc(binary).unwrap();
    }

    #[test]
    fn a_binary_for_a_younger_glibc_is_refused() {
        let message = check_glibc(b"..GLIBC_2.39..").unwrap_err().to_string();
        assert!(message.contains("needs glibc 2.39"), "{message}");
    }

    #[test]
    fn a_zip_holds_an_executable_bootstrap_and_is_reproducible() {
        let dir = std::env::temp_dir().join(format!("souk-zip-{}", fastrand::u64(..)));
        fs::create_dir(&dir).unwrap();
        let (first, second) = (dir.join("1.zip"), dir.join("2.zip"));
        write_zip(&first, b"program").unwrap();
        write_zip(&second, b"program").unwrap();
        assert_eq!(fs::read(&first).unwrap(), fs::read(&second).unwrap());
        let mut zip = zip::ZipArchive::new(File::open(&first).unwrap()).unwrap();
        let entry = zip.by_name("bootstrap").unwrap();
        assert_eq!(entry.unix_mode().map(|mode| mode & 0o777), Some(0o755));
        fs::remove_dir_all(&dir).unwrap();
    }
}
