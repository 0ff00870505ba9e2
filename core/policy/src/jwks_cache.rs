//! When an issuer's keys are fetched, and which of them count.
//!
//! A state that hosts keep for each address and ask before each check. The fetch itself, and that
//! there is only one at a time, is theirs; everything about time is decided here.
//!
//! What one host has fetched it may put into the store that all of them share ([`JwksEntry::to_store`]), and one that
//! has nothing looks there first ([`JwksEntry::wants_store`]): a host that has just started does not depend on
//! the issuer being up.

use crate::jose::{Algorithm, Jwks, JwksError, PublicKey};
use serde::{Deserialize, Serialize};

/// Seconds for which keys are used at least before they are fetched again.
pub const TTL_S_MIN: u64 = 60;
/// Seconds for which keys are used at most before they are fetched again.
pub const TTL_S_MAX: u64 = 24 * 60 * 60;
/// Seconds for which keys are used where the issuer says nothing.
pub const TTL_S_DEFAULT: u64 = 300;
/// Seconds between two fetches at least, whatever made the last one unsatisfactory: a flood of tokens with
/// unknown key ids costs an issuer two requests a minute.
pub const RETRY_S_MIN: u64 = 30;
/// Seconds for which keys are still used that should have been fetched again, and could not be.
pub const STALE_S_MAX: u64 = 24 * 60 * 60;

/// What the host is to do for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// This key counts.
    Use {
        /// The key.
        key: &'a PublicKey,
        /// Whether new keys should be fetched meanwhile.
        refresh: bool,
    },
    /// Fetch the keys and ask again.
    Fetch,
    /// The issuer has no such key.
    Unknown,
    /// The issuer's keys are not known, and it was asked a moment ago.
    Unavailable,
}

/// The keys behind one address, and when they came. Times are Unix milliseconds.
#[derive(Debug, Clone, Default)]
pub struct JwksEntry {
    keys: Option<Fetched>,
    tried_at_ms: Option<u64>,
    asked_store_at_ms: Option<u64>,
}

#[derive(Debug, Clone)]
struct Fetched {
    jwks: Jwks,
    fresh_until_ms: u64,
}

/// The version of what is stored.
const STORED_VERSION: u32 = 1;
/// Milliseconds by which the clock of who stored it may be ahead.
const SKEW_MS_MAX: u64 = 60_000;

/// A key set in the store.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    fetched_at_ms: u64,
    fresh_until_ms: u64,
    /// As the issuer said it.
    jwks: String,
}

/// The key of the store under which an address' keys are.
pub fn store_key(url: &str) -> String {
    format!("jwks:{url}")
}

impl JwksEntry {
    /// What to do for a token with this key id, by an issuer of this algorithm.
    pub fn look_up(&self, kid: Option<&str>, algorithm: Algorithm, now_ms: u64) -> Lookup<'_> {
        let may_try = self.tried_at_ms.is_none_or(|tried_at_ms| {
            // A clock that went back is as good as one that has waited.
            now_ms < tried_at_ms || now_ms.saturating_sub(tried_at_ms) >= ms(RETRY_S_MIN)
        });
        let usable = self
            .keys
            .as_ref()
            .filter(|keys| now_ms < keys.fresh_until_ms.saturating_add(ms(STALE_S_MAX)));
        let found = usable.and_then(|keys| Some((keys, keys.jwks.find(kid, algorithm)?)));
        match (found, usable) {
            (Some((keys, key)), _) => Lookup::Use {
                key,
                refresh: now_ms >= keys.fresh_until_ms && may_try,
            },
            (None, _) if may_try => Lookup::Fetch,
            (None, Some(_)) => Lookup::Unknown,
            (None, None) => Lookup::Unavailable,
        }
    }

    /// To be called when a fetch begins: nobody else begins one for the next [`RETRY_S_MIN`].
    pub fn fetching(&mut self, now_ms: u64) {
        self.tried_at_ms = Some(now_ms);
    }

    /// Whether the store is to be asked before the issuer: nothing is known, and it was not asked a moment
    /// ago. To be looked at where [`JwksEntry::look_up`] says [`Lookup::Fetch`].
    pub fn wants_store(&self, now_ms: u64) -> bool {
        self.keys.is_none()
            && self.asked_store_at_ms.is_none_or(|asked_at_ms| {
                now_ms < asked_at_ms || now_ms.saturating_sub(asked_at_ms) >= ms(RETRY_S_MIN)
            })
    }

    /// To be called when the store is asked.
    pub fn asking_store(&mut self, now_ms: u64) {
        self.asked_store_at_ms = Some(now_ms);
    }

    /// Takes what the store had. What cannot be used, is from the future, or too old changes nothing, and neither
    /// does anything where keys are known: those came from the issuer.
    pub fn stored(&mut self, json: &str, now_ms: u64) {
        let Ok(stored) = serde_json::from_str::<Stored>(json) else {
            return;
        };
        let fresh_until_ms = stored
            .fresh_until_ms
            .min(stored.fetched_at_ms.saturating_add(ms(TTL_S_MAX)));
        let is_of_now = stored.fetched_at_ms <= now_ms.saturating_add(SKEW_MS_MAX)
            && now_ms < fresh_until_ms.saturating_add(ms(STALE_S_MAX));
        if stored.version != STORED_VERSION || !is_of_now || self.keys.is_some() {
            return;
        }
        if let Ok(jwks) = Jwks::parse(stored.jwks.as_bytes()) {
            self.keys = Some(Fetched {
                jwks,
                fresh_until_ms,
            });
        }
    }

    /// What to put into the store after [`JwksEntry::fetched`] has taken `body`; nothing where it is no text.
    pub fn to_store(body: &[u8], cache_control: Option<&str>, now_ms: u64) -> Option<String> {
        let stored = Stored {
            version: STORED_VERSION,
            fetched_at_ms: now_ms,
            fresh_until_ms: now_ms.saturating_add(ms(ttl_s(cache_control))),
            jwks: core::str::from_utf8(body).ok()?.to_owned(),
        };
        serde_json::to_string(&stored).ok()
    }

    /// Takes what the issuer answered with status 200. What cannot be used changes nothing.
    ///
    /// # Errors
    /// [`JwksError`].
    pub fn fetched(
        &mut self,
        body: &[u8],
        cache_control: Option<&str>,
        now_ms: u64,
    ) -> Result<(), JwksError> {
        let jwks = Jwks::parse(body)?;
        self.keys = Some(Fetched {
            jwks,
            fresh_until_ms: now_ms.saturating_add(ms(ttl_s(cache_control))),
        });
        Ok(())
    }
}

/// Seconds for which keys that came with this header are fresh (RFC 9111, section 5.2.2).
pub fn ttl_s(cache_control: Option<&str>) -> u64 {
    let directives = cache_control.unwrap_or_default().split(',');
    let mut stated_s = None;
    for directive in directives {
        let directive = directive.trim().to_ascii_lowercase();
        if matches!(directive.as_str(), "no-store" | "no-cache") {
            return TTL_S_MIN;
        }
        if let Some(seconds) = directive.strip_prefix("max-age=") {
            let digits = seconds.trim_matches('"');
            // More digits than fit are more seconds than count.
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            stated_s = is_number.then(|| digits.parse().unwrap_or(u64::MAX));
        }
    }
    stated_s
        .unwrap_or(TTL_S_DEFAULT)
        .clamp(TTL_S_MIN, TTL_S_MAX)
}

const fn ms(seconds: u64) -> u64 {
    seconds.saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_763_700_000_000;
    const ED: Algorithm = Algorithm::EdDsa;

    fn jwks(kid: &str) -> Vec<u8> {
        // RFC 8037, appendix A.2.
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        format!(
            "{{\"keys\":[{{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"{kid}\",\"x\":\"{x}\"}}]}}"
        )
        .into_bytes()
    }

    fn is_used(lookup: &Lookup<'_>, wants_refresh: bool) -> bool {
        matches!(lookup, Lookup::Use { refresh, .. } if *refresh == wants_refresh)
    }

    #[test]
    fn fetches_once_and_serves_until_the_time_is_over() {
        let mut entry = JwksEntry::default();
        assert_eq!(entry.look_up(Some("a"), ED, NOW_MS), Lookup::Fetch);
        entry.fetching(NOW_MS);
        assert_eq!(
            entry.look_up(Some("a"), ED, NOW_MS + 1),
            Lookup::Unavailable
        );
        entry
            .fetched(&jwks("a"), Some("max-age=120"), NOW_MS)
            .unwrap();
        assert!(is_used(
            &entry.look_up(Some("a"), ED, NOW_MS + 119_999),
            false
        ));
        assert!(is_used(
            &entry.look_up(Some("a"), ED, NOW_MS + 120_000),
            true
        ));
        assert!(is_used(&entry.look_up(None, ED, NOW_MS), false));
    }

    #[test]
    fn an_unknown_key_id_costs_a_fetch_each_half_minute_and_no_more() {
        let mut entry = JwksEntry::default();
        entry.fetching(NOW_MS);
        entry.fetched(&jwks("a"), None, NOW_MS).unwrap();
        let mut fetches = 0;
        for second in 0..300 {
            let now_ms = NOW_MS + second * 1000;
            let kid = format!("attacker-{second}");
            match entry.look_up(Some(&kid), ED, now_ms) {
                Lookup::Fetch => {
                    fetches += 1;
                    entry.fetching(now_ms);
                    entry.fetched(&jwks("a"), None, now_ms).unwrap();
                }
                other @ (Lookup::Use { .. } | Lookup::Unknown | Lookup::Unavailable) => {
                    assert_eq!(other, Lookup::Unknown);
                }
            }
            assert!(is_used(&entry.look_up(Some("a"), ED, now_ms), false));
        }
        assert_eq!(fetches, 9);
        // The issuer rotates: the new key is found by the next fetch.
        let now_ms = NOW_MS + 300_000;
        assert_eq!(entry.look_up(Some("b"), ED, now_ms), Lookup::Fetch);
        entry.fetching(now_ms);
        entry.fetched(&jwks("b"), None, now_ms).unwrap();
        assert!(is_used(&entry.look_up(Some("b"), ED, now_ms), false));
        assert_eq!(entry.look_up(Some("a"), ED, now_ms), Lookup::Unknown);
    }

    #[test]
    fn an_issuer_that_is_down_locks_nobody_out_for_a_day() {
        let mut entry = JwksEntry::default();
        entry.fetching(NOW_MS);
        entry
            .fetched(&jwks("a"), Some("max-age=60"), NOW_MS)
            .unwrap();
        let stale_ms = NOW_MS + 60_000;
        assert!(is_used(&entry.look_up(Some("a"), ED, stale_ms), true));
        entry.fetching(stale_ms);
        assert_eq!(
            entry.fetched(b"<html>", None, stale_ms),
            Err(JwksError::Malformed)
        );
        assert_eq!(
            entry.fetched(b"{\"keys\":[]}", None, stale_ms),
            Err(JwksError::Empty)
        );
        assert!(is_used(&entry.look_up(Some("a"), ED, stale_ms + 1), false));
        assert!(is_used(
            &entry.look_up(Some("a"), ED, stale_ms + 30_000),
            true
        ));
        let last_ms = stale_ms + STALE_S_MAX * 1000 - 1;
        assert!(is_used(&entry.look_up(Some("a"), ED, last_ms), true));
        assert_eq!(entry.look_up(Some("a"), ED, last_ms + 1), Lookup::Fetch);
        entry.fetching(last_ms + 1);
        assert_eq!(
            entry.look_up(Some("a"), ED, last_ms + 2),
            Lookup::Unavailable
        );
    }

    #[test]
    fn a_host_that_knows_nothing_asks_the_store_before_the_issuer() {
        let stored = JwksEntry::to_store(&jwks("a"), Some("max-age=120"), NOW_MS).unwrap();
        let mut entry = JwksEntry::default();
        assert!(entry.wants_store(NOW_MS));
        entry.asking_store(NOW_MS);
        assert!(!entry.wants_store(NOW_MS + 29_999) && entry.wants_store(NOW_MS + 30_000));
        entry.stored(&stored, NOW_MS + 1);
        assert!(!entry.wants_store(NOW_MS + 60_000), "keys are known");
        let fresh = entry.look_up(Some("a"), ED, NOW_MS + 119_999);
        assert!(is_used(&fresh, false));
        // The time since the fetch counts, not that since it was read.
        assert!(is_used(
            &entry.look_up(Some("a"), ED, NOW_MS + 120_000),
            true
        ));
        // Another key id is asked for at the issuer.
        assert_eq!(entry.look_up(Some("b"), ED, NOW_MS + 1), Lookup::Fetch);
    }

    #[test]
    fn what_the_store_says_is_no_better_than_what_the_issuer_said() {
        let stored = JwksEntry::to_store(&jwks("a"), Some("max-age=120"), NOW_MS).unwrap();
        let known = |text: &str, now_ms| {
            let mut entry = JwksEntry::default();
            entry.stored(text, now_ms);
            !entry.wants_store(now_ms)
        };
        assert!(known(&stored, NOW_MS) && known(&stored, NOW_MS + 120_000));
        let gone_ms = NOW_MS + 120_000 + STALE_S_MAX * 1000;
        assert!(known(&stored, gone_ms - 1) && !known(&stored, gone_ms));
        assert!(!known(&stored, NOW_MS - 60_001), "from the future");
        let endless = stored.replace(&(NOW_MS + 120_000).to_string(), "18446744073709551615");
        assert!(!known(&endless, NOW_MS + (TTL_S_MAX + STALE_S_MAX) * 1000));
        for bad in [
            "",
            "{}",
            "null",
            &stored.replace("\"version\":1", "\"version\":2"),
        ] {
            assert!(!known(bad, NOW_MS), "{bad}");
        }
        let no_keys = JwksEntry::to_store(b"{\"keys\":[]}", None, NOW_MS).unwrap();
        assert!(!known(&no_keys, NOW_MS));
        assert_eq!(JwksEntry::to_store(&[0xff], None, NOW_MS), None);
        // Keys from the issuer are not replaced.
        let mut entry = JwksEntry::default();
        entry.fetched(&jwks("b"), None, NOW_MS).unwrap();
        entry.stored(&stored, NOW_MS);
        assert!(is_used(&entry.look_up(Some("b"), ED, NOW_MS), false));
    }

    #[test]
    fn a_key_counts_for_its_own_algorithm_only() {
        let mut entry = JwksEntry::default();
        entry.fetching(NOW_MS);
        entry.fetched(&jwks("a"), None, NOW_MS).unwrap();
        assert_eq!(
            entry.look_up(Some("a"), Algorithm::Es256, NOW_MS),
            Lookup::Unknown
        );
        assert_eq!(
            entry.look_up(Some("a"), Algorithm::Rs256, NOW_MS),
            Lookup::Unknown
        );
    }

    #[test]
    fn the_issuers_word_on_time_is_bounded() {
        for (header, expected_s) in [
            (None, 300),
            (Some(""), 300),
            (Some("public"), 300),
            (Some("max-age=0"), 60),
            (Some("max-age=59, must-revalidate"), 60),
            (Some("public, Max-Age=600"), 600),
            (Some("max-age=\"600\""), 600),
            (Some("max-age=86401"), 86_400),
            (Some("max-age=99999999999999999999999"), 86_400),
            (Some("max-age=-1"), 300),
            (Some("max-age=1e9"), 300),
            (Some("no-store, max-age=600"), 60),
            (Some("no-cache"), 60),
        ] {
            assert_eq!(ttl_s(header), expected_s, "{header:?}");
        }
    }
}
