//! Kept prices are never stale: an order has the price of its moment, a quote one of the last seconds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

use futures::future::join_all;
use souk_app::{
    AppError, Clock as _, Once, OrderWish, QUOTED_PRICES_AGE_MAX_S, Quote, Shards, Tools,
    place_order, quote_order,
};
use souk_domain::pricing::{PricingError, QUOTE_TTL_S, QuoteError};
use souk_domain::{IdempotencyKey, Order, OrderError, OrderRequest, RequestFingerprint};
use souk_postgres::idempotency::StoredResponse;
use souk_testkit::{TestDatabase, TestTenant, order_request, quote_keys};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// The answer is the total in minor units, or the reason.
fn respond(outcome: Result<&Order, &AppError>) -> StoredResponse {
    let (status, body) = match outcome {
        Ok(order) => (201, order.record().total.amount_minor().to_string()),
        Err(error) => (422, error.to_string()),
    };
    StoredResponse {
        status,
        headers: BTreeMap::new(),
        body: body.into_bytes(),
    }
}

struct Shop {
    db: TestDatabase,
    tenant: TestTenant,
    orders: AtomicI64,
}

impl Shop {
    async fn open(skus: &[(&str, i64, u32)]) -> Self {
        let db = TestDatabase::create().await;
        let tenant = TestTenant::create(&db, skus).await;
        let orders = AtomicI64::new(0);
        Self { db, tenant, orders }
    }

    /// The tools of one more process, which has read no price yet.
    fn process(&self) -> Tools {
        Tools {
            prices: Arc::default(),
            ..self.tenant.tools.clone()
        }
    }

    async fn try_order(
        &self,
        tools: &Tools,
        key: &str,
        wish: OrderWish,
    ) -> Result<(u16, String), AppError> {
        let once = Once {
            key: IdempotencyKey::parse(key).unwrap(),
            operation: "test",
            fingerprint: RequestFingerprint::new("POST", key, None).unwrap(),
        };
        let answer = place_order(tools, &self.tenant.caller(), &once, wish, respond).await?;
        let response = answer.response;
        Ok((response.status, String::from_utf8(response.body).unwrap()))
    }

    async fn order_with(&self, tools: &Tools, key: &str, wish: OrderWish) -> (u16, String) {
        self.try_order(tools, key, wish).await.unwrap()
    }

    async fn order(&self, tools: &Tools, request: OrderRequest) -> (u16, String) {
        let key = format!("order-{}", self.orders.fetch_add(1, Ordering::SeqCst));
        self.order_with(tools, &key, request.into()).await
    }

    async fn quote(&self, tools: &Tools, request: &OrderRequest) -> Result<Quote, AppError> {
        quote_order(tools, &self.tenant.caller(), &quote_keys(), request).await
    }

    /// Changes the catalog as its administration does: with the revision, in one transaction.
    async fn change(&self, sql: &str) {
        let raise = "UPDATE souk.catalog_revisions SET revision = revision + 1;";
        self.db
            .execute(&format!("BEGIN; {sql}; {raise} COMMIT"))
            .await;
    }

    async fn set_price(&self, minor: i64) {
        let sql = format!("UPDATE souk.prices SET unit_price_minor = {minor}");
        self.change(&sql).await;
    }

    async fn set_rules(&self, rules: &serde_json::Value) {
        let sql = format!(
            "INSERT INTO souk.pricing_rules (tenant_id, rules, updated_at) \
             VALUES ('{}', '{rules}', now()) \
             ON CONFLICT (tenant_id) DO UPDATE SET rules = excluded.rules",
            self.tenant.id.as_uuid(),
        );
        self.change(&sql).await;
    }
}

fn percent_off(rate_ppm: i64, code: Option<&str>) -> serde_json::Value {
    let mut discount = serde_json::json!({
        "name": "d", "effect": {"type": "percent", "rate_ppm": rate_ppm}
    });
    if let Some(code) = code {
        discount["code"] = code.into();
    }
    serde_json::json!({ "discounts": [discount] })
}

/// Two processes take turns by chance, with changes in between: each order has the numbers that the
/// catalog had when it came.
#[tokio::test]
async fn no_change_between_two_orders_is_missed() {
    for seed in 0..8 {
        let mut random = fastrand::Rng::with_seed(seed);
        let shop = Shop::open(&[("TEA", 1_000, 1_000)]).await;
        let processes = [shop.process(), shop.process()];
        let (mut price, mut off_ppm) = (1_000, 0);
        for step in 0..40 {
            match random.u32(0..6) {
                0 => {
                    price = random.i64(0..100) * 100;
                    shop.set_price(price).await;
                }
                1 => {
                    off_ppm = random.i64(1..=10) * 100_000;
                    shop.set_rules(&percent_off(off_ppm, None)).await;
                }
                2 => shop.tenant.clock.advance_ms(random.i64(0..60_000)),
                _ => {
                    let process = random.usize(0..2);
                    let placed = shop
                        .order(&processes[process], order_request(&[("TEA", 1)]))
                        .await;
                    let expected = price - price / 100 * off_ppm / 10_000;
                    assert_eq!(placed, (201, expected.to_string()), "{seed} {step}");
                }
            }
        }
    }
}

/// The price only rises: an order has no lower one than was committed before it came, and no higher
/// one than was begun before it went.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_under_changing_prices_has_one_of_its_time() {
    let shop = Shop::open(&[("TEA", 0, 1_000)]).await;
    let (begun, committed) = (AtomicI64::new(0), AtomicI64::new(0));
    let raising = async {
        for price in 1..=60 {
            begun.store(price, Ordering::SeqCst);
            shop.set_price(price).await;
            committed.store(price, Ordering::SeqCst);
        }
    };
    let buying = join_all((0..4).map(async |buyer| {
        let process = shop.process();
        let mut orders = 0;
        for attempt in 0.. {
            let at_least = committed.load(Ordering::SeqCst);
            let wish = order_request(&[("TEA", 1)]).into();
            let key = format!("{buyer}-{attempt}");
            let placed = shop.try_order(&process, &key, wish).await;
            let at_most = begun.load(Ordering::SeqCst);
            match placed {
                Ok((201, total)) => {
                    let total: i64 = total.parse().unwrap();
                    let possible = at_least..=at_most;
                    assert!(possible.contains(&total), "{possible:?} {total}");
                    orders += 1;
                }
                // They changed each time that it was priced.
                Err(AppError::PricesChanging) => {}
                other => panic!("{other:?}"),
            }
            if at_least == 60 {
                break;
            }
        }
        orders
    }));
    let ((), orders) = tokio::join!(raising, buying);
    assert!(orders.iter().all(|orders| *orders > 0), "{orders:?}");
}

#[tokio::test]
async fn a_kept_price_begins_and_ends_on_time() {
    let shop = Shop::open(&[("TEA", 1_000, 100)]).await;
    let now = shop.tenant.clock.now();
    let in_ms = |ms| now.plus(time::Duration::milliseconds(ms)).unwrap();
    shop.change(&format!(
        "UPDATE souk.prices SET valid_until = '{0}'; \
         INSERT INTO souk.prices (tenant_id, sku, currency, unit_price_minor, valid_from, valid_until) \
         SELECT tenant_id, sku, currency, 800, '{0}', '{1}' FROM souk.prices",
        in_ms(5_000),
        in_ms(9_000),
    ))
    .await;
    let process = shop.process();
    let buy = || shop.order(&process, order_request(&[("TEA", 1)]));
    assert_eq!(buy().await.1, "1000");
    shop.tenant.clock.advance_ms(4_999);
    assert_eq!(buy().await.1, "1000");
    shop.tenant.clock.advance_ms(1);
    assert_eq!(buy().await.1, "800");
    shop.tenant.clock.advance_ms(3_999);
    assert_eq!(buy().await.1, "800");
    shop.tenant.clock.advance_ms(1);
    assert_eq!(buy().await, (422, "TEA is not sold in EUR".to_owned()));
}

#[tokio::test]
async fn nobody_is_refused_for_what_is_kept() {
    let shop = Shop::open(&[("TEA", 1_000, 100)]).await;
    let process = shop.process();
    let code = || vec!["HALF".parse().unwrap()];
    let request = || order_request(&[("TEA", 1)]).with_discount_codes(code());
    assert_eq!(
        shop.order(&process, order_request(&[("TEA", 1)])).await.0,
        201
    );
    let refused = shop.order(&process, request()).await;
    assert_eq!(
        refused,
        (422, "the discount code HALF is not known".to_owned())
    );
    shop.set_rules(&percent_off(500_000, Some("HALF"))).await;
    assert_eq!(
        shop.order(&process, request()).await,
        (201, "500".to_owned())
    );
    shop.set_rules(&percent_off(500_000, Some("OTHER"))).await;
    let kept_ms = QUOTED_PRICES_AGE_MAX_S * 1_000;
    shop.tenant.clock.advance_ms(kept_ms + 1);
    let refused = shop.quote(&process, &request()).await.unwrap_err();
    let expected = PricingError::UnknownDiscountCode {
        code: "HALF".parse().unwrap(),
    };
    let AppError::Order(OrderError::Pricing(error)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(error, expected);
}

#[tokio::test]
async fn kept_prices_are_quoted_without_a_round_trip_for_some_seconds() {
    let shop = Shop::open(&[("TEA", 1_000, 100)]).await;
    let (database, round_trips) = shop.db.app_counted().await;
    let process = Tools {
        db: Shards::single(database),
        ..shop.process()
    };
    let request = order_request(&[("TEA", 1)]);
    let quote = async || {
        let before = round_trips.count();
        let quote = shop.quote(&process, &request).await.unwrap();
        let trips = round_trips.count() - before;
        (quote.totals.total.amount_minor(), trips)
    };
    quote().await;
    shop.set_price(900).await;
    shop.tenant
        .clock
        .advance_ms(QUOTED_PRICES_AGE_MAX_S * 1_000);
    assert_eq!(quote().await, (1_000, 0));
    shop.tenant.clock.advance_ms(1);
    assert_eq!(quote().await, (900, 1));
    assert_eq!(quote().await, (900, 0));
}

#[tokio::test]
async fn a_quote_fixes_the_numbers_until_it_ends() {
    let shop = Shop::open(&[("TEA", 1_000, 100)]).await;
    let process = shop.process();
    let request = order_request(&[("TEA", 2)]);
    let quote = shop.quote(&process, &request).await.unwrap();
    assert_eq!(quote.totals.total.amount_minor(), 2_000);
    let until = shop
        .tenant
        .clock
        .now()
        .plus(time::Duration::seconds(QUOTE_TTL_S));
    assert_eq!(Ok(quote.expires_at), until);
    let quoted = |request: &OrderRequest| {
        OrderWish::new(request.clone(), Some(quote.token.clone()), &quote_keys())
    };
    shop.set_price(1_500).await;
    shop.set_rules(&percent_off(100_000, None)).await;
    let as_quoted = (201, "2000".to_owned());
    assert_eq!(
        shop.order_with(&process, "a", quoted(&request)).await,
        as_quoted
    );
    assert_eq!(shop.order(&process, request.clone()).await.1, "2700");

    let other = order_request(&[("TEA", 3)]);
    let refused = shop.order_with(&process, "b", quoted(&other)).await;
    assert_eq!(refused, (422, QuoteError::Invalid.to_string()));
    shop.tenant.clock.advance_ms(QUOTE_TTL_S * 1_000 - 1);
    assert_eq!(
        shop.order_with(&process, "c", quoted(&request)).await,
        as_quoted
    );
    shop.tenant.clock.advance_ms(1);
    let expired = (422, QuoteError::Expired.to_string());
    assert_eq!(
        shop.order_with(&process, "d", quoted(&request)).await,
        expired
    );
    // What was ordered in time stays ordered, however late its answer is asked for again.
    assert_eq!(
        shop.order_with(&process, "c", quoted(&request)).await,
        as_quoted
    );
}
