//! The settings, from Spin's variables: those of the worker, in lower case.

use souk_policy::config::{Config, ConfigError};
use std::collections::BTreeMap;

const NAMES: [&str; 5] = [
    "CANARY_ORIGIN_URL",
    "ORIGIN_URL",
    "REGION",
    "SIGNING_KEY",
    "SIGNING_KEY_ID",
];
/// The top level domain of what is no host (RFC 6761): a manifest cannot leave out an origin that it allows.
const NOWHERE: &str = ".invalid";

/// Reads them all.
#[cfg(target_family = "wasm")]
pub(crate) async fn config() -> Result<Config, ConfigError> {
    let mut values = BTreeMap::new();
    for name in NAMES {
        if let Ok(value) = spin_sdk::variables::get(name.to_ascii_lowercase()).await {
            values.insert(name, value);
        }
    }
    parse(&values)
}

fn parse(values: &BTreeMap<&'static str, String>) -> Result<Config, ConfigError> {
    Config::parse(|name| {
        let value = values.get(name)?;
        let is_nowhere = name == "CANARY_ORIGIN_URL" && host(value).ends_with(NOWHERE);
        (!is_nowhere).then(|| value.clone())
    })
}

/// Without a port.
fn host(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split('/').next().unwrap_or_default();
    authority.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_that_is_nowhere_is_none() {
        let mut values = BTreeMap::from([
            ("ORIGIN_URL", "https://api.example/$default".to_owned()),
            ("REGION", "local".to_owned()),
            ("SIGNING_KEY_ID", "k1".to_owned()),
            (
                "SIGNING_KEY",
                "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned(),
            ),
        ]);
        for nowhere in ["https://canary.invalid", "http://canary.invalid:80/path"] {
            values.insert("CANARY_ORIGIN_URL", nowhere.to_owned());
            assert_eq!(parse(&values).unwrap().canary_origin_url, None, "{nowhere}");
        }
        let canary = "https://canary.example/invalid".to_owned();
        values.insert("CANARY_ORIGIN_URL", canary.clone());
        assert_eq!(parse(&values).unwrap().canary_origin_url, Some(canary));
        values.remove("REGION");
        assert!(parse(&values).is_err());
    }
}
