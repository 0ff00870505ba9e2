//! Signatures that were found to hold: a proof stays one, whatever the time is.
//!
//! What is remembered is the digest of key, text and signature together. That the key still is the issuer's, and
//! what the token claims, is looked at each time.

use super::SignatureCheck;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

/// Proofs of one generation at most; two are kept.
pub const PROOFS_MAX: usize = 2_048;

/// What stands for a check.
pub type ProofId = [u8; 32];

/// The proofs that a host remembers.
#[derive(Debug, Default)]
pub struct Proofs {
    young: BTreeSet<ProofId>,
    old: BTreeSet<ProofId>,
}

impl Proofs {
    /// None.
    pub const fn new() -> Self {
        Self {
            young: BTreeSet::new(),
            old: BTreeSet::new(),
        }
    }

    /// Names a check: another key, text or signature has another name.
    pub fn id(check: &SignatureCheck<'_>) -> ProofId {
        let key = check.key.to_jwk();
        let mut digest = Sha256::new();
        // With their lengths, so that nothing moves from one part to the next.
        for part in [
            key.as_bytes(),
            check.signing_input.as_bytes(),
            &check.signature,
        ] {
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            digest.update(length.to_be_bytes());
            digest.update(part);
        }
        digest.finalize().into()
    }

    /// Whether it was found to hold.
    pub fn has(&mut self, id: &ProofId) -> bool {
        if self.young.contains(id) {
            return true;
        }
        let is_old = self.old.contains(id);
        if is_old {
            self.add(*id);
        }
        is_old
    }

    /// It was found to hold.
    pub fn add(&mut self, id: ProofId) {
        if self.young.len() >= PROOFS_MAX {
            self.old = core::mem::take(&mut self.young);
        }
        self.young.insert(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::PublicKey;

    #[test]
    fn each_part_of_a_check_is_part_of_its_name() {
        let (one, two) = (
            PublicKey::Ed25519 { x: [1; 32] },
            PublicKey::Ed25519 { x: [2; 32] },
        );
        let check = |key, signing_input, signature: &[u8]| {
            Proofs::id(&SignatureCheck {
                key,
                signing_input,
                signature: signature.to_vec(),
            })
        };
        let names = [
            check(&one, "a.b", &[1, 2]),
            check(&two, "a.b", &[1, 2]),
            check(&one, "a.c", &[1, 2]),
            check(&one, "a.b", &[1, 3]),
            check(&one, "a.b\n", &[1, 2]),
            check(&one, "a.b", &[10, 1, 2]),
        ];
        let distinct: BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
        assert_eq!(check(&one, "a.b", &[1, 2]), names[0]);
    }

    #[test]
    fn what_is_used_stays_and_memory_is_bounded() {
        let mut proofs = Proofs::new();
        let id = |number: u32| {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&number.to_be_bytes());
            id
        };
        assert!(!proofs.has(&id(0)));
        for number in 0..10_000 {
            proofs.add(id(number));
            assert!(proofs.has(&id(0)), "used all the time");
            assert!(proofs.young.len() + proofs.old.len() <= 2 * PROOFS_MAX);
        }
        assert!(!proofs.has(&id(1)));
    }
}
