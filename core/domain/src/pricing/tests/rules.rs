//! Documents of rules: what is refused, and that all of it is said.

use super::rules as read;
use crate::pricing::{
    DISCOUNTS_MAX, PRICING_RULES_BYTES_MAX, PricingRules, SHIPPING_RATES_MAX, TAX_RATES_MAX,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn violations(document: &Value) -> Vec<String> {
    let error = PricingRules::from_json(document).unwrap_err();
    error
        .violations
        .into_iter()
        .map(|v| format!("{}: {}", v.pointer, v.reason))
        .collect()
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let document = json!({
        "prices_include_tax": "yes",
        "tax_rounding": "total",
        "more/less": 1,
        "tax_rates": [
            {"country": "de", "category": "Standard", "rate_ppm": 1_000_001},
            {"country": "DE"},
            7
        ],
        "discounts": [
            {"name": "a b", "code": "", "priority": 0.5, "combines": 1, "effect": {"type": "free"}},
            {"name": "x", "valid_from": "2026-01-01T00:00:00Z", "valid_until": "2026-01-01T00:00:00Z",
             "effect": {"type": "percent", "rate_ppm": 0, "cap": 1}},
            {"name": "y", "valid_from": "tomorrow", "minimum_subtotal": [
                {"amount_minor": 1, "currency": "EUR"}, {"amount_minor": 2, "currency": "EUR"}
             ], "effect": {"type": "buy_get", "sku": "", "buy": 0}}
        ],
        "shipping_rates": {"country": "DE"}
    });
    assert_eq!(
        violations(&document),
        [
            "/more~1less: unknown member",
            "/prices_include_tax: true or false is wanted",
            "/tax_rounding: \"line\" or \"order\" is wanted",
            "/tax_rates/0/country: a country is two letters A-Z, as in ISO 3166-1",
            "/tax_rates/0/category: a tax category is 1 to 32 of the characters a-z 0-9 _",
            "/tax_rates/0/rate_ppm: an integer 0 to 1000000 is wanted",
            "/tax_rates/1: the member category is missing",
            "/tax_rates/1: the member rate_ppm is missing",
            "/tax_rates/2: an object is wanted",
            "/discounts/0/name: a discount's name is 1 to 64 of the characters A-Z a-z 0-9 . _ -",
            "/discounts/0/code: a discount code is 1 to 64 of the characters A-Z a-z 0-9 . _ -",
            "/discounts/0/priority: an integer -2147483648 to 2147483647 is wanted",
            "/discounts/0/combines: true or false is wanted",
            "/discounts/0/effect: an object whose type is percent, amount or buy_get is wanted",
            "/discounts/1/valid_until: must be later than valid_from",
            "/discounts/1/effect/cap: unknown member",
            "/discounts/1/effect/rate_ppm: an integer 1 to 1000000 is wanted",
            "/discounts/2/valid_from: an instant as in RFC 3339 is wanted",
            "/discounts/2/minimum_subtotal: a currency occurs more than once",
            "/discounts/2/effect/sku: a sku is 1 to 64 of the characters A-Z a-z 0-9 . _ -",
            "/discounts/2/effect/buy: an integer 1 to 1000000 is wanted",
            "/discounts/2/effect: the member get is missing",
            "/shipping_rates: an array is wanted",
        ]
    );
}

#[test]
fn what_contradicts_itself_is_refused() {
    let percent = json!({"type": "percent", "rate_ppm": 1});
    let document = json!({
        "tax_rates": [
            {"country": "DE", "category": "standard", "rate_ppm": 1},
            {"country": "DE", "category": "standard", "rate_ppm": 2}
        ],
        "discounts": [
            {"name": "a", "code": "A", "effect": percent},
            {"name": "b", "code": "A", "effect": percent},
            {"name": "a", "effect": {"type": "amount", "amounts": []}}
        ],
        "shipping_rates": [
            {"country": "DE", "currency": "EUR", "amount_minor": 1},
            {"country": "DE", "currency": "EUR", "amount_minor": 2},
            {"country": "AT", "currency": "EUR", "amount_minor": 2}
        ]
    });
    assert_eq!(
        violations(&document),
        [
            "/discounts/2/effect/amounts: at least one is needed",
            "/tax_rates/1: occurs more than once",
            "/discounts/2/name: occurs more than once",
            "/discounts/1/code: occurs more than once",
            "/shipping_rates/1: occurs more than once",
            "/shipping_rates/2/tax_category: the country has no tax rate for this category",
        ]
    );
}

#[test]
fn size_and_counts_are_bounded() {
    let long = json!({ "x": "y".repeat(PRICING_RULES_BYTES_MAX) });
    assert_eq!(violations(&long), [": 65544 bytes, 65536 are allowed"]);
    for (list, most) in [
        ("tax_rates", TAX_RATES_MAX),
        ("discounts", DISCOUNTS_MAX),
        ("shipping_rates", SHIPPING_RATES_MAX),
    ] {
        let too_many = json!({ list: vec![0; most + 1] });
        let expected = format!("/{list}: {} items, {most} are allowed", most + 1);
        assert_eq!(violations(&too_many), [expected]);
        let many = json!({ list: vec![0; most] });
        assert_eq!(violations(&many).len(), most.min(100));
    }
}

#[test]
fn rules_are_written_as_they_are_read() {
    let document = json!({
        "prices_include_tax": false,
        "tax_rounding": "order",
        "tax_rates": [{"country": "DE", "category": "standard", "rate_ppm": 190_000}],
        "discounts": [
            {"name": "b", "code": "B", "priority": 1, "combines": false,
             "valid_from": "2026-01-01T00:00:00Z", "valid_until": "2027-01-01T00:00:00Z",
             "minimum_subtotal": [{"amount_minor": 1, "currency": "EUR"}],
             "effect": {"type": "buy_get", "sku": "TEA", "buy": 2, "get": 1}},
            {"name": "a", "priority": 0, "combines": true,
             "effect": {"type": "amount", "amounts": [{"amount_minor": 1, "currency": "EUR"}]}},
            {"name": "c", "priority": 0, "combines": true,
             "effect": {"type": "percent", "rate_ppm": 1}}
        ],
        "shipping_rates": [{"country": "DE", "currency": "EUR", "amount_minor": 490,
             "free_from_minor": 5_000, "tax_category": "standard"}]
    });
    let rules = read(&document);
    assert_eq!(serde_json::to_value(&rules).unwrap(), document);
    assert_eq!(
        serde_json::from_value::<PricingRules>(document).unwrap(),
        rules
    );
    assert_eq!(read(&json!({})), PricingRules::default());
}

/// Members that documents have.
const NAMES: [&str; 14] = [
    "tax_rates",
    "discounts",
    "shipping_rates",
    "effect",
    "type",
    "amounts",
    "rate_ppm",
    "country",
    "currency",
    "category",
    "name",
    "code",
    "minimum_subtotal",
    "amount_minor",
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(&["percent", "DE", "EUR", "standard", ""][..]).prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(prop::sample::select(&NAMES[..]), inner, 0..5)
                .prop_map(|map| map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

proptest! {
    /// Whatever is sent: rules that survive being written and read, or a reason.
    #[test]
    fn any_document_is_read_or_refused(document in any_json()) {
        match PricingRules::from_json(&document) {
            Ok(rules) => prop_assert_eq!(read(&serde_json::to_value(&rules).unwrap()), rules),
            Err(error) => prop_assert!(!error.violations.is_empty()),
        }
    }
}
