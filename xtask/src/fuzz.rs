//! `cargo xtask fuzz`: the libFuzzer targets of the edge's policy, `core/policy/fuzz`.
//!
//! The engine is compiled from the crate libfuzzer-sys, and what it steers by, counters of edges and compared values,
//! is an LLVM pass that the pinned toolchain has: neither a nightly compiler nor cargo-fuzz is needed.

use crate::files;
use crate::process::run_foreground;
use crate::repo::Repo;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use tokio::process::Command;

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct FuzzArguments {
    /// Seconds for each target
    #[arg(long, default_value_t = SECONDS)]
    seconds: u32,
    /// Take into the repository's corpus what reaches code that nothing there reaches
    #[arg(long)]
    keep: bool,
    /// Targets; all of them when none is named
    targets: Vec<String>,
}

/// Seconds for each target in `script/test --full`.
const SECONDS: u32 = 60;
/// Seconds after which one input is taken to hang.
const HANG_S: u32 = 10;
/// Bytes of an input at most: above the limits on headers, tokens and paths.
const INPUT_BYTES_MAX: u32 = 16 * 1024;
const FOLDER: &str = "core/policy/fuzz";
/// As cargo-fuzz has them, without a sanitizer: Souk's own code has no `unsafe`.
const FLAGS: [&str; 7] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

impl Default for FuzzArguments {
    fn default() -> Self {
        Self {
            seconds: SECONDS,
            keep: false,
            targets: Vec::new(),
        }
    }
}

/// Builds the targets and runs one after the other; ends with the first that finds something.
pub(crate) async fn run(repo: &Repo, arguments: &FuzzArguments) -> Result<()> {
    let targets = targets(repo, arguments)?;
    let host = host(repo).await?;
    let target_dir = repo.target.join("fuzz");
    let mut build = Command::new(&repo.cargo);
    build
        .args(["build", "--release", "--locked", "--target", &host])
        .current_dir(repo.root.join(FOLDER))
        .env("CARGO_TARGET_DIR", &target_dir)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        // For the target only, which is named: build scripts have no engine.
        .env("RUSTFLAGS", FLAGS.join(" "));
    if !run_foreground(&mut build).await?.success() {
        bail!("the fuzz targets do not build");
    }
    for target in &targets {
        let program = target_dir.join(&host).join("release").join(target);
        fuzz(repo, arguments, target, &program).await?;
    }
    Ok(())
}

async fn fuzz(repo: &Repo, arguments: &FuzzArguments, target: &str, program: &Path) -> Result<()> {
    let kept = repo.root.join(FOLDER).join("corpus").join(target);
    // What was found stays with the build output, and is where the next run begins.
    let found = repo.target.join("fuzz/corpus").join(target);
    let crashes = repo.target.join("fuzz/crashes");
    fs::create_dir_all(&found)?;
    fs::create_dir_all(&crashes)?;
    println!("fuzzing {target} for {} s", arguments.seconds);
    let mut command = Command::new(program);
    command
        .arg(format!("-max_total_time={}", arguments.seconds))
        .arg(format!("-timeout={HANG_S}"))
        .arg(format!("-max_len={INPUT_BYTES_MAX}"))
        .arg(format!("-artifact_prefix={}/{target}-", crashes.display()))
        .args(["-verbosity=0", "-print_final_stats=1"])
        .arg(&found)
        .arg(&kept);
    if !run_foreground(&mut command).await?.success() {
        bail!(
            "the target {target} has found something: the input is the newest of {}; when it is mended, \
             add it to {FOLDER}/corpus/{target}",
            crashes.display()
        );
    }
    if arguments.keep {
        let mut merge = Command::new(program);
        merge
            .args(["-merge=1", "-verbosity=0"])
            .args([&kept, &found]);
        if !run_foreground(&mut merge).await?.success() {
            bail!("what was found for {target} cannot be merged");
        }
    }
    Ok(())
}

/// The targets that are named, or all.
fn targets(repo: &Repo, arguments: &FuzzArguments) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for path in files::entries(&repo.root.join(FOLDER).join("targets"))? {
        let name = path.file_stem().and_then(|name| name.to_str());
        all.push(name.context("a target has a name")?.to_owned());
    }
    if arguments.targets.is_empty() {
        return Ok(all);
    }
    for name in &arguments.targets {
        if !all.contains(name) {
            bail!("there is no target {name}, only {}", all.join(", "));
        }
    }
    Ok(arguments.targets.clone())
}

/// This machine's target triple.
async fn host(repo: &Repo) -> Result<String> {
    let mut rustc = Command::new("rustc");
    rustc.arg("-vV").current_dir(&repo.root);
    let told = String::from_utf8(rustc.output().await?.stdout)?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names its host")?.to_owned())
}
