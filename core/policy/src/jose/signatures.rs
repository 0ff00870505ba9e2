//! Signatures in pure Rust, for hosts without WebCrypto.

use super::{PublicKey, SignatureCheck};
use ed25519_dalek as ed25519;
use p256::ecdsa;
use p256::ecdsa::signature::Verifier as _;
use rsa::pkcs1v15;
use rsa::sha2::Sha256 as RsaSha256;
use rsa::signature::Verifier as _;
use rsa::{BigUint, RsaPublicKey};

/// Whether the signature holds. A key that is none, such as a point beside the curve, made no
/// signature.
pub fn holds(check: &SignatureCheck<'_>) -> bool {
    let message = check.signing_input.as_bytes();
    match check.key {
        PublicKey::Es256 { x, y } => es256(x, y, message, &check.signature),
        PublicKey::Ed25519 { x } => ed25519(x, message, &check.signature),
        PublicKey::Rs256 { n, e } => rs256(n, e, message, &check.signature),
    }
    .is_some()
}

fn es256(x: &[u8; 32], y: &[u8; 32], message: &[u8], signature: &[u8]) -> Option<()> {
    // SEC 1, section 2.3.3: uncompressed.
    let point = [&[4][..], x, y].concat();
    let key = ecdsa::VerifyingKey::from_sec1_bytes(&point).ok()?;
    // Refuses zeros.
    let signature = ecdsa::Signature::from_slice(signature).ok()?;
    key.verify(message, &signature).ok()
}

fn ed25519(x: &[u8; 32], message: &[u8], signature: &[u8]) -> Option<()> {
    let key = ed25519::VerifyingKey::from_bytes(x).ok()?;
    let signature = ed25519::Signature::from_slice(signature).ok()?;
    key.verify_strict(message, &signature).ok()
}

fn rs256(n: &[u8], e: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
    let key = RsaPublicKey::new(BigUint::from_bytes_be(n), BigUint::from_bytes_be(e)).ok()?;
    let signature = pkcs1v15::Signature::try_from(signature).ok()?;
    pkcs1v15::VerifyingKey::<RsaSha256>::new(key)
        .verify(message, &signature)
        .ok()
}
