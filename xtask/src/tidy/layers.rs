//! Which package may depend on which. ARCHITECTURE.md draws the same arrows.

use cargo_metadata::{DependencyKind, Metadata};

/// What one package may use of the others in this workspace.
struct Layer {
    package: &'static str,
    /// As normal and as build dependencies.
    uses: &'static [&'static str],
    /// In tests, besides.
    tests_use: &'static [&'static str],
}

const fn layer(package: &'static str, uses: &'static [&'static str]) -> Layer {
    Layer {
        package,
        uses,
        tests_use: &["souk-testkit"],
    }
}

/// What every function may use; no function uses another.
const FUNCTION: &[&str] = &["souk-app", "souk-domain", "souk-runtime"];
/// What every host of the edge's decisions may use.
const EDGE_HOST: &[&str] = &["souk-domain", "souk-policy"];

const LAYERS: &[Layer] = &[
    layer("souk-domain", &[]),
    layer("souk-policy", &["souk-domain"]),
    layer("souk-postgres", &["souk-domain"]),
    layer("souk-app", &["souk-domain", "souk-postgres"]),
    layer("souk-runtime", &["souk-app", "souk-domain", "souk-policy"]),
    layer("souk-migrate", FUNCTION),
    layer("souk-orders", FUNCTION),
    layer("souk-outbox-relay", FUNCTION),
    layer("souk-read-models", FUNCTION),
    layer("souk-edge", EDGE_HOST),
    // For tests only, so that what it uses never reaches what is deployed.
    layer(
        "souk-testkit",
        &["souk-app", "souk-domain", "souk-postgres"],
    ),
    Layer {
        package: "souk-e2e",
        uses: &[],
        tests_use: &["souk-app", "souk-domain", "souk-policy", "souk-testkit"],
    },
    Layer {
        package: "xtask",
        uses: &["souk-domain"],
        tests_use: &[],
    },
];

/// Dependants of a package of this name would lose the standard library's `core`.
const FORBIDDEN_NAME: &str = "core";

/// All arrows between workspace members that the table does not allow, and members it does not know.
pub(super) fn violations(metadata: &Metadata) -> Vec<String> {
    let members = metadata.workspace_packages();
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let mut violations = Vec::new();
    for member in &members {
        let name = member.name.as_str();
        if name == FORBIDDEN_NAME {
            violations.push(format!(
                "no package may be called `{name}`: its dependants would lose `core::fmt`"
            ));
        }
        let Some(layer) = LAYERS.iter().find(|layer| layer.package == name) else {
            violations.push(format!(
                "{name} is in no layer: enter it into xtask/src/tidy/layers.rs"
            ));
            continue;
        };
        for dependency in &member.dependencies {
            let target = dependency.name.as_str();
            let tests = dependency.kind == DependencyKind::Development;
            let allowed =
                layer.uses.contains(&target) || tests && layer.tests_use.contains(&target);
            if names.contains(&target) && !allowed {
                let how = if tests { " in its tests" } else { "" };
                violations.push(format!("{name} -> {target}: {name} may not use it{how}"));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A made-up workspace in which souk-orders reaches past the use cases into the database.
    const FORBIDDEN_ARROW: &str = include_str!("../../testdata/forbidden-arrow.json");

    fn metadata(json: &str) -> Metadata {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_forbidden_arrow_fails_and_is_named() {
        let found = violations(&metadata(FORBIDDEN_ARROW));
        assert_eq!(
            found,
            ["souk-orders -> souk-postgres: souk-orders may not use it"]
        );
    }

    #[test]
    fn without_that_arrow_the_same_workspace_is_tidy() {
        let allowed = FORBIDDEN_ARROW.replace(r#""name": "souk-postgres", "kind": null, "source": null, "path": "/souk/core/postgres""#, r#""name": "souk-domain", "kind": null, "source": null, "path": "/souk/core/domain""#);
        assert_ne!(allowed, FORBIDDEN_ARROW);
        assert_eq!(violations(&metadata(&allowed)), [""; 0]);
    }

    #[test]
    fn the_testkit_is_for_tests_only() {
        let as_normal = FORBIDDEN_ARROW.replace(r#""kind": "dev""#, r#""kind": null"#);
        assert_ne!(as_normal, FORBIDDEN_ARROW);
        let found = violations(&metadata(&as_normal));
        assert!(
            found.contains(&"souk-orders -> souk-testkit: souk-orders may not use it".to_owned()),
            "{found:?}"
        );
    }

    #[test]
    fn a_package_in_no_layer_and_one_called_core_fail() {
        let renamed = FORBIDDEN_ARROW.replace(
            r#""name": "souk-domain", "version""#,
            r#""name": "core", "version""#,
        );
        assert_ne!(renamed, FORBIDDEN_ARROW);
        let found = violations(&metadata(&renamed));
        assert!(
            found
                .iter()
                .any(|v| v.starts_with("no package may be called `core`")),
            "{found:?}"
        );
        assert!(
            found.iter().any(|v| v.starts_with("core is in no layer")),
            "{found:?}"
        );
    }
}
