//! Issuers' keys in the built worker: fetched once, for all and for isolates to come; and nothing that is remembered of
//! keys or signatures makes a token good that is not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    dead_code,
    reason = "tests"
)]

#[path = "support/edge.rs"]
mod edge;
#[path = "support/host.rs"]
mod host;
#[path = "support/origin.rs"]
mod origin;
#[path = "support/process.rs"]
mod process;
#[path = "support/spin.rs"]
mod spin;
#[path = "support/vectors.rs"]
mod vectors;
#[path = "support/wire.rs"]
mod wire;
#[path = "support/worker.rs"]
mod worker;

use edge::{ONE, TWO, check_problem, ring};
use origin::{Gate, Origin, Reply};
use serde_json::Value;
use souk_policy::jwks_cache::{JwksEntry, store_key};
use vectors::{entries, hostile_table, testdata};
use wire::{Answer, Call};
use worker::{SIGNING_KEY, SIGNING_KEY_ID, Worker};

const READ: &str = "/v1/orders/ord_1";
const ES: &str = "/es.json";

/// An origin, and a server that has the keys of four issuers.
struct Servers {
    origin: Origin,
    issuers: Origin,
    tokens: Value,
}

impl Servers {
    fn start() -> Self {
        let servers = Self {
            origin: Origin::start(ring(SIGNING_KEY_ID, SIGNING_KEY)),
            issuers: Origin::start(ring(SIGNING_KEY_ID, SIGNING_KEY)),
            tokens: testdata("tokens.json"),
        };
        for (path, _) in ISSUERS {
            servers.issuers.reply(path, servers.keys(path));
        }
        servers
    }

    /// What the store has when a worker starts.
    fn entries(&self) -> Vec<(String, String)> {
        entries(&hostile_table(&self.keys_host()))
    }

    fn worker(&self) -> Worker {
        Worker::start(&self.origin.url(), &self.entries())
    }

    fn keys_host(&self) -> String {
        format!("127.0.0.1:{}", self.issuers.port())
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.keys_host())
    }

    fn jwks(&self, path: &str) -> String {
        self.tokens["jwks"][&format!("https://keys.example{path}")].to_string()
    }

    fn keys(&self, path: &str) -> Reply {
        let headers = vec![("cache-control", "max-age=600")];
        Reply::With(200, headers, self.jwks(path).into())
    }

    fn are_down(&self) {
        for (path, _) in ISSUERS {
            self.issuers.reply(path, Reply::With(500, vec![], vec![]));
        }
    }

    fn token(&self, name: &str) -> &str {
        let cases = self.tokens["cases"].as_array().unwrap();
        let case = cases.iter().find(|case| case["name"] == *name);
        case.unwrap()["token"].as_str().unwrap()
    }

    fn read(&self, worker: &Worker, token: &str) -> Answer {
        read(self.token(token)).send(worker.port)
    }
}

/// Where keys are, and a token signed by one of them.
const ISSUERS: [(&str, &str); 4] = [
    (ES, "ES256"),
    ("/ed.json", "EdDSA"),
    ("/rs.json", "RS256"),
    ("/typed.json", "the pinned type"),
];

fn read(token: &str) -> Call {
    Call::new("GET", ONE, READ).key(token)
}

fn refused(name: &str, answer: &Answer) {
    check_problem(name, answer, 401, "credential_invalid");
}

#[test]
fn an_isolate_that_knows_no_keys_takes_those_that_another_one_has_fetched() {
    let servers = Servers::start();
    let worker = servers.worker();
    assert_eq!(servers.read(&worker, "ES256").status, 200);
    assert_eq!(servers.issuers.take_seen().len(), 1);
    let key = store_key(&servers.url(ES));
    let stored = (0..30).find_map(|_| worker.stored(&key));
    let stored = stored.expect("what was fetched is stored");
    assert!(stored.contains("es-1"), "{stored}");

    // The issuer is down, and the next isolate has only the store.
    servers.are_down();
    let worker = worker.start_again();
    assert_eq!(servers.read(&worker, "ES256").status, 200);
    assert_eq!(servers.issuers.take_seen().len(), 0, "nobody was asked");
    // The store is no way around the checks.
    let other = "another's signature over the same";
    refused(other, &servers.read(&worker, other));
    // And one that has nothing of it says so.
    let answer = servers.read(&worker, "EdDSA");
    check_problem("not stored", &answer, 503, "keys_unavailable");
    worker.stop();
}

#[test]
fn what_the_store_has_of_keys_makes_no_other_key_good() {
    let servers = Servers::start();
    let now_ms = u64::try_from(origin::now_unix_s()).unwrap() * 1_000;
    let of = |path: &str, at_ms: u64| {
        let keys = servers.jwks(path);
        JwksEntry::to_store(keys.as_bytes(), Some("max-age=600"), at_ms).unwrap()
    };
    let week_ms = 7 * 24 * 60 * 60 * 1_000;
    let mut entries = servers.entries();
    for (path, value) in [
        // Another issuer's keys, nonsense, too old, and not yet.
        (ES, of("/rs.json", now_ms)),
        ("/ed.json", "{\"keys\":[]}".to_owned()),
        ("/rs.json", of("/rs.json", now_ms - week_ms)),
        ("/typed.json", of("/typed.json", now_ms + week_ms)),
    ] {
        entries.push((store_key(&servers.url(path)), value));
    }
    let worker = Worker::start(&servers.origin.url(), &entries);
    servers.are_down();
    for (path, token) in ISSUERS {
        let answer = servers.read(&worker, token);
        if path == ES {
            refused("a key that is not in the set", &answer);
        } else {
            check_problem(token, &answer, 503, "keys_unavailable");
        }
    }
    assert_eq!(servers.origin.take_seen().len(), 0);
    assert_eq!(servers.issuers.take_seen().len(), ISSUERS.len());
    worker.stop();
}

#[test]
fn a_fetch_of_keys_outlives_the_client_that_began_it() {
    let servers = Servers::start();
    let entries = servers.entries();
    let worker = Worker::start_within("gone_client.js", &servers.origin.url(), &entries);
    // An issuer has two seconds, and a machine that is held up is slower: one in time will do.
    let outlives = ISSUERS.into_iter().any(|(path, token)| {
        let gate = Gate::closed();
        let reply = Reply::Behind(gate.clone(), Box::new(servers.keys(path)));
        servers.issuers.reply(path, reply);
        let call = read(servers.token(token));
        let gone = call.clone().header("x-gone", "1").send(worker.port);
        assert_eq!(gone.body, b"gone");
        servers.issuers.wait_for_one();
        let other = call.begin(worker.port);
        gate.open();
        let is_served = other.end().status == 200;
        is_served && servers.issuers.take_seen().len() == 1
    });
    assert!(outlives, "{}", worker.stop());
}

#[test]
fn a_token_that_was_proved_once_is_still_judged_each_time() {
    let servers = Servers::start();
    let worker = servers.worker();
    let good = servers.token("ES256");
    for _ in 0..3 {
        assert_eq!(servers.read(&worker, "ES256").status, 200);
    }
    // The same text with another signature, and with other claims under the same signature.
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (other_signed, _) = servers.token("a role").rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    for forged in [
        format!("{signed}.{flipped}{}", &signature[1..]),
        format!("{other_signed}.{signature}"),
    ] {
        refused("forged", &read(&forged).send(worker.port));
    }
    // Another tenant's host.
    let elsewhere = Call::new("GET", TWO, READ).key(good);
    assert_eq!(elsewhere.send(worker.port).status, 401);
    let log = worker.stop();
    assert!(!log.contains("eyJ"), "{log}");
}
