//! What the decision vectors expect of a host that is run from outside.

use crate::vectors::testdata;
use serde_json::{Map, Value, json};
use souk_policy::signature::{KeyRing, MessageParts, SigningKey, verify};

/// On every answer, with the request's id.
pub(crate) const SECURITY: [(&str, &str); 4] = [
    (
        "content-security-policy",
        "default-src 'none'; frame-ancestors 'none'",
    ),
    ("referrer-policy", "no-referrer"),
    (
        "strict-transport-security",
        "max-age=31536000; includeSubDomains",
    ),
    ("x-content-type-options", "nosniff"),
];

/// Set on a request where the tenant's record has something to say, and then a vector says it.
pub(crate) const OF_RECORD: [&str; 2] = ["souk-features", "souk-shard"];

/// The file.
pub(crate) struct Decisions {
    pub(crate) file: Value,
}

impl Decisions {
    pub(crate) fn read() -> Self {
        let file = testdata("decisions.json");
        let count = file["cases"].as_array().unwrap().len();
        assert!(count >= 400, "vectors were lost: {count}");
        Self { file }
    }

    pub(crate) fn cases(&self) -> &[Value] {
        self.file["cases"].as_array().unwrap()
    }

    pub(crate) fn now_unix_s(&self) -> i64 {
        self.file["now_unix_s"].as_i64().unwrap()
    }

    pub(crate) fn ring(&self) -> KeyRing {
        let key = &self.file["signing_key"];
        let (id, secret) = (key["id"].as_str().unwrap(), key["secret"].as_str().unwrap());
        KeyRing::new(vec![SigningKey::from_base64(id, secret).unwrap()]).unwrap()
    }

    /// What a case expects of the request that a host has given this id, without its signature, which is
    /// over that id.
    pub(crate) fn expected(&self, case: &Value, id: &str) -> Value {
        let mut expected = case["expect"].clone();
        let (kind, outcome) = expected.as_object_mut().unwrap().iter_mut().next().unwrap();
        let headers = if kind == "forwarded" {
            "answer"
        } else {
            "headers"
        };
        let usual = SECURITY.into_iter().chain([("souk-request-id", id)]);
        let mut answer = outcome[headers].as_object().cloned().unwrap_or_default();
        answer.extend(usual.map(|(name, value)| (name.to_owned(), json!(value))));
        match kind.as_str() {
            "refused" => {
                answer.insert("content-type".to_owned(), json!("application/problem+json"));
                answer.insert("cache-control".to_owned(), json!("no-store"));
            }
            "forwarded" => {
                for flag in ["canary", "over_limit"] {
                    outcome[flag] = json!(outcome[flag] == true);
                }
                outcome["target"] = json!(text(&outcome["target"]));
                self.rename(outcome["headers"].as_object_mut().unwrap(), id);
            }
            _ => {}
        }
        outcome[headers] = Value::Object(answer);
        expected
    }

    /// The vectors' request has an id of its own, of which the trace is made.
    fn rename(&self, headers: &mut Map<String, Value>, id: &str) {
        headers.remove("signature");
        let vectors_id = self.file["request_id"].as_str().unwrap();
        let (Some(from), Some(to)) = (vectors_id.strip_prefix("req_"), id.strip_prefix("req_"))
        else {
            return;
        };
        for value in headers.values_mut() {
            let renamed = value.as_str().unwrap().replace(from, to);
            *value = json!(renamed.replace(&from[16..], &to[16..]));
        }
    }

    /// Of what a host has told, what `expected` speaks of.
    pub(crate) fn spoken_of(expected: &Value, told: &mut Value) {
        let Some(expected) = expected["forwarded"]["headers"].as_object() else {
            return;
        };
        if let Some(headers) = told["forwarded"]["headers"].as_object_mut() {
            let is_of_record = |name: &String| OF_RECORD.contains(&name.as_str());
            headers.retain(|name, _| expected.contains_key(name) || is_of_record(name));
        }
    }

    /// What a host forwards with these headers verifies at the origin, and is the request of this id.
    pub(crate) fn verify(&self, case: &Value, told: &Value, id: &str) {
        let name = &case["name"];
        let request = &case["request"];
        let set = told["forwarded"]["headers"].as_object().unwrap();
        let stripped = told["forwarded"]["stripped"].as_array().unwrap();
        let mut headers = pairs(request);
        headers.retain(|(name, _)| !set.contains_key(name) && !stripped.contains(&json!(name)));
        let set = set.iter();
        headers.extend(set.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())));
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let (path, body) = (text(&request["path"]), text(&request["body"]));
        let query = (!request["query"].is_null()).then(|| text(&request["query"]));
        let parts = MessageParts {
            method: request["method"].as_str().unwrap(),
            path: &path,
            query: query.as_deref(),
            headers: &headers,
            body: body.as_bytes(),
        };
        let identity = verify(&parts, &self.ring(), self.now_unix_s());
        let identity = identity.unwrap_or_else(|error| panic!("{name}: {error}: {told}"));
        assert_eq!(identity.request_id.to_string(), id, "{name}");
    }
}

/// The headers of a vector's request.
pub(crate) fn pairs(request: &Value) -> Vec<(String, String)> {
    let headers = request["headers"].as_array().unwrap().iter();
    let pair = |header: &Value| (header[0].as_str().unwrap().to_owned(), text(&header[1]));
    headers.map(pair).collect()
}

/// A text of the vectors: as it is, or in parts of which some are repeated.
pub(crate) fn text(value: &Value) -> String {
    let Some(parts) = value["text"].as_array() else {
        return value.as_str().unwrap_or_default().to_owned();
    };
    let repeated = |part: &Value| {
        let times = usize::try_from(part["times"].as_u64().unwrap()).unwrap();
        part["repeat"].as_str().unwrap().repeat(times)
    };
    let part = |part: &Value| part.as_str().map_or_else(|| repeated(part), str::to_owned);
    parts.iter().map(part).collect()
}

/// What lies in the store under a name of the vectors: a text, or a record.
pub(crate) fn stored(value: &Value) -> String {
    if value.is_string() || value["text"].is_array() {
        text(value)
    } else {
        value.to_string()
    }
}
