//! Each event to each endpoint that wants it: once, signed, in order where that is wanted, and again by
//! the schedule.

use crate::shop::{Does, Shop};
use futures::future::join_all;
use souk_app::webhooks::{
    Entered, Rotation, WebhookRefusal, get_delivery, get_endpoint, rotate_secret,
};
use souk_app::{AppError, Clock as _};
use souk_domain::webhook::{DeliveryStatus, signatures};
use souk_domain::{EventId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

const HOUR_MS: i64 = 3_600_000;

#[tokio::test]
async fn an_event_goes_once_to_each_endpoint_that_wants_it() {
    let shop = Shop::open().await;
    let (all, _) = shop
        .endpoint(Shop::settings("https://a.example/", &[], false))
        .await;
    shop.endpoint(Shop::settings("https://b.example/", &["order.*"], false))
        .await;
    shop.endpoint(Shop::settings("https://c.example/", &["refund.*"], false))
        .await;
    let event = shop.event(Shop::order(), 1);
    assert_eq!(shop.enter(&event).await, Entered::To(2));
    assert_eq!(shop.enter(&event).await, Entered::Duplicate);
    assert_eq!(shop.deliver().await.delivered, 2);
    assert_eq!(shop.deliver().await.delivered, 0);
    let urls: BTreeSet<String> = shop.sender.sent().into_iter().map(|one| one.url).collect();
    assert_eq!(
        urls.into_iter().collect::<Vec<_>>(),
        ["https://a.example/", "https://b.example/"]
    );
    let sent = &shop.sender.sent()[0];
    assert_eq!(
        sent.body,
        format!(
            r#"{{"type":"order.confirmed.v1","timestamp":"2026-11-21T08:00:00Z","data":{{"confirmed_at":"2026-11-21T08:00:00Z","order_id":"{}"}}}}"#,
            event.subject
        )
    );
    let view = get_delivery(&shop.tenant.tools, &shop.tenant.caller(), all, event.id)
        .await
        .unwrap();
    assert_eq!(view.delivery.status, DeliveryStatus::Delivered);
    assert_eq!(
        (view.attempts[0].status_code, view.attempts[0].latency_ms),
        (Some(204), Some(7))
    );
    assert_eq!(view.attempts[0].response.as_deref(), Some("told"));
}

#[tokio::test]
async fn the_schedule_is_kept_to_the_millisecond() {
    let shop = Shop::open().await;
    let (endpoint, _) = shop
        .endpoint(Shop::settings("https://a.example/", &[], false))
        .await;
    shop.sender.does(|_, _| Does::Answer(500));
    let event = shop.happens().await;
    let next = async || {
        let caller = shop.tenant.caller();
        let view = get_delivery(&shop.tenant.tools, &caller, endpoint, event)
            .await
            .unwrap();
        (view.delivery.status, view.delivery.next_attempt_at)
    };
    let mut attempts = 0;
    for wait_s in [0, 5, 300, 1_800, 7_200, 18_000, 36_000, 36_000] {
        if wait_s > 0 {
            let due = next().await.1.unwrap();
            let now: Timestamp = shop.tenant.clock.now();
            assert_eq!(due.unix_ms() - now.unix_ms(), wait_s * 1_000);
            shop.tenant.clock.advance_ms(wait_s * 1_000 - 1);
            assert_eq!(
                shop.deliver_by_schedule().await.failed,
                0,
                "{wait_s}: too early"
            );
            shop.tenant.clock.advance_ms(1);
        }
        assert_eq!(shop.deliver_by_schedule().await.failed, 1, "{wait_s}");
        attempts += 1;
        assert_eq!(shop.sender.sent().len(), attempts);
    }
    assert_eq!(next().await, (DeliveryStatus::Failed, None));
    shop.tenant.clock.advance_ms(1_000 * HOUR_MS);
    assert_eq!(shop.deliver_by_schedule().await.failed, 0);
}

#[tokio::test]
async fn a_later_event_of_a_subject_waits_where_order_is_wanted_and_nothing_else_does() {
    let shop = Shop::open().await;
    shop.endpoint(Shop::settings("https://ordered.example/", &[], true))
        .await;
    shop.endpoint(Shop::settings("https://free.example/", &[], false))
        .await;
    let (order, other) = (Shop::order(), Shop::order());
    let events = [
        shop.event(order, 1),
        shop.event(order, 2),
        shop.event(order, 3),
        shop.event(other, 1),
    ];
    let first = events[0].id;
    shop.sender.does(move |sent, before| {
        let fails = sent.event == first && before == 0;
        Does::Answer(if fails { 503 } else { 200 })
    });
    // Whatever order they come in.
    for event in [&events[2], &events[0], &events[3], &events[1]] {
        shop.enter(event).await;
    }
    shop.deliver().await;
    let to = |url: &str| -> Vec<EventId> {
        let all = shop.sender.sent().into_iter();
        all.filter(|one| one.url == url)
            .map(|one| one.event)
            .collect()
    };
    let ordered = to("https://ordered.example/");
    assert_eq!(
        ordered.iter().collect::<BTreeSet<_>>(),
        [&events[0].id, &events[3].id].into()
    );
    assert_eq!(to("https://free.example/").len(), 4);
    shop.tenant.clock.advance_ms(5_000);
    shop.deliver().await;
    let then = &to("https://ordered.example/")[2..];
    assert_eq!(then, [events[0].id, events[1].id, events[2].id]);
}

#[tokio::test]
async fn what_is_given_up_holds_up_nothing_more() {
    let shop = Shop::open().await;
    shop.endpoint(Shop::settings("https://a.example/", &[], true))
        .await;
    let order = Shop::order();
    let (first, second) = (shop.event(order, 1), shop.event(order, 2));
    let bad = first.id;
    shop.sender
        .does(move |sent, _| Does::Answer(if sent.event == bad { 400 } else { 200 }));
    shop.enter(&first).await;
    shop.enter(&second).await;
    for wait_s in [0, 5, 300, 1_800, 7_200, 18_000, 36_000, 36_000] {
        assert!(!shop.sender.events_sent().contains(&second.id));
        shop.tenant.clock.advance_ms(wait_s * 1_000);
        shop.deliver().await;
    }
    assert!(shop.sender.events_sent().contains(&second.id));
}

#[tokio::test]
async fn runs_at_the_same_time_send_nothing_twice() {
    let shop = Shop::open().await;
    for n in 0..3 {
        shop.endpoint(Shop::settings(&format!("https://{n}.example/"), &[], false))
            .await;
    }
    for _ in 0..20 {
        shop.happens().await;
    }
    let reports = join_all((0..4).map(|_| shop.deliver_by_schedule())).await;
    let delivered: u64 = reports.iter().map(|report| report.delivered).sum();
    assert_eq!(delivered, 60);
    let mut times: BTreeMap<(String, EventId), u32> = BTreeMap::new();
    for sent in shop.sender.sent() {
        *times.entry((sent.url, sent.event)).or_default() += 1;
    }
    assert!(
        times.len() == 60 && times.values().all(|n| *n == 1),
        "{times:?}"
    );
}

#[tokio::test]
async fn an_endpoint_that_hangs_takes_only_its_share() {
    let shop = Shop::open().await;
    shop.endpoint(Shop::settings("https://hangs.example/", &[], false))
        .await;
    shop.sender.does(|_, _| Does::Hang);
    for _ in 0..9 {
        shop.happens().await;
    }
    let run = tokio::spawn({
        let webhooks = shop.webhooks.clone();
        let tenant = shop.tenant.id;
        async move {
            let stop_at = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
            souk_app::webhooks::deliver_due_of(&webhooks, [tenant], stop_at).await
        }
    });
    while shop.sender.sent().len() < 4 {
        shop.sender.taken.notified().await;
    }
    // All others of this tenant's go past it.
    shop.sender.does(|sent, _| {
        if sent.url.contains("hangs") {
            Does::Hang
        } else {
            Does::Answer(200)
        }
    });
    shop.endpoint(Shop::settings("https://well.example/", &["order.*"], false))
        .await;
    shop.happens().await;
    assert_eq!(shop.deliver().await.delivered, 1);
    assert_eq!(
        shop.sender
            .sent()
            .iter()
            .filter(|one| one.url.contains("hangs"))
            .count(),
        4
    );
    run.abort();
}

#[tokio::test]
async fn both_secrets_sign_until_the_overlap_is_over() {
    let shop = Shop::open().await;
    let (endpoint, old) = shop
        .endpoint(Shop::settings("https://a.example/", &[], false))
        .await;
    let made = Mutex::default();
    rotate_secret(
        &shop.tenant.tools,
        shop.keys(),
        &shop.tenant.caller(),
        (&Shop::command(endpoint), Rotation { overlap_hours: 2 }),
        |outcome| crate::shop::seen(&made, outcome),
    )
    .await
    .unwrap();
    let (_, new) = made.into_inner().unwrap().unwrap();
    let new = new.secret;
    assert_ne!(old, new);
    shop.happens().await;
    shop.deliver().await;
    shop.tenant.clock.advance_ms(2 * HOUR_MS);
    shop.happens().await;
    shop.deliver().await;
    let sent = shop.sender.sent();
    let by = |secrets: &[_], n: usize| {
        let at = Timestamp::from_unix_ms(sent[n].at_s * 1_000).unwrap();
        signatures(secrets, sent[n].event, at, &sent[n].body)
    };
    assert_eq!(sent[0].signatures, by(&[new.clone(), old], 0));
    assert_eq!(sent[1].signatures, by(&[new], 1));
    let view = get_endpoint(&shop.tenant.tools, &shop.tenant.caller(), endpoint)
        .await
        .unwrap();
    assert_eq!(view.secrets.len(), 1);
}

#[tokio::test]
async fn secrets_are_not_in_the_database() {
    let shop = Shop::open().await;
    let (_, secret) = shop
        .endpoint(Shop::settings("https://a.example/", &[], false))
        .await;
    let hex = secret
        .bytes()
        .iter()
        .fold(String::new(), |hex, b| format!("{hex}{b:02x}"));
    let text = secret.reveal();
    for table in [
        "webhook_secrets",
        "webhook_endpoints",
        "idempotency_keys",
        "outbox_events",
    ] {
        let rows = shop
            .db
            .texts(&format!("SELECT t::text FROM souk.{table} t"))
            .await;
        for row in rows {
            assert!(
                !row.contains(&hex) && !row.contains(&text),
                "{table}: {row}"
            );
        }
    }
}

#[tokio::test]
async fn another_tenants_endpoint_is_none() {
    let shop = Shop::open().await;
    let (endpoint, _) = shop
        .endpoint(Shop::settings("https://a.example/", &[], false))
        .await;
    let event = shop.happens().await;
    let other = Shop::open_in(&shop.db).await;
    let (tools, caller) = (&other.tenant.tools, other.tenant.caller());
    let unknown =
        |error: &AppError| matches!(error, AppError::Webhook(WebhookRefusal::EndpointNotFound));
    assert!(unknown(
        &get_endpoint(tools, &caller, endpoint).await.unwrap_err()
    ));
    assert!(unknown(
        &get_delivery(tools, &caller, endpoint, event)
            .await
            .unwrap_err()
    ));
    // Its events go to its own endpoints only.
    other.happens().await;
    other.deliver().await;
    assert_eq!(other.sender.sent(), []);
}
