//! Those who send die in the middle: what they held is sent again, once, and nothing is lost.

use crate::shop::{Does, Shop};
use souk_app::webhooks::{deliver_due_of, get_delivery};
use souk_domain::EventId;
use souk_domain::WebhookEndpointId;
use souk_domain::webhook::{AttemptOutcome, DeliveryStatus};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A run that takes the one delivery that is due, and hangs in it.
async fn hanging(shop: &Shop) -> JoinHandle<()> {
    shop.sender.does(|_, before| {
        if before == 0 {
            Does::Hang
        } else {
            Does::Answer(200)
        }
    });
    let (webhooks, tenant) = (shop.webhooks.clone(), shop.tenant.id);
    let run = tokio::spawn(async move {
        let stop_at = Instant::now() + Duration::from_secs(60);
        deliver_due_of(&webhooks, [tenant], stop_at).await;
    });
    shop.sender.taken.notified().await;
    run
}

async fn outcomes(shop: &Shop, endpoint: WebhookEndpointId, event: EventId) -> Vec<AttemptOutcome> {
    let view = get_delivery(&shop.tenant.tools, &shop.tenant.caller(), endpoint, event)
        .await
        .unwrap();
    view.attempts
        .iter()
        .map(|attempt| attempt.outcome)
        .collect()
}

async fn expire_leases(shop: &Shop) {
    shop.db
        .execute(
            "UPDATE souk.webhook_deliveries SET lease_expires_at = now() - interval '1 second' \
                  WHERE lease_expires_at IS NOT NULL",
        )
        .await;
}

#[tokio::test]
async fn who_dies_in_an_attempt_is_followed_by_another_one_and_no_third() {
    let shop = Shop::open().await;
    let (endpoint, _) = shop
        .endpoint(Shop::settings("https://a.example/", &[], false))
        .await;
    let event = shop.happens().await;
    let run = hanging(&shop).await;
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    // While the lease lasts nobody touches it.
    assert_eq!(shop.deliver_by_schedule().await.delivered, 0);
    assert_eq!(
        outcomes(&shop, endpoint, event).await,
        [AttemptOutcome::Started]
    );
    expire_leases(&shop).await;
    assert_eq!(shop.deliver_by_schedule().await.delivered, 1);
    assert_eq!(shop.deliver_by_schedule().await.delivered, 0);
    assert_eq!(shop.sender.events_sent(), [event, event]);
    let expected = [AttemptOutcome::Lost, AttemptOutcome::Delivered];
    assert_eq!(outcomes(&shop, endpoint, event).await, expected);
}

#[tokio::test]
async fn a_lost_attempt_counts_as_none_in_the_schedule() {
    let shop = Shop::open().await;
    let (endpoint, _) = shop
        .endpoint(Shop::settings("https://a.example/", &[], false))
        .await;
    let event = shop.happens().await;
    hanging(&shop).await.abort();
    expire_leases(&shop).await;
    shop.sender.does(|_, _| Does::Answer(500));
    shop.deliver().await;
    for wait_s in [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000] {
        shop.tenant.clock.advance_ms(wait_s * 1_000);
        shop.deliver().await;
    }
    let all = outcomes(&shop, endpoint, event).await;
    assert_eq!(
        all.iter()
            .filter(|one| **one == AttemptOutcome::Failed)
            .count(),
        8
    );
    assert_eq!(shop.sender.sent().len(), 9);
}

#[tokio::test]
async fn who_comes_back_too_late_changes_nothing() {
    let shop = Shop::open().await;
    let (endpoint, _) = shop
        .endpoint(Shop::settings("https://a.example/", &[], false))
        .await;
    let event = shop.happens().await;
    let run = hanging(&shop).await;
    expire_leases(&shop).await;
    assert_eq!(shop.deliver().await.delivered, 1);
    let token = "SELECT fencing_token FROM souk.webhook_deliveries";
    assert_eq!(shop.count(token).await, 2);
    // The first one still hangs; what it would write is under the token 1.
    let tx = shop.tenant.tools.db.begin(shop.tenant.id);
    let mut tx = tx.await.unwrap();
    let claimed = souk_postgres::webhooks::ClaimedDelivery {
        endpoint,
        event,
        url: "https://a.example/".parse().unwrap(),
        body: String::new(),
        attempt: 1,
        failures: 0,
        fencing_token: 1,
    };
    let end = souk_postgres::webhooks::AttemptEnd {
        outcome: AttemptOutcome::Failed,
        status_code: Some(500),
        latency_ms: 1,
        error: None,
        response: None,
    };
    let step = souk_domain::webhook::Step {
        status: DeliveryStatus::Failed,
        failures: 1,
        next_attempt_at: None,
    };
    let now = souk_domain::Timestamp::UNIX_EPOCH;
    let in_time = souk_postgres::webhooks::end_attempt(&mut tx, &claimed, &end, &step, now).await;
    assert!(!in_time.unwrap());
    tx.commit().await.unwrap();
    let view = get_delivery(&shop.tenant.tools, &shop.tenant.caller(), endpoint, event)
        .await
        .unwrap();
    assert_eq!(view.delivery.status, DeliveryStatus::Delivered);
    run.abort();
}

/// Again and again, at any moment: sent once more for each death, and delivered in the end.
#[tokio::test]
async fn many_deaths_lose_nothing() {
    let shop = Shop::open().await;
    shop.endpoint(Shop::settings("https://a.example/", &[], true))
        .await;
    let order = Shop::order();
    let mut events = Vec::new();
    for sequence in 1..=6 {
        let event = shop.event(order, sequence);
        shop.enter(&event).await;
        events.push(event.id);
    }
    // Each is taken and dropped twice before it is answered.
    shop.sender.does(|_, before| {
        if before < 2 {
            Does::Hang
        } else {
            Does::Answer(200)
        }
    });
    let mut deaths = 0;
    while shop
        .count("SELECT count(*) FROM souk.webhook_deliveries WHERE status <> 'delivered'")
        .await
        > 0
    {
        let before = shop.sender.sent().len();
        let (webhooks, tenant) = (shop.webhooks.clone(), shop.tenant.id);
        let run = tokio::spawn(async move {
            let stop_at = Instant::now() + Duration::from_secs(60);
            deliver_due_of(&webhooks, [tenant], stop_at).await
        });
        // Ends when one hangs, or by itself when all are delivered.
        loop {
            let sent = shop.sender.sent();
            let hangs = sent.len() > before && {
                let last = sent.last().unwrap();
                sent.iter().filter(|one| one.event == last.event).count() <= 2
            };
            if hangs || run.is_finished() {
                break;
            }
            tokio::task::yield_now().await;
        }
        if !run.is_finished() {
            deaths += 1;
        }
        run.abort();
        run.await.ok();
        expire_leases(&shop).await;
    }
    assert_eq!(deaths, 12);
    let expected: Vec<EventId> = events.iter().flat_map(|event| [*event; 3]).collect();
    assert_eq!(shop.sender.events_sent(), expected);
}
