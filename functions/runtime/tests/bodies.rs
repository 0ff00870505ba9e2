//! Any bytes are a request or a problem that points at what is wrong.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use http::{HeaderMap, HeaderValue, StatusCode};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use souk_domain::{Currency, Sku};
use souk_runtime::fields::Field;
use souk_runtime::problem::{FieldError, Problem};
use souk_runtime::request::read_body;

type Basket = (
    Currency,
    Vec<(Sku, i64)>,
    Vec<(String, bool)>,
    Option<String>,
);

/// Uses every kind of reader there is.
fn basket(body: &Field<'_>) -> Option<Basket> {
    let body = body.object(&["currency", "lines", "flags", "note"])?;
    let currency = body.required("currency", Field::parse);
    let lines = body.required("lines", |lines| {
        lines.list(1..=4, |line| {
            let line = line.object(&["sku", "quantity"])?;
            let sku = line.required("sku", Field::parse);
            let quantity = line.required("quantity", |field| field.integer(1..=9));
            Some((sku?, quantity?))
        })
    });
    let flags = body.optional("flags", |flags| {
        flags.map(3, |name, flag| Some((name.to_owned(), flag.boolean()?)))
    });
    let note = body.optional("note", |note| note.text().map(str::to_owned));
    Some((currency?, lines?, flags?.unwrap_or_default(), note?))
}

fn good() -> Value {
    json!({
        "currency": "EUR",
        "lines": [{ "sku": "TEA", "quantity": 2 }, { "sku": "CUP", "quantity": 9 }],
        "flags": { "a/b": true },
        "note": "",
    })
}

fn read_as(media_type: &'static str, body: &[u8]) -> Result<Basket, Problem> {
    let media_type = HeaderValue::from_static(media_type);
    let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, media_type)]);
    read_body(&headers, body, basket).map(|body| body.value)
}

fn read(body: &[u8]) -> Result<Basket, Problem> {
    read_as("Application/JSON; charset=utf-8", body)
}

fn fields(problem: &Problem) -> Vec<FieldError> {
    let body = problem
        .to_stored("req_0197c0de8f2b7c3a9d4e5f6071829306".parse().unwrap())
        .body;
    let document: Value = serde_json::from_slice(&body).unwrap();
    let errors = document["errors"].as_array().cloned().unwrap_or_default();
    let text = |error: &Value, name: &str| error[name].as_str().unwrap().to_owned();
    errors
        .iter()
        .map(|error| FieldError {
            pointer: text(error, "pointer"),
            reason: text(error, "reason"),
        })
        .collect()
}

/// Whether a pointer leads to something in `body`, or to a member that an object there lacks.
fn points_somewhere(body: &Value, pointer: &str) -> bool {
    let parent = pointer.rsplit_once('/').map(|(parent, _)| parent);
    let lacks = |parent| body.pointer(parent).is_some_and(Value::is_object);
    body.pointer(pointer).is_some() || parent.is_some_and(lacks)
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        "[a-z\\x00/~]{0,4}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        "[a-z/~\\x00]{0,4}",
        proptest::sample::select(vec![
            "currency", "lines", "sku", "quantity", "flags", "note"
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A good body in which something else stands in one place.
fn nearly_good() -> impl Strategy<Value = Value> {
    let places = [
        "",
        "/currency",
        "/lines",
        "/lines/0",
        "/lines/1/sku",
        "/lines/1/quantity",
        "/flags",
        "/note",
    ];
    (proptest::sample::select(places.to_vec()), any_json()).prop_map(|(place, value)| {
        let mut body = good();
        *body.pointer_mut(place).unwrap() = value;
        body
    })
}

fn check(body: &Value) -> Result<(), TestCaseError> {
    let Err(problem) = read(body.to_string().as_bytes()) else {
        return Ok(());
    };
    prop_assert_eq!(problem.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let fields = fields(&problem);
    prop_assert!(!fields.is_empty());
    for field in fields {
        prop_assert!(
            points_somewhere(body, &field.pointer),
            "{:?} in {}",
            field,
            body
        );
    }
    Ok(())
}

#[test]
fn a_wrong_field_is_pointed_at() {
    let mut body = good();
    body["lines"][1]["quantity"] = json!("two");
    let problem = read(body.to_string().as_bytes()).unwrap_err();
    let expected = FieldError {
        pointer: "/lines/1/quantity".to_owned(),
        reason: "is not an integer".to_owned(),
    };
    assert_eq!(fields(&problem), [expected]);
}

#[test]
fn no_json_unknown_members_doubled_members_and_other_media_types_are_told_apart() {
    let good = good().to_string();
    let member = |text: &str| good.replacen('{', &format!("{{{text},"), 1);
    for (body, code) in [
        ("", "malformed_json"),
        ("{\"lines\":[", "malformed_json"),
        (&format!("{good} x"), "malformed_json"),
        (&member("\"more\":1"), "validation_failed"),
        (&member("\"currency\":\"EUR\""), "validation_failed"),
    ] {
        assert_eq!(read(body.as_bytes()).unwrap_err().code(), code, "{body}");
    }
    for media_type in ["", "text/json", "application/json-patch+json"] {
        let problem = read_as(media_type, good.as_bytes()).unwrap_err();
        assert_eq!(problem.code(), "unsupported_media_type", "{media_type}");
    }
    assert!(read_body(&HeaderMap::new(), good.as_bytes(), basket).is_err());
}

proptest! {
    #[test]
    fn any_json_is_read_or_pointed_at(body in any_json()) {
        check(&body)?;
    }

    #[test]
    fn what_is_nearly_good_is_read_or_pointed_at(body in nearly_good()) {
        check(&body)?;
    }

    #[test]
    fn any_bytes_are_a_request_or_a_problem(body in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Err(problem) = read(&body) {
            prop_assert!(problem.status().is_client_error());
        }
    }

    #[test]
    fn any_part_of_a_good_body_is_a_problem(length in 0_usize..100) {
        let body = good().to_string();
        let part = body.as_bytes().get(..length).unwrap_or_default();
        prop_assume!(part.len() < body.len());
        prop_assert_eq!(read(part).unwrap_err().code(), "malformed_json");
    }

    /// Each wrong place is named, however many there are.
    #[test]
    fn nothing_wrong_hides_anything_else(wrong in proptest::sample::subsequence(vec![
        "/currency", "/lines/0/sku", "/lines/0/quantity", "/lines/1/sku", "/flags/a~1b", "/note",
    ], 0..=6)) {
        let mut body = good();
        for place in &wrong {
            *body.pointer_mut(place).unwrap() = json!([]);
        }
        let named: Vec<String> = match read(body.to_string().as_bytes()) {
            Ok(_) => Vec::new(),
            Err(problem) => fields(&problem).into_iter().map(|field| field.pointer).collect(),
        };
        let mut named: Vec<&str> = named.iter().map(String::as_str).collect();
        named.sort_unstable();
        let mut wrong = wrong;
        wrong.sort_unstable();
        prop_assert_eq!(named, wrong);
    }
}
