//! Whose money is taken by which of Stripe's accounts.

use crate::config::{ConfigError, Lookup, STRIPE_ACCOUNTS};
use core::fmt;
use serde::Deserialize;
use souk_domain::TenantId;
use std::collections::BTreeMap;

/// The name of the account of all tenants that have none of their own.
const DEFAULT: &str = "default";
/// Secrets of one webhook endpoint that are good at the same time, at most.
const WEBHOOK_SECRETS_MAX: usize = 8;

/// An account at Stripe, with its secrets, which are never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StripeAccount {
    secret_key: String,
    account: Option<String>,
    #[serde(default)]
    webhook_secrets: Vec<String>,
}

impl fmt::Debug for StripeAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StripeAccount")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

impl StripeAccount {
    /// The key that calls are made with.
    pub(super) fn secret_key(&self) -> &str {
        &self.secret_key
    }

    /// The connected account that calls are made for, if it is not the key's own.
    pub(super) fn connected(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// The secrets that its events may be signed with: several while one is being replaced.
    pub fn webhook_secrets(&self) -> &[String] {
        &self.webhook_secrets
    }

    fn is_sound(&self) -> bool {
        let visible = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        visible(&self.secret_key)
            && self.account.as_deref().is_none_or(visible)
            && self.webhook_secrets.len() <= WEBHOOK_SECRETS_MAX
            && self.webhook_secrets.iter().all(|secret| visible(secret))
    }
}

/// All accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StripeAccounts {
    default: Option<StripeAccount>,
    by_tenant: BTreeMap<TenantId, StripeAccount>,
}

impl StripeAccounts {
    /// Reads [`STRIPE_ACCOUNTS`].
    ///
    /// # Errors
    /// When it is not set or malformed. What it says is not shown.
    pub fn from_config(lookup: &Lookup<'_>) -> Result<Self, ConfigError> {
        Self::parse(&lookup.required(STRIPE_ACCOUNTS)?)
    }

    /// From the value of [`STRIPE_ACCOUNTS`].
    ///
    /// # Errors
    /// When it is malformed. What it says is not shown.
    pub fn parse(json: &str) -> Result<Self, ConfigError> {
        let invalid = |reason: &str| ConfigError::Invalid {
            variable: STRIPE_ACCOUNTS,
            reason: reason.to_owned(),
        };
        // The parser's message would show what it did not understand, which may be a key.
        let mut entries: BTreeMap<String, StripeAccount> =
            serde_json::from_str(json).map_err(|_| {
                invalid(
                    "a JSON object of tenant's id or \"default\" to {\"secret_key\": …} is wanted",
                )
            })?;
        if entries.is_empty() || !entries.values().all(StripeAccount::is_sound) {
            return Err(invalid("an account is incomplete"));
        }
        let default = entries.remove(DEFAULT);
        let by_tenant = entries.into_iter().map(|(tenant, account)| {
            let tenant = tenant
                .parse()
                .map_err(|_| invalid("an account belongs to no tenant"))?;
            Ok((tenant, account))
        });
        Ok(Self {
            default,
            by_tenant: by_tenant.collect::<Result<_, ConfigError>>()?,
        })
    }

    /// The account of a tenant: its own, else the one of all others.
    pub fn of(&self, tenant: TenantId) -> Option<&StripeAccount> {
        self.by_tenant.get(&tenant).or(self.default.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "ten_0197c0de8f2b7c3a9d4e5f6071829304";

    #[test]
    fn a_tenant_has_its_own_account_or_the_one_of_all() {
        let accounts = StripeAccounts::parse(&format!(
            r#"{{"default":{{"secret_key":"sk_all","webhook_secrets":["a","b"]}},
                 "{TENANT}":{{"secret_key":"sk_own","account":"acct_1"}}}}"#
        ))
        .unwrap();
        let own = accounts.of(TENANT.parse().unwrap()).unwrap();
        assert_eq!(
            (own.secret_key(), own.connected()),
            ("sk_own", Some("acct_1"))
        );
        let other = TENANT.replace('4', "5").parse().unwrap();
        let all = accounts.of(other).unwrap();
        assert_eq!(
            (all.secret_key(), all.webhook_secrets().len()),
            ("sk_all", 2)
        );
        let none = StripeAccounts::parse(&format!(r#"{{"{TENANT}":{{"secret_key":"sk_own"}}}}"#));
        assert!(none.unwrap().of(other).is_none());
    }

    #[test]
    fn secrets_are_never_shown() {
        for bad in [
            "{}",
            "[]",
            r#"{"default":"sk_secret"}"#,
            r#"{"default":{"secret_key":""}}"#,
            r#"{"default":{"secret_key":"sk_secret\n"}}"#,
            r#"{"default":{"secret_key":"sk_secret","key":"sk_secret"}}"#,
            r#"{"somebody":{"secret_key":"sk_secret"}}"#,
            r#"{"default":{"secret_key":"sk_secret","webhook_secrets":[""]}}"#,
        ] {
            let error = StripeAccounts::parse(bad).unwrap_err().to_string();
            assert!(
                error.contains(STRIPE_ACCOUNTS) && !error.contains("sk_secret"),
                "{error}"
            );
        }
        let good = r#"{"default":{"secret_key":"sk_secret","webhook_secrets":["whsec_secret"]}}"#;
        let shown = format!("{:?}", StripeAccounts::parse(good).unwrap());
        assert!(!shown.contains("secret\""), "{shown}");
        assert!(
            !shown.contains("sk_secret") && !shown.contains("whsec_"),
            "{shown}"
        );
    }
}
