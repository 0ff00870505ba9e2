//! Endpoints that fail for too long.

use crate::shop::{Does, Shop, seen};
use souk_app::webhooks::{
    DeliveryFilter, delete_endpoint, disable_endpoint, enable_endpoint, get_endpoint,
    list_deliveries,
};
use souk_domain::Event;
use souk_domain::webhook::{DeliveryStatus, DisabledBy, EndpointState};
use std::sync::Mutex;

const DAY_MS: i64 = 86_400_000;

async fn state(shop: &Shop, endpoint: souk_domain::WebhookEndpointId) -> EndpointState {
    let view = get_endpoint(&shop.tenant.tools, &shop.tenant.caller(), endpoint)
        .await
        .unwrap();
    view.endpoint.state
}

async fn disabled_events(shop: &Shop) -> Vec<Event> {
    let rows = shop
        .db
        .texts(
            "SELECT body FROM souk.outbox_events WHERE event_type = 'webhook_endpoint.disabled.v1'",
        )
        .await;
    rows.iter()
        .map(|body| Event::from_json_text(body).unwrap())
        .collect()
}

#[tokio::test]
async fn five_days_of_failure_disable_it_and_the_others_are_told() {
    let shop = Shop::open().await;
    let (bad, _) = shop
        .endpoint(Shop::settings("https://bad.example/", &[], false))
        .await;
    let (good, _) = shop
        .endpoint(Shop::settings("https://good.example/", &[], false))
        .await;
    shop.sender
        .does(|sent, _| Does::Answer(if sent.url.contains("bad") { 500 } else { 200 }));
    for _ in 0..5 {
        shop.happens().await;
        shop.deliver_by_schedule().await;
        assert_eq!(state(&shop, bad).await, EndpointState::Enabled);
        shop.tenant.clock.advance_ms(DAY_MS);
    }
    assert_eq!(disabled_events(&shop).await, []);
    // The first failure was five days ago, to the millisecond.
    shop.happens().await;
    let report = shop.deliver_by_schedule().await;
    assert_eq!(report.disabled, 1);
    let EndpointState::Disabled { by, .. } = state(&shop, bad).await else {
        panic!("it is still enabled");
    };
    assert_eq!(by, DisabledBy::Failing);
    assert_eq!(state(&shop, good).await, EndpointState::Enabled);
    let events = disabled_events(&shop).await;
    assert_eq!((events.len(), events[0].sequence), (1, 1));
    assert_eq!(events[0].subject.to_string(), bad.to_string());
    // It goes the way of all events, to the endpoint that is left.
    let sent_before = shop.sender.sent().len();
    shop.enter(&events[0]).await;
    shop.tenant.clock.advance_ms(10 * DAY_MS);
    let report = shop.deliver_by_schedule().await;
    assert_eq!(report.delivered, 1);
    assert!(report.skipped >= 1);
    let sent = shop.sender.sent();
    assert_eq!(
        (sent.len(), sent[sent_before].url.as_str()),
        (sent_before + 1, "https://good.example/")
    );
    assert!(sent[sent_before].body.contains(&bad.to_string()));
    // Nothing is left that would be looked at each minute.
    let pending = "SELECT count(*) FROM souk.webhook_deliveries WHERE status = 'pending'";
    assert_eq!(shop.count(pending).await, 0);
}

#[tokio::test]
async fn one_success_in_between_and_it_stays() {
    let shop = Shop::open().await;
    let (endpoint, _) = shop
        .endpoint(Shop::settings("https://a.example/", &[], false))
        .await;
    for day in 0..12 {
        shop.sender
            .does(move |_, _| Does::Answer(if day % 4 == 3 { 200 } else { 500 }));
        shop.happens().await;
        shop.deliver().await;
        shop.tenant.clock.advance_ms(DAY_MS);
    }
    assert_eq!(state(&shop, endpoint).await, EndpointState::Enabled);
    assert_eq!(disabled_events(&shop).await, []);
}

#[tokio::test]
async fn gone_is_believed_at_once() {
    let shop = Shop::open().await;
    let (endpoint, _) = shop
        .endpoint(Shop::settings("https://a.example/", &[], false))
        .await;
    shop.sender.does(|_, _| Does::Answer(410));
    for _ in 0..3 {
        shop.happens().await;
    }
    shop.deliver().await;
    let EndpointState::Disabled { by, .. } = state(&shop, endpoint).await else {
        panic!("it is still enabled");
    };
    assert_eq!(
        (by, disabled_events(&shop).await.len()),
        (DisabledBy::Gone, 1)
    );
}

#[tokio::test]
async fn what_comes_up_while_it_is_disabled_is_skipped_and_nothing_after() {
    let shop = Shop::open().await;
    let (endpoint, _) = shop
        .endpoint(Shop::settings("https://a.example/", &[], false))
        .await;
    let (tools, caller) = (&shop.tenant.tools, shop.tenant.caller());
    let done = Mutex::default();
    disable_endpoint(tools, &caller, &Shop::command(endpoint), |o| seen(&done, o))
        .await
        .unwrap();
    let missed = shop.happens().await;
    assert_eq!(shop.deliver().await.skipped, 1);
    enable_endpoint(tools, &caller, &Shop::command(endpoint), |o| seen(&done, o))
        .await
        .unwrap();
    let taken = shop.happens().await;
    shop.deliver().await;
    assert_eq!(shop.sender.events_sent(), [taken]);
    let filter = DeliveryFilter {
        endpoint,
        status: Some(DeliveryStatus::Skipped),
        after: None,
    };
    let page = list_deliveries(tools, &caller, filter, 10).await.unwrap();
    assert_eq!(
        page.deliveries
            .iter()
            .map(|one| one.event)
            .collect::<Vec<_>>(),
        [missed]
    );
    assert_eq!(disabled_events(&shop).await, []);
}

#[tokio::test]
async fn a_deleted_endpoint_is_sent_nothing_and_its_secrets_are_gone() {
    let shop = Shop::open().await;
    let (endpoint, _) = shop
        .endpoint(Shop::settings("https://a.example/", &[], false))
        .await;
    shop.happens().await;
    let done = Mutex::default();
    let (tools, caller) = (&shop.tenant.tools, shop.tenant.caller());
    delete_endpoint(tools, &caller, &Shop::command(endpoint), |o| seen(&done, o))
        .await
        .unwrap();
    shop.happens().await;
    shop.deliver_by_schedule().await;
    assert_eq!(shop.sender.sent(), []);
    assert_eq!(
        shop.count("SELECT count(*) FROM souk.webhook_secrets")
            .await,
        0
    );
    assert!(get_endpoint(tools, &caller, endpoint).await.is_err());
}
