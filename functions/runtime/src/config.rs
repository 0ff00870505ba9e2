//! Configuration: read once, through a lookup that tests replace, into types.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use core::fmt;
use core::str::FromStr;
use souk_app::signing_keys::SigningRing;
use souk_domain::{Queue, UnknownQueue};
use souk_policy::signature::{KeyRing, SigningKey};
use std::collections::BTreeMap;

/// The URL of the database, by the function's own role.
pub const DATABASE_URL: &str = "SOUK_DATABASE_URL";
/// The URL of a replica of that database, if there is one.
pub const REPLICA_DATABASE_URL: &str = "SOUK_REPLICA_DATABASE_URL";
/// The URL of the directory, by `souk_directory_reader`, or for operators by its owner. Where it is
/// set, tenants are on the shards of [`SHARDS`].
pub const DIRECTORY_DATABASE_URL: &str = "SOUK_DIRECTORY_DATABASE_URL";
/// The shards, by the function's own role: a JSON object of name to `{"primary": URL, "replica": URL}`;
/// the replica may be left out.
pub const SHARDS: &str = "SOUK_SHARDS";
/// The same by the owner of the schema, for operators.
pub const SHARDS_ADMIN: &str = "SOUK_SHARDS_ADMIN";
/// The URL of the one database by the role `souk_sweeper`.
pub const SWEEPER_DATABASE_URL: &str = "SOUK_SWEEPER_DATABASE_URL";
/// The shards by the role `souk_sweeper`, in the form of [`SHARDS`], where there are several.
pub const SWEEPER_SHARDS: &str = "SOUK_SWEEPER_SHARDS";
/// The URL of the one database by the role `souk_relay`, for operators.
pub const RELAY_DATABASE_URL: &str = "SOUK_RELAY_DATABASE_URL";
/// The shards by the role `souk_relay`, in the form of [`SHARDS`], where there are several.
pub const RELAY_SHARDS: &str = "SOUK_RELAY_SHARDS";
/// Connections in the pool, at most.
pub const DATABASE_POOL_MAX: &str = "SOUK_DATABASE_POOL_MAX";
/// Filter of log lines, in the syntax of `tracing_subscriber::EnvFilter`.
pub const LOG: &str = "SOUK_LOG";
/// The keys with which the edge signs: a JSON object of key id to base64, one or two entries, or a ring as its
/// rotation keeps it ([`SigningRing`]).
pub const EDGE_KEYS: &str = "SOUK_EDGE_KEYS";
/// The name of the secret with the ring of those keys, for their rotation.
pub const EDGE_RING_SECRET: &str = "SOUK_EDGE_RING_SECRET";
/// What a new version of `orders` is asked for before it gets traffic: a JSON object with `tenant`, `sku`, `currency` and
/// `region`, or `null`.
pub const SMOKE_ORDER: &str = "SOUK_SMOKE_ORDER";
/// The name of the edge's worker at Cloudflare.
pub const EDGE_WORKER: &str = "SOUK_EDGE_WORKER";
/// The account of that worker.
pub const CLOUDFLARE_ACCOUNT_ID: &str = "SOUK_CLOUDFLARE_ACCOUNT_ID";
/// A token that may change the secrets of that worker.
pub const CLOUDFLARE_API_TOKEN: &str = "SOUK_CLOUDFLARE_API_TOKEN";
/// Where Cloudflare's API is, if not where it usually is: for tests.
pub const CLOUDFLARE_API_URL: &str = "SOUK_CLOUDFLARE_API_URL";
/// The queue that wakes the outbox relay.
pub const DOORBELL_QUEUE_URL: &str = "SOUK_DOORBELL_QUEUE_URL";
/// The FIFO queues that events are published to: a JSON object of queue name to URL, with every name of
/// [`Queue`].
pub const EVENT_QUEUES: &str = "SOUK_EVENT_QUEUES";
/// The accounts at Stripe: a JSON object of tenant's id, or `default` for all others, to
/// `{"secret_key": …, "account": …, "webhook_secrets": […]}`; the last two may be left out.
pub const STRIPE_ACCOUNTS: &str = "SOUK_STRIPE_ACCOUNTS";
/// What the URLs of databases lead to: `transaction`, a pooler that gives a connection of the server to another client
/// after each transaction, or `none`, which is so where nothing is said. Migrations go past a pooler.
pub const DATABASE_POOLER: &str = "SOUK_DATABASE_POOLER";
/// URL of the queue that a consumer's messages come from: it hides what failed for a while, and gets what is released.
pub const CONSUMER_QUEUE_URL: &str = "SOUK_CONSUMER_QUEUE_URL";
/// URL of the queue that gets what a consumer gives up.
pub const CONSUMER_DLQ_URL: &str = "SOUK_CONSUMER_DLQ_URL";
/// Where Stripe is, if not where it usually is: for tests and the local cloud.
pub const STRIPE_API_URL: &str = "SOUK_STRIPE_API_URL";
/// When the money of an order is taken whose process begins now: `at_once`, when it is confirmed, or
/// `on_fulfilment`, which is so where nothing is said.
pub const CAPTURE_POLICY: &str = "SOUK_CAPTURE_POLICY";
/// Password to give to the role `souk_app`.
pub const APP_ROLE_PASSWORD: &str = "SOUK_APP_ROLE_PASSWORD";
/// Password to give to the role `souk_relay`.
pub const RELAY_ROLE_PASSWORD: &str = "SOUK_RELAY_ROLE_PASSWORD";
/// Password to give to the role `souk_sweeper`.
pub const SWEEPER_ROLE_PASSWORD: &str = "SOUK_SWEEPER_ROLE_PASSWORD";
/// Password to give to the role `souk_directory_reader`.
pub const DIRECTORY_READER_ROLE_PASSWORD: &str = "SOUK_DIRECTORY_READER_ROLE_PASSWORD";

/// Connections of a function that handles one request at a time: one to work with, one to spare
/// while a cut one is being replaced.
pub const DATABASE_POOL_MAX_DEFAULT: u32 = 2;

/// What is wrong with the configuration. Never shows a value, since values may be secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A variable that is needed is not set.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// A variable's value is not what it should be.
    #[error("{variable} is not valid: {reason}")]
    Invalid {
        /// The variable.
        variable: &'static str,
        /// What it should be.
        reason: String,
    },
}

/// Where configuration comes from.
pub struct Lookup<'a>(&'a dyn Fn(&str) -> Option<String>);

impl fmt::Debug for Lookup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lookup")
    }
}

impl<'a> Lookup<'a> {
    /// Reads through `lookup`, a function of a variable's name.
    pub const fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self(lookup)
    }

    /// Reads the process's environment: the one place where Souk does.
    #[allow(
        clippy::disallowed_methods,
        reason = "the one reader of the environment"
    )]
    pub fn environment() -> Lookup<'static> {
        Lookup(&|name| std::env::var(name).ok())
    }

    /// The variable's value; an empty one counts as absent.
    pub fn optional(&self, variable: &'static str) -> Option<String> {
        (self.0)(variable).filter(|value| !value.is_empty())
    }

    /// The variable's value.
    pub fn required(&self, variable: &'static str) -> Result<String, ConfigError> {
        self.optional(variable)
            .ok_or(ConfigError::Missing(variable))
    }

    /// The variable's value as a `T`, or `default` when it is absent.
    pub fn parsed_or<T: FromStr>(
        &self,
        variable: &'static str,
        default: T,
    ) -> Result<T, ConfigError>
    where
        T::Err: fmt::Display,
    {
        self.optional(variable).map_or(Ok(default), |value| {
            value.parse().map_err(|e: T::Err| ConfigError::Invalid {
                variable,
                reason: e.to_string(),
            })
        })
    }

    /// The URLs of the queues that events are published to.
    pub fn event_queues(&self) -> Result<BTreeMap<Queue, String>, ConfigError> {
        let invalid = |reason: String| ConfigError::Invalid {
            variable: EVENT_QUEUES,
            reason,
        };
        let entries: BTreeMap<String, String> = serde_json::from_str(&self.required(EVENT_QUEUES)?)
            .map_err(|_| invalid("a JSON object of queue name to URL is wanted".to_owned()))?;
        let named = entries.into_iter().map(|(name, url)| {
            let queue = name
                .parse()
                .map_err(|e: UnknownQueue| invalid(e.to_string()))?;
            Ok((queue, url))
        });
        named.collect()
    }

    /// Keys by their ids: a JSON object of key id to base64 of 32 bytes.
    pub fn keys_of_32_bytes(
        &self,
        variable: &'static str,
    ) -> Result<BTreeMap<String, [u8; 32]>, ConfigError> {
        let invalid = |reason: String| ConfigError::Invalid { variable, reason };
        let entries: BTreeMap<String, String> = serde_json::from_str(&self.required(variable)?)
            .map_err(|_| invalid("a JSON object of key id to base64 is wanted".to_owned()))?;
        let keys = entries.into_iter().map(|(id, secret)| {
            let bytes = BASE64.decode(secret).unwrap_or_default();
            let key = <[u8; 32]>::try_from(bytes)
                .map_err(|_| invalid(format!("the key {id:?} is not 32 bytes in base64")))?;
            Ok((id, key))
        });
        keys.collect()
    }

    /// The keys that the edge may sign with.
    pub fn edge_keys(&self) -> Result<KeyRing, ConfigError> {
        edge_ring(&self.required(EDGE_KEYS)?)
    }
}

/// Reads the text of [`EDGE_KEYS`].
pub fn edge_ring(text: &str) -> Result<KeyRing, ConfigError> {
    let invalid = |reason: String| ConfigError::Invalid {
        variable: EDGE_KEYS,
        reason,
    };
    if let Ok(ring) = SigningRing::parse(text) {
        return ring.accepted().map_err(|e| invalid(e.to_string()));
    }
    let entries: BTreeMap<String, String> = serde_json::from_str(text).map_err(|_| {
        invalid("a JSON object of key id to base64, or a ring, is wanted".to_owned())
    })?;
    let keys = entries.into_iter().map(|(id, secret)| {
        SigningKey::from_base64(id, &secret).map_err(|e| invalid(e.to_string()))
    });
    KeyRing::new(keys.collect::<Result<_, _>>()?).map_err(|e| invalid(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup_in(name: &str, value: &str) -> impl Fn(&str) -> Option<String> + use<> {
        let (name, value) = (name.to_owned(), value.to_owned());
        move |asked| (asked == name).then(|| value.clone())
    }

    #[test]
    fn an_absent_or_empty_variable_is_named() {
        let nothing = |_: &str| None;
        assert_eq!(
            Lookup::new(&nothing).required(DATABASE_URL),
            Err(ConfigError::Missing(DATABASE_URL))
        );
        let empty = lookup_in(DATABASE_URL, "");
        assert_eq!(
            Lookup::new(&empty).required(DATABASE_URL),
            Err(ConfigError::Missing(DATABASE_URL))
        );
    }

    #[test]
    fn a_wrong_number_is_an_error_not_a_default() {
        let wrong = lookup_in(DATABASE_POOL_MAX, "two");
        assert!(
            Lookup::new(&wrong)
                .parsed_or(DATABASE_POOL_MAX, 2_u32)
                .is_err()
        );
        let right = lookup_in(DATABASE_POOL_MAX, "7");
        assert_eq!(
            Lookup::new(&right).parsed_or(DATABASE_POOL_MAX, 2_u32),
            Ok(7)
        );
    }

    #[test]
    fn edge_keys_are_checked_and_never_shown() {
        let secret = BASE64.encode([7_u8; 32]);
        let one = lookup_in(EDGE_KEYS, &format!(r#"{{"k1":"{secret}"}}"#));
        assert!(Lookup::new(&one).edge_keys().is_ok());
        for bad in ["{}", "[]", r#"{"k1":"c2hvcnQ="}"#, r#"{"k1":"***"}"#] {
            let lookup = lookup_in(EDGE_KEYS, bad);
            let error = Lookup::new(&lookup).edge_keys().unwrap_err().to_string();
            assert!(
                error.contains(EDGE_KEYS) && !error.contains("c2hvcnQ"),
                "{error}"
            );
        }
    }
}
