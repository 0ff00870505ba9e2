//! What webhooks are sent with, from the configuration.

use crate::config::{ConfigError, Lookup};
use crate::webhook_sender::HttpWebhookSender;
use souk_app::Tools;
use souk_app::webhooks::{DeliverySettings, SealingKeys, WebhookTools};
use souk_domain::webhook::TargetRules;
use std::net::IpAddr;
use std::sync::Arc;

/// The keys of endpoints' secrets at rest: a JSON object of key id to base64 of 32 bytes, one or two
/// entries. All of them open.
pub const WEBHOOK_KEYS: &str = "SOUK_WEBHOOK_KEYS";
/// The id of the one that seals.
pub const WEBHOOK_KEY_ID: &str = "SOUK_WEBHOOK_KEY_ID";
/// `true`: endpoints may also be reached over plain HTTP. For trying Souk out.
pub const WEBHOOK_PLAIN_HTTP: &str = "SOUK_WEBHOOK_PLAIN_HTTP";
/// Addresses that endpoints may have though they are not public, separated by commas. For trying Souk
/// out.
pub const WEBHOOK_ADDRESSES: &str = "SOUK_WEBHOOK_ADDRESSES";

/// Reads the keys.
pub fn sealing_keys(lookup: &Lookup<'_>) -> Result<SealingKeys, ConfigError> {
    let keys = lookup.keys_of_32_bytes(WEBHOOK_KEYS)?;
    let current = lookup.required(WEBHOOK_KEY_ID)?;
    SealingKeys::new(current, &keys).map_err(|error| ConfigError::Invalid {
        variable: WEBHOOK_KEYS,
        reason: error.to_string(),
    })
}

/// Reads what may be sent to.
pub fn target_rules(lookup: &Lookup<'_>) -> Result<TargetRules, ConfigError> {
    let listed = lookup.optional(WEBHOOK_ADDRESSES).unwrap_or_default();
    let addresses = listed
        .split(',')
        .map(str::trim)
        .filter(|address| !address.is_empty())
        .map(|address| {
            address.parse::<IpAddr>().map_err(|_| ConfigError::Invalid {
                variable: WEBHOOK_ADDRESSES,
                reason: "addresses separated by commas are wanted".to_owned(),
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(TargetRules {
        plain_http: lookup.parsed_or(WEBHOOK_PLAIN_HTTP, false)?,
        addresses,
    })
}

/// Everything that deliveries are attempted with.
pub fn webhook_tools(
    lookup: &Lookup<'_>,
    tools: Tools,
) -> Result<WebhookTools<HttpWebhookSender>, ConfigError> {
    let rules = target_rules(lookup)?;
    let sender = HttpWebhookSender::new(rules).map_err(|error| ConfigError::Invalid {
        variable: WEBHOOK_ADDRESSES,
        reason: error.to_string(),
    })?;
    Ok(WebhookTools {
        tools,
        keys: Arc::new(sealing_keys(lookup)?),
        sender,
        settings: DeliverySettings::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;

    fn rules(http: &str, addresses: &str) -> Result<TargetRules, ConfigError> {
        let value = |name: &str| match name {
            WEBHOOK_PLAIN_HTTP => Some(http.to_owned()),
            WEBHOOK_ADDRESSES => Some(addresses.to_owned()),
            _ => None,
        };
        target_rules(&Lookup::new(&value))
    }

    #[test]
    fn nothing_is_opened_unless_it_is_said() {
        assert_eq!(rules("", ""), Ok(TargetRules::default()));
        let open = rules("true", "127.0.0.1, ::1").unwrap();
        assert!(open.plain_http && open.allow([127, 0, 0, 1].into()));
        assert!(!open.allow([127, 0, 0, 2].into()));
        assert!(rules("yes", "").is_err());
        assert!(rules("", "127.0.0.0/8").is_err());
    }

    #[test]
    fn keys_are_read_and_never_shown() {
        let secret = BASE64.encode([7; 32]);
        let keys = format!(r#"{{"a":"{secret}"}}"#);
        let read = |id: &'static str| {
            let keys = keys.clone();
            let value = move |name: &str| match name {
                WEBHOOK_KEYS => Some(keys.clone()),
                WEBHOOK_KEY_ID => Some(id.to_owned()),
                _ => None,
            };
            sealing_keys(&Lookup::new(&value)).map(|keys| format!("{keys:?}"))
        };
        assert!(!read("a").unwrap().contains(&secret));
        let error = read("b").unwrap_err().to_string();
        assert!(
            error.contains(WEBHOOK_KEYS) && !error.contains(&secret),
            "{error}"
        );
    }
}
