//! What was published is there again, byte for byte; what was taken away is not.

use crate::world::{World, world};
use souk_app::edge::{
    CallerChange, EdgeError, PublishPatience, RollbackReport, SettingsChange, TakenAway,
    TenantChange, change_settings, change_tenant_edge, rollback_edge,
};
use souk_app::tenants::{
    KeyRequest, add_domain, create_key, remove_domain, revoke_key, suspend_tenant, verify_audit,
};
use souk_domain::{ApiKeyKind, TenantStatus};
use souk_policy::route::RouteRecord;

async fn back(world: &World, to: Option<u64>) -> Result<RollbackReport, EdgeError> {
    rollback_edge(&world.tools, &world.store, to, PublishPatience::default()).await
}

#[tokio::test]
async fn an_earlier_publication_is_restored_exactly() {
    let world = world().await;
    assert!(matches!(
        back(&world, None).await,
        Err(EdgeError::NothingBefore)
    ));
    let tea = world.tenant("tea.example", "eu").await;
    let mut states = Vec::new();
    for n in 0..5_u8 {
        world.change(tea, CallerChange::Canary(n * 10)).await;
        add_domain(&world.tools, tea, &format!("shop{n}.example"))
            .await
            .unwrap();
        if n == 3 {
            remove_domain(&world.tools, tea, "shop0.example")
                .await
                .unwrap();
            let deny = SettingsChange::Deny {
                range: "192.0.2.0/24".to_owned(),
                reason: String::new(),
            };
            change_settings(&world.tools, &deny).await.unwrap();
        }
        assert_eq!(world.publish().await.version, u64::from(n) + 1);
        states.push(world.store.values());
    }
    // One after the other, and further back each time.
    for (before, published) in [(4, 6), (3, 7), (2, 8), (1, 9)] {
        let report = back(&world, None).await.unwrap();
        assert_eq!(
            (report.restores, report.published.version),
            (before, published)
        );
        assert_eq!(report.taken_away, []);
        let at = usize::try_from(before).unwrap() - 1;
        assert_eq!(world.store.values(), states[at], "{before}");
    }
    assert!(matches!(
        back(&world, None).await,
        Err(EdgeError::NothingBefore)
    ));
    assert!(matches!(
        back(&world, Some(99)).await,
        Err(EdgeError::UnknownPublication(99))
    ));
    for (at, state) in states.iter().enumerate().rev() {
        let version = u64::try_from(at).unwrap() + 1;
        back(&world, Some(version)).await.unwrap();
        assert_eq!(&world.store.values(), state, "{version}");
    }
    // A rollback that is a publication itself can be gone back to, and the directory is as it was.
    back(&world, Some(7)).await.unwrap();
    assert_eq!(world.store.values(), states[2]);
    world.publish().await;
    assert_eq!(world.store.values(), states[4]);
    verify_audit(&world.tools, None).await.unwrap();
}

#[tokio::test]
async fn what_nobody_goes_back_to_any_more_is_forgotten_and_never_restored_in_part() {
    let world = world().await;
    let tea = world.tenant("tea.example", "eu").await;
    let mate = world.tenant("mate.example", "eu").await;
    assert_eq!(world.publish().await.version, 1);
    world.change(tea, CallerChange::Canary(5)).await;
    assert_eq!(world.publish().await.version, 2);
    let second = world.store.values();
    // Four hundred more without a difference, a hundred days ago.
    world
        .directory
        .execute(
            "INSERT INTO souk_directory.edge_publications (version, made_at, made_by, digest, entries) \
             SELECT n, made_at, made_by, digest, entries FROM generate_series(3, 402) n, \
                 souk_directory.edge_publications WHERE version = 2; \
             UPDATE souk_directory.edge_head SET version = 402",
        )
        .await;
    world.clock.advance_ms(100 * 24 * 3_600_000);
    world.change(mate, CallerChange::Canary(7)).await;
    assert_eq!(world.publish().await.version, 403);

    // The first has what is in the store still: the settings. The second has the record of tea.
    let listed = "SELECT string_agg(version::text, ' ' ORDER BY version) \
        FROM souk_directory.edge_publications WHERE version < 206";
    assert_eq!(world.directory.text(listed).await, "1 2 204 205");
    for (version, whole) in [(1, false), (204, true), (2, true), (402, true)] {
        let gone_back = back(&world, Some(version)).await;
        if whole {
            gone_back.unwrap();
            assert_eq!(world.store.values(), second, "{version}");
        } else {
            assert!(matches!(gone_back, Err(EdgeError::NotKept(n)) if n == version));
        }
    }
    assert!(matches!(
        back(&world, Some(203)).await,
        Err(EdgeError::UnknownPublication(203))
    ));
    world.publish().await;
    assert_eq!(world.published().await, world.store.values());
}

#[tokio::test]
async fn what_was_taken_away_does_not_come_back() {
    let world = world().await;
    let tools = &world.tools;
    let tea = world.tenant("tea.example", "us-east").await;
    let mate = world.tenant("mate.example", "eu").await;
    let request = KeyRequest {
        kind: ApiKeyKind::Secret,
        scopes: vec!["orders:read".to_owned()],
        expires_at: None,
    };
    let random = |seed: u8| {
        core::array::from_fn(|n| seed.wrapping_mul(37).wrapping_add(u8::try_from(n).unwrap()) % 199)
    };
    let lost = create_key(tools, mate, &request, &random(1))
        .await
        .unwrap()
        .key
        .id;
    let kept = create_key(tools, mate, &request, &random(2))
        .await
        .unwrap()
        .key
        .id;
    add_domain(tools, tea, "drinks.example").await.unwrap();
    world.publish().await;

    suspend_tenant(tools, tea, "unpaid").await.unwrap();
    for change in [
        TenantChange::Region("eu".to_owned()),
        TenantChange::Residency(Some("eu".to_owned())),
    ] {
        change_tenant_edge(tools, tea, &[change]).await.unwrap();
    }
    revoke_key(tools, mate, lost).await.unwrap();
    remove_domain(tools, tea, "drinks.example").await.unwrap();
    add_domain(tools, mate, "drinks.example").await.unwrap();
    world.change(mate, CallerChange::Canary(50)).await;
    world.publish().await;

    let report = back(&world, Some(1)).await.unwrap();
    let mut expected = vec![
        TakenAway::Service(tea),
        TakenAway::Key(mate, lost),
        TakenAway::Region(tea, "us-east".to_owned()),
        TakenAway::Host(tea, "host:drinks.example".to_owned()),
    ];
    expected.sort();
    assert_eq!(report.taken_away, expected);
    let record = |key: &str| RouteRecord::parse(&world.store.values()[key]).unwrap();
    let of_tea = record("host:tea.example");
    assert_eq!(
        (of_tea.status, of_tea.region.as_str()),
        (TenantStatus::Suspended, "eu")
    );
    let of_mate = record("host:mate.example");
    assert_eq!(
        of_mate.keys.iter().map(|key| key.id).collect::<Vec<_>>(),
        [kept]
    );
    assert_eq!(
        of_mate.policy.canary_percent, 0,
        "what was set is gone back to"
    );
    assert_eq!(record("host:drinks.example").tenant_id, mate);
    // No record of the tenant that is pinned says anything else, whatever was published.
    for value in world.store.values().values() {
        if value.contains(&tea.to_string()) {
            assert_eq!(RouteRecord::parse(value).unwrap().region, "eu");
        }
    }
}
