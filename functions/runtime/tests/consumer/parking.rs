//! What a consumer does not understand is kept, with what has to wait for it, and comes again in order.

use crate::memory::{MemorySource, named};
use crate::shop::{Shop, in_an_hour};
use souk_app::parked::{ParkedFilter, parked_counts, parked_page, unpark};
use souk_app::{Projection, READ_MODELS, forget_inbox, project_order};
use souk_domain::{Event, EventType, Queue, Timestamp};
use souk_runtime::consumer::{Consumer, HandlerError, QueueKind, ReleaseReport, release};

/// A consumer that needs order, and knows these types.
fn knowing<'a>(
    shop: &Shop,
    queue: &'a MemorySource,
    types: impl IntoIterator<Item = EventType>,
) -> Consumer<'a, &'a MemorySource> {
    let db = shop.shards();
    Consumer::new(READ_MODELS, QueueKind::Fifo, shop.shards(), queue).on_each(types, move |event| {
        let db = db.clone();
        async move {
            match project_order(&db, &event).await? {
                Projection::Behind => Err(HandlerError::Behind),
                _ => Ok(()),
            }
        }
    })
}

async fn take_all(consumer: &Consumer<'_, &MemorySource>, queue: &MemorySource) {
    let batch = queue.receive(10);
    let response = consumer.consume(batch.clone(), in_an_hour()).await;
    assert!(named(&response).is_empty(), "{response:?}");
    queue.settle(&batch, &response);
    assert!(queue.letters().is_empty(), "{:?}", queue.letters());
}

async fn parked(shop: &Shop) -> Vec<(u64, String, bool)> {
    let filter = of(shop);
    let page = parked_page(&shop.shards(), filter, None, 100)
        .await
        .unwrap();
    let shown = |message: souk_app::parked::ParkedMessage| {
        (
            message.sequence,
            message.reason,
            message.released_at.is_some(),
        )
    };
    page.into_iter().map(shown).collect()
}

fn of(shop: &Shop) -> ParkedFilter<'static> {
    ParkedFilter {
        tenant: shop.tenant.id,
        consumer: READ_MODELS,
        event_type: None,
    }
}

async fn applied(shop: &Shop) -> i64 {
    let sql = "SELECT coalesce(sum(events_applied), 0)::bigint FROM souk.order_summaries";
    shop.db.number(sql).await
}

/// The type that only the newer version knows.
const NEWER: EventType = EventType::OrderConfirmedV1;

#[tokio::test]
async fn an_upgrade_applies_what_was_parked_and_what_waited_for_it_in_order() {
    let shop = Shop::open().await;
    let queue = MemorySource::default();
    let order = shop.order();
    let events: Vec<Event> = (1..=3)
        .map(|sequence| shop.event(order, sequence))
        .collect();
    shop.send(&queue, &events);
    let older = Queue::ReadModels
        .event_types()
        .filter(|known| *known != NEWER);
    take_all(&knowing(&shop, &queue, older), &queue).await;
    let waits = |released| {
        vec![
            (2, "unhandled_type".to_owned(), released),
            (3, "behind".to_owned(), released),
        ]
    };
    assert_eq!(parked(&shop).await, waits(false));
    assert_eq!(
        applied(&shop).await,
        1,
        "an event overtook one that is parked"
    );
    let counts = parked_counts(&shop.db.by_role("souk_sweeper", 1))
        .await
        .unwrap();
    let counted: Vec<_> = counts
        .iter()
        .map(|count| (count.reason.as_str(), count.messages))
        .collect();
    assert_eq!(counted.len(), 2);
    assert!(counted.contains(&("behind", 1)) && counted.contains(&("unhandled_type", 1)));

    let report = release(&shop.shards(), &queue, of(&shop), 100)
        .await
        .unwrap();
    assert_eq!(
        report,
        ReleaseReport {
            released: 2,
            refused: 0
        }
    );
    assert_eq!(
        parked(&shop).await,
        waits(true),
        "they stay until they are applied"
    );
    let newer = knowing(&shop, &queue, Queue::ReadModels.event_types());
    take_all(&newer, &queue).await;
    assert_eq!(applied(&shop).await, 3);
    assert_eq!(parked(&shop).await, []);
}

#[tokio::test]
async fn a_release_too_early_or_twice_does_no_harm() {
    let shop = Shop::open().await;
    let queue = MemorySource::default();
    let order = shop.order();
    let events: Vec<Event> = (1..=3)
        .map(|sequence| shop.event(order, sequence))
        .collect();
    shop.send(&queue, &events);
    let older = || {
        knowing(
            &shop,
            &queue,
            Queue::ReadModels
                .event_types()
                .filter(|known| *known != NEWER),
        )
    };
    take_all(&older(), &queue).await;
    let release_all = || async {
        release(&shop.shards(), &queue, of(&shop), 100)
            .await
            .unwrap()
    };
    release_all().await;
    take_all(&older(), &queue).await;
    let reasons: Vec<_> = parked(&shop)
        .await
        .into_iter()
        .map(|(n, _, released)| (n, released))
        .collect();
    assert_eq!(
        reasons,
        [(2, false), (3, false)],
        "parked again, not released"
    );
    release_all().await;
    release_all().await;
    let newer = knowing(&shop, &queue, Queue::ReadModels.event_types());
    take_all(&newer, &queue).await;
    assert_eq!((applied(&shop).await, parked(&shop).await.len()), (3, 0));
}

#[tokio::test]
async fn a_version_that_nobody_here_knows_is_parked_as_it_came() {
    let shop = Shop::open().await;
    let queue = MemorySource::default();
    let text = shop.event(shop.order(), 1).to_json_text().unwrap();
    let newer = text.replace("order.placed.v1", "order.placed.v2");
    let stranger = text
        .replace("order.placed.v1", "crate.shipped.v1")
        .replace(r#""subject":"ord_"#, r#""subject":"crate_"#)
        .replace(r#""specversion":"1.0""#, r#""specversion":"2.0""#);
    queue.send("a", &newer);
    // Of another event than the first: only its form matters here.
    let stranger = stranger.replacen(
        &shop_event_id(&text),
        &shop_event_id(&shop.event(shop.order(), 1).to_json_text().unwrap()),
        1,
    );
    queue.send("b", &stranger);
    take_all(
        &knowing(&shop, &queue, Queue::ReadModels.event_types()),
        &queue,
    )
    .await;
    let page = parked_page(&shop.shards(), of(&shop), None, 100)
        .await
        .unwrap();
    let bodies: Vec<&str> = page.iter().map(|message| message.body.as_str()).collect();
    assert_eq!(page.len(), 2);
    assert!(bodies.contains(&newer.as_str()) && bodies.contains(&stranger.as_str()));
    assert!(page.iter().all(|message| message.reason == "unknown_type"));
    let id = page[0].event_id;
    assert!(
        unpark(&shop.shards(), shop.tenant.id, READ_MODELS, id)
            .await
            .unwrap()
    );
    assert!(
        !unpark(&shop.shards(), shop.tenant.id, READ_MODELS, id)
            .await
            .unwrap()
    );
}

/// The event's id in its text.
fn shop_event_id(text: &str) -> String {
    let from = text.find(r#""id":""#).unwrap() + 6;
    text[from..].split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn inbox_entries_are_forgotten_when_old_and_never_before() {
    let shop = Shop::open().await;
    let id = shop.tenant.id.as_uuid();
    shop.db
        .execute(&format!(
            "INSERT INTO souk.inbox_messages SELECT '{id}', 'c', gen_random_uuid(), \
             now() - make_interval(days => day) FROM generate_series(1, 100) day"
        ))
        .await;
    let sweeper = shop.db.by_role("souk_sweeper", 1);
    let now = souk_runtime::adapters::SystemClock;
    let now = souk_app::Clock::now(&now);
    let count = || shop.db.number("SELECT count(*) FROM souk.inbox_messages");
    let forgotten = forget_inbox(&sweeper, now, in_an_hour()).await.unwrap();
    assert_eq!((forgotten, count().await), (41, 59));
    assert_eq!(forget_inbox(&sweeper, now, in_an_hour()).await.unwrap(), 0);
    // Even a clock that is years ahead forgets nothing that a queue may still have.
    let day_ms = 24 * 3_600 * 1_000;
    let years_ahead = Timestamp::from_unix_ms(now.unix_ms() + 700 * day_ms).unwrap();
    forget_inbox(&sweeper, years_ahead, in_an_hour())
        .await
        .unwrap();
    assert_eq!(count().await, 13);
}
