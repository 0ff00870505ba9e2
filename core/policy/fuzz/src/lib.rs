//! What must hold of anything that anyone sends: a function for each fuzz target.
//!
//! A function panics where something does not hold. `cargo xtask fuzz` calls them with what libFuzzer thinks of,
//! `core/policy/tests/corpus.rs` with what it has thought of before.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use souk_policy::ForwardPlan;
use souk_policy::address::Cidr;
use souk_policy::decide::{IssuerKey, Known, Next, Opening, RequestFacts, Tenant, decide, open};
use souk_policy::headers::reaches_origin;
use souk_policy::jose::{Algorithm, Jwks, Jws, PublicKey, UnverifiedClaims};
use souk_policy::jwks_cache::{JwksEntry, Lookup};
use souk_policy::operations;
use souk_policy::route::{HOST_BYTES_MAX, RouteKey, RouteRecord};
use souk_policy::settings::Settings;
use souk_policy::signature::{KeyRing, MessageParts, SigningKey, verify};
use souk_policy::structured_field::{BareItem, Dictionary, Member};

const NOW_UNIX_S: i64 = 1_763_700_000;
const NOW_MS: u64 = 1_763_700_000_000;
const TENANT: &str = "ten_0197c0de8f2b7c3a9d4e5f6071829304";
/// RFC 8037, appendix A.2.
const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
/// A tenant with an issuer that signs with that key, and no API key.
const RECORD: &str = r#"{"version":3,"tenant_id":"ten_0197c0de8f2b7c3a9d4e5f6071829304","status":"active",
    "region":"local","keys":[],"policy":{"cors_origins":["https://shop.example"],"issuers":[{"name":"ed",
    "issuer":"https://id.example","jwks_url":"https://id.example/jwks.json","algorithm":"EdDSA",
    "audience":"souk","tenant_claim":"tenant","grants":["orders:read"],
    "roles":{"clerk":["orders:read"]}}]}}"#;
const SETTINGS: &str = r#"{"version":1,"issuer_hosts":["id.example"]}"#;

/// A host has one form, whichever way it is written, and no form means another tenant's.
pub fn host(input: &[u8]) {
    let Ok(text) = core::str::from_utf8(input) else {
        return;
    };
    if let Ok(range) = text.parse::<Cidr>() {
        assert_eq!(range.to_string().parse(), Ok(range));
    }
    let Some(key) = RouteKey::of_host(text) else {
        return;
    };
    let name = key.as_str().strip_prefix("host:").expect("a host's key");
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    assert!(name.bytes().all(plain), "{name}");
    assert!(name.len() <= HOST_BYTES_MAX && !name.is_empty());
    assert!(name.split('.').all(|label| (1..=63).contains(&label.len())));
    for written in [
        name.to_owned(),
        name.to_ascii_uppercase(),
        format!("{name}."),
        format!("{name}:8080"),
    ] {
        assert_eq!(RouteKey::of_host(&written), Some(key.clone()), "{written}");
    }
    // No host that a request can name leads to a wildcard's record or to a tenant's own.
    assert!(!key.as_str().contains('*') && !key.as_str().starts_with("tenant:"));
    if let Some(wildcard) = key.wildcard() {
        let parent = wildcard
            .as_str()
            .strip_prefix("host:*.")
            .expect("a wildcard");
        assert!(
            name.ends_with(parent) && parent.contains('.'),
            "{wildcard:?}"
        );
        assert_eq!(RouteKey::of_host(&format!("*.{parent}")), None);
    }
}

/// Lines: method, host, path, query (`-` for none), then `name:value` headers. What is forwarded is what came, on
/// behalf of nobody, and the origin finds the signature good.
pub fn request(input: &[u8]) {
    let Ok(text) = core::str::from_utf8(input) else {
        return;
    };
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (method, host, path, query) = (line(), line(), line(), line());
    let query = (query != "-").then_some(query);
    let headers: Vec<(&str, &str)> = lines.filter_map(header).collect();
    let facts = RequestFacts {
        method,
        host,
        path,
        query,
        headers: &headers,
        now_unix_s: NOW_UNIX_S,
        request_id: "req_0197c0de8f2b7c3a9d4e5f60718293ff"
            .parse()
            .expect("an id"),
        client_address: None,
    };
    let Ok(Opening::LookUp(_)) = open(&facts) else {
        return;
    };
    assert!(path.starts_with('/') && !path.contains("//") && !path.contains(['%', '\\', ' ']));
    assert!(!path.split('/').any(|segment| matches!(segment, "." | "..")));
    assert!(
        query
            .unwrap_or_default()
            .bytes()
            .all(|byte| byte.is_ascii_graphic())
    );
    let (record, settings) = (record_of_tests(), settings_of_tests());
    let keys = Jwks::parse(KEYS.as_bytes()).expect("a key set");
    let found = keys.find(None, Algorithm::EdDsa).map(IssuerKey::Found);
    // A key alone proves nothing.
    for key in [None, found] {
        let known = Known {
            region: "local",
            settings: &settings,
            tenant: Tenant::Known(&record),
            address: None,
            key,
            signature_holds: None,
            limited: None,
        };
        if let Ok(Next::Forward(plan)) = decide(&facts, &known) {
            check_forwarded(&facts, &plan);
        }
    }
}

fn check_forwarded(facts: &RequestFacts<'_>, plan: &ForwardPlan) {
    let identity = plan.identity();
    assert!(
        matches!(identity.principal.as_str(), "anonymous" | "psp"),
        "{identity:?}"
    );
    assert!(identity.scopes.is_empty() && identity.tenant.to_string() == TENANT);
    assert_eq!(
        operations::find(facts.method, facts.path),
        Ok(plan.operation())
    );
    let target = plan.target();
    assert_eq!(
        target.split_once('?').unwrap_or((&target, "")),
        (facts.path, facts.query.unwrap_or_default())
    );
    let mut sent: Vec<(&str, &str)> = facts.headers.to_vec();
    sent.retain(|(name, _)| !plan.stripped().iter().any(|own| own == name));
    assert!(
        sent.iter().all(|(name, _)| reaches_origin(name)),
        "{sent:?}"
    );
    let key = SigningKey::new("k1", vec![7; 32]).expect("a key");
    let sealed = plan.seal(b"{}", &key, NOW_UNIX_S);
    let sealed = sealed.expect("what is forwarded can be signed");
    sent.retain(|(name, _)| !sealed.iter().any(|(own, _)| own == name));
    sent.extend(sealed.iter().map(|(name, value)| (*name, value.as_str())));
    let ring = KeyRing::new(vec![key]).expect("a ring");
    let parts = MessageParts {
        method: facts.method,
        path: facts.path,
        query: facts.query,
        headers: &sent,
        body: b"{}",
    };
    assert_eq!(verify(&parts, &ring, NOW_UNIX_S).as_ref(), Ok(identity));
}

/// A header as a host hands it over: its name in lower case, its value without control characters.
fn header(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = !name.is_empty()
        && name.bytes().all(plain)
        && !value.contains(|one: char| one.is_control());
    fits.then_some((name, value.trim_matches(' ')))
}

/// A token is three parts with one spelling each; its claims are nobody's before a signature is proved, and then
/// no more than their issuer may grant. A key set that is refused changes nothing.
pub fn token(input: &[u8]) {
    key_set(input);
    let Ok(token) = core::str::from_utf8(input) else {
        return;
    };
    let Ok(jws) = Jws::parse(token) else {
        return;
    };
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3);
    assert_eq!(
        parts.get(1),
        Some(&URL_SAFE_NO_PAD.encode(jws.payload()).as_str())
    );
    let keys = Jwks::parse(KEYS.as_bytes()).expect("a key set");
    let key = keys.find(Some("k"), Algorithm::EdDsa).expect("its key");
    if let Ok(check) = jws.check(key) {
        assert_eq!(
            (jws.algorithm(), check.signature.len()),
            (Algorithm::EdDsa, 64)
        );
        let again = format!(
            "{}.{}",
            check.signing_input,
            URL_SAFE_NO_PAD.encode(&check.signature)
        );
        assert_eq!(again, token, "written again");
    }
    let Ok(claims) = UnverifiedClaims::parse(&jws) else {
        return;
    };
    let record = record_of_tests();
    let Ok(issuer) = claims.issuer(&jws, &record.policy.issuers) else {
        return;
    };
    assert_eq!(issuer.algorithm, jws.algorithm());
    if let Ok(caller) = claims.accept(issuer, record.tenant_id, NOW_UNIX_S) {
        assert!(caller.principal.starts_with("ed|"), "{caller:?}");
        assert_eq!(caller.scopes.only(&["orders:read"]), caller.scopes);
    }
}

fn key_set(input: &[u8]) {
    let mut entry = JwksEntry::default();
    entry.fetching(NOW_MS);
    entry
        .fetched(KEYS.as_bytes(), None, NOW_MS)
        .expect("a key set");
    let before = format!("{entry:?}");
    match entry.fetched(input, None, NOW_MS) {
        Err(_) => assert_eq!(
            format!("{entry:?}"),
            before,
            "what is refused changes nothing"
        ),
        Ok(()) => {
            for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
                if let Lookup::Use { key, .. } = entry.look_up(None, algorithm, NOW_MS) {
                    assert_eq!(key.algorithm(), algorithm);
                    let set = format!("{{\"keys\":[{}]}}", key.to_jwk());
                    let read = Jwks::parse(set.as_bytes()).expect("written again");
                    let same = read.find(None, algorithm).map(PublicKey::thumbprint);
                    assert_eq!(same, Some(key.thumbprint()));
                }
            }
        }
    }
}

/// A field is read as the reference reads it or refused, and is written in one form. Lines: what is signed, the
/// signature, the digest; no such message is an edge's.
pub fn signature(input: &[u8]) {
    let Ok(text) = core::str::from_utf8(input) else {
        return;
    };
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (inputs, signature, digest) = (line(), line(), line());
    for field in [inputs, signature, digest] {
        structured(field);
    }
    let headers = [
        ("signature-input", inputs),
        ("signature", signature),
        ("content-digest", digest),
        ("souk-tenant", TENANT),
        ("souk-principal", "anonymous"),
        ("souk-scopes", "none"),
        ("souk-region", "local"),
        ("souk-request-id", "req_0197c0de8f2b7c3a9d4e5f60718293ff"),
    ];
    let key = SigningKey::new("k1", vec![7; 32]).expect("a key");
    let ring = KeyRing::new(vec![key]).expect("a ring");
    let parts = MessageParts {
        method: "GET",
        path: "/",
        query: None,
        headers: &headers,
        body: b"",
    };
    assert!(
        verify(&parts, &ring, NOW_UNIX_S).is_err(),
        "nobody can sign this"
    );
}

fn structured(text: &str) {
    let Ok(read) = Dictionary::parse(text) else {
        return;
    };
    let written = read.serialize();
    assert_eq!(Dictionary::parse(&written).as_ref(), Ok(&read), "{written}");
    let reference: sfv::Dictionary = sfv::Parser::new(text)
        .parse()
        .expect("the reference reads it");
    let mut serializer = sfv::DictSerializer::new();
    serializer.members(reference.iter());
    assert_eq!(written, serializer.finish().unwrap_or_default(), "{text:?}");
    if let Some(Member::Item(item)) = read.get("souk")
        && let BareItem::Bytes(bytes) = &item.value
    {
        assert!(bytes.len() < text.len());
    }
}

/// A record is all understood or refused, and what is read is written so that it is read alike.
pub fn record(input: &[u8]) {
    let Ok(text) = core::str::from_utf8(input) else {
        return;
    };
    if let Ok(settings) = Settings::parse(text) {
        let written = serde_json_of(&settings);
        assert_eq!(
            Settings::parse(&written).expect("written settings"),
            settings
        );
    }
    let Ok(read) = RouteRecord::parse(text) else {
        return;
    };
    // Version 1 has no principals, so a key whose id is a reserved name cannot be written in a later one.
    let written = read.to_json().expect("what was read can be written");
    let again = RouteRecord::parse(&written).expect("what is written is read");
    assert_eq!(again, read);
    assert_eq!(again.to_json().expect("and written"), written);
    for key in &read.keys {
        assert!(
            !matches!(key.principal.as_str(), "anonymous" | "psp"),
            "{key:?}"
        );
        let same = read
            .keys
            .iter()
            .filter(|other| other.id == key.id || other.sha256 == key.sha256);
        assert_eq!(same.count(), 1, "{key:?}");
    }
    for issuer in &read.policy.issuers {
        assert!(issuer.jwks_host().is_some(), "{issuer:?}");
    }
    assert!(read.policy.canary_percent <= 100);
}

fn serde_json_of(settings: &Settings) -> String {
    serde_json::to_string(settings).expect("JSON")
}

fn record_of_tests() -> RouteRecord {
    RouteRecord::parse(RECORD).expect("a record")
}

fn settings_of_tests() -> Settings {
    Settings::parse(SETTINGS).expect("settings")
}
