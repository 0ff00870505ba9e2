//! The signature of Stripe's events (docs.stripe.com/webhooks#verify-manually).

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use souk_domain::Timestamp;

/// Longest time between signing and arriving, and by how much clocks may differ.
pub const SIGNATURE_TOLERANCE_S: u64 = 300;
/// Longest header that is read.
const HEADER_BYTES_MAX: usize = 4_096;
/// Signatures in a header that are looked at, at most.
const SIGNATURES_MAX: usize = 16;

/// Why an event is not taken for Stripe's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The header is none of Stripe's.
    #[error("the signature header is malformed")]
    Malformed,
    /// It was signed too long ago, or will be.
    #[error("the signature's time is too far from now")]
    Stale,
    /// It was signed with none of the secrets, or something was altered.
    #[error("no signature matches")]
    Mismatch,
}

/// Verifies the header `Stripe-Signature` over the raw body. Any of `secrets` may have signed, and any of
/// the header's `v1` signatures may match: so are secrets replaced. Each is compared in constant time.
///
/// # Errors
/// [`SignatureError`]; nothing of the body is to be believed then.
pub fn verify_signature(
    header: &str,
    body: &[u8],
    secrets: &[String],
    now: Timestamp,
) -> Result<(), SignatureError> {
    let (time_text, signatures) = parse(header)?;
    let signed_s: i64 = time_text.parse().map_err(|_| SignatureError::Malformed)?;
    let mut matches = false;
    for secret in secrets {
        let mac = mac(secret, time_text, body).ok_or(SignatureError::Mismatch)?;
        for signature in &signatures {
            // `verify_slice` compares in constant time.
            matches |= mac.clone().verify_slice(signature).is_ok();
        }
    }
    if !matches {
        return Err(SignatureError::Mismatch);
    }
    if now.unix_s().abs_diff(signed_s) > SIGNATURE_TOLERANCE_S {
        return Err(SignatureError::Stale);
    }
    Ok(())
}

/// The time as it was signed, and the signatures of the scheme `v1`.
fn parse(header: &str) -> Result<(&str, Vec<[u8; 32]>), SignatureError> {
    if header.len() > HEADER_BYTES_MAX {
        return Err(SignatureError::Malformed);
    }
    let mut time = None;
    let mut signatures = Vec::new();
    for item in header.split(',') {
        match item.trim().split_once('=') {
            Some(("t", value)) if time.is_none() => time = Some(value),
            Some(("t", _)) | None => return Err(SignatureError::Malformed),
            Some(("v1", value)) if signatures.len() < SIGNATURES_MAX => {
                let mut signature = [0_u8; 32];
                if hex::decode_to_slice(value, &mut signature).is_ok() {
                    signatures.push(signature);
                }
            }
            // Other schemes are not for us.
            Some(_) => {}
        }
    }
    match time {
        Some(time) if !signatures.is_empty() => Ok((time, signatures)),
        Some(_) | None => Err(SignatureError::Malformed),
    }
}

fn mac(secret: &str, time: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    Some(mac)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BODY: &[u8] = br#"{"id":"evt_1","object":"event"}"#;
    const AT_S: i64 = 1_795_248_000;

    fn sign(secret: &str, at_s: i64, body: &[u8]) -> String {
        let mac = mac(secret, &at_s.to_string(), body).unwrap();
        hex::encode(mac.finalize().into_bytes())
    }

    fn secrets(all: &[&str]) -> Vec<String> {
        all.iter().map(|one| (*one).to_owned()).collect()
    }

    fn now(at_s: i64) -> Timestamp {
        Timestamp::from_unix_ms(at_s * 1_000).unwrap()
    }

    /// printf '%s' '1795248000.BODY' | openssl dgst -sha256 -hmac `whsec_test`
    const BY_OPENSSL: &str = "9296f7ac16be500753da915cba5bf75b516cd9b87bf0e77f27df1f55e05907a0";

    #[test]
    fn it_is_stripes_own_scheme() {
        let header = format!("t={AT_S},v1={BY_OPENSSL},v0=00");
        let verified = verify_signature(&header, BODY, &secrets(&["whsec_test"]), now(AT_S));
        assert_eq!(verified, Ok(()));
    }

    #[test]
    fn secrets_are_replaced_without_a_gap() {
        let (old, new) = (sign("old", AT_S, BODY), sign("new", AT_S, BODY));
        let both_sign = format!("t={AT_S},v1={old},v1={new}");
        for known in [&["old"][..], &["new"], &["other", "new"], &["old", "new"]] {
            let verified = verify_signature(&both_sign, BODY, &secrets(known), now(AT_S));
            assert_eq!(verified, Ok(()), "{known:?}");
        }
        let one_signs = format!("t={AT_S},v1={new}");
        let verified = verify_signature(&one_signs, BODY, &secrets(&["old", "new"]), now(AT_S));
        assert_eq!(verified, Ok(()));
        for unknown in [&["other"][..], &[], &["old"]] {
            let refused = verify_signature(&one_signs, BODY, &secrets(unknown), now(AT_S));
            assert_eq!(refused, Err(SignatureError::Mismatch), "{unknown:?}");
        }
    }

    #[test]
    fn too_old_or_too_early_is_refused() {
        let header = format!("t={AT_S},v1={}", sign("s", AT_S, BODY));
        let at = |at_s| verify_signature(&header, BODY, &secrets(&["s"]), now(at_s));
        assert_eq!((at(AT_S + 300), at(AT_S - 300)), (Ok(()), Ok(())));
        for late in [AT_S + 301, AT_S - 301, AT_S + 86_400, 0] {
            assert_eq!(at(late), Err(SignatureError::Stale));
        }
    }

    #[test]
    fn what_is_no_such_header_is_malformed() {
        let signature = sign("s", AT_S, BODY);
        let long = "x".repeat(5_000);
        for bad in [
            "",
            "t=1",
            &format!("v1={signature}"),
            &format!("t=,v1={signature}"),
            &format!("t=soon,v1={signature}"),
            &format!("t={AT_S},t={AT_S},v1={signature}"),
            &format!("t={AT_S},v0={signature}"),
            &format!("t={AT_S},v1={}", &signature[..62]),
            &long,
        ] {
            let refused = verify_signature(bad, BODY, &secrets(&["s"]), now(AT_S));
            assert_eq!(refused, Err(SignatureError::Malformed), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_altered_byte_is_found(at in 0..BODY.len(), bit in 0_u8..8) {
            let header = format!("t={AT_S},v1={}", sign("s", AT_S, BODY));
            let mut body = BODY.to_vec();
            body[at] ^= 1 << bit;
            let refused = verify_signature(&header, &body, &secrets(&["s"]), now(AT_S));
            prop_assert_eq!(refused, Err(SignatureError::Mismatch));
        }

        #[test]
        fn the_time_is_signed(by in 1_i64..300) {
            let signature = sign("s", AT_S, BODY);
            let header = format!("t={},v1={signature}", AT_S + by);
            let refused = verify_signature(&header, BODY, &secrets(&["s"]), now(AT_S));
            prop_assert_eq!(refused, Err(SignatureError::Mismatch));
        }

        #[test]
        fn no_header_makes_it_panic(
            header in ".{0,200}",
            body in prop::collection::vec(any::<u8>(), 0..50),
        ) {
            prop_assert!(verify_signature(&header, &body, &secrets(&["s"]), now(AT_S)).is_err());
        }
    }
}
