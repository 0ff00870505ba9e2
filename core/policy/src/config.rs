//! A host's settings, read once in the life of an isolate or instance.

use crate::hedge::{AFTER_MS_MAX, AFTER_MS_MIN};
use crate::identity::is_region;
use crate::signature::SigningKey;

/// Where to forward to and how to sign.
#[derive(Debug, Clone)]
pub struct Config {
    /// Base URL of the origin, perhaps with a path, without a slash at its end.
    pub origin_url: String,
    /// Where the callers of the canary go; nowhere else where there is none.
    pub canary_origin_url: Option<String>,
    /// The region that the origin serves.
    pub region: String,
    /// The key in use.
    pub signing_key: SigningKey,
    /// Milliseconds after which a read is asked for a second time beside the first; never where it is not set.
    pub hedge_after_ms: Option<u32>,
}

/// A setting that is missing or malformed. It names the setting, never its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    setting: &'static str,
    cause: String,
}

impl core::error::Error for ConfigError {}

impl core::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}: {}", self.setting, self.cause)
    }
}

impl Config {
    /// Parses the settings that `lookup` finds by name: `ORIGIN_URL`, `REGION`, `SIGNING_KEY_ID` and
    /// `SIGNING_KEY` (base64 of 32 to 128 bytes).
    pub fn parse(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let required = |setting: &'static str| {
            let value = lookup(setting).filter(|value| !value.is_empty());
            value.ok_or_else(|| refuse(setting, "is not set"))
        };
        let origin_url = base_url("ORIGIN_URL", required("ORIGIN_URL")?)?;
        let canary = lookup("CANARY_ORIGIN_URL").filter(|url| !url.is_empty());
        let canary_origin_url = canary
            .map(|url| base_url("CANARY_ORIGIN_URL", url))
            .transpose()?;
        let region = required("REGION")?;
        if !is_region(&region) {
            return Err(refuse("REGION", "is not a region's name"));
        }
        let signing_key =
            SigningKey::from_base64(required("SIGNING_KEY_ID")?, &required("SIGNING_KEY")?)
                .map_err(|error| refuse("SIGNING_KEY_ID, SIGNING_KEY", &error.to_string()))?;
        let hedge_after = lookup("HEDGE_AFTER_MS").filter(|text| !text.is_empty());
        let hedge_after_ms = hedge_after.map(|text| hedge_after_ms(&text)).transpose()?;
        Ok(Self {
            origin_url,
            canary_origin_url,
            region,
            signing_key,
            hedge_after_ms,
        })
    }
}

fn hedge_after_ms(text: &str) -> Result<u32, ConfigError> {
    let parsed = text.parse().ok();
    let fits = parsed.filter(|ms| (AFTER_MS_MIN..=AFTER_MS_MAX).contains(ms));
    fits.ok_or_else(|| {
        let cause = format!("is not {AFTER_MS_MIN} to {AFTER_MS_MAX} milliseconds");
        refuse("HEDGE_AFTER_MS", &cause)
    })
}

fn base_url(setting: &'static str, url: String) -> Result<String, ConfigError> {
    let is_base = ["http://", "https://"].iter().any(|scheme| {
        let rest = url.strip_prefix(scheme);
        rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['?', '#', ' ', '\\', '\n']))
    });
    if !is_base || url.ends_with('/') {
        return Err(refuse(
            setting,
            "is not an http(s) URL without query and without a slash at its end",
        ));
    }
    Ok(url)
}

fn refuse(setting: &'static str, cause: &str) -> ConfigError {
    ConfigError {
        setting,
        cause: cause.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: Option<&str>) -> Result<Config, ConfigError> {
        Config::parse(|setting| {
            if setting == name {
                return value.map(str::to_owned);
            }
            let secret = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
            Some(match setting {
                "CANARY_ORIGIN_URL" | "HEDGE_AFTER_MS" => String::new(),
                "ORIGIN_URL" => "https://api.example/$default".to_owned(),
                "REGION" => "local".to_owned(),
                "SIGNING_KEY_ID" => "k1".to_owned(),
                _ => secret.to_owned(),
            })
        })
    }

    #[test]
    fn reads_the_settings() {
        let config = with("", None).unwrap();
        assert_eq!(config.origin_url, "https://api.example/$default");
        assert_eq!(config.region, "local");
        assert_eq!(config.signing_key.id(), "k1");
        assert_eq!(config.hedge_after_ms, None);
        let hedged = with("HEDGE_AFTER_MS", Some("250")).unwrap();
        assert_eq!(hedged.hedge_after_ms, Some(250));
        for bad in ["9", "5001", "-1", "a"] {
            let message = with("HEDGE_AFTER_MS", Some(bad)).unwrap_err().to_string();
            assert!(message.contains("HEDGE_AFTER_MS"), "{message}");
        }
    }

    #[test]
    fn names_the_setting_that_is_wrong_and_not_its_value() {
        for setting in ["ORIGIN_URL", "REGION", "SIGNING_KEY_ID", "SIGNING_KEY"] {
            for value in [None, Some(""), Some("not fit for: any ?")] {
                let message = with(setting, value).unwrap_err().to_string();
                assert!(message.contains(setting), "{message}");
                assert!(!message.contains("not fit"), "{message}");
            }
        }
        // A backslash is read as a slash (WHATWG URL), so the path would not be the signed one.
        for bad in [
            "ftp://a",
            "http://",
            "http://a/",
            "http://a?b",
            "http://a\\",
            "a",
        ] {
            assert!(with("ORIGIN_URL", Some(bad)).is_err(), "{bad}");
        }
    }
}
