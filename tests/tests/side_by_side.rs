//! Two local clouds on one machine do not get in each other's way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use souk_e2e::variable;
use std::path::Path;
use std::process::{Output, Stdio};
use tokio::process::Command;

async fn clone_into(directory: &Path) {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let cloned = Command::new("git")
        .args(["clone", "--quiet", "--no-hardlinks"])
        .args([repository, directory])
        .stdin(Stdio::null())
        .status()
        .await
        .unwrap();
    assert!(cloned.success(), "the repository cannot be cloned");
}

async fn check(directory: &Path) -> Output {
    Command::new(directory.join("script/up"))
        .arg("--check")
        .current_dir(directory)
        .env("SOUK_ARTEFACTS", variable("SOUK_TEST_ARTEFACTS"))
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clones_start_check_and_stop_at_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    clone_into(&first).await;
    clone_into(&second).await;
    let outputs = tokio::join!(check(&first), check(&second));
    for output in [outputs.0, outputs.1] {
        assert!(
            output.status.success(),
            "{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
