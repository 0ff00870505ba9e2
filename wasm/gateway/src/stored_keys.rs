//! What the store keeps of an issuer's keys, so that an instance begins with what others have fetched, and a
//! flood of unknown key ids costs the issuer no more than it would with one instance.

use souk_policy::jose::JWKS_BYTES_MAX;
use souk_policy::jwks_cache::JwksEntry;

/// An issuer's answer, and when it was last asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StoredKeys {
    /// Unix milliseconds of the last try, whatever became of it.
    pub(crate) tried_at_ms: u64,
    /// The last answer that could be used.
    pub(crate) answer: Option<Fetched>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// Unix milliseconds.
    pub(crate) at_ms: u64,
    /// Its `Cache-Control`.
    pub(crate) cache_control: Option<String>,
    /// The key set.
    pub(crate) body: Vec<u8>,
}

/// The store's key for the keys behind an address.
pub(crate) fn store_key(url: &str) -> String {
    format!("jwks:{url}")
}

impl StoredKeys {
    /// A line each for the last try, the answer's time and its `Cache-Control`, then the key set.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\n", self.tried_at_ms).into_bytes();
        if let Some(answer) = &self.answer {
            let control = answer.cache_control.as_deref().unwrap_or_default();
            let control = control.replace(['\n', '\r'], " ");
            text.extend(format!("{}\n{control}\n", answer.at_ms).into_bytes());
            text.extend(&answer.body);
        }
        text
    }

    /// Nothing where it has another form.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > JWKS_BYTES_MAX.saturating_mul(2) {
            return None;
        }
        let mut lines = bytes.splitn(4, |byte| *byte == b'\n');
        let mut line = || core::str::from_utf8(lines.next()?).ok();
        let tried_at_ms = line()?.parse().ok()?;
        let answer = match line()? {
            "" => None,
            at_ms => Some(Fetched {
                at_ms: at_ms.parse().ok()?,
                cache_control: Some(line()?)
                    .filter(|own| !own.is_empty())
                    .map(str::to_owned),
                body: lines.next()?.to_vec(),
            }),
        };
        Some(Self {
            tried_at_ms,
            answer,
        })
    }

    /// Takes the other's answer where it is the later one, and says whether it is.
    pub(crate) fn take_later_answer(&mut self, other: Self) -> bool {
        let at_ms = |keys: &Self| keys.answer.as_ref().map(|answer| answer.at_ms);
        let is_later = at_ms(&other) > at_ms(self);
        if is_later {
            self.answer = other.answer;
        }
        is_later
    }

    /// What the policy decides by.
    pub(crate) fn entry(&self) -> JwksEntry {
        let mut entry = JwksEntry::default();
        if let Some(answer) = &self.answer {
            let control = answer.cache_control.as_deref();
            // What is no key set any more, by later code, is fetched again.
            let _unusable = entry.fetched(&answer.body, control, answer.at_ms);
        }
        entry.fetching(self.tried_at_ms);
        entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use souk_policy::jose::Algorithm;
    use souk_policy::jwks_cache::Lookup;

    const NOW_MS: u64 = 1_763_700_000_000;

    fn stored() -> StoredKeys {
        // RFC 8037, appendix A.2.
        let body = "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\n\
            \"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";
        StoredKeys {
            tried_at_ms: NOW_MS + 500,
            answer: Some(Fetched {
                at_ms: NOW_MS,
                cache_control: Some("max-age=120".to_owned()),
                body: body.into(),
            }),
        }
    }

    #[test]
    fn what_is_kept_comes_back() {
        let unanswered = StoredKeys {
            tried_at_ms: NOW_MS,
            answer: None,
        };
        let mut silent = stored();
        silent.answer.as_mut().unwrap().cache_control = None;
        for one in [stored(), unanswered, silent] {
            assert_eq!(StoredKeys::parse(&one.to_bytes()), Some(one));
        }
        for bad in [
            &b""[..],
            b"x\n",
            b"1",
            b"1\n2",
            b"1\nx\n\n{}",
            b"1\n2\n\xff\n{}",
        ] {
            assert_eq!(StoredKeys::parse(bad), None, "{bad:?}");
        }
        assert_eq!(StoredKeys::parse(&vec![b'1'; 1 << 20]), None);
    }

    #[test]
    fn a_try_in_vain_takes_away_nothing_that_another_instance_has_fetched() {
        let mut in_vain = StoredKeys {
            tried_at_ms: NOW_MS + 900,
            answer: None,
        };
        assert!(in_vain.take_later_answer(stored()));
        assert_eq!(in_vain.tried_at_ms, NOW_MS + 900);
        assert_eq!(in_vain.answer, stored().answer);
        let mut earlier = stored();
        earlier.answer.as_mut().unwrap().at_ms -= 1;
        let nothing = StoredKeys::default();
        for other in [earlier, stored(), nothing] {
            assert!(!in_vain.take_later_answer(other));
            assert_eq!(in_vain.answer, stored().answer);
        }
    }

    #[test]
    fn another_instance_neither_forgets_the_keys_nor_that_they_were_asked_for() {
        let entry = StoredKeys::parse(&stored().to_bytes()).unwrap().entry();
        let look_up = |kid, now_ms| entry.look_up(Some(kid), Algorithm::EdDsa, now_ms);
        assert!(matches!(
            look_up("a", NOW_MS + 1_000),
            Lookup::Use { refresh: false, .. }
        ));
        assert_eq!(look_up("b", NOW_MS + 30_499), Lookup::Unknown);
        assert_eq!(look_up("b", NOW_MS + 30_500), Lookup::Fetch);
        assert!(matches!(
            look_up("a", NOW_MS + 120_000),
            Lookup::Use { refresh: true, .. }
        ));
    }
}
