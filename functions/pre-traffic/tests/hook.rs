//! A deployment is told once, and the truth, whatever happens; and what it is told by.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use serde_json::{Value, json};
use souk_names::Names;
use souk_pre_traffic::{
    Delivery, Doubt, LOOK_TIME_MAX, NewVersion, SmokeOrder, Verdict, Versions, check, hook,
};
use souk_runtime::config::{EDGE_KEYS, Lookup, SMOKE_ORDER};
use std::sync::Mutex;

/// A deployment of one function, and what it was told.
struct Told {
    function: &'static str,
    verdicts: Mutex<Vec<Verdict>>,
    deaf: bool,
}

impl Told {
    fn of(function: &'static str) -> Self {
        Self {
            function,
            verdicts: Mutex::default(),
            deaf: false,
        }
    }
}

impl Delivery for Told {
    async fn new_versions(&self, _: &str) -> Result<Vec<NewVersion>, Doubt> {
        Ok(vec![NewVersion {
            function: self.function.to_owned(),
            version: "17".to_owned(),
        }])
    }

    async fn tell(&self, _: &str, _: &str, verdict: Verdict) -> Result<(), Doubt> {
        self.verdicts.lock().unwrap().push(verdict);
        if self.deaf {
            return Err(Doubt("nobody there".to_owned()));
        }
        Ok(())
    }
}

/// Functions that answer by the path, and what they were asked.
struct Functions {
    asked: Mutex<Vec<(String, String, Value)>>,
    pending: Value,
    /// The path, or the first word of the event, that is answered with an error.
    broken: &'static str,
}

impl Functions {
    fn good() -> Self {
        Self {
            asked: Mutex::default(),
            pending: json!({ "a": [], "directory": [] }),
            broken: "nothing",
        }
    }

    fn breaking(broken: &'static str) -> Self {
        Self {
            broken,
            ..Self::good()
        }
    }

    fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let each = asked.iter().map(|(function, qualifier, event)| {
            let path = event["rawPath"].as_str().unwrap_or("");
            format!("{function}:{qualifier} {path}")
                .trim_end()
                .to_owned()
        });
        each.collect()
    }
}

impl Versions for Functions {
    async fn invoke(&self, function: &str, version: &str, event: &Value) -> Result<Value, Doubt> {
        let call = (function.to_owned(), version.to_owned(), event.clone());
        self.asked.lock().unwrap().push(call);
        let path = event["rawPath"].as_str().unwrap_or(function);
        if path.ends_with(self.broken) {
            return Ok(json!({ "statusCode": 503, "body": "{}" }));
        }
        if function.ends_with("migrate") {
            return Ok(json!({ "pending": self.pending }));
        }
        let (status, body) = match path {
            "/v1/orders" => (201, json!({ "id": "ord_1" })),
            _ => (200, json!({})),
        };
        Ok(json!({ "statusCode": status, "body": body.to_string() }))
    }
}

fn order() -> SmokeOrder {
    let find = |name: &str| {
        match name {
        SMOKE_ORDER => Some(r#"{"tenant":"ten_0198c0de00007000800000000000c0de","sku":"CANARY","currency":"EUR","region":"eu"}"#.to_owned()),
        EDGE_KEYS => Some(r#"{"keys":{"edge-a1":"c291ay1lZGdlLXdvcmtlci10ZXN0LXNpZ25pbmcta2V5IQ=="},"signs":"edge-a1"}"#.to_owned()),
        _ => None,
    }
    };
    SmokeOrder::configured(&Lookup::new(&find))
        .unwrap()
        .unwrap()
}

async fn looked(told: &Told, functions: &Functions) -> Result<(), Doubt> {
    let names = Names::read().unwrap();
    check(told, functions, &names, Some(&order()), "d-1").await
}

#[tokio::test(start_paused = true)]
async fn a_deployment_is_told_once_also_of_panics_and_of_what_never_ends() {
    let ends: [(&str, Verdict); 4] = [
        ("well", Verdict::Succeeded),
        ("badly", Verdict::Failed),
        ("with a panic", Verdict::Failed),
        ("never", Verdict::Failed),
    ];
    for (how, expected) in ends {
        let told = Told::of("souk-prod-orders");
        let look = async {
            match how {
                "well" => Ok(()),
                "badly" => Err(Doubt("no".to_owned())),
                "never" => core::future::pending().await,
                _ => panic!("in the middle"),
            }
        };
        assert_eq!(hook(&told, look, "d-1", "e-1").await, Ok(expected), "{how}");
        assert_eq!(*told.verdicts.lock().unwrap(), [expected], "{how}");
    }
    assert!(LOOK_TIME_MAX.as_secs() < 120);
}

#[tokio::test]
async fn who_cannot_tell_fails_aloud() {
    let mut told = Told::of("souk-prod-orders");
    told.deaf = true;
    let ended = hook(&told, async { Ok(()) }, "d-1", "e-1").await;
    assert!(ended.is_err(), "its alarm goes off");
}

#[tokio::test]
async fn a_smoke_order_is_placed_with_the_new_version_and_cancelled() {
    let functions = Functions::good();
    let told = Told::of("souk-prod-orders");
    looked(&told, &functions).await.unwrap();
    assert_eq!(
        functions.asked(),
        [
            "souk-prod-migrate:$LATEST",
            "souk-prod-orders:17 /healthz",
            "souk-prod-orders:17 /v1/orders",
            "souk-prod-orders:17 /v1/orders/ord_1",
            "souk-prod-orders:17 /v1/orders/ord_1/cancel",
        ]
    );
    let asked = functions.asked.lock().unwrap();
    let headers = asked[2].2["headers"].as_object().unwrap();
    for name in [
        "signature",
        "signature-input",
        "content-digest",
        "idempotency-key",
        "souk-tenant",
    ] {
        assert!(headers.contains_key(name), "{name}");
    }
    let input = headers["signature-input"].as_str().unwrap();
    assert!(input.contains("edge-a1"), "{input}");
}

#[tokio::test]
async fn whatever_does_not_answer_gets_no_traffic() {
    for (broken, words) in [
        ("/healthz", "answers 503 instead of 200"),
        ("/v1/orders", "a smoke order answers 503"),
        ("/ord_1", "reading a smoke order"),
        ("/cancel", "cancelling a smoke order"),
        ("migrate", "does not say which migrations"),
    ] {
        let functions = Functions::breaking(broken);
        let told = Told::of("souk-prod-orders");
        let doubt = looked(&told, &functions).await.unwrap_err().to_string();
        assert!(doubt.contains(words), "{doubt}");
        if broken == "/ord_1" {
            assert!(
                functions.asked().last().unwrap().ends_with("/cancel"),
                "its stock goes back"
            );
        }
    }
}

#[tokio::test]
async fn a_schema_that_is_behind_gets_no_traffic_and_what_breaks_is_told() {
    for (breaking, words) in [
        (json!([]), "lacks the migration 16 (more)"),
        (
            json!(["line 3: drop table a …: gone"]),
            "which does not only add: line 3",
        ),
    ] {
        let mut functions = Functions::good();
        functions.pending =
            json!({ "a": [{ "version": 16, "description": "more", "breaking": breaking }] });
        let told = Told::of("souk-prod-catalog");
        let doubt = looked(&told, &functions).await.unwrap_err().to_string();
        assert!(doubt.contains(words), "{doubt}");
        assert_eq!(functions.asked().len(), 1, "nothing else is asked");
    }
}

#[tokio::test]
async fn each_function_is_asked_what_changes_nothing() {
    let names = Names::read().unwrap();
    for short in names.functions.keys() {
        let name: &'static str = format!("souk-prod-{short}").leak();
        let functions = Functions::good();
        looked(&Told::of(name), &functions).await.unwrap();
        for (function, version, event) in functions.asked.lock().unwrap().iter() {
            assert!(function.as_str() == name || function == "souk-prod-migrate");
            assert!(version == "17" || event == &json!({ "look": true }));
            assert!(
                event.get("source").is_none(),
                "a schedule's event does work"
            );
        }
    }
    for stranger in ["orders", "other-thing", ""] {
        let doubt = looked(&Told::of(stranger), &Functions::good())
            .await
            .unwrap_err();
        assert!(
            doubt.to_string().contains("no function of Souk's"),
            "{doubt}"
        );
    }
}
