//! What counts for all tenants of an edge: a record of its own in the key-value store, so that it can be
//! changed within a minute and without a release.

use crate::address::Cidr;
use crate::edge_policy::{EdgePolicyError, check_switches};
use crate::gcra::Rule;
use crate::operations::Operation;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// The key under which the record is kept.
pub const SETTINGS_KEY: &str = "edge:settings";
/// The version that this code reads.
pub const SETTINGS_VERSION: u32 = 1;
/// Bytes of the record at most.
pub const SETTINGS_BYTES_MAX: usize = 64 * 1024;
/// Denied ranges at most.
pub const DENIED_MAX: usize = 1_000;
/// Hosts of issuers at most.
pub const ISSUER_HOSTS_MAX: usize = 100;

/// A record that must not be acted on.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It is too large, or one of its lists is.
    #[error("the edge's settings have more than is read")]
    TooLarge,
    /// It is no record, or has a field that is unknown or malformed.
    #[error("the edge's settings are malformed")]
    Malformed(#[source] serde_json::Error),
    /// It was written for other code.
    #[error("the edge's settings have version {0}, this code reads {SETTINGS_VERSION}")]
    Version(u32),
    /// A kill switch.
    #[error(transparent)]
    Switch(#[from] EdgePolicyError),
}

/// The settings. Without a record nobody is denied, nothing is switched off, and no issuer is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    version: u32,
    /// Addresses that are not served.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denied: Vec<Cidr>,
    /// How often one address may come to one isolate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_limit: Option<Rule>,
    /// Kill switches: names of operations or functions, `writes` or `all`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disabled: Vec<String>,
    /// The hosts that keys of issuers are fetched from, with their ports: whatever a tenant's record
    /// says, no other is asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issuer_hosts: Vec<String>,
}

impl Settings {
    /// Reads the record. All of it must be understood.
    pub fn parse(json: &str) -> Result<Self, SettingsError> {
        if json.len() > SETTINGS_BYTES_MAX {
            return Err(SettingsError::TooLarge);
        }
        let settings: Self = serde_json::from_str(json).map_err(SettingsError::Malformed)?;
        if settings.version != SETTINGS_VERSION {
            return Err(SettingsError::Version(settings.version));
        }
        let fits =
            settings.denied.len() <= DENIED_MAX && settings.issuer_hosts.len() <= ISSUER_HOSTS_MAX;
        if !fits {
            return Err(SettingsError::TooLarge);
        }
        check_switches(&settings.disabled)?;
        Ok(settings)
    }

    /// Whether an address is denied.
    pub fn denies(&self, address: IpAddr) -> bool {
        self.denied.iter().any(|range| range.contains(address))
    }

    /// Whether a switch of these or of a tenant's turns an operation off.
    pub(crate) fn switches_off(&self, operation: &Operation, of_tenant: &[String]) -> bool {
        let mut all = self.disabled.iter().chain(of_tenant);
        all.any(|switch| operation.is_switched_off_by(switch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_all_or_nothing() {
        let full = "{\"version\":1,\"denied\":[\"192.0.2.0/24\"],\"disabled\":[\"writes\"],\
            \"issuer_hosts\":[\"id.example\"],\"address_limit\":{\"emission_interval_us\":1,\"burst\":9}}";
        let settings = Settings::parse(full).unwrap();
        assert!(settings.denies("192.0.2.9".parse().unwrap()));
        assert!(!settings.denies("192.0.3.9".parse().unwrap()));
        assert!(Settings::parse("{\"version\":1}").is_ok());
        for bad in [
            "",
            "{}",
            "{\"version\":2}",
            "{\"version\":1,\"new\":1}",
            "{\"version\":1,\"denied\":[\"192.0.2.1/24\"]}",
            "{\"version\":1,\"disabled\":[\"\"]}",
        ] {
            assert!(Settings::parse(bad).is_err(), "{bad}");
        }
        let large = format!("{{\"version\":1}}{}", " ".repeat(SETTINGS_BYTES_MAX));
        assert!(matches!(
            Settings::parse(&large),
            Err(SettingsError::TooLarge)
        ));
    }
}
