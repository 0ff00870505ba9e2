//! Sending again.

use crate::shop::{Does, Shop, seen};
use souk_app::webhooks::{
    ReplayRange, Replayed, WebhookRefusal, disable_endpoint, get_delivery, replay_deliveries,
    replay_delivery,
};
use souk_app::{AppError, Clock as _};
use souk_domain::webhook::DeliveryStatus;
use souk_domain::{EventId, Timestamp, WebhookEndpointId};
use std::sync::Mutex;

async fn replay(shop: &Shop, endpoint: WebhookEndpointId, event: EventId) -> Result<(), AppError> {
    let done = Mutex::default();
    let command = Shop::command(endpoint);
    let caller = shop.tenant.caller();
    let answer = replay_delivery(&shop.tenant.tools, &caller, &command, event, |o| {
        seen(&done, o)
    });
    let status = answer.await?.response.status;
    assert_eq!(status == 200, done.into_inner().unwrap().is_some());
    if status == 200 {
        Ok(())
    } else {
        Err(WebhookRefusal::DeliveryNotFound.into())
    }
}

async fn replay_range(shop: &Shop, endpoint: WebhookEndpointId, range: ReplayRange) -> Replayed {
    let done: Mutex<Option<Replayed>> = Mutex::default();
    let command = Shop::command(endpoint);
    let caller = shop.tenant.caller();
    replay_deliveries(&shop.tenant.tools, &caller, &command, range, |o| {
        seen(&done, o)
    })
    .await
    .unwrap();
    done.into_inner().unwrap().unwrap()
}

#[tokio::test]
async fn one_is_sent_again_with_its_id_and_a_schedule_of_its_own() {
    let shop = Shop::open().await;
    let (endpoint, _) = shop
        .endpoint(Shop::settings("https://a.example/", &[], false))
        .await;
    let event = shop.happens().await;
    shop.deliver().await;
    shop.sender.does(|_, _| Does::Answer(500));
    replay(&shop, endpoint, event).await.unwrap();
    let pending = replay(&shop, endpoint, event).await.unwrap_err();
    assert!(
        matches!(pending, AppError::Webhook(WebhookRefusal::DeliveryPending)),
        "{pending:?}"
    );
    shop.deliver().await;
    let view = get_delivery(&shop.tenant.tools, &shop.tenant.caller(), endpoint, event)
        .await
        .unwrap();
    let wait_ms =
        view.delivery.next_attempt_at.unwrap().unix_ms() - shop.tenant.clock.now().unix_ms();
    assert_eq!(
        (wait_ms, view.delivery.replays, view.delivery.attempts),
        (5_000, 1, 2)
    );
    assert_eq!(shop.sender.events_sent(), [event, event]);
    let unknown = EventId::from_uuid(uuid::Uuid::now_v7());
    assert!(replay(&shop, endpoint, unknown).await.is_err());
}

#[tokio::test]
async fn a_range_is_sent_again_page_by_page_and_nothing_outside_of_it() {
    let shop = Shop::open().await;
    let (endpoint, _) = shop
        .endpoint(Shop::settings("https://a.example/", &[], false))
        .await;
    let (other, _) = shop
        .endpoint(Shop::settings("https://b.example/", &[], false))
        .await;
    let (tools, caller) = (&shop.tenant.tools, shop.tenant.caller());
    let done = Mutex::default();
    disable_endpoint(tools, &caller, &Shop::command(endpoint), |o| seen(&done, o))
        .await
        .unwrap();
    let mut events = Vec::new();
    for _ in 0..9 {
        events.push(shop.happens().await);
        shop.tenant.clock.advance_ms(60_000);
    }
    shop.tenant.clock.advance_ms(-9 * 60_000);
    let start = shop.tenant.clock.now();
    shop.tenant.clock.advance_ms(9 * 60_000);
    shop.deliver().await;
    let range = |limit| ReplayRange {
        since: at(start, 1),
        until: at(start, 8),
        statuses: vec![DeliveryStatus::Failed, DeliveryStatus::Skipped],
        after: None,
        limit,
    };
    let (command, done) = (Shop::command(endpoint), Mutex::default());
    let refused = replay_deliveries(tools, &caller, &command, range(9), |o| seen(&done, o)).await;
    let refused = refused.unwrap_err();
    assert!(
        matches!(refused, AppError::Webhook(WebhookRefusal::EndpointDisabled)),
        "{refused:?}"
    );
    let enabled = Mutex::default();
    souk_app::webhooks::enable_endpoint(tools, &caller, &Shop::command(endpoint), |o| {
        seen(&enabled, o)
    })
    .await
    .unwrap();
    let sent_before = shop.sender.sent().len();
    let first = replay_range(&shop, endpoint, range(3)).await;
    assert_eq!((first.count, first.next), (3, Some(events[3])));
    let rest = ReplayRange {
        after: first.next,
        ..range(100)
    };
    let rest = replay_range(&shop, endpoint, rest).await;
    assert_eq!((rest.count, rest.next), (4, None));
    shop.deliver().await;
    let mut again: Vec<EventId> = shop.sender.events_sent()[sent_before..].to_vec();
    again.sort_unstable();
    assert_eq!(again, events[1..8]);
    // The other endpoint's were delivered, and are not sent again.
    let to_other = shop
        .sender
        .sent()
        .iter()
        .filter(|one| one.url.contains("b."))
        .count();
    assert_eq!(to_other, 9);
    let none = replay_range(&shop, other, range(100)).await;
    assert_eq!(none.count, 0);
}

fn at(start: Timestamp, minutes: i64) -> Timestamp {
    Timestamp::from_unix_ms(start.unix_ms() + minutes * 60_000).unwrap()
}

#[tokio::test]
async fn an_earlier_event_that_is_replayed_goes_before_later_ones() {
    let shop = Shop::open().await;
    let (endpoint, _) = shop
        .endpoint(Shop::settings("https://a.example/", &[], true))
        .await;
    let order = Shop::order();
    let events = [1, 2, 3].map(|sequence| shop.event(order, sequence));
    for event in &events {
        shop.enter(event).await;
    }
    shop.deliver().await;
    for event in events.iter().rev() {
        replay(&shop, endpoint, event.id).await.unwrap();
    }
    shop.deliver().await;
    let expected: Vec<EventId> = events.iter().chain(&events).map(|event| event.id).collect();
    assert_eq!(shop.sender.events_sent(), expected);
    let disabled = Mutex::default();
    disable_endpoint(
        &shop.tenant.tools,
        &shop.tenant.caller(),
        &Shop::command(endpoint),
        |o| seen(&disabled, o),
    )
    .await
    .unwrap();
    let refused = replay(&shop, endpoint, events[0].id).await.unwrap_err();
    assert!(matches!(
        refused,
        AppError::Webhook(WebhookRefusal::EndpointDisabled)
    ));
}
