//! Only what differs is written, and all of it.

use crate::world::{AT_ONCE, Fault, Store, world};
use souk_app::edge::{
    CallerChange, EdgeChange, EdgeError, PublishPatience, PublishScope, diff_edge, publish_edge,
};
use souk_app::tenants::{add_domain, list_audit, remove_domain, verify_audit};
use std::sync::Arc;
use tokio::sync::Semaphore;

#[tokio::test]
async fn what_is_there_already_is_not_written_again() {
    let world = world().await;
    let (tools, store) = (&world.tools, &world.store);
    let tea = world.tenant("tea.example", "eu").await;
    world.tenant("mate.example", "eu").await;
    // Of others: the edge's own, and what somebody has left behind.
    store.set("jwks:https://id.example", Some("{}"));
    store.set("host:old.example", Some("{}"));
    let diff = diff_edge(tools, Some(store), PublishScope::All)
        .await
        .unwrap();
    assert_eq!((diff.version, diff.differences.len()), (None, 6));

    let first = world.publish().await;
    assert_eq!((first.version, first.put.len()), (1, 5));
    assert_eq!(first.deleted, ["host:old.example"]);
    assert!(store.values().contains_key("jwks:https://id.example"));
    let written = store.written();
    let second = world.publish().await;
    assert_eq!((second.version, second.is_new), (1, false));
    assert_eq!(store.written(), written);
    let diff = diff_edge(tools, Some(store), PublishScope::All)
        .await
        .unwrap();
    assert!(diff.is_finished && diff.differences.is_empty(), "{diff:?}");

    world.change(tea, CallerChange::Canary(5)).await;
    remove_domain(tools, tea, "tea.example").await.unwrap();
    add_domain(tools, tea, "chai.example").await.unwrap();
    let diff = diff_edge(tools, Some(store), PublishScope::All)
        .await
        .unwrap();
    let seen: Vec<_> = diff
        .differences
        .iter()
        .map(|difference| (difference.key.clone(), difference.change))
        .collect();
    assert_eq!(
        seen,
        [
            ("host:chai.example".to_owned(), EdgeChange::Add),
            ("host:tea.example".to_owned(), EdgeChange::Remove),
            (format!("tenant:{tea}"), EdgeChange::Change),
        ]
    );
    assert_eq!(store.written(), written, "a diff writes nothing");
    let third = world.publish().await;
    assert_eq!(
        (third.version, third.put.len(), third.deleted.len()),
        (2, 2, 1)
    );

    // The store loses one and gets another one wrong.
    store.set("host:mate.example", None);
    store.set("host:chai.example", Some("{}"));
    let diff = diff_edge(tools, Some(store), PublishScope::All)
        .await
        .unwrap();
    let repairs = diff.differences.iter().map(|difference| difference.change);
    assert_eq!(repairs.collect::<Vec<_>>(), [EdgeChange::Repair; 2]);
    let repaired = world.publish().await;
    assert_eq!((repaired.version, repaired.put.len()), (2, 2));
    assert_eq!(
        store.values()["host:mate.example"],
        world.published().await["host:mate.example"]
    );
    let entries = list_audit(tools, None, 0, 500).await.unwrap();
    let publications = entries
        .iter()
        .filter(|entry| entry.fact.action == "edge.publish");
    assert_eq!(publications.count(), 2);
    verify_audit(tools, None).await.unwrap();
}

#[tokio::test]
async fn an_old_list_of_the_store_hides_nothing() {
    let world = world().await;
    let tea = world.tenant("tea.example", "eu").await;
    world.publish().await;
    // What the store lists stays as it is now, though it takes what is written.
    world.store.freeze_list();
    for percent in [5, 0, 9, 0] {
        world.change(tea, CallerChange::Canary(percent)).await;
        world.publish().await;
        let has = |(key, value): (String, String)| world.store.values().get(&key) == Some(&value);
        assert!(world.published().await.into_iter().all(has), "{percent}");
    }
}

#[tokio::test]
async fn what_the_store_does_not_take_is_named_and_the_rest_is_there() {
    let world = world().await;
    let tea = world.tenant("tea.example", "eu").await;
    world.publish().await;
    world.change(tea, CallerChange::Canary(5)).await;
    let bad = vec!["host:tea.example".to_owned()];
    for call in 1..4 {
        world.store.fail(call, Fault::Keys(bad.clone()));
    }
    let refused = publish_edge(&world.tools, &world.store, PublishScope::All, AT_ONCE).await;
    assert!(matches!(refused, Err(EdgeError::Partly { keys }) if keys == bad));
    assert!(!world.is_finished().await);
    assert!(world.store.values()[&format!("tenant:{tea}")].contains("\"canary_percent\":5"));
    let report = world.publish().await;
    assert_eq!((report.version, report.put), (2, bad));
    assert!(world.is_finished().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_publish_at_the_same_time_leave_what_the_last_one_wanted() {
    let world = Arc::new(world().await);
    let mut tenants = Vec::new();
    for n in 0..6 {
        tenants.push(world.tenant(&format!("shop{n}.example"), "eu").await);
    }
    let all = tenants.iter().map(|tenant| {
        let (world, tenant) = (Arc::clone(&world), *tenant);
        tokio::spawn(async move {
            for percent in 1..4 {
                world.change(tenant, CallerChange::Canary(percent)).await;
                let scope = if percent == 2 {
                    PublishScope::All
                } else {
                    PublishScope::Tenant(tenant)
                };
                publish_edge(
                    &world.tools,
                    &world.store,
                    scope,
                    PublishPatience::default(),
                )
                .await
                .unwrap();
            }
        })
    });
    for one in all.collect::<Vec<_>>() {
        one.await.unwrap();
    }
    assert_eq!(world.store.values(), world.published().await);
    for tenant in tenants {
        let record = &world.store.values()[&format!("tenant:{tenant}")];
        assert!(record.contains("\"canary_percent\":3"), "{record}");
    }
    assert!(world.is_finished().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_thought_dead_finishes_nothing() {
    let world = world().await;
    let tea = world.tenant("tea.example", "eu").await;
    world.publish().await;
    world.change(tea, CallerChange::Canary(5)).await;
    let gate = Arc::new(Semaphore::new(0));
    world.store.fail(1, Fault::Wait(Arc::clone(&gate)));
    let (tools, store): (_, Store) = (world.tools.clone(), world.store.clone());
    let begun = store.calls();
    let slow =
        tokio::spawn(async move { publish_edge(&tools, &store, PublishScope::All, AT_ONCE).await });
    while world.store.calls() < begun + 2 {
        tokio::task::yield_now().await;
    }
    let busy = publish_edge(&world.tools, &world.store, PublishScope::All, AT_ONCE).await;
    assert!(matches!(busy, Err(EdgeError::Busy { holder, .. }) if holder == "ada"));
    world.let_the_lease_lapse().await;
    world.change(tea, CallerChange::Canary(6)).await;
    let other = world.publish().await;
    assert_eq!(other.version, 3);
    gate.add_permits(1);
    assert!(matches!(slow.await.unwrap(), Err(EdgeError::Overtaken)));
    // What it wrote last, too late, is seen and put right.
    world.publish().await;
    assert_eq!(world.store.values(), world.published().await);
    assert!(world.store.values()["host:tea.example"].contains("\"canary_percent\":6"));
}
