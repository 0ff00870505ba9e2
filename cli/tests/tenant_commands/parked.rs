//! `souk parked`: what a consumer did not understand is shown, comes again in order, or is given up.

use crate::{Fate, Shop, named};
use souk_app::parked::{ParkReason, park};
use souk_domain::{Event, EventHead, OrderId, Queue};
use souk_testkit::TestTenant;
use uuid::Uuid;

/// Parks the first `count` events of an order: the first is not understood, and the others are behind it.
async fn parks(tenant: &TestTenant, count: u64) -> Vec<Event> {
    let order = OrderId::from_uuid(Uuid::now_v7());
    let mut events = Vec::new();
    // The last comes first: a release has to order them itself.
    for sequence in (1..=count).rev() {
        let event = tenant.order_confirmed(order, sequence);
        let body = event.to_json_text().unwrap();
        let head: EventHead = serde_json::from_str(&body).unwrap();
        let reason = if sequence == 1 {
            ParkReason::UnknownType
        } else {
            ParkReason::Behind
        };
        let consumer = Queue::ReadModels.consumer();
        park(&tenant.tools.db, consumer, &head, reason, &body)
            .await
            .unwrap();
        events.insert(0, event);
    }
    events
}

fn ids(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| event.id.to_string()).collect()
}

#[tokio::test]
async fn what_is_parked_is_shown_and_comes_again_in_order() {
    let shop = Shop::open().await;
    let events = parks(&shop.tenant, 3).await;
    let foreign = parks(&shop.other, 2).await;

    let counts = shop.lines(&["parked", "status"]).await;
    let of_tenant = |id: String| {
        let of_it = counts.iter().filter(move |one| one["tenant_id"] == *id);
        of_it.map(|one| one["messages"].as_u64().unwrap()).sum()
    };
    let sums: [u64; 2] = [&shop.tenant, &shop.other].map(|one| of_tenant(one.id.to_string()));
    assert_eq!(sums, [3, 2]);

    let tenant = named(&shop.tenant.id);
    let list = ["parked", "list", "read_models", &tenant, "--bodies"];
    let listed = shop.lines(&list).await;
    let shown: Vec<_> = listed
        .iter()
        .map(|one| one["event_id"].as_str().unwrap())
        .collect();
    assert_eq!(shown, ids(&events));
    assert_eq!(listed[0]["reason"], "unknown_type");
    assert_eq!(listed[0]["body"], events[0].to_json_text().unwrap());
    assert!(
        shop.lines(&["parked", "list", "webhooks", &tenant])
            .await
            .is_empty()
    );

    let dry = ["parked", "release", "read_models", &tenant, "--dry-run"];
    let told = shop.souk(&dry).await;
    assert_eq!((told.ok, told.out.trim()), (true, "3 would be released"));
    assert!(shop.cloud.events_in(&shop.cloud.source).await.is_empty());

    let told = shop
        .souk(&["parked", "release", "read_models", &tenant])
        .await;
    assert_eq!((told.ok, told.out.trim()), (true, "3 released"), "{told:?}");
    let arrived = shop.cloud.events_in(&shop.cloud.source).await;
    assert_eq!(arrived, ids(&events));
    assert!(arrived.iter().all(|id| !ids(&foreign).contains(id)));
    // They stay until their consumer has applied them.
    assert_eq!(shop.lines(&list).await.len(), 3);
}

#[tokio::test]
async fn what_the_queue_refuses_stays_and_is_told() {
    let shop = Shop::open().await;
    let events = parks(&shop.tenant, 2).await;
    let tenant = named(&shop.tenant.id);
    let release = ["parked", "release", "read_models", &tenant];
    let told = shop
        .souk_with(&release, |_, _| Fate::RefuseEntries(vec![1]))
        .await;
    assert!(!told.ok && told.err.contains("refused 1"), "{told:?}");
    let told = shop.souk(&release).await;
    assert!(told.ok, "{told:?}");
    let arrived = shop.cloud.events_in(&shop.cloud.source).await;
    let mut first = Vec::new();
    for id in arrived {
        if !first.contains(&id) {
            first.push(id);
        }
    }
    assert_eq!(first, ids(&events));
}

#[tokio::test]
async fn only_what_is_named_is_dropped_and_only_with_yes() {
    let shop = Shop::open().await;
    let events = ids(&parks(&shop.tenant, 2).await);
    let foreign = ids(&parks(&shop.other, 1).await);
    let tenant = named(&shop.tenant.id);
    let drop = |event: &str, yes: bool| {
        let mut all = vec!["parked", "drop", "read_models", &tenant, "--event", event];
        all.extend(yes.then_some("--yes"));
        all.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    for (arguments, ok) in [
        (drop(&events[0], false), false),
        // Not this tenant's.
        (drop(&foreign[0], true), false),
        (drop(&events[0], true), true),
        // Gone already.
        (drop(&events[0], true), false),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let told = shop.souk(&arguments).await;
        assert_eq!(told.ok, ok, "{arguments:?}: {told:?}");
    }
    for (of, left) in [(&shop.tenant, &events[1]), (&shop.other, &foreign[0])] {
        let listed = shop
            .lines(&["parked", "list", "read_models", &named(&of.id)])
            .await;
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0]["event_id"], **left);
    }
}
