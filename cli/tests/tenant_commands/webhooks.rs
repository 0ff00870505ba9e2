//! `souk webhooks`: endpoints are shown, and what was missed is sent again.

use crate::{Shop, named};
use souk_app::webhooks::{NewSecret, SealingKeys, create_endpoint, enter_deliveries};
use souk_app::{Once, StoredResponse};
use souk_domain::webhook::{EndpointSettings, EventFilter, WebhookEndpoint};
use souk_domain::{IdempotencyKey, OrderId, RequestFingerprint, WebhookEndpointId};
use souk_testkit::TestTenant;
use std::collections::BTreeMap;
use std::sync::Mutex;
use uuid::Uuid;

async fn endpoint(of: &TestTenant) -> WebhookEndpointId {
    let keys = BTreeMap::from([("k1".to_owned(), [7; 32])]);
    let keys = SealingKeys::new("k1".to_owned(), &keys).unwrap();
    let once = Once {
        key: IdempotencyKey::parse(&Uuid::now_v7().to_string()).unwrap(),
        operation: "test",
        fingerprint: RequestFingerprint::new("POST", "/", None).unwrap(),
    };
    let settings = EndpointSettings {
        url: "https://shop.example/hooks".parse().unwrap(),
        description: "till".parse().unwrap(),
        filter: EventFilter::new(vec!["order.*".parse().unwrap()]).unwrap(),
        ordered: false,
    };
    let made: Mutex<Option<(WebhookEndpoint, NewSecret)>> = Mutex::default();
    let caller = of.caller();
    create_endpoint(&of.tools, &keys, &caller, (&once, settings), |outcome| {
        if let Ok(pair) = outcome {
            *made.lock().unwrap() = Some(pair.clone());
        }
        StoredResponse {
            status: 201,
            headers: BTreeMap::new(),
            body: String::new().into(),
        }
    })
    .await
    .unwrap();
    let (endpoint, _) = made.into_inner().unwrap().unwrap();
    endpoint.id
}

#[tokio::test]
async fn what_was_missed_is_shown_and_sent_again() {
    let shop = Shop::open().await;
    let of = &shop.tenant;
    let endpoint = endpoint(of).await.to_string();
    let mut events = Vec::new();
    for _ in 0..3 {
        let event = of.order_confirmed(OrderId::from_uuid(Uuid::now_v7()), 1);
        enter_deliveries(&of.tools, &event).await.unwrap();
        events.push(event.id.to_string());
    }
    // Two have failed for good; the third is under way still.
    let given_up = format!(
        "UPDATE souk.webhook_deliveries SET status = 'failed', settled_at = now(), next_attempt_at = NULL \
         WHERE event_id IN ('{}', '{}')",
        &uuid_of(&events[0]),
        &uuid_of(&events[1]),
    );
    shop.shard.execute(&given_up).await;
    let tenant = named(&of.id);

    let listed = shop.lines(&["webhooks", "list", &tenant]).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["id"], *endpoint);
    assert_eq!(listed[0]["url"], "https://shop.example/hooks");
    assert_eq!(
        shop.lines(&["webhooks", "list", &named(&shop.other.id)])
            .await
            .len(),
        0
    );
    let other = named(&shop.other.id);
    let told = shop.souk(&["webhooks", "show", &endpoint, &other]).await;
    assert!(!told.ok, "another tenant's endpoint: {told:?}");

    let by_status = async |status: &str| {
        let all = [
            "webhooks",
            "deliveries",
            &endpoint,
            &tenant,
            "--status",
            status,
        ];
        let lines = shop.lines(&all).await;
        let ids = lines
            .iter()
            .map(|one| one["event_id"].as_str().unwrap().to_owned());
        let mut ids: Vec<String> = ids.collect();
        ids.sort();
        ids
    };
    assert_eq!(by_status("failed").await, events[..2]);
    assert_eq!(by_status("pending").await, events[2..]);

    let replay = [
        "webhooks", "replay", &endpoint, &tenant, "--event", &events[0],
    ];
    let told = shop.souk(&replay).await;
    assert!(told.ok, "{told:?}");
    assert_eq!(by_status("failed").await, events[1..2]);

    let range = ["webhooks", "replay", &endpoint, &tenant];
    let times = [
        "--since",
        "2020-01-01T00:00:00Z",
        "--until",
        "2040-01-01T00:00:00Z",
    ];
    let told = shop.souk(&[&range[..], &times[..]].concat()).await;
    assert!(told.ok, "{told:?}");
    assert!(by_status("failed").await.is_empty());
    assert_eq!(by_status("pending").await.len(), 3);

    let one = [
        "webhooks", "show", &endpoint, &tenant, "--event", &events[1],
    ];
    let shown = shop.souk(&one).await;
    assert!(shown.ok && shown.out.contains(&events[1]), "{shown:?}");
    let told = shop.souk(&["webhooks", "replay", &endpoint, &tenant]).await;
    assert!(!told.ok, "nothing named: {told:?}");
}

/// As the database has it.
fn uuid_of(event: &str) -> Uuid {
    event.strip_prefix("evt_").unwrap().parse().unwrap()
}
