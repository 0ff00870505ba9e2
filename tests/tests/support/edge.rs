//! The edge, in either host, between the tests' tenants and their origin.

use crate::host::{Host, Running};
use crate::origin::{Origin, Seen, now_unix_s};
use crate::wire::{Answer, Call};
use crate::worker::{REGION, SIGNING_KEY, SIGNING_KEY_ID, record};
use serde_json::{Value, json};
use souk_domain::RequestId;
use souk_policy::signature::{KeyRing, SigningKey};

/// A tenant's host, and others that lead nowhere.
pub(crate) const ONE: &str = "one.localhost";
pub(crate) const TWO: &str = "two.localhost";
pub(crate) const SUSPENDED: &str = "suspended.localhost";
pub(crate) const ELSEWHERE: &str = "elsewhere.localhost";
pub(crate) const MALFORMED: &str = "malformed.localhost";
pub(crate) const NEWER: &str = "newer.localhost";
pub(crate) const NOBODY: &str = "nobody.localhost";

pub(crate) const TENANT_ONE: &str = "ten_0197c0de8f2b7c3a9d4e5f6071829304";
pub(crate) const TENANT_TWO: &str = "ten_0197c0de8f2b7c3a9d4e5f6071829305";

/// An API key, and what the store knows of it: the digest is what `sha256sum` says.
pub(crate) struct Key {
    pub(crate) secret: &'static str,
    sha256: &'static str,
    pub(crate) id: &'static str,
}

pub(crate) const FULL: Key = Key {
    secret: "souk_sk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    sha256: "c1e7b6092b2f5c2659c06f9859b3350b84fb43a77c1ef8f101aca6136a118862",
    id: "key_0197c0de8f2b7c3a9d4e5f6071829310",
};
pub(crate) const READ_ONLY: Key = Key {
    secret: "souk_sk_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB",
    sha256: "8fa42d6e8b7f5b34d207d977d60f218b71df3b622999fe78c72a48950a32a899",
    id: "key_0197c0de8f2b7c3a9d4e5f6071829311",
};
pub(crate) const EXPIRED: Key = Key {
    secret: "souk_sk_CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC",
    sha256: "0b0947c47862831a24411bf409c813b7e7bdf21a905571dcfa3d6af98c5543b2",
    id: "key_0197c0de8f2b7c3a9d4e5f6071829312",
};
pub(crate) const OF_TWO: Key = Key {
    secret: "souk_sk_DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDD",
    sha256: "64d32836b3c79bce5413f84efa9fbaf05976512483fd06f05cc1c4836241e048",
    id: "key_0197c0de8f2b7c3a9d4e5f6071829313",
};
pub(crate) const UNKNOWN_KEY: &str = "souk_sk_EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE";

impl Key {
    fn stored(&self, scopes: &[&str], expires_at: Option<i64>) -> Value {
        json!({
            "id": self.id,
            "sha256": self.sha256,
            "scopes": scopes,
            "expires_at": expires_at,
        })
    }
}

/// Keys of the store, and what it holds under them.
fn records() -> Vec<(String, String)> {
    let both = ["orders:read", "orders:write"];
    let full = FULL.stored(&both, None);
    let of_one = [
        full.clone(),
        READ_ONLY.stored(&["orders:read"], None),
        EXPIRED.stored(&both, Some(now_unix_s() - 1)),
    ];
    let of_two = [OF_TWO.stored(&both, None)];
    let only_full = [full];
    let next_version = json!({ "version": 2, "tenant_id": TENANT_ONE }).to_string();
    let of_hosts = [
        (ONE, record(TENANT_ONE, "active", REGION, &of_one)),
        (TWO, record(TENANT_TWO, "active", REGION, &of_two)),
        (
            SUSPENDED,
            record(TENANT_ONE, "suspended", REGION, &only_full),
        ),
        (
            ELSEWHERE,
            record(TENANT_ONE, "active", "eu-central-1", &only_full),
        ),
        (MALFORMED, "{\"version\":1".to_owned()),
        (NEWER, next_version),
    ];
    let entries = of_hosts.into_iter();
    entries
        .map(|(host, record)| (format!("host:{host}"), record))
        .collect()
}

pub(crate) fn ring(id: &str, secret: &str) -> KeyRing {
    KeyRing::new(vec![SigningKey::from_base64(id, secret).unwrap()]).unwrap()
}

/// The edge and its origin.
pub(crate) struct Edge {
    pub(crate) running: Running,
    pub(crate) origin: Origin,
}

impl Edge {
    pub(crate) fn start(host: Host) -> Self {
        let origin = Origin::start(ring(SIGNING_KEY_ID, SIGNING_KEY));
        let running = Running::start(host, &origin.url(), &records());
        Self { running, origin }
    }

    pub(crate) fn send(&self, call: &Call) -> Answer {
        call.send(self.running.port)
    }

    /// A call that reaches the origin, under a signature that holds.
    pub(crate) fn pass(&self, name: &str, call: &Call) -> (Answer, Seen) {
        let answer = self.send(call);
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        let seen = self.origin.take_one();
        let request_id = seen.identity().request_id.to_string();
        assert_eq!(
            answer.header("souk-request-id"),
            Some(request_id.as_str()),
            "{name}"
        );
        (answer, seen)
    }

    /// A call that the edge answers with a problem and keeps from the origin.
    pub(crate) fn refuse(&self, name: &str, call: &Call, status: u16, code: &str) -> Answer {
        let answer = self.send(call);
        check_problem(name, &answer, status, code);
        assert_eq!(self.origin.take_seen().len(), 0, "{name}");
        answer
    }

    /// Stops the edge and returns what it has logged, which is no secret.
    pub(crate) fn stop(self) -> String {
        let log = self.running.stop();
        let secrets = [
            "souk_sk_",
            SIGNING_KEY,
            "souk-edge-worker-test-signing-key!",
        ];
        for secret in secrets {
            assert!(!log.contains(secret), "{secret} is logged:\n{log}");
        }
        log
    }
}

pub(crate) fn check_problem(name: &str, answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{name}: {answer:?}");
    let content_type = answer.header("content-type");
    assert_eq!(content_type, Some("application/problem+json"), "{name}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{name}");
    let problem = answer.json();
    assert_eq!(problem["code"], code, "{name}");
    assert_eq!(problem["status"], status, "{name}");
    let uri = format!("/problems/{}", code.replace('_', "-"));
    assert_eq!(problem["type"], uri, "{name}");
    for member in ["title", "detail"] {
        let text = problem[member].as_str().unwrap();
        assert!(!text.is_empty(), "{name}: {problem}");
    }
    let request_id = problem["request_id"].as_str().unwrap();
    assert!(request_id.parse::<RequestId>().is_ok(), "{name}");
    assert_eq!(answer.header("souk-request-id"), Some(request_id), "{name}");
}
