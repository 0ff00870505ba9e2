//! `cargo xtask test`: the whole test suite, against a fresh local cloud that goes with it.

use crate::files;
use crate::fuzz::{self, FuzzArguments};
use crate::package::{Artefacts, artefacts_for_tests};
use crate::postgres::{
    Data, REPLICA_VARIABLE, SERVER_VARIABLE, Throwaway, need_room, programs_for_servers,
};
use crate::process::{StopSignals, run_foreground};
use crate::repo::Repo;
use crate::stack::{Console, Facts, Role, SHARDS, Servers, Stack, show_logs};
use crate::tools::node;
use anyhow::{Context, Result, anyhow, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::process::Command;

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TestArguments {
    /// Tests that have a short and a long form run the long one, and those without a short one run
    #[arg(long)]
    full: bool,
    /// Start Postgres only, and leave out the end-to-end tests
    #[arg(long)]
    no_stack: bool,
    /// Passed on to `cargo nextest run`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    nextest: Vec<String>,
}

const WORKSPACE: [&str; 1] = ["--workspace"];
const END_TO_END: &str = "souk-e2e";

/// Environment for the tests: names and values.
type Variables = Vec<(&'static str, String)>;

/// Runs the tests; the summary of nextest is the last that is printed.
pub(crate) async fn run(repo: &Repo, arguments: &TestArguments) -> Result<ExitCode> {
    let schemathesis = schemathesis(repo, arguments)?;
    // Before anything runs that would share the machine with the compiler.
    if !compile(repo, arguments).await? {
        bail!("the tests do not compile");
    }
    if !doc_tests(repo).await? {
        bail!("a documentation test failed");
    }
    need_room(repo, &repo.state())?;
    if arguments.full {
        fuzz::run(repo, &FuzzArguments::default()).await?;
    }
    if arguments.no_stack {
        // One of our own: a replica needs it.
        let repo = &Repo {
            postgres_url: None,
            ..repo.clone()
        };
        let server = Throwaway::start(repo, true).await?;
        let ran = nextest(repo, arguments, &server.variables()).await;
        server.stop().await?;
        return ran;
    }
    // A server and a state of its own: what a developer has elsewhere stays as it is.
    let repo = &Repo {
        postgres_url: None,
        ..repo.clone()
    };
    let state = repo.state().join("test");
    let artefacts = artefacts_for_tests(repo).await?;
    let mut signals = StopSignals::new()?;
    let stack = Stack::claim(repo, &state, Console::new(false), Data::ThrownAway)?;
    let started = tokio::select! {
        started = start(&stack, artefacts, &state) => started,
        () = signals.recv() => Err(anyhow!("stopped while the local cloud was starting")),
    };
    // From here on a signal stops nextest, which knows how to stop its tests.
    let ran = match started {
        Ok(facts) => test_on(repo, arguments, &facts, schemathesis).await,
        Err(error) => Err(error),
    };
    stack.stop().await?;
    ran
}

/// Found before anything is started, and only where a test will ask for it.
fn schemathesis(repo: &Repo, arguments: &TestArguments) -> Result<Option<PathBuf>> {
    let wanted = arguments.full && !arguments.no_stack;
    wanted.then(|| repo.schemathesis()).transpose()
}

async fn start(stack: &Stack, artefacts: Artefacts, state: &Path) -> Result<Facts> {
    stack.start_afresh()?;
    stack
        .start(artefacts)
        .await
        .inspect_err(|_| show_logs(state))
        .context("the local cloud did not start")
}

fn stack_variables(repo: &Repo, facts: &Facts) -> Result<Variables> {
    let (secrets, databases) = (&facts.secrets, &facts.databases);
    let [demo, second] = secrets.tenants();
    let [(_, database_a), (_, database_b)] = SHARDS;
    let own = |database, role| Ok::<_, anyhow::Error>(databases.primary(database, role)?.into());
    let mut variables: Variables = vec![
        (SERVER_VARIABLE, databases.server().to_string()),
        // Shard a.
        ("SOUK_TEST_DATABASE_URL", own(database_a, Role::Owner)?),
        ("SOUK_TEST_APP_DATABASE_URL", own(database_a, Role::App)?),
        (
            "SOUK_TEST_RELAY_DATABASE_URL",
            own(database_a, Role::Relay)?,
        ),
        (
            "SOUK_TEST_SHARD_B_DATABASE_URL",
            own(database_b, Role::Owner)?,
        ),
        (
            "SOUK_TEST_SHARDS",
            databases.shards(Role::Owner, Servers::All)?,
        ),
        (
            "SOUK_TEST_DIRECTORY_DATABASE_URL",
            databases.directory(Role::Owner)?.into(),
        ),
        ("SOUK_TEST_AWS_ENDPOINT", facts.aws_endpoint.clone()),
        ("SOUK_TEST_ORIGIN_URL", facts.origin_url.clone()),
        ("SOUK_TEST_EDGE_URL", facts.edge_url.clone()),
        ("SOUK_TEST_PSP_URL", facts.psp_url.clone()),
        (
            "SOUK_TEST_PSP_WEBHOOK_SECRET",
            secrets.psp_webhook_secret.clone(),
        ),
        ("SOUK_TEST_EDGE_HOST", demo.host.to_owned()),
        ("SOUK_TEST_API_KEY", demo.api_key.to_owned()),
        ("SOUK_TEST_TENANT_ID", demo.id.to_string()),
        ("SOUK_TEST_SECOND_EDGE_HOST", second.host.to_owned()),
        ("SOUK_TEST_SECOND_API_KEY", second.api_key.to_owned()),
        ("SOUK_TEST_SECOND_TENANT_ID", second.id.to_string()),
        (
            "SOUK_TEST_EDGE_SIGNING_KEY_ID",
            secrets.signing_key_id.clone(),
        ),
        ("SOUK_TEST_EDGE_SIGNING_KEY", secrets.signing_key.clone()),
        (
            // Built with all other programs, since it has a test of its own.
            "SOUK_TEST_SPIN_HOST",
            repo.target
                .join("debug/souk-spin-host")
                .display()
                .to_string(),
        ),
        (
            "SOUK_TEST_ARTEFACTS",
            facts.artefacts.dir.display().to_string(),
        ),
        (
            "SOUK_TEST_OPERATOR_ENV",
            facts.operator.display().to_string(),
        ),
    ];
    if let Some(replica) = databases.replica() {
        variables.push((REPLICA_VARIABLE, replica.to_string()));
    }
    Ok(variables)
}

async fn test_on(
    repo: &Repo,
    arguments: &TestArguments,
    facts: &Facts,
    schemathesis: Option<PathBuf>,
) -> Result<ExitCode> {
    let mut variables = stack_variables(repo, facts)?;
    if let Some(program) = schemathesis {
        variables.push(("SOUK_TEST_SCHEMATHESIS", program.display().to_string()));
    }
    nextest(repo, arguments, &variables).await
}

async fn nextest(
    repo: &Repo,
    arguments: &TestArguments,
    variables: &Variables,
) -> Result<ExitCode> {
    let mut command = nextest_command(repo, arguments);
    command.args(&arguments.nextest);
    command.env("SOUK_TEST_POSTGRES_BIN", programs_for_servers(repo)?);
    command.env("SOUK_TEST_NODE", node(repo)?);
    command.env("SOUK_TEST_PYTHON", repo.venv()?.join("bin/python"));
    for (name, value) in variables {
        command.env(name, value);
    }
    if arguments.full {
        command.env("SOUK_TEST_FULL", "1");
        // Tests without a short form are marked as ignored.
        command.args(["--run-ignored", "all"]);
    }
    let status = run_foreground(&mut command).await?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

async fn compile(repo: &Repo, arguments: &TestArguments) -> Result<bool> {
    let mut command = nextest_command(repo, arguments);
    command.arg("--no-run");
    Ok(run_foreground(&mut command).await?.success())
}

fn nextest_command(repo: &Repo, arguments: &TestArguments) -> Command {
    let mut command = cargo(repo);
    command.args(["nextest", "run"]).args(WORKSPACE);
    if arguments.no_stack {
        command.args(["--exclude", END_TO_END]);
    }
    command
}

/// Documentation tests, which nextest does not run; skipped where there is none, since rustdoc takes
/// its time to find that out.
async fn doc_tests(repo: &Repo) -> Result<bool> {
    let mut any = false;
    for folder in ["core", "functions", "tests"] {
        any = any || has_doc_test(&repo.root.join(folder))?;
    }
    if !any {
        return Ok(true);
    }
    let mut command = cargo(repo);
    command.args(["test", "--quiet", "--doc"]).args(WORKSPACE);
    Ok(run_foreground(&mut command).await?.success())
}

fn has_doc_test(path: &Path) -> Result<bool> {
    if path.is_dir() {
        for entry in files::entries(path)? {
            if has_doc_test(&entry)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    if path.extension().is_none_or(|extension| extension != "rs") {
        return Ok(false);
    }
    let text = fs::read_to_string(path)?;
    Ok(text
        .lines()
        .map(str::trim_start)
        .any(|line| line.starts_with("/// ```") || line.starts_with("//! ```")))
}

fn cargo(repo: &Repo) -> Command {
    let mut command = Command::new(&repo.cargo);
    command
        .current_dir(&repo.root)
        .env("CARGO_TARGET_DIR", &repo.target);
    command
}
