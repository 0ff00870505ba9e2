//! The rules of discounts, taxes and shipping.

use super::{Answer, Shop};
use futures::future::join_all;
use serde_json::{Value, json};

const ADMINISTRATOR: &str = "catalog:read catalog:write";

fn percent(rate_ppm: u32) -> Value {
    json!({
        "prices_include_tax": true, "tax_rounding": "line", "tax_rates": [], "shipping_rates": [],
        "discounts": [{
            "name": "d", "priority": 0, "combines": true,
            "effect": {"type": "percent", "rate_ppm": rate_ppm}
        }]
    })
}

impl Shop {
    async fn put_rules(&self, headers: &[(&str, &str)], rules: &Value) -> Answer {
        let target = "PUT /v1/pricing-rules";
        self.call(target, ADMINISTRATOR, headers, Some(rules)).await
    }

    async fn get_rules(&self, headers: &[(&str, &str)]) -> Answer {
        self.call("GET /v1/pricing-rules", "catalog:read", headers, None)
            .await
    }
}

#[tokio::test]
async fn rules_are_put_and_got_as_they_are() {
    let shop = Shop::open(&[]).await;
    let none = shop.get_rules(&[]).await;
    assert_eq!(
        (none.status, none.json()["prices_include_tax"].clone()),
        (200, json!(true))
    );
    let before = shop.revision().await;
    let put = shop
        .put_rules(&[("if-match", none.header("etag").unwrap())], &percent(1))
        .await;
    assert_eq!((put.status, put.json()), (200, percent(1)));
    assert!(
        shop.revision().await > before,
        "what was priced before is priced anew"
    );
    let got = shop.get_rules(&[]).await;
    assert_eq!((got.status, got.json()), (200, percent(1)));
    let tag = got.header("etag").unwrap();
    assert_eq!(Some(tag), put.header("etag"));
    let same = shop.get_rules(&[("if-none-match", tag)]).await;
    assert_eq!((same.status, same.body.len()), (304, 0));
}

#[tokio::test]
async fn a_put_has_its_effect_once() {
    let shop = Shop::open(&[]).await;
    let key = [("idempotency-key", "k")];
    let first = shop.put_rules(&key, &percent(1)).await;
    let other = shop.put_rules(&[], &percent(2)).await;
    assert_eq!((first.status, other.status), (200, 200));
    let again = shop.put_rules(&key, &percent(1)).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(shop.get_rules(&[]).await.json(), percent(2));
    let reused = shop.put_rules(&key, &percent(3)).await;
    assert_eq!(reused.problem(), (422, "idempotency_key_reused".to_owned()));
}

#[tokio::test]
async fn of_two_who_change_the_same_version_one_is_refused() {
    let shop = Shop::open(&[]).await;
    for version in 0..3 {
        let tag = shop.get_rules(&[]).await.header("etag").unwrap().to_owned();
        let if_match = [("if-match", tag.as_str())];
        let rules = [10 * version + 1, 10 * version + 2].map(percent);
        let puts = join_all(rules.iter().map(|rules| shop.put_rules(&if_match, rules))).await;
        let mut statuses: Vec<u16> = puts.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412]);
        let done = puts.iter().find(|answer| answer.status == 200).unwrap();
        assert_eq!(shop.get_rules(&[]).await.json(), done.json());
    }
}

#[tokio::test]
async fn all_that_is_wrong_is_said_and_nothing_is_changed() {
    let shop = Shop::open(&[]).await;
    let wrong = json!({
        "vat": 19,
        "tax_rates": [{"country": "Germany", "category": "standard", "rate_ppm": -1}],
        "discounts": [{"name": "d", "effect": {"type": "percent", "rate_ppm": 0}}]
    });
    let refused = shop.put_rules(&[], &wrong).await;
    assert_eq!(refused.problem(), (422, "validation_failed".to_owned()));
    let pointers = refused.pointers();
    assert_eq!(
        pointers,
        [
            "/vat",
            "/tax_rates/0/country",
            "/tax_rates/0/rate_ppm",
            "/discounts/0/effect/rate_ppm"
        ]
    );
    let long = json!({"x": "y".repeat(64 * 1024)});
    assert_eq!(shop.put_rules(&[], &long).await.pointers(), [""]);
    assert_eq!(
        shop.db
            .number("SELECT count(*) FROM souk.pricing_rules")
            .await,
        0
    );
    for (target, scopes) in [
        ("GET /v1/pricing-rules", "catalog:write"),
        ("PUT /v1/pricing-rules", "catalog:read"),
    ] {
        let body = percent(1);
        let answer = shop
            .call(
                target,
                scopes,
                &[],
                target.starts_with("PUT").then_some(&body),
            )
            .await;
        assert_eq!(answer.problem(), (403, "scope_missing".to_owned()));
    }
}
