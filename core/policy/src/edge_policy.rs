//! What a tenant's record says besides whose it is: issuers of tokens, limits, pages, switches.

use crate::gcra::Rule;
use crate::jose::{ISSUERS_MAX, Issuer, IssuerError};
use serde::{Deserialize, Serialize};

/// Origins of pages at most.
pub const CORS_ORIGINS_MAX: usize = 32;
/// Kill switches at most.
pub const SWITCHES_MAX: usize = 64;
/// Features at most.
pub const FEATURES_MAX: usize = 64;
/// Bytes of a feature's name at most.
const FEATURE_BYTES_MAX: usize = 64;
/// Bytes of all of them, with one between two: they are told the origin in a header.
const FEATURES_BYTES_MAX: usize = 1024;
/// Bytes of a name at most.
const NAME_BYTES_MAX: usize = 128;

/// A policy that must not be acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EdgePolicyError {
    /// An issuer.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// Two issuers share a name or an `iss`, or there are too many.
    #[error("there are more than {ISSUERS_MAX} issuers, or two share a name or an identity")]
    Issuers,
    /// An origin of pages.
    #[error("an origin of pages is not scheme, host and port, or there are too many")]
    CorsOrigin,
    /// A kill switch.
    #[error("a kill switch is empty or too long, or there are too many")]
    Switch,
    /// A feature.
    #[error(
        "a feature is 1 to {FEATURE_BYTES_MAX} lower-case letters, digits, hyphens and underscores, or there are too many"
    )]
    Feature,
    /// More than 100 of 100.
    #[error("a share is 0 to 100 percent")]
    Percent,
}

/// How often a tenant and each of its callers may call. What is not said is not limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// All callers of the tenant together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Rule>,
    /// Each principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Rule>,
    /// Only say in the log what would have been refused.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub shadow: bool,
}

/// The part of a record that came with version 3.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdgePolicy {
    /// The plan that the limits are of: for the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Who may issue tokens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issuers: Vec<Issuer>,
    /// How often.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// Origins of pages that may read answers, `https://shop.example`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cors_origins: Vec<String>,
    /// Kill switches: names of operations or functions, `writes` or `all`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disabled: Vec<String>,
    /// How many of a hundred callers go to the canary origin, always the same ones.
    #[serde(default, skip_serializing_if = "is_default")]
    pub canary_percent: u8,
    /// What is tried with this tenant first; since version 4. The edge goes by none of them, and tells
    /// the origin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl EdgePolicy {
    /// Whether it says no more than a record of version 2.
    pub fn says_nothing(&self) -> bool {
        is_default(self)
    }

    /// Checks what its types do not say.
    pub fn check(&self) -> Result<(), EdgePolicyError> {
        for issuer in &self.issuers {
            issuer.check()?;
            let same = |other: &&Issuer| other.name == issuer.name || other.issuer == issuer.issuer;
            if self.issuers.iter().filter(same).count() > 1 {
                return Err(EdgePolicyError::Issuers);
            }
        }
        if self.issuers.len() > ISSUERS_MAX {
            return Err(EdgePolicyError::Issuers);
        }
        let origins_fit = self.cors_origins.iter().all(|origin| is_origin(origin));
        if !origins_fit || self.cors_origins.len() > CORS_ORIGINS_MAX {
            return Err(EdgePolicyError::CorsOrigin);
        }
        check_switches(&self.disabled)?;
        let bytes: usize = self
            .features
            .iter()
            .map(|name| name.len().saturating_add(1))
            .sum();
        let too_many = self.features.len() > FEATURES_MAX || bytes > FEATURES_BYTES_MAX;
        if too_many || !self.features.iter().all(|name| is_feature(name)) {
            return Err(EdgePolicyError::Feature);
        }
        if self.canary_percent > 100 {
            return Err(EdgePolicyError::Percent);
        }
        Ok(())
    }
}

/// Switches may name what an older edge does not know, but not be without bounds.
pub(crate) fn check_switches(switches: &[String]) -> Result<(), EdgePolicyError> {
    let fits = |name: &String| (1..=NAME_BYTES_MAX).contains(&name.len());
    if switches.len() > SWITCHES_MAX || !switches.iter().all(fits) {
        return Err(EdgePolicyError::Switch);
    }
    Ok(())
}

fn is_feature(name: &str) -> bool {
    let accepted =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    (1..=FEATURE_BYTES_MAX).contains(&name.len()) && name.bytes().all(accepted)
}

/// As browsers write it (RFC 6454, section 6.2): `null` is none, and neither is a pattern.
fn is_origin(text: &str) -> bool {
    let host = ["https://", "http://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let accepted =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:".contains(&byte);
    text.len() <= NAME_BYTES_MAX
        && host.is_some_and(|host| !host.is_empty() && host.bytes().all(accepted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(value: &Value) -> Result<(), String> {
        let policy: EdgePolicy =
            serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
        policy.check().map_err(|error| error.to_string())
    }

    fn issuer(name: &str, iss: &str, jwks_url: &str) -> Value {
        json!({
            "name": name, "issuer": iss, "jwks_url": jwks_url, "algorithm": "ES256",
            "audience": "souk", "tenant_claim": "tenant", "grants": ["orders:read"],
        })
    }

    const URL: &str = "https://id.example/jwks.json";

    #[test]
    fn takes_what_is_well_formed() {
        for good in [
            json!({}),
            json!({ "issuers": [issuer("a", "a", URL), issuer("b", "b", URL)] }),
            json!({ "issuers": [issuer("a", "a", "http://127.0.0.1:8080/jwks.json")] }),
            json!({ "limits": { "tenant": { "emission_interval_us": 1, "burst": 1 }, "shadow": true } }),
            json!({ "cors_origins": ["https://shop.example", "http://localhost:3000"] }),
            json!({ "disabled": ["payments", "what a later edge knows"], "canary_percent": 100 }),
        ] {
            assert_eq!(read(&good), Ok(()), "{good}");
        }
    }

    #[test]
    fn refuses_what_could_mean_something_else() {
        for bad in [
            json!({ "unknown": 1 }),
            json!({ "issuers": [issuer("a", "a", URL), issuer("a", "b", URL)] }),
            json!({ "issuers": [issuer("a", "a", URL), issuer("b", "a", URL)] }),
            json!({ "issuers": [issuer("A", "a", URL)] }),
            json!({ "issuers": [issuer("a|b", "a", URL)] }),
            json!({ "issuers": [issuer("a", "", URL)] }),
            json!({ "issuers": [issuer("a", "a", "http://id.example/jwks.json")] }),
            json!({ "issuers": [issuer("a", "a", "https://user@id.example/jwks.json")] }),
            json!({ "issuers": [issuer("a", "a", "https://id.example\\@evil/jwks.json")] }),
            json!({ "issuers": [issuer("a", "a", "https://id.example/../jwks.json")] }),
            json!({ "issuers": [issuer("a", "a", "https://id.example?x=/jwks.json")] }),
            json!({ "issuers": [issuer("a", "a", "file:///etc/jwks.json")] }),
            json!({ "limits": { "tenant": { "emission_interval_us": 0, "burst": 1 } } }),
            json!({ "cors_origins": ["*"] }),
            json!({ "cors_origins": ["null"] }),
            json!({ "cors_origins": ["https://shop.example/"] }),
            json!({ "cors_origins": ["https://*.example"] }),
            json!({ "disabled": [""] }),
            json!({ "canary_percent": 101 }),
            json!({ "features": ["Fast"] }),
            json!({ "features": [""] }),
            json!({ "features": vec!["a".repeat(63); 17] }),
        ] {
            assert!(read(&bad).is_err(), "{bad}");
        }
        let mut unpinned = issuer("a", "a", URL);
        unpinned["algorithm"] = json!("HS256");
        assert!(read(&json!({ "issuers": [unpinned.clone()] })).is_err());
        unpinned["algorithm"] = json!("none");
        assert!(read(&json!({ "issuers": [unpinned] })).is_err());
    }
}
