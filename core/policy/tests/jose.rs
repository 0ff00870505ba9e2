//! Signatures and keys of the RFCs' examples, and tokens that a library minted, good ones and those of
//! the known attacks (RFC 8725): every verdict. Other hosts of the policy run the same files.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use serde::Deserialize;
use serde_json::Value;
use souk_policy::jose::{Issuer, Jwks, Jws, PublicKey, TokenError, UnverifiedClaims, holds};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Examples {
    signatures: Vec<SignatureCase>,
    thumbprints: Vec<ThumbprintCase>,
    refused_keys: Vec<RefusedKey>,
}

#[derive(Deserialize)]
struct SignatureCase {
    name: String,
    jwk: Value,
    token: String,
    expect: String,
}

#[derive(Deserialize)]
struct ThumbprintCase {
    name: String,
    jwk: Value,
    expect: String,
}

#[derive(Deserialize)]
struct RefusedKey {
    name: String,
    jwk: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tokens {
    now_unix_s: i64,
    tenant: String,
    issuers: Vec<Issuer>,
    jwks: BTreeMap<String, Value>,
    cases: Vec<TokenCase>,
}

#[derive(Deserialize)]
struct TokenCase {
    name: String,
    token: String,
    expect: Expected,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Expected {
    Accepted { principal: String, scopes: String },
    Refused(String),
}

fn key(jwk: &Value) -> Option<PublicKey> {
    PublicKey::from_jwk(jwk.to_string().as_bytes())
}

fn verdict(token: &str, key: &PublicKey) -> Result<(), TokenError> {
    let jws = Jws::parse(token)?;
    if holds(&jws.check(key)?) {
        return Ok(());
    }
    Err(TokenError::Signature)
}

fn examples() -> Examples {
    serde_json::from_str(include_str!("../testdata/jose.json")).unwrap()
}

fn tokens() -> Tokens {
    serde_json::from_str(include_str!("../testdata/tokens.json")).unwrap()
}

#[test]
fn the_examples_of_the_rfcs_have_their_verdicts() {
    for case in examples().signatures {
        let verdict = verdict(&case.token, &key(&case.jwk).unwrap());
        let told = verdict.map_or_else(TokenError::as_str, |()| "holds");
        assert_eq!(told, case.expect, "{}", case.name);
    }
}

#[test]
fn keys_have_their_thumbprints_and_one_form() {
    for case in examples().thumbprints {
        let key = key(&case.jwk).unwrap();
        assert_eq!(key.thumbprint(), case.expect, "{}", case.name);
        assert_eq!(PublicKey::from_jwk(key.to_jwk().as_bytes()), Some(key));
    }
    for case in examples().refused_keys {
        assert_eq!(key(&case.jwk), None, "{}", case.name);
    }
}

fn accept(tokens: &Tokens, token: &str) -> Result<Expected, TokenError> {
    let jws = Jws::parse(token)?;
    let claims = UnverifiedClaims::parse(&jws)?;
    let issuer = claims.issuer(&jws, &tokens.issuers)?;
    let set = Jwks::parse(tokens.jwks[&issuer.jwks_url].to_string().as_bytes()).unwrap();
    let key = set.find(jws.key_id(), issuer.algorithm);
    let key = key.ok_or(TokenError::UnknownKey)?;
    if !holds(&jws.check(key)?) {
        return Err(TokenError::Signature);
    }
    let tenant = tokens.tenant.parse().unwrap();
    let caller = claims.accept(issuer, tenant, tokens.now_unix_s)?;
    Ok(Expected::Accepted {
        principal: caller.principal,
        scopes: caller.scopes.to_string(),
    })
}

#[test]
fn every_token_has_its_verdict() {
    let tokens = tokens();
    assert!(tokens.cases.len() >= 150, "vectors were lost");
    for issuer in &tokens.issuers {
        issuer.check().unwrap();
    }
    let names: BTreeSet<&str> = tokens.cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), tokens.cases.len(), "two vectors share a name");
    for case in &tokens.cases {
        let verdict = accept(&tokens, &case.token)
            .unwrap_or_else(|error| Expected::Refused(error.as_str().to_owned()));
        assert_eq!(verdict, case.expect, "{}", case.name);
    }
}

#[test]
fn another_byte_anywhere_in_a_good_token_is_refused() {
    let tokens = tokens();
    for good in tokens.cases.iter().take(4) {
        assert!(accept(&tokens, &good.token).is_ok());
        for at in (0..good.token.len()).step_by(7) {
            let mut altered = good.token.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert!(accept(&tokens, &altered).is_err(), "{} at {at}", good.name);
        }
    }
}

#[test]
fn times_have_a_leeway_of_a_minute_and_no_more() {
    let mut tokens = tokens();
    let good = tokens.cases[0].token.clone();
    let far = 4_102_444_800;
    for (now_unix_s, expected) in [
        (far + 59, Ok(())),
        (far + 60, Err(TokenError::Expired)),
        (1_500_000_000 - 60, Ok(())),
        (1_500_000_000 - 61, Err(TokenError::IssuedInFuture)),
    ] {
        tokens.now_unix_s = now_unix_s;
        assert_eq!(accept(&tokens, &good).map(|_| ()), expected, "{now_unix_s}");
    }
}

#[test]
fn key_sets_are_bounded_and_what_is_not_understood_is_left_out() {
    use souk_policy::jose::JwksError as E;
    let parse = |json: &str| Jwks::parse(json.as_bytes());
    for bad in [
        "",
        "[]",
        "{}",
        "{\"keys\":{}}",
        "{\"keys\":[1]}",
        "{\"keys\":[],\"keys\":[]}",
    ] {
        assert_eq!(parse(bad), Err(E::Malformed), "{bad}");
    }
    assert_eq!(parse("{\"keys\":[]}"), Err(E::Empty));
    assert_eq!(parse("{\"keys\":[{\"kty\":\"new\"}]}"), Err(E::Empty));
    assert_eq!(parse(&" ".repeat(64 * 1024 + 1)), Err(E::TooLarge));
    let many = format!("{{\"keys\":[{}]}}", vec!["{}"; 33].join(","));
    assert_eq!(parse(&many), Err(E::TooMany));
    let es = examples().signatures[4].jwk.to_string();
    let mixed = parse(&format!("{{\"keys\":[{{\"kty\":\"new\"}},{es}]}}")).unwrap();
    assert!(
        mixed
            .find(None, souk_policy::jose::Algorithm::Es256)
            .is_some()
    );
    let twice = parse(&format!("{{\"keys\":[{es},{es}]}}")).unwrap();
    assert!(
        twice
            .find(None, souk_policy::jose::Algorithm::Es256)
            .is_none(),
        "which one?"
    );
}
