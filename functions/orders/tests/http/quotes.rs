//! Quotes: the same numbers as the order will have, fixed for a while.

use super::{Answer, Call, Shop};
use serde_json::{Value, json};
use souk_testkit::TestTenant;

const QUOTE_TTL_MS: i64 = 10 * 60 * 1_000;

impl Shop {
    /// A shop in Germany: 19 and 7 %, shipping, ten percent for who names the code.
    async fn open_in_germany() -> Self {
        let shop = Self::open(&[("TEA", 250, 100), ("POT", 5_900, 100)]).await;
        let rules = json!({
            "tax_rates": [
                {"country": "DE", "category": "standard", "rate_ppm": 190_000},
                {"country": "DE", "category": "reduced", "rate_ppm": 70_000}
            ],
            "discounts": [{
                "name": "ten-percent", "code": "TEN",
                "effect": {"type": "percent", "rate_ppm": 100_000}
            }],
            "shipping_rates": [{"country": "DE", "currency": "EUR", "amount_minor": 490}]
        });
        let tenant = shop.tenant.id.as_uuid();
        let change = format!(
            "BEGIN; UPDATE souk.skus SET tax_category = 'reduced' WHERE sku = 'TEA'; \
             INSERT INTO souk.pricing_rules (tenant_id, rules, updated_at) \
             VALUES ('{tenant}', '{rules}', now()); \
             UPDATE souk.catalog_revisions SET revision = revision + 1; COMMIT"
        );
        shop.db.execute(&change).await;
        shop
    }

    async fn raise_prices(&self) {
        let change = "BEGIN; UPDATE souk.prices SET unit_price_minor = unit_price_minor * 2; \
                      UPDATE souk.catalog_revisions SET revision = revision + 1; COMMIT";
        self.db.execute(change).await;
    }

    fn quote(&self, body: &Value) -> Call {
        let mut call = self.call("POST", "/v1/quotes");
        "quotes:write".clone_into(&mut call.scopes);
        call.body = body.to_string();
        call
    }

    async fn ask(&self, call: &Call) -> Answer {
        self.send(call.signed()).await
    }

    /// Orders the basket at the price of the quote.
    async fn order_quoted(&self, key: &str, mut basket: Value, quote: &Value) -> Answer {
        basket["quote"] = quote.clone();
        self.ask(&self.order(key, &basket)).await
    }
}

fn basket() -> Value {
    json!({
        "currency": "EUR",
        "lines": [{"sku": "TEA", "quantity": 3}, {"sku": "POT", "quantity": 1}],
        "shipping_country": "DE",
        "discount_codes": ["TEN"]
    })
}

/// What an order and its quote have in common.
fn numbers(answer: &Answer) -> Value {
    let mut json = answer.json();
    for line in json["lines"].as_array_mut().unwrap() {
        // Only an order is fulfilled.
        line.as_object_mut().unwrap().remove("fulfilled_quantity");
    }
    let names = [
        "subtotal",
        "discount",
        "shipping",
        "tax",
        "tax_included",
        "total",
        "breakdown",
        "lines",
        "shipping_country",
    ];
    names
        .iter()
        .map(|name| ((*name).to_owned(), json[name].clone()))
        .collect()
}

#[tokio::test]
async fn a_quote_has_the_numbers_of_the_order() {
    let shop = Shop::open_in_germany().await;
    let quote = shop.ask(&shop.quote(&basket())).await;
    assert_eq!(quote.status, 200, "{}", quote.json());
    let json = quote.json();
    let minor = |name: &str| json[name]["amount_minor"].as_i64().unwrap();
    let [subtotal, discount, shipping, tax, total] =
        ["subtotal", "discount", "shipping", "tax", "total"].map(minor);
    assert_eq!(
        [subtotal, discount, shipping, tax, total],
        [6_650, 665, 490, 970, 6_475]
    );
    assert_eq!(json["tax_included"], true);
    assert_eq!(json["expires_at"], "2026-11-21T08:10:00Z");
    assert_eq!(quote.header("cache-control"), Some("no-store"));
    let euro = |minor: i64| json!({"amount_minor": minor, "currency": "EUR"});
    assert_eq!(
        json["breakdown"],
        json!({
            "discounts": [{"name": "ten-percent", "code": "TEN", "amount": euro(665)}],
            "taxes": [
                {"rate_ppm": 70_000, "base": euro(631), "amount": euro(44)},
                {"rate_ppm": 190_000, "base": euro(4_874), "amount": euro(926)}
            ],
            "shipping": {
                "country": "DE", "amount": euro(490), "tax": euro(78), "tax_rate_ppm": 190_000
            }
        })
    );

    let at_once = shop.ask(&shop.order("plain", &basket())).await;
    assert_eq!(at_once.status, 201, "{}", at_once.json());
    assert_eq!(numbers(&at_once), numbers(&quote));
    shop.raise_prices().await;
    let quoted = shop.order_quoted("quoted", basket(), &json["quote"]).await;
    assert_eq!(quoted.status, 201, "{}", quoted.json());
    assert_eq!(numbers(&quoted), numbers(&quote));
    let path = format!("/v1/orders/{}", quoted.json()["id"].as_str().unwrap());
    let read = shop.ask(&shop.call("GET", &path)).await;
    assert_eq!(numbers(&read), numbers(&quote), "as stored");
    let dearer = shop.ask(&shop.order("dearer", &basket())).await;
    assert_eq!(
        dearer.json()["total"]["amount_minor"],
        2 * 6_650 - 1_330 + 490
    );
}

#[tokio::test]
async fn a_quote_holds_for_ten_minutes_for_one_basket_of_one_shop() {
    let shop = Shop::open_in_germany().await;
    let mut quote = shop.ask(&shop.quote(&basket())).await.json()["quote"].clone();
    let mut more = basket();
    more["lines"][0]["quantity"] = json!(4);
    let refused = shop.order_quoted("more", more, &quote).await;
    assert_eq!(refused.problem(), (422, "quote_invalid".to_owned()));

    let other = TestTenant::create(&shop.db, &[("TEA", 1, 10), ("POT", 1, 10)]).await;
    let mut elsewhere = basket();
    elsewhere["quote"] = quote.clone();
    let mut call = shop.order("elsewhere", &elsewhere);
    call.tenant = other.id;
    assert_eq!(
        shop.ask(&call).await.problem(),
        (422, "quote_invalid".to_owned())
    );

    let altered = json!(quote.as_str().unwrap().replace("q1.", "q2."));
    let refused = shop.order_quoted("altered", basket(), &altered).await;
    assert_eq!(refused.problem(), (422, "quote_invalid".to_owned()));

    shop.tenant.clock.advance_ms(QUOTE_TTL_MS - 1);
    let in_time = shop.order_quoted("in-time", basket(), &quote).await;
    assert_eq!(in_time.status, 201);
    shop.tenant.clock.advance_ms(1);
    let late = shop.order_quoted("late", basket(), &quote).await;
    assert_eq!(late.problem(), (422, "quote_expired".to_owned()));
    let again = shop.order_quoted("in-time", basket(), &quote).await;
    assert_eq!((again.status, again.body), (in_time.status, in_time.body));
    quote = json!(7);
    let malformed = shop.order_quoted("malformed", basket(), &quote).await;
    assert_eq!(malformed.problem(), (422, "validation_failed".to_owned()));
}

#[tokio::test]
async fn what_cannot_be_quoted_is_said() {
    let shop = Shop::open_in_germany().await;
    let with = |name: &str, value: Value| {
        let mut body = basket();
        body[name] = value;
        shop.quote(&body)
    };
    for (call, code, named) in [
        (
            with("discount_codes", json!(["NO"])),
            "discount_code_unknown",
            "NO",
        ),
        (
            with("shipping_country", Value::Null),
            "shipping_country_missing",
            "shipping_country",
        ),
        (with("shipping_country", json!("AT")), "not_taxed", "AT"),
        (
            with("lines", json!([{"sku": "CUP", "quantity": 1}])),
            "sku_not_sold",
            "CUP",
        ),
        (with("quote", json!("q1")), "validation_failed", "/quote"),
    ] {
        let answer = shop.ask(&call).await;
        assert_eq!(answer.problem(), (422, code.to_owned()));
        let text = answer.json().to_string();
        assert!(text.contains(named), "{text}");
    }
    let mut call = shop.quote(&basket());
    call.scopes = "orders:read orders:write".to_owned();
    assert_eq!(
        shop.ask(&call).await.problem(),
        (403, "scope_missing".to_owned())
    );
    assert_eq!(
        shop.db
            .number("SELECT count(*) FROM souk.idempotency_keys")
            .await,
        0
    );
}
