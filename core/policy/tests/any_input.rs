//! What anyone can send is read without a panic, and in one way only.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use proptest::prelude::*;
use souk_policy::decide::RequestFacts;
use souk_policy::jose::{Jwks, Jws, UnverifiedClaims};
use souk_policy::route::{RouteKey, RouteRecord};
use souk_policy::settings::Settings;
use souk_policy::signature::{KeyRing, MessageParts, SigningKey, verify};
use support::{Host, Outcome};

/// Any text, and texts that begin to look like what is parsed.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".*",
        "[ -~]{0,80}",
        "[a-z0-9.:*\\[\\]_%-]{0,40}",
        "(/[a-z0-9.%~;=-]{0,12}){0,6}",
        "eyJ[A-Za-z0-9_-]{0,60}(\\.[A-Za-z0-9_=-]{0,60}){0,4}",
        "\\{\"(alg|kid|typ|keys|version|exp)\":[\"0-9a-zA-Z\\[\\]{},:.]{0,40}\\}?",
        "souk=\\(\"[@a-z-]{0,12}\"[ a-z\"]{0,20}\\);(created|expires|keyid|alg)=[0-9a-z\"]{0,12}",
    ]
}

fn header_name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("authorization".to_owned()),
        Just("idempotency-key".to_owned()),
        Just("souk-consistency".to_owned()),
        Just("content-length".to_owned()),
        Just("traceparent".to_owned()),
        Just("connection".to_owned()),
        Just("origin".to_owned()),
        "[a-z-]{1,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_token_is_read_or_refused(token in text()) {
        if let Ok(jws) = Jws::parse(&token) {
            let _claims = UnverifiedClaims::parse(&jws);
            // What was signed is the token up to its last dot, and nothing else.
            prop_assert!(token.split('.').count() == 3);
        }
    }

    #[test]
    fn records_settings_and_key_sets_are_read_or_refused(json in text(), bytes in any::<Vec<u8>>()) {
        let _read = Jwks::parse(&bytes);
        let _read = Jwks::parse(json.as_bytes());
        let _read = Settings::parse(&json);
        if let Ok(record) = RouteRecord::parse(&json) {
            prop_assert_eq!(RouteRecord::parse(&record.to_json().unwrap()).unwrap(), record);
        }
    }

    #[test]
    fn a_host_has_one_form(host in text()) {
        if let Some(key) = RouteKey::of_host(&host) {
            let name = key.as_str().strip_prefix("host:").unwrap();
            prop_assert_eq!(RouteKey::of_host(name), Some(key.clone()));
            prop_assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b)));
        }
    }

    #[test]
    fn a_signature_of_anything_does_not_hold(input in text(), signature in text(), digest in text()) {
        let key = SigningKey::new("k1", vec![7; 32]).unwrap();
        let ring = KeyRing::new(vec![key]).unwrap();
        let headers = [
            ("signature-input", input.as_str()),
            ("signature", signature.as_str()),
            ("content-digest", digest.as_str()),
        ];
        let parts = MessageParts { method: "GET", path: "/", query: None, headers: &headers, body: b"" };
        prop_assert!(verify(&parts, &ring, 1_763_700_000).is_err());
    }

    #[test]
    fn nobody_comes_in_by_anything_but_a_credential(
        method in prop_oneof![Just("GET".to_owned()), Just("POST".to_owned()), Just("OPTIONS".to_owned()), text()],
        path in prop_oneof![Just("/v1/orders".to_owned()), Just("/v1/orders/a".to_owned()), text()],
        query in proptest::option::of(text()),
        headers in prop::collection::vec((header_name(), text()), 0..6),
    ) {
        let record = "{\"version\":1,\"tenant_id\":\"ten_0197c0de8f2b7c3a9d4e5f6071829304\",\
            \"status\":\"active\",\"region\":\"local\",\"keys\":[]}";
        let mut host = Host { region: "local".to_owned(), ..Host::default() };
        let key = "host:demo.localhost".to_owned();
        host.records.insert(key, RouteRecord::parse(record).unwrap());
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let outcome = host.run(&RequestFacts {
            method: &method,
            host: "demo.localhost",
            path: &path,
            query: query.as_deref(),
            headers: &headers,
            now_unix_s: 1_763_700_000,
            request_id: "req_0197c0de8f2b7c3a9d4e5f60718293ff".parse().unwrap(),
            client_address: None,
        });
        if let Outcome::Forwarded(plan) = outcome {
            prop_assert_eq!(plan.identity().principal.as_str(), "anonymous");
            prop_assert_eq!(plan.operation().scope(), None);
        }
    }
}
