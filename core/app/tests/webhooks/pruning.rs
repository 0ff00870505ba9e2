//! What came to an end long ago is dropped, and nothing else.

use crate::shop::{Does, Shop};
use souk_app::Clock as _;
use souk_app::webhooks::{KEPT_DAYS, prune_deliveries};
use std::time::Duration;
use tokio::time::Instant;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

fn kept_ms() -> i64 {
    i64::from(KEPT_DAYS) * DAY_MS
}

async fn rows(shop: &Shop) -> [i64; 3] {
    let probe = souk_testkit::Probe::new(&shop.db.url());
    let mut counts = [0; 3];
    for (count, table) in counts
        .iter_mut()
        .zip(["deliveries", "attempts", "messages"])
    {
        let sql = format!("SELECT count(*) FROM souk.webhook_{table}");
        *count = probe.number(&sql).await;
    }
    counts
}

async fn prune(shop: &Shop) -> u64 {
    let stop_at = Instant::now() + Duration::from_secs(60);
    let now = shop.tenant.clock.now();
    prune_deliveries(&shop.sweeper, now, stop_at).await.unwrap()
}

#[tokio::test]
async fn deliveries_that_ended_are_kept_for_their_time_and_those_under_way_for_ever() {
    let shop = Shop::open().await;
    let settings = Shop::settings("https://a.example/", &[], false);
    shop.endpoint(settings).await;
    for _ in 0..3 {
        shop.happens().await;
    }
    shop.deliver_by_schedule().await;
    assert_eq!(rows(&shop).await, [3, 3, 3]);

    shop.tenant.clock.advance_ms(kept_ms());
    // One that fails is still under way.
    shop.sender.does(|_, _| Does::Answer(500));
    shop.happens().await;
    shop.deliver_by_schedule().await;
    assert_eq!(prune(&shop).await, 0);
    assert_eq!(rows(&shop).await, [4, 4, 4]);

    shop.tenant.clock.advance_ms(1_000);
    assert_eq!(prune(&shop).await, 6);
    assert_eq!(rows(&shop).await, [1, 1, 1]);
    shop.tenant.clock.advance_ms(2 * kept_ms());
    assert_eq!(prune(&shop).await, 0);
    assert_eq!(rows(&shop).await, [1, 1, 1]);
}
