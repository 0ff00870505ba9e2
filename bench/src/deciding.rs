//! Requests of each class that the edge knows, decided in memory: a host that has fetched all it needs.

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Value, json};
use souk_domain::RequestId;
use souk_policy::decide::{IssuerKey, Known, Next, Opening, RequestFacts, Tenant, decide, open};
use souk_policy::jose::{Algorithm, Jwks, Jws, holds};
use souk_policy::limit::{Limited, decide_charges};
use souk_policy::route::RouteRecord;
use souk_policy::settings::Settings;
use souk_policy::signature::SigningKey;
use std::hint::black_box;

const HOST: &str = "one.localhost";
const TENANT: &str = "ten_0197c0de8f2b7c3a9d4e5f6071829304";
const SECRET_KEY: &str = "Bearer souk_sk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const UNKNOWN_KEY: &str = "Bearer souk_sk_EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE";
const KEY_SET: &str = "https://keys.example/es.json";
const NOW_UNIX_S: i64 = 1_763_700_000;
const BODY: &[u8] = br#"{"currency":"EUR","lines":[{"sku":"TEA-GREEN-100G","quantity":2}]}"#;
/// What a client sends besides.
const USUAL: [(&str, &str); 4] = [
    ("accept", "application/json"),
    ("accept-language", "de"),
    ("user-agent", "storefront/1 (benchmark)"),
    ("cf-connecting-ip", "203.0.113.9"),
];

/// A class of requests.
#[derive(Debug, Clone)]
pub(crate) struct Class {
    pub(crate) name: &'static str,
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    is_limited: bool,
    is_forwarded: bool,
}

/// What a host has in its memory.
#[derive(Debug)]
pub(crate) struct Deciding {
    plain: RouteRecord,
    limited: RouteRecord,
    settings: Settings,
    keys: Jwks,
    signing_key: SigningKey,
    token: String,
    request_id: RequestId,
}

impl Deciding {
    /// Takes tenants, issuers and a token from the policy's vectors.
    pub(crate) fn new() -> Result<Self> {
        let table: Value = read(include_str!("../../core/policy/testdata/hostile.json"))?;
        let tokens: Value = read(include_str!("../../core/policy/testdata/tokens.json"))?;
        let mut record = part(&table, "/records/host:one.localhost")?.clone();
        let plain = RouteRecord::parse(&record.to_string())?;
        let rule = json!({ "emission_interval_us": 1, "burst": 1_000_000 });
        let limits = json!({ "tenant": rule, "key": rule });
        let policy = record.pointer_mut("/policy").and_then(Value::as_object_mut);
        policy
            .context("the record has a policy")?
            .insert("limits".to_owned(), limits);
        let cases = part(&tokens, "/cases")?.as_array().context("a list")?;
        let case = cases.iter().find(|case| case["name"] == "ES256");
        let token = case.and_then(|case| case["token"].as_str());
        let keys = part(&tokens, "/jwks")?.get(KEY_SET).context("a key set")?;
        Ok(Self {
            limited: RouteRecord::parse(&record.to_string())?,
            plain,
            settings: Settings::parse(&part(&table, "/settings")?.to_string())?,
            keys: Jwks::parse(keys.to_string().as_bytes())?,
            signing_key: SigningKey::new("k1", vec![7; 32])?,
            token: token.context("a token by ES256")?.to_owned(),
            request_id: "req_0197c0de8f2b7c3a9d4e5f60718293ff".parse()?,
        })
    }

    /// One of each: those whose decision has no public-key signature to check, and last the one that has.
    pub(crate) fn classes(&self) -> Vec<Class> {
        let class = |name, method, path: &str, credential: Option<String>| Class {
            name,
            method,
            path: path.to_owned(),
            headers: credential
                .map(|value| ("authorization", value))
                .into_iter()
                .collect(),
            is_limited: false,
            is_forwarded: true,
        };
        let secret = || Some(SECRET_KEY.to_owned());
        let mut keyed = class("secret key, POST", "POST", "/v1/orders", secret());
        let idempotency_key = "0197c0de-8f2b-7c3a-9d4e-5f6071829304".to_owned();
        keyed.headers.push(("idempotency-key", idempotency_key));
        let mut limited = class("secret key, limited", "GET", "/v1/orders/ord_1", secret());
        limited.is_limited = true;
        let unknown = Some(UNKNOWN_KEY.to_owned());
        let mut refused = class("refused: unknown key", "GET", "/v1/orders/ord_1", unknown);
        refused.is_forwarded = false;
        let psp = format!("/v1/psp/stripe/{TENANT}");
        let token = Some(format!("Bearer {}", self.token));
        vec![
            class("public", "GET", "/v1/products/TEA", None),
            class("secret key", "GET", "/v1/orders/ord_1", secret()),
            keyed,
            limited,
            class("PSP webhook", "POST", &psp, None),
            refused,
            class("ES256 token", "GET", "/v1/orders/ord_1", token),
        ]
    }

    /// Decides about one, to the signature of what is forwarded.
    pub(crate) fn decide(&self, class: &Class) -> Result<()> {
        let mut headers: Vec<(&str, &str)> = USUAL.to_vec();
        headers.extend(
            class
                .headers
                .iter()
                .map(|(name, value)| (*name, value.as_str())),
        );
        let facts = RequestFacts {
            method: class.method,
            host: HOST,
            path: &class.path,
            query: None,
            headers: black_box(&headers),
            now_unix_s: NOW_UNIX_S,
            request_id: self.request_id,
            client_address: None,
        };
        let forwards = self.run(&facts, class.is_limited);
        if forwards? != class.is_forwarded {
            bail!("{}: decided otherwise", class.name);
        }
        Ok(())
    }

    /// Whether the request is forwarded.
    fn run(&self, facts: &RequestFacts<'_>, is_limited: bool) -> Result<bool> {
        let opened = open(facts).map_err(|problem| anyhow!("{problem:?}"))?;
        let Opening::LookUp(route_key) = opened else {
            bail!("the edge answers this itself");
        };
        black_box(route_key);
        let record = if is_limited {
            &self.limited
        } else {
            &self.plain
        };
        let (mut key, mut signature_holds, mut limited) = (None, None, None);
        loop {
            let known = Known {
                region: "local",
                settings: &self.settings,
                tenant: Tenant::Known(record),
                address: None,
                key,
                signature_holds,
                limited: limited.as_ref(),
            };
            let next = match decide(facts, &known) {
                Ok(next) => next,
                Err(problem) => {
                    black_box(problem.answer(facts.request_id));
                    return Ok(false);
                }
            };
            match next {
                Next::Forward(plan) => {
                    let body = if plan.reads_body() { BODY } else { &[] };
                    let sealed = plan.seal(body, &self.signing_key, NOW_UNIX_S);
                    black_box(sealed.map_err(|problem| anyhow!("{problem:?}"))?);
                    return Ok(true);
                }
                Next::Key(wanted) => {
                    let found = self.keys.find(wanted.key_id.as_deref(), Algorithm::Es256);
                    key = Some(IssuerKey::Found(found.context("the key")?));
                }
                Next::Verify(check) => signature_holds = Some(holds(&check)),
                Next::Limit(question) => {
                    let now_us = NOW_UNIX_S.unsigned_abs() * 1_000_000;
                    // The same each time: where the states lie is the host's.
                    let verdicts = decide_charges(&question, now_us, |_| Some(now_us));
                    limited = Some(Limited::Decided(verdicts));
                }
                Next::Answer(_) | Next::Record(_) => bail!("the edge wants something else"),
            }
        }
    }

    /// Nothing but the check of the token's signature, by the same code.
    pub(crate) fn check(&self) -> Result<()> {
        let jws = Jws::parse(&self.token)?;
        let key = self
            .keys
            .find(jws.key_id(), Algorithm::Es256)
            .context("the key")?;
        let check = jws.check(key)?;
        if !holds(black_box(&check)) {
            bail!("the signature does not hold");
        }
        Ok(())
    }
}

fn read(text: &str) -> Result<Value> {
    Ok(serde_json::from_str(text)?)
}

fn part<'a>(value: &'a Value, pointer: &str) -> Result<&'a Value> {
    value.pointer(pointer).with_context(|| pointer.to_owned())
}
