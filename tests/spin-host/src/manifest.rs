//! `spin.toml`, version 2, as far as it concerns one component behind one HTTP trigger. What this does not
//! know it refuses: a manifest that only this program understands would be worth nothing.

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    spin_manifest_version: u32,
    #[allow(dead_code, reason = "it must be there")]
    application: Application,
    #[serde(default)]
    variables: BTreeMap<String, Variable>,
    trigger: Trigger,
    component: BTreeMap<String, Component>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "it must be there")]
struct Application {
    name: String,
    version: Option<String>,
    description: Option<String>,
    authors: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Variable {
    default: Option<String>,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    #[allow(dead_code, reason = "for those who show variables")]
    secret: bool,
    #[allow(dead_code, reason = "for people")]
    description: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Trigger {
    http: Vec<HttpTrigger>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpTrigger {
    route: String,
    component: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Component {
    #[allow(dead_code, reason = "tests bring the component")]
    source: String,
    #[allow(dead_code, reason = "for people")]
    description: Option<String>,
    #[serde(default)]
    allowed_outbound_hosts: Vec<String>,
    #[serde(default)]
    key_value_stores: Vec<String>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    #[allow(dead_code, reason = "`spin build` needs it")]
    build: Option<toml::Table>,
}

/// A manifest whose variables have values.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    /// The component's own variables.
    pub(crate) variables: BTreeMap<String, String>,
    /// Where it may send requests.
    pub(crate) allowed: Vec<AllowedHost>,
    /// Labels of stores that it may open.
    pub(crate) stores: Vec<String>,
}

/// A host that requests may be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AllowedHost {
    pub(crate) scheme: String,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Manifest {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{}", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let manifest: Self = toml::from_str(text)?;
        ensure!(manifest.spin_manifest_version == 2, "not version 2");
        for (name, variable) in &manifest.variables {
            ensure!(is_name(name), "{name} is no variable's name");
            let is_either = variable.default.is_some() != variable.required;
            ensure!(
                is_either,
                "{name} has a default and is required, or neither"
            );
        }
        Ok(manifest)
    }

    /// Puts values in place of variables.
    pub(crate) fn resolve(self, given: &BTreeMap<String, String>) -> Result<Resolved> {
        let mut values = BTreeMap::new();
        for name in given.keys() {
            ensure!(
                self.variables.contains_key(name),
                "{name} is no variable of the manifest"
            );
        }
        for (name, variable) in &self.variables {
            let value = given.get(name).or(variable.default.as_ref());
            values.insert(
                name.as_str(),
                value.with_context(|| format!("{name} is required"))?,
            );
        }
        let [HttpTrigger { route, component }] = self.trigger.http.as_slice() else {
            bail!("one trigger is expected");
        };
        ensure!(route == "/...", "all paths are the component's");
        let component = self
            .component
            .get(component)
            .context("the trigger's component is missing")?;
        let own = component.variables.iter();
        let own = own.map(|(name, template)| Ok((name.clone(), expand(template, &values)?)));
        let hosts = component.allowed_outbound_hosts.iter();
        let hosts = hosts.map(|template| AllowedHost::parse(&expand(template, &values)?));
        Ok(Resolved {
            variables: own.collect::<Result<_>>()?,
            allowed: hosts.collect::<Result<_>>()?,
            stores: component.key_value_stores.clone(),
        })
    }
}

/// Spin takes words of lower case letters and digits, each beginning with a letter, between underscores.
fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.split('_').all(|word| {
        word.starts_with(|first: char| first.is_ascii_lowercase()) && word.bytes().all(fits)
    })
}

/// Replaces each `{{ name }}`.
fn expand(template: &str, values: &BTreeMap<&str, &String>) -> Result<String> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("{{") {
        let (name, behind) = behind
            .split_once("}}")
            .context("an expression does not end")?;
        let value = values.get(name.trim());
        text.push_str(before);
        text.push_str(value.with_context(|| format!("{} is no variable", name.trim()))?);
        rest = behind;
    }
    text.push_str(rest);
    Ok(text)
}

impl AllowedHost {
    /// Scheme, host and perhaps a port: a pattern is not understood.
    fn parse(text: &str) -> Result<Self> {
        let (scheme, rest) = text
            .split_once("://")
            .with_context(|| format!("{text} has no scheme"))?;
        let standard_port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => bail!("{text} is neither http nor https"),
        };
        let (host, port) = match rest.split_once(':') {
            Some((host, port)) => (host, port.parse()?),
            None => (rest, standard_port),
        };
        let is_host = !host.is_empty() && !host.contains(['/', '*', '?', '#', '@', ' ']);
        ensure!(is_host, "{text} is not a scheme, a host and a port");
        Ok(Self {
            scheme: scheme.to_owned(),
            host: host.to_ascii_lowercase(),
            port,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    const NEEDED: [(&str, &str); 4] = [
        ("origin", "http://127.0.0.1:8000"),
        ("region", "local"),
        ("signing_key_id", "k1"),
        ("signing_key", "secret"),
    ];

    fn gateway() -> Manifest {
        Manifest::parse(include_str!("../../../wasm/gateway/spin.toml")).unwrap()
    }

    #[test]
    fn the_gateway_may_send_to_its_origins_and_issuers_and_nowhere_else() {
        let resolved = gateway().resolve(&values(&NEEDED)).unwrap();
        let named: Vec<String> = resolved
            .allowed
            .iter()
            .map(|one| format!("{}://{}:{}", one.scheme, one.host, one.port))
            .collect();
        let (origin, others) = named.split_first().unwrap();
        assert_eq!(origin, "http://127.0.0.1:8000");
        // What is not said is nowhere (RFC 6761).
        assert!(
            others.iter().all(|own| own.ends_with(".invalid:443")),
            "{others:?}"
        );
        assert_eq!(resolved.variables["origin_url"], "http://127.0.0.1:8000");
        assert_eq!(resolved.stores, ["default"]);
    }

    #[test]
    fn a_required_variable_has_no_default() {
        for (missing, _) in NEEDED {
            let rest: Vec<_> = NEEDED
                .into_iter()
                .filter(|(name, _)| *name != missing)
                .collect();
            let error = gateway().resolve(&values(&rest)).unwrap_err();
            assert_eq!(error.to_string(), format!("{missing} is required"));
        }
        let mut unknown = values(&NEEDED);
        unknown.insert("orign".to_owned(), String::new());
        assert!(gateway().resolve(&unknown).is_err());
    }

    #[test]
    fn hosts_are_schemes_hosts_and_ports() {
        for bad in [
            "",
            "a",
            "a:80",
            "tcp://a:1",
            "http://",
            "https://*",
            "https://a/b",
            "http://a:x",
            "http://u@a",
        ] {
            assert!(AllowedHost::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(AllowedHost::parse("https://A.example").unwrap().port, 443);
    }
}
