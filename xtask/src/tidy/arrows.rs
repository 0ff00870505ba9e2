//! Which crate may depend on which. The table is the design; whatever is not in it is forbidden.

use cargo_metadata::{DependencyKind, Metadata, Package};

/// A crate, and the crates of the workspace that it may name.
struct Layer {
    name: &'static str,
    may_use: &'static [&'static str],
}

const fn layer(name: &'static str, may_use: &'static [&'static str]) -> Layer {
    Layer { name, may_use }
}

/// What every function may use. No function depends on another.
const OF_FUNCTIONS: &[&str] = &["souk-runtime", "souk-app", "souk-domain"];

/// What looks at deployments knows besides what there is to deploy.
const OF_DEPLOYMENTS: &[&str] = &["souk-runtime", "souk-app", "souk-domain", "souk-names"];

const LAYERS: &[Layer] = &[
    layer("souk-ddl", &[]),
    layer("souk-domain", &[]),
    layer("souk-names", &[]),
    layer("souk-policy", &["souk-domain"]),
    // ddl: it tells of pending migrations what they would break.
    layer("souk-postgres", &["souk-ddl", "souk-domain"]),
    // policy: what is entered of hosts, keys and scopes is checked by the rules that the edge goes by.
    layer("souk-app", &["souk-domain", "souk-policy", "souk-postgres"]),
    // policy: both sides of the edge's signature are one piece of code (ADR 0001).
    layer("souk-runtime", &["souk-app", "souk-domain", "souk-policy"]),
    layer("souk-orders", OF_FUNCTIONS),
    layer("souk-catalog", OF_FUNCTIONS),
    layer("souk-payments", OF_FUNCTIONS),
    layer("souk-outbox-relay", OF_FUNCTIONS),
    layer("souk-read-models", OF_FUNCTIONS),
    layer("souk-migrate", OF_FUNCTIONS),
    layer("souk-sweeper", OF_FUNCTIONS),
    layer("souk-order-process", OF_FUNCTIONS),
    layer("souk-pre-traffic", OF_DEPLOYMENTS),
    layer("souk-reconcile", OF_FUNCTIONS),
    layer("souk-rotate-keys", OF_FUNCTIONS),
    layer("souk-webhooks", OF_FUNCTIONS),
    layer("souk-cli", OF_FUNCTIONS),
    layer("souk-edge", &["souk-policy", "souk-domain"]),
    layer("souk-gateway", &["souk-policy", "souk-domain"]),
    layer("souk-spin-host", &[]),
    layer(
        "souk-testkit",
        &["souk-app", "souk-domain", "souk-postgres"],
    ),
    // It serves functions itself, to measure them, and the PSP that they call.
    layer(
        "souk-bench",
        &[
            "souk-orders",
            "souk-outbox-relay",
            "souk-payments",
            "souk-psp-simulator",
            "souk-runtime",
            "souk-app",
            "souk-domain",
            "souk-policy",
            "souk-postgres",
        ],
    ),
    layer("souk-psp-simulator", &["souk-app", "souk-domain"]),
    layer("souk-e2e", &[]),
    layer("souk-chaos", &[]),
    layer("xtask", &["souk-ddl", "souk-domain", "souk-names"]),
];

/// May be named in `[dev-dependencies]` only, by anyone; but the benchmarks name the simulator.
const FOR_TESTS_ONLY: &[&str] = &["souk-testkit", "souk-psp-simulator", "souk-e2e"];

/// What the PSP simulator's tests may name besides: the adapter that they hold against it.
const OF_SIMULATOR_TESTS: &[&str] = &["souk-runtime"];

/// What black-box tests may name besides, to prepare what they test and to read what it says.
const OF_E2E_TESTS: &[&str] = &["souk-app", "souk-domain", "souk-policy"];

/// What the chaos test may name besides: its processes are a relay and a consumer, its writers fill the
/// outbox.
const OF_CHAOS_TESTS: &[&str] = &[
    "souk-app",
    "souk-domain",
    "souk-outbox-relay",
    "souk-postgres",
];

/// What the command line's tests may name besides: they let it talk to the function itself.
const OF_CLI_TESTS: &[&str] = &["souk-catalog"];

/// A package of this name would hide the standard library's from its dependants.
const FORBIDDEN_NAME: &str = "core";

/// Every arrow between members of the workspace that the table does not have, in words.
pub(super) fn check(metadata: &Metadata) -> Vec<String> {
    let members = metadata.workspace_packages();
    let mut broken = Vec::new();
    for package in &members {
        if package.name.as_str() == FORBIDDEN_NAME {
            broken.push(format!(
                "no package may be called `{FORBIDDEN_NAME}`: its dependants would lose `core::fmt`"
            ));
        }
        let Some(layer) = LAYERS
            .iter()
            .find(|layer| layer.name == package.name.as_str())
        else {
            broken.push(format!(
                "{} is in no layer: add it to the table in xtask",
                package.name
            ));
            continue;
        };
        broken.extend(forbidden_arrows(package, layer, &members));
    }
    broken
}

fn forbidden_arrows(package: &Package, layer: &Layer, members: &[&Package]) -> Vec<String> {
    let inner = package.dependencies.iter().filter(|dependency| {
        members
            .iter()
            .any(|member| member.name.as_str() == dependency.name)
    });
    inner
        .filter(|dependency| {
            let name = dependency.name.as_str();
            let by_layer = layer.may_use.contains(&name)
                && (layer.name == "souk-bench" || !FOR_TESTS_ONLY.contains(&name));
            let in_tests = dependency.kind == DependencyKind::Development
                // Itself: with features that its own tests need.
                && (name == layer.name
                    || FOR_TESTS_ONLY.contains(&name)
                    || (layer.name == "souk-e2e" && OF_E2E_TESTS.contains(&name))
                    || (layer.name == "souk-chaos" && OF_CHAOS_TESTS.contains(&name))
                    || (layer.name == "souk-cli" && OF_CLI_TESTS.contains(&name))
                    || (layer.name == "souk-psp-simulator" && OF_SIMULATOR_TESTS.contains(&name)));
            !(by_layer || in_tests)
        })
        .map(|dependency| {
            let kind = match dependency.kind {
                DependencyKind::Development => " in its tests",
                DependencyKind::Build => " in its build script",
                DependencyKind::Normal | DependencyKind::Unknown => "",
            };
            format!(
                "{} must not depend on {}{kind}: allowed are {:?}",
                package.name, dependency.name, layer.may_use
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cargo_metadata::MetadataCommand;

    fn metadata(json: &str) -> Metadata {
        MetadataCommand::parse(json).expect("the file is cargo metadata")
    }

    #[test]
    fn a_forbidden_arrow_is_named() {
        let broken = check(&metadata(include_str!(
            "../../testdata/forbidden-arrows.json"
        )));
        assert_eq!(
            broken,
            [
                "souk-orders must not depend on souk-postgres: allowed are [\"souk-runtime\", \"souk-app\", \"souk-domain\"]",
                "souk-orders must not depend on souk-testkit: allowed are [\"souk-runtime\", \"souk-app\", \"souk-domain\"]",
                "souk-domain must not depend on souk-orders in its build script: allowed are []",
                "souk-stranger is in no layer: add it to the table in xtask",
            ]
        );
    }

    #[test]
    fn no_package_is_called_core() {
        let allowed = include_str!("../../testdata/allowed-arrows.json");
        let renamed = allowed.replace(r#""name": "souk-domain""#, r#""name": "core""#);
        assert_ne!(renamed, allowed);
        let broken = check(&metadata(&renamed));
        assert!(
            broken
                .iter()
                .any(|rule| rule.starts_with("no package may be called `core`")),
            "{broken:?}"
        );
    }

    #[test]
    fn allowed_arrows_pass() {
        assert_eq!(
            check(&metadata(include_str!(
                "../../testdata/allowed-arrows.json"
            ))),
            [""; 0]
        );
    }
}
