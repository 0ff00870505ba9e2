use super::*;
use proptest::prelude::*;

const CREATED: i64 = 1_763_700_000;
const TENANT: &str = "ten_0197c0de8f2b7c3a9d4e5f6071829304";
const PRINCIPAL: &str = "key_0197c0de8f2b7c3a9d4e5f6071829305";
const REQUEST_ID: &str = "req_0197c0de8f2b7c3a9d4e5f6071829306";

/// A message whose parts can be altered.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Message {
    method: String,
    path: String,
    query: Option<String>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Message {
    fn new() -> Self {
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", "\"c0ffee-1\""),
            ("souk-tenant", TENANT),
            ("souk-principal", PRINCIPAL),
            ("souk-scopes", "orders:read orders:write"),
            ("souk-region", "eu-central-1"),
            ("souk-request-id", REQUEST_ID),
        ];
        Self {
            method: "POST".to_owned(),
            path: "/v1/orders".to_owned(),
            query: Some("expand=lines".to_owned()),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
            body: br#"{"currency":"EUR"}"#.to_vec(),
        }
    }

    fn signed() -> Self {
        let mut message = Self::new();
        message.sign(&key("a"), CREATED, TTL_S_MAX);
        message
    }

    fn with_parts<T>(&self, use_parts: impl FnOnce(&MessageParts<'_>) -> T) -> T {
        let headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        use_parts(&MessageParts {
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &headers,
            body: &self.body,
        })
    }

    fn sign(&mut self, key: &SigningKey, created: i64, ttl_s: u32) {
        let signed = self.with_parts(|parts| sign(parts, key, created, ttl_s).unwrap());
        self.set(CONTENT_DIGEST_HEADER, &signed.content_digest);
        self.set(SIGNATURE_INPUT_HEADER, &signed.signature_input);
        self.set(SIGNATURE_HEADER, &signed.signature);
    }

    /// Signs under an inner list that `sign` would not write.
    fn sign_as(&mut self, components: &str, parameters: &str) {
        let input = format!("({components}){parameters}");
        self.set(CONTENT_DIGEST_HEADER, &content_digest(&self.body.clone()));
        let names = components.split_whitespace();
        let signature = self.with_parts(|parts| {
            let components: Vec<(&str, String)> = names
                .map(|quoted| quoted.trim_matches('"'))
                .map(|name| (name, component_value(parts, name).unwrap()))
                .collect();
            let mac = key("a").keyed(&signature_base(&components, &input));
            BASE64.encode(mac.finalize().into_bytes())
        });
        self.set(SIGNATURE_INPUT_HEADER, &format!("souk={input}"));
        self.set(SIGNATURE_HEADER, &format!("souk=:{signature}:"));
    }

    fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.add(name, value);
    }

    fn add(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    fn remove(&mut self, name: &str) {
        self.headers.retain(|(own, _)| own != name);
    }

    fn value(&self, name: &str) -> String {
        let found = self.headers.iter().find(|(own, _)| own == name);
        found.unwrap().1.clone()
    }

    fn verify_at(&self, now: i64) -> Result<EdgeIdentity, SignatureError> {
        let ring = KeyRing::new(vec![key("a"), key("b")]).unwrap();
        self.with_parts(|parts| verify(parts, &ring, now))
    }

    fn verify(&self) -> Result<EdgeIdentity, SignatureError> {
        self.verify_at(CREATED)
    }
}

fn key(id: &str) -> SigningKey {
    SigningKey::new(id, id.repeat(32).into_bytes()).unwrap()
}

const ALL: &str = r#""@method" "@path" "@query" "content-digest" "souk-tenant" "souk-principal" "souk-scopes" "souk-region" "souk-request-id" "idempotency-key""#;

fn parameters() -> String {
    format!(
        ";created={CREATED};expires={};keyid=\"a\"",
        CREATED.saturating_add(30)
    )
}

/// RFC 9421, appendix B.2.5, with the secret of B.1.5.
#[test]
fn computes_the_signature_of_the_rfc() {
    let secret =
        "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";
    let key = SigningKey::from_base64("test-shared-secret", secret).unwrap();
    let field = r#"sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#;
    let dictionary = Dictionary::parse(field).unwrap();
    let Some(Member::InnerList(input)) = dictionary.get("sig-b25") else {
        panic!("no inner list in {field}");
    };
    let components = [
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT".to_owned()),
        ("@authority", "example.com".to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    let base = signature_base(&components, &input.serialize());
    assert_eq!(
        base,
        "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\
         \"@authority\": example.com\n\
         \"content-type\": application/json\n\
         \"@signature-params\": (\"date\" \"@authority\" \"content-type\")\
         ;created=1618884473;keyid=\"test-shared-secret\""
    );
    let signature = BASE64
        .decode("pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=")
        .unwrap();
    assert!(key.keyed(&base).verify_slice(&signature).is_ok());
    assert_eq!(
        key.keyed(&base).finalize().into_bytes().as_slice(),
        signature
    );
}

/// RFC 9530, appendices B.1 and D.
#[test]
fn computes_the_digests_of_the_rfc() {
    assert_eq!(
        content_digest(b"{\"hello\": \"world\"}\n"),
        "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    );
    assert_eq!(
        content_digest(b"{\"hello\": \"world\"}"),
        "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"
    );
    assert_eq!(
        content_digest(b""),
        "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
    );
}

#[test]
fn what_is_signed_verifies() {
    let identity = Message::signed().verify().unwrap();
    assert_eq!(identity.tenant.to_string(), TENANT);
    assert_eq!(identity.principal, PRINCIPAL);
    assert_eq!(identity.scopes.to_string(), "orders:read orders:write");
    assert_eq!(identity.region, "eu-central-1");
    assert_eq!(identity.request_id.to_string(), REQUEST_ID);
}

#[test]
fn writes_the_headers_as_documented() {
    let message = Message::signed();
    assert_eq!(
        message.value(SIGNATURE_INPUT_HEADER),
        format!("souk=({ALL}){};alg=\"hmac-sha256\"", parameters())
    );
    let mut message = Message::new();
    message.remove("idempotency-key");
    message.sign(&key("a"), CREATED, 30);
    assert!(
        !message
            .value(SIGNATURE_INPUT_HEADER)
            .contains("idempotency")
    );
    assert!(message.verify().is_ok());
}

#[test]
fn an_absent_query_is_an_empty_one() {
    let mut message = Message::new();
    message.query = None;
    message.body.clear();
    message.sign(&key("a"), CREATED, 1);
    assert!(message.verify().is_ok());
    message.query = Some(String::new());
    assert!(message.verify().is_ok());
}

#[test]
fn lives_from_created_less_the_skew_to_expires() {
    let message = Message::signed();
    let at = |offset: i64| message.verify_at(CREATED.saturating_add(offset)).map(drop);
    assert_eq!(at(-6), Err(SignatureError::Future));
    assert_eq!(at(-5), Ok(()));
    assert_eq!(at(30), Ok(()));
    assert_eq!(at(31), Err(SignatureError::Expired));
    assert_eq!(
        message.verify_at(i64::MAX).map(drop),
        Err(SignatureError::Expired)
    );
    assert_eq!(
        message.verify_at(i64::MIN).map(drop),
        Err(SignatureError::Future)
    );
}

#[test]
fn accepts_either_live_key_and_no_other() {
    for (id, expected) in [
        ("a", Ok(())),
        ("b", Ok(())),
        ("c", Err(SignatureError::UnknownKey)),
    ] {
        let mut message = Message::new();
        message.sign(&key(id), CREATED, 30);
        assert_eq!(message.verify().map(drop), expected, "{id}");
    }
    let mut message = Message::new();
    let impostor = SigningKey::new("a", vec![7; 32]).unwrap();
    message.sign(&impostor, CREATED, 30);
    assert_eq!(message.verify().map(drop), Err(SignatureError::Mismatch));
}

#[test]
fn each_of_the_three_headers_is_needed() {
    for name in [
        CONTENT_DIGEST_HEADER,
        SIGNATURE_INPUT_HEADER,
        SIGNATURE_HEADER,
    ] {
        let mut message = Message::signed();
        message.remove(name);
        assert!(message.verify().is_err(), "{name}");
    }
    assert_eq!(
        Message::new().verify(),
        Err(SignatureError::Missing(SIGNATURE_INPUT_HEADER))
    );
}

#[test]
fn each_required_component_must_be_covered() {
    for name in ALL.split(' ') {
        let rest: Vec<&str> = ALL.split(' ').filter(|own| *own != name).collect();
        let mut message = Message::new();
        message.sign_as(&rest.join(" "), &parameters());
        let bare = name.trim_matches('"').to_owned();
        assert_eq!(
            message.verify(),
            Err(ComponentError::Uncovered(bare).into()),
            "{name}"
        );
    }
}

#[test]
fn accepts_what_another_signer_may_write() {
    let mut message = Message::new();
    let mut reversed: Vec<&str> = ALL.split(' ').rev().collect();
    reversed.push("\"content-type\"");
    let expires = CREATED.saturating_add(10);
    let others = format!(
        ";keyid=\"a\";nonce=\"n\\\"1\";alg=\"hmac-sha256\";expires={expires};tag=\"t\";created={CREATED}"
    );
    message.sign_as(&reversed.join(" "), &others);
    assert!(message.verify().is_ok());

    // The same, with other signatures beside it, in the whitespace that structured fields allow.
    let input = message.value(SIGNATURE_INPUT_HEADER);
    let spaced = input.replace("\" \"", "\"   \"").replace(';', "; ");
    let spaced = spaced.replace("=(", "=(  ").replace(')', "  )");
    message.set(
        SIGNATURE_INPUT_HEADER,
        &format!(" proxy=(\"@authority\";req);created=1 ,\t{spaced} "),
    );
    let signature = message.value(SIGNATURE_HEADER);
    message.set(SIGNATURE_HEADER, "proxy=:AA==:");
    message.add(SIGNATURE_HEADER, &signature);
    let digest = message.value(CONTENT_DIGEST_HEADER);
    assert!(message.verify().is_ok());

    // A second digest changes a covered header, so the signature no longer holds.
    message.set(CONTENT_DIGEST_HEADER, &format!("sha-512=:AA==:, {digest}"));
    assert_eq!(message.verify(), Err(SignatureError::Mismatch));
}

#[test]
fn a_digest_by_two_algorithms_is_checked_by_sha_256() {
    let sign_with = |digest: &str| {
        let mut message = Message::new();
        message.set(CONTENT_DIGEST_HEADER, digest);
        let input = format!("({ALL}){}", parameters());
        let signature = message.with_parts(|parts| {
            let names = ALL.split(' ').map(|quoted| quoted.trim_matches('"'));
            let components: Vec<(&str, String)> = names
                .map(|name| (name, component_value(parts, name).unwrap()))
                .collect();
            BASE64.encode(
                key("a")
                    .keyed(&signature_base(&components, &input))
                    .finalize()
                    .into_bytes(),
            )
        });
        message.set(SIGNATURE_INPUT_HEADER, &format!("souk={input}"));
        message.set(SIGNATURE_HEADER, &format!("souk=:{signature}:"));
        message.verify().map(drop)
    };
    let right = content_digest(&Message::new().body);
    assert_eq!(sign_with(&format!("sha-512=:AA==:, {right}")), Ok(()));
    assert_eq!(
        sign_with(&content_digest(b"another")),
        Err(SignatureError::Digest)
    );
    assert_eq!(
        sign_with("sha-512=:AA==:"),
        Err(SignatureError::Missing(CONTENT_DIGEST_HEADER))
    );
    assert_eq!(
        sign_with("sha-256=x"),
        Err(SignatureError::Type(CONTENT_DIGEST_HEADER))
    );
    assert_eq!(sign_with("sha-256=:AA==:"), Err(SignatureError::Digest));
}

#[test]
fn refuses_parameters_that_break_a_rule() {
    let day = CREATED.saturating_add(86_400);
    let soon = CREATED.saturating_add(30);
    let late = CREATED.saturating_add(31);
    for (parameters, error) in [
        (
            format!(";created={CREATED};expires={late};keyid=\"a\""),
            SignatureError::Ttl,
        ),
        (
            format!(";created={CREATED};expires={day};keyid=\"a\""),
            SignatureError::Ttl,
        ),
        (
            format!(";created={CREATED};expires={CREATED};keyid=\"a\""),
            SignatureError::Ttl,
        ),
        (
            format!(";created={soon};expires={CREATED};keyid=\"a\""),
            SignatureError::Ttl,
        ),
        (
            format!(";expires={soon};keyid=\"a\""),
            SignatureError::MissingParameter("created"),
        ),
        (
            format!(";created={CREATED};keyid=\"a\""),
            SignatureError::MissingParameter("expires"),
        ),
        (
            format!(";created={CREATED};expires={soon}"),
            SignatureError::MissingParameter("keyid"),
        ),
        (
            format!(";created=\"{CREATED}\";expires={soon};keyid=\"a\""),
            SignatureError::Type("created"),
        ),
        (
            format!(";created={CREATED};expires={soon}.0;keyid=\"a\""),
            SignatureError::Type("expires"),
        ),
        (
            format!(";created={CREATED};expires={soon};keyid=a"),
            SignatureError::Type("keyid"),
        ),
        (
            format!(";created={CREATED};expires={soon};keyid=\"a\";alg=\"hmac-sha512\""),
            SignatureError::Algorithm,
        ),
        (
            format!(";created={CREATED};expires={soon};keyid=\"a\";alg=hmac-sha256"),
            SignatureError::Algorithm,
        ),
    ] {
        let mut message = Message::new();
        message.sign_as(ALL, &parameters);
        assert_eq!(message.verify(), Err(error), "{parameters}");
    }
}

#[test]
fn refuses_components_that_break_a_rule() {
    let cases = [
        (
            r#""@method";req"#,
            ComponentError::Unsupported("@method".to_owned()),
        ),
        (
            r#""content-type";bs"#,
            ComponentError::Unsupported("content-type".to_owned()),
        ),
        (
            r#""content-type";sf"#,
            ComponentError::Unsupported("content-type".to_owned()),
        ),
        (
            r#""Content-Type""#,
            ComponentError::Unsupported("Content-Type".to_owned()),
        ),
        (
            r#""@authority""#,
            ComponentError::Unsupported("@authority".to_owned()),
        ),
        (
            r#""@query-param";name="a""#,
            ComponentError::Unsupported("@query-param".to_owned()),
        ),
        (
            r#""@signature-params""#,
            ComponentError::Unsupported("@signature-params".to_owned()),
        ),
        (
            r#""souk-tenant""#,
            ComponentError::Repeated("souk-tenant".to_owned()),
        ),
        (
            r#""x-absent""#,
            ComponentError::Missing("x-absent".to_owned()),
        ),
    ];
    for (component, error) in cases {
        let mut message = Message::signed();
        let input = format!("souk=({ALL} {component}){}", parameters());
        message.set(SIGNATURE_INPUT_HEADER, &input);
        assert_eq!(message.verify(), Err(error.into()), "{component}");
    }
    let mut message = Message::signed();
    message.set(SIGNATURE_INPUT_HEADER, &format!("souk=(a){}", parameters()));
    assert_eq!(
        message.verify(),
        Err(SignatureError::Type(SIGNATURE_INPUT_HEADER))
    );
}

#[test]
fn refuses_edge_headers_that_are_not_covered_or_repeated() {
    let mut message = Message::signed();
    message.add("souk-admin", "1");
    assert_eq!(
        message.verify(),
        Err(ComponentError::Uncovered("souk-admin".to_owned()).into())
    );
    let mut message = Message::signed();
    message.add("Souk-Admin", "1");
    assert_eq!(
        message.verify(),
        Err(ComponentError::Uncovered("souk-admin".to_owned()).into())
    );
    for name in ["souk-tenant", "idempotency-key"] {
        let mut message = Message::signed();
        let value = message.value(name);
        message.add(name, &value);
        assert_eq!(
            message.verify(),
            Err(ComponentError::Repeated(name.to_owned()).into())
        );
    }
    let mut message = Message::new();
    message.remove("idempotency-key");
    message.sign(&key("a"), CREATED, 30);
    message.add("idempotency-key", "added");
    assert_eq!(
        message.verify(),
        Err(ComponentError::Uncovered("idempotency-key".to_owned()).into())
    );
    let mut message = Message::signed();
    message.remove("idempotency-key");
    assert_eq!(
        message.verify(),
        Err(ComponentError::Missing("idempotency-key".to_owned()).into())
    );
}

/// RFC 9421, section 2.1: values are trimmed and joined by a comma and a space.
#[test]
fn joins_the_values_of_a_repeated_header() {
    let mut message = Message::new();
    message.add("x-note", "  one\t");
    message.add("x-note", "two");
    message.sign_as(&format!("{ALL} \"x-note\""), &parameters());
    message.remove("x-note");
    message.add("x-note", "one, two");
    assert!(message.verify().is_ok());
    message.set("x-note", "one,two");
    assert_eq!(message.verify(), Err(SignatureError::Mismatch));
}

#[test]
fn refuses_folded_lines_and_other_characters() {
    for value in ["a\r\n b", "a\nb", "a\u{7f}", "\u{e9}", "a\0"] {
        let mut message = Message::new();
        message.set("idempotency-key", value);
        let error = ComponentError::Character("idempotency-key".to_owned());
        let signed = message.with_parts(|parts| sign(parts, &key("a"), CREATED, 30));
        assert_eq!(signed, Err(error.clone().into()), "{value:?}");
        let mut message = Message::signed();
        message.set("idempotency-key", value);
        assert_eq!(message.verify(), Err(error.into()), "{value:?}");
    }
}

#[test]
fn does_not_sign_what_no_verifier_accepts() {
    let message = Message::new();
    let signed = |message: &Message, created, ttl_s| {
        message.with_parts(|parts| sign(parts, &key("a"), created, ttl_s))
    };
    assert_eq!(signed(&message, CREATED, 0), Err(SignError::Ttl));
    assert_eq!(signed(&message, CREATED, 31), Err(SignError::Ttl));
    assert_eq!(signed(&message, -1, 30), Err(SignError::Created));
    assert_eq!(signed(&message, i64::MAX, 30), Err(SignError::Created));
    assert_eq!(signed(&message, INTEGER_MAX, 1), Err(SignError::Created));
    for name in IDENTITY_HEADERS {
        let mut message = Message::new();
        message.remove(name);
        let error = ComponentError::Missing(name.to_owned());
        assert_eq!(signed(&message, CREATED, 30), Err(error.into()));
    }
    let mut message = Message::new();
    message.add("souk-admin", "1");
    let error = ComponentError::Uncovered("souk-admin".to_owned());
    assert_eq!(signed(&message, CREATED, 30), Err(error.into()));
}

#[test]
fn an_identity_that_is_malformed_is_refused_though_it_is_signed() {
    for (name, value) in [
        ("souk-tenant", "ten_1"),
        ("souk-principal", "a b"),
        ("souk-scopes", "everything"),
        ("souk-region", "Europe"),
        ("souk-request-id", "1"),
    ] {
        let mut message = Message::new();
        message.set(name, value);
        message.sign(&key("a"), CREATED, 30);
        assert!(
            matches!(message.verify(), Err(SignatureError::Identity(_))),
            "{name}"
        );
    }
}

#[test]
fn keys_are_bounded_and_never_printed() {
    let secret = || vec![b'x'; 32];
    assert_eq!(SigningKey::new("", secret()).map(drop), Err(KeyError::Id));
    assert_eq!(
        SigningKey::new("a b", secret()).map(drop),
        Err(KeyError::Id)
    );
    assert_eq!(
        SigningKey::new("a".repeat(65), secret()).map(drop),
        Err(KeyError::Id)
    );
    assert_eq!(
        SigningKey::new("a", vec![0; 31]).map(drop),
        Err(KeyError::Secret)
    );
    assert_eq!(
        SigningKey::new("a", vec![0; 129]).map(drop),
        Err(KeyError::Secret)
    );
    assert_eq!(
        SigningKey::from_base64("a", "eHg").map(drop),
        Err(KeyError::Secret)
    );
    assert_eq!(KeyRing::new(vec![]).map(drop), Err(KeyError::Count));
    assert_eq!(
        KeyRing::new(vec![key("a"), key("b"), key("c")]).map(drop),
        Err(KeyError::Count)
    );
    assert_eq!(
        KeyRing::new(vec![key("a"), key("a")]).map(drop),
        Err(KeyError::RepeatedId)
    );
    let ring = KeyRing::new(vec![SigningKey::new("shown", secret()).unwrap()]).unwrap();
    let printed = format!("{ring:?}");
    assert!(printed.contains("shown") && !printed.contains("xx") && !printed.contains("120"));
}

/// A printable character other than the one at `position`.
fn alter(text: &str, position: prop::sample::Index, by: u8) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let index = position.index(bytes.len());
    let old = bytes[index];
    let shifted = old.wrapping_sub(0x20).wrapping_add(by).wrapping_rem(0x5e);
    let new = shifted.wrapping_add(0x21);
    bytes[index] = if new == old { 0x7e } else { new };
    String::from_utf8(bytes).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    /// One altered byte anywhere in what is covered, or in the signature, ends it.
    #[test]
    fn no_altered_byte_passes(part in 0_usize..13, position: prop::sample::Index, by in 0_u8..0x5e) {
        let before = Message::signed();
        let mut message = before.clone();
        match part {
            0 => message.method = alter(&message.method, position, by),
            1 => message.path = alter(&message.path, position, by),
            2 => message.query = message.query.map(|query| alter(&query, position, by)),
            3 => {
                let index = position.index(message.body.len());
                message.body[index] ^= by.max(1);
            }
            _ => {
                let covered = [
                    "idempotency-key", "souk-tenant", "souk-principal", "souk-scopes", "souk-region",
                    "souk-request-id", CONTENT_DIGEST_HEADER, SIGNATURE_INPUT_HEADER, SIGNATURE_HEADER,
                ];
                let name = covered[part.saturating_sub(4)];
                let altered = alter(&message.value(name), position, by);
                message.set(name, &altered);
            }
        }
        prop_assert_ne!(&message, &before);
        prop_assert!(message.verify().is_err(), "{message:?}");
    }

    /// A byte less or more in the body ends it.
    #[test]
    fn no_other_body_passes(body: Vec<u8>) {
        let mut message = Message::signed();
        prop_assume!(body != message.body);
        message.body = body;
        prop_assert_eq!(message.verify(), Err(SignatureError::Digest));
    }

    /// Whatever is signed is verified.
    #[test]
    fn signing_and_verifying_agree(
        method in "[A-Z]{1,10}",
        path in "/[a-zA-Z0-9._~!$&'()*+,;=/-]{0,60}",
        query in proptest::option::of("[a-zA-Z0-9._~%&=-]{0,60}"),
        body: Vec<u8>,
        idempotency_key in proptest::option::of("[!-~]([ -~]{0,60}[!-~])?"),
        created in 0_i64..4_000_000_000,
        ttl_s in 1_u32..=30,
        late_s in 0_i64..=30,
    ) {
        let mut message = Message { method, path, query, body, ..Message::new() };
        message.remove("idempotency-key");
        if let Some(key) = idempotency_key {
            message.add("idempotency-key", &key);
        }
        message.sign(&key("b"), created, ttl_s);
        let expected = late_s <= i64::from(ttl_s);
        prop_assert_eq!(message.verify_at(created.saturating_add(late_s)).is_ok(), expected);
    }

    /// No text makes the verifier fail in another way than by saying no.
    #[test]
    fn garbage_is_refused(input in "\\PC{0,80}", signature in "\\PC{0,80}") {
        let mut message = Message::signed();
        message.set(SIGNATURE_INPUT_HEADER, &input);
        message.set(SIGNATURE_HEADER, &signature);
        prop_assert!(message.verify().is_err());
    }
}
