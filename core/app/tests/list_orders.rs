//! Lists of orders: who goes through all pages sees each order once, whatever is placed meanwhile.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

use souk_app::{AppError, Once, OrderCommand, cancel_order, list_orders, place_order};
use souk_domain::{
    IdempotencyKey, Order, OrderError, OrderFilter, OrderId, OrderRequest, OrderStatus, Quantity,
    RequestFingerprint, RequestedLine,
};
use souk_testkit::{TestDatabase, TestTenant, respond};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

fn once(key: &str) -> Once {
    Once {
        key: IdempotencyKey::parse(key).unwrap(),
        operation: "test",
        fingerprint: RequestFingerprint::new("POST", key, None).unwrap(),
    }
}

async fn place(tenant: &TestTenant, key: &str, customer: Option<&str>) -> OrderId {
    let line = RequestedLine {
        sku: "TEA".parse().unwrap(),
        quantity: Quantity::new(1).unwrap(),
    };
    let customer = customer.map(|name| name.parse().unwrap());
    let request = OrderRequest::new("EUR".parse().unwrap(), vec![line], customer).unwrap();
    let (caller, once) = (tenant.caller(), once(key));
    let placed = place_order(&tenant.tools, &caller, &once, request, respond);
    let placed = placed.await.unwrap();
    core::str::from_utf8(&placed.response.body)
        .unwrap()
        .parse()
        .unwrap()
}

/// All pages, and how often each order is on them.
async fn all_pages(tenant: &TestTenant, filter: &OrderFilter, limit: u8) -> Vec<Order> {
    let mut seen = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let caller = tenant.caller();
        let page = list_orders(&tenant.tools, &caller, filter, cursor.as_deref(), limit);
        let page = page.await.unwrap();
        assert!(page.orders.len() <= usize::from(limit));
        seen.extend(page.orders);
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return seen,
        }
    }
}

fn ids(orders: &[Order]) -> Vec<OrderId> {
    orders.iter().map(Order::id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_order_is_seen_exactly_once_while_others_are_placed() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", 250, 10_000)]).await;
    let stranger = TestTenant::create(&db, &[("TEA", 250, 10_000)]).await;
    let mut before = BTreeSet::new();
    for n in 0..60 {
        before.insert(place(&tenant, &format!("k{n}"), None).await);
        if n % 7 == 0 {
            place(&stranger, &format!("k{n}"), None).await;
            tenant.clock.advance_ms(1);
        }
    }
    let done = AtomicBool::new(false);
    let placing = async {
        let mut placed = BTreeSet::new();
        let mut n = 0;
        while !done.load(Ordering::SeqCst) {
            n += 1;
            tenant.clock.advance_ms(i64::from(n % 2));
            placed.insert(place(&tenant, &format!("new{n}"), None).await);
        }
        placed
    };
    let listing = async {
        let mut lists = Vec::new();
        for limit in [1, 7, 20, 100] {
            lists.push(all_pages(&tenant, &OrderFilter::default(), limit).await);
        }
        done.store(true, Ordering::SeqCst);
        lists
    };
    let (after, lists) = tokio::join!(placing, listing);
    for list in lists {
        let ids = ids(&list);
        assert!(
            ids.is_sorted_by(|newer, older| newer > older),
            "the newest first, none twice"
        );
        let seen: BTreeSet<OrderId> = ids.into_iter().collect();
        assert!(seen.is_superset(&before));
        assert!(
            seen.iter()
                .all(|id| before.contains(id) || after.contains(id))
        );
        assert!(
            list.is_sorted_by(|newer, older| newer.record().placed_at >= older.record().placed_at)
        );
    }
}

#[tokio::test]
async fn filters_show_exactly_what_they_say_on_pages_of_any_size() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", 250, 10_000)]).await;
    let mut placed_at = BTreeMap::new();
    for n in 0..40 {
        let customer = [None, Some("ann"), Some("bob")][n % 3];
        let id = place(&tenant, &format!("k{n}"), customer).await;
        placed_at.insert(id, tenant.tools.clock.now());
        if n % 4 == 0 {
            let command = OrderCommand::on(id, once(&format!("c{n}")));
            let caller = tenant.caller();
            let cancelled = cancel_order(&tenant.tools, &caller, &command, None, respond);
            cancelled.await.unwrap();
        }
        tenant.clock.advance_ms(i64::try_from(n).unwrap() * 997);
    }
    let everything = all_pages(&tenant, &OrderFilter::default(), 100).await;
    assert_eq!(everything.len(), 40);
    for order in &everything {
        assert_eq!(order.record().placed_at, placed_at[&order.id()]);
    }
    let times: Vec<_> = placed_at.values().copied().collect();
    let statuses = [
        None,
        Some(OrderStatus::Placed),
        Some(OrderStatus::Cancelled),
        Some(OrderStatus::Completed),
    ];
    let customers = [None, Some("ann"), Some("nobody")];
    let windows = [
        (None, None),
        (Some(times[10]), None),
        (None, Some(times[30])),
        (Some(times[10]), Some(times[30])),
    ];
    for status in statuses {
        for customer in customers {
            for (placed_from, placed_before) in windows {
                let filter = OrderFilter {
                    status,
                    customer_reference: customer.map(|name| name.parse().unwrap()),
                    placed_from,
                    placed_before,
                };
                let matches = |order: &&Order| {
                    let record = order.record();
                    let of_customer = record
                        .customer_reference
                        .as_ref()
                        .map(souk_domain::CustomerReference::as_str);
                    status.is_none_or(|status| status == record.status)
                        && customer.is_none_or(|name| Some(name) == of_customer)
                        && placed_from.is_none_or(|from| record.placed_at >= from)
                        && placed_before.is_none_or(|before| record.placed_at < before)
                };
                let expected: Vec<OrderId> =
                    everything.iter().filter(matches).map(Order::id).collect();
                for limit in [3, 100] {
                    let listed = all_pages(&tenant, &filter, limit).await;
                    assert_eq!(ids(&listed), expected, "{filter:?}");
                }
            }
        }
    }
    // A cursor is good for its own list only.
    let (tools, caller) = (&tenant.tools, &tenant.caller());
    let placed = OrderFilter {
        status: Some(OrderStatus::Placed),
        ..OrderFilter::default()
    };
    let page = list_orders(tools, caller, &placed, None, 3).await.unwrap();
    let cursor = page.next_cursor.unwrap();
    let foreign = list_orders(tools, caller, &OrderFilter::default(), Some(&cursor), 3).await;
    assert!(
        matches!(foreign, Err(AppError::Order(OrderError::InvalidCursor))),
        "{foreign:?}"
    );
}
