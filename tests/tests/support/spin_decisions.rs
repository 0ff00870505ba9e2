//! The decision vectors' edge in Spin.

use crate::decisions::{Decisions, OF_RECORD, pairs, stored, text};
use crate::host::Running;
use crate::origin::{Origin, Reply, Seen};
use crate::spin::{SpinHost, split};
use crate::wire::{Answer, Call};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// In which the vectors say who sends a request.
const CLIENT_ADDRESS: &str = "cf-connecting-ip";
/// Milliseconds for which an instance may rest between two vectors.
const IDLE_MS: u64 = 600_000;
/// Requests that one instance serves: all.
const REQUESTS_PER_INSTANCE: u32 = 1_000_000;

/// The request of a vector, from this address where there is one. Nothing where HTTP/1.1 cannot say it.
pub(crate) fn call(case: &Value, address: Option<&str>) -> Option<Call> {
    let request = &case["request"];
    let (method, host) = (request["method"].as_str()?, request["host"].as_str()?);
    let mut target = text(&request["path"]);
    if !request["query"].is_null() {
        target = format!("{target}?{}", text(&request["query"]));
    }
    let is_plain = |text: &str| text.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
    if !target.starts_with('/') || !is_plain(&target) || host.is_empty() {
        return None;
    }
    let body = text(&request["body"]);
    let mut call = Call::new(method, host, &target);
    let has_length = pairs(request)
        .iter()
        .any(|(name, _)| name == "content-length");
    if has_length {
        call = call.body(body.clone());
    } else if !body.is_empty() {
        call = call.chunked(body.clone());
    }
    for (name, own) in pairs(request) {
        let address = address.filter(|_| name == CLIENT_ADDRESS);
        let value = address.unwrap_or(&own);
        match name.as_str() {
            "content-length" if value == body.len().to_string() => {}
            // Who is refused need not send it.
            "content-length" if case["expect"]["refused"].is_object() => {
                call = call.declare(value.parse().ok()?);
            }
            "content-length" => return None,
            _ if !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) => return None,
            _ => call = call.header(&name, value),
        }
    }
    Some(call)
}

/// The vectors' edge in Spin: at their time, under their key, with their store and these settings.
pub(crate) struct SpinPlace<'a> {
    decisions: &'a Decisions,
    gateway: Running,
    origin: Origin,
    canary: Origin,
    /// Serves the keys of issuers.
    _issuers: Origin,
}

impl<'a> SpinPlace<'a> {
    pub(crate) fn start(
        decisions: &'a Decisions,
        settings: Option<&str>,
        cases: &[&Value],
    ) -> Self {
        let [origin, canary, issuers] = [0; 3].map(|_| Origin::start(decisions.ring()));
        let keys_host = format!("127.0.0.1:{}", issuers.port());
        for (url, jwks) in decisions.file["jwks"].as_object().unwrap() {
            let path = url.strip_prefix("https://keys.example").unwrap();
            let reply = Reply::With(200, vec![], jwks.to_string().into());
            issuers.reply(path, reply);
        }
        let entries = entries_of(decisions, settings, cases, &keys_host);
        let (url, canary_url) = (origin.url(), canary.url());
        let ((base, path), (canary_base, canary_path)) = (split(&url), split(&canary_url));
        let more = json!({
            "now_unix_s": decisions.now_unix_s(),
            "client_address_header": CLIENT_ADDRESS,
            "faults": faults(decisions, cases),
            "idle_ms": IDLE_MS,
            "requests_per_instance": REQUESTS_PER_INSTANCE,
            "variables": {
                "origin": base,
                "origin_path": path,
                "canary_origin": canary_base,
                "canary_origin_path": canary_path,
                "first_issuer": format!("http://{keys_host}"),
                "region": decisions.file["served_region"],
                "signing_key_id": decisions.file["signing_key"]["id"],
                "signing_key": decisions.file["signing_key"]["secret"],
            },
        });
        let gateway = SpinHost::start_with(&url, &entries, None, &more);
        Self {
            decisions,
            gateway: Running::of_spin(gateway),
            origin,
            canary,
            _issuers: issuers,
        }
    }

    /// What is told of a request, as the vectors say it, and under which id it was forwarded.
    fn ask(&self, case: &Value, call: &Call) -> (Value, String) {
        let answer = call.send(self.gateway.port);
        let (to_origin, to_canary) = (self.origin.take_seen(), self.canary.take_seen());
        let id = answer
            .header("souk-request-id")
            .unwrap_or_default()
            .to_owned();
        let is_canary = !to_canary.is_empty();
        let told = match &[to_origin, to_canary].concat()[..] {
            [] => answered(case, &answer),
            [seen] => self.forwarded(case, &answer, seen, is_canary),
            more => panic!("{}: {more:?}", case["name"]),
        };
        (told, id)
    }

    fn forwarded(&self, case: &Value, answer: &Answer, seen: &Seen, is_canary: bool) -> Value {
        let name = &case["name"];
        let expected = &case["expect"]["forwarded"];
        let identity = seen.verify(&self.decisions.ring(), self.decisions.now_unix_s());
        let identity = identity.unwrap_or_else(|error| panic!("{name}: {error}: {seen:?}"));
        let id = identity.request_id.to_string();
        assert_eq!(
            answer.header("souk-request-id"),
            Some(id.as_str()),
            "{name}"
        );
        assert_eq!(
            seen.body,
            text(&case["request"]["body"]).into_bytes(),
            "{name}"
        );
        let wanted = expected["headers"].as_object().into_iter().flatten();
        let mut headers: Map<String, Value> = wanted
            .filter(|(name, _)| *name != "signature")
            .map(|(name, _)| (name.clone(), json!(seen.header(name))))
            .collect();
        let of_record = OF_RECORD.map(|name| (name, seen.header(name)));
        let unasked = of_record
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), json!(value?))));
        headers.extend(unasked);
        let sent = pairs(&case["request"]);
        let stripped = expected["stripped"].as_array().into_iter().flatten();
        let stripped: Vec<&Value> = stripped
            .filter(|name| {
                let of_client = sent.iter().filter(|(own, _)| *name == own);
                let mut arrived = seen.headers.iter().filter(|(own, _)| *name == own);
                let is_new = |value: &String| of_client.clone().all(|(_, own)| own != value);
                // The connection counts anew what it sends.
                *name == "content-length" || arrived.all(|(_, value)| is_new(value))
            })
            .collect();
        let target = match &seen.query {
            Some(query) => format!("{}?{query}", seen.path),
            None => seen.path.clone(),
        };
        json!({ "forwarded": {
            "target": target,
            "headers": headers,
            "stripped": stripped,
            "answer": told_headers(answer),
            "canary": is_canary,
        } })
    }

    /// Which of these are wrong, and how, and whether a limiter was late. For some Spin does not ask the
    /// gateway.
    pub(crate) fn wrong(
        self,
        cases: &[&'a Value],
        not_asked: &[&str],
    ) -> (Vec<(&'a Value, String)>, bool) {
        let (mut wrong, mut logged) = (Vec::new(), Vec::new());
        for case in cases {
            let after = case["after"].as_array().into_iter().flatten();
            for address in after {
                let call = call(case, address.as_str()).unwrap();
                self.ask(case, &call);
            }
            let call = call(case, None).unwrap();
            if not_asked.contains(&case["name"].as_str().unwrap()) {
                let answer = call.send(self.gateway.port);
                assert!((400..=500).contains(&answer.status), "{case}: {answer:?}");
                assert!(answer.body.is_empty(), "{case}: {answer:?}");
                continue;
            }
            let (told, id) = self.ask(case, &call);
            let mut expected = self.decisions.expected(case, &id);
            if let Some(forwarded) = outcome_of(&mut expected, "forwarded") {
                let logs = ["operation", "over_limit"].map(|name| forwarded.remove(name));
                logged.push((*case, id, json!(logs)));
                // Only its workings show these; that a body is read shows in what arrives.
                for name in ["repeatable", "cacheable", "reads_body"] {
                    forwarded.remove(name);
                }
            } else if case["request"]["method"] == "HEAD" {
                without_body(&mut expected);
            }
            if told != expected {
                wrong.push((*case, format!("{told} in place of {expected}")));
            }
        }
        let log = self.gateway.stop();
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let lines: Vec<Value> = lines.collect();
        for (case, id, expected) in logged {
            if wrong.iter().any(|(own, _)| *own == case) {
                continue;
            }
            let line = lines.iter().find(|line| line["request_id"] == *id);
            let told = line.map(|line| json!([line["operation"], line["over_limit"]]));
            if told.as_ref() != Some(&expected) {
                wrong.push((case, format!("{told:?} is logged in place of {expected}")));
            }
        }
        let is_late = log.contains("code=limiter_unavailable cause=\"timeout\"");
        (wrong, is_late)
    }
}

/// To look for it by an index would put it there.
fn outcome_of<'a>(expected: &'a mut Value, kind: &str) -> Option<&'a mut Map<String, Value>> {
    expected.get_mut(kind).and_then(Value::as_object_mut)
}

fn without_body(expected: &mut Value) {
    for outcome in expected.as_object_mut().unwrap().values_mut() {
        for name in ["body", "code"] {
            outcome.as_object_mut().unwrap().remove(name);
        }
    }
}

/// Headers that the edge sets on answers, and not its host.
const OF_THE_EDGE: [&str; 19] = [
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "allow",
    "cache-control",
    "content-security-policy",
    "content-type",
    "ratelimit",
    "ratelimit-policy",
    "referrer-policy",
    "retry-after",
    "souk-request-id",
    "strict-transport-security",
    "vary",
    "www-authenticate",
    "x-content-type-options",
];

fn told_headers(answer: &Answer) -> Map<String, Value> {
    let told = OF_THE_EDGE
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), json!(answer.header(name)?))));
    told.collect()
}

fn answered(case: &Value, answer: &Answer) -> Value {
    let headers = told_headers(answer);
    let body = String::from_utf8_lossy(&answer.body);
    let is_problem = headers.get("content-type") == Some(&json!("application/problem+json"));
    let kind = if is_problem { "refused" } else { "answered" };
    let mut told = json!({ kind: { "status": answer.status, "headers": headers } });
    if case["request"]["method"] == "HEAD" {
        assert!(body.is_empty(), "{}", case["name"]);
    } else if is_problem {
        told[kind]["code"] = answer.json()["code"].clone();
    } else {
        told[kind]["body"] = json!(body);
    }
    told
}

/// What the store holds for these cases.
fn entries_of(
    decisions: &Decisions,
    settings: Option<&str>,
    cases: &[&Value],
    keys_host: &str,
) -> Vec<(String, String)> {
    let file = &decisions.file;
    let records = file["store"].as_object().unwrap().iter();
    let records = records.map(|(key, name)| {
        let record = &file["records"][name.as_str().unwrap()];
        (key.clone(), stored(record))
    });
    let settings =
        settings.map(|name| ("edge:settings".to_owned(), stored(&file["settings"][name])));
    let states = cases
        .iter()
        .filter_map(|case| case["limiter"]["knows"].as_object());
    let states = states.flatten().map(|(name, ahead_us)| {
        let tat_us = decisions.now_unix_s() * 1_000_000 + ahead_us.as_i64().unwrap();
        (limiter_key(name), tat_us.to_string())
    });
    let all = records.chain(settings).chain(states);
    let here = all.map(|(key, value)| {
        let value = value.replace("https://keys.example", &format!("http://{keys_host}"));
        (
            key,
            value.replace("\"keys.example\"", &format!("{keys_host:?}")),
        )
    });
    here.collect()
}

/// As `limits.rs` of the gateway has it.
fn limiter_key(name: &str) -> String {
    format!("limit:{}", hex::encode(Sha256::digest(name.as_bytes())))
}

/// What does not answer: some keys of the store, and the limiter for some.
fn faults(decisions: &Decisions, cases: &[&Value]) -> Value {
    let unanswered = decisions.file["unanswered"].as_array().unwrap().iter();
    let unanswered = unanswered.map(|key| key.as_str().unwrap().to_owned());
    let silent = cases
        .iter()
        .filter_map(|case| case["limiter"]["silent"].as_array());
    let silent = silent
        .flatten()
        .map(|name| limiter_key(name.as_str().unwrap()));
    let faults = unanswered.chain(silent).map(|key| (key, json!("error")));
    Value::Object(faults.collect())
}
