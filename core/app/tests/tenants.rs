//! Tenants, their domains and keys, and the log of who changed them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use souk_app::tenants::{
    KeyRequest, NewTenant, Rotation, TenantError, TenantRow, TenantTools, add_domain, create_key,
    create_tenant, list_audit, list_tenants, remove_domain, resume_tenant, revoke_key, rotate_key,
    route_record, route_records, show_tenant, suspend_tenant, verify_audit,
};
use souk_app::{Clock as _, ShardName};
use souk_domain::{ApiKeyKind, AuditBreak, TenantStatus};
use souk_policy::api_key::PresentedKey;
use souk_policy::route::RouteRecord;
use souk_testkit::{FixedClock, OWNER_ROLE, RandomIds, TestDatabase};
use std::collections::BTreeMap;
use std::sync::Arc;

struct World {
    directory: TestDatabase,
    clock: Arc<FixedClock>,
    tools: TenantTools,
}

fn shard_a() -> ShardName {
    "a".parse().unwrap()
}

async fn world() -> World {
    let (directory, shard) = tokio::join!(TestDatabase::create_directory(), TestDatabase::create());
    let clock = Arc::new(FixedClock::new());
    let tools = TenantTools {
        directory: directory.directory(),
        shards: BTreeMap::from([(shard_a(), shard.owner().await)]),
        clock: clock.clone(),
        ids: Arc::new(RandomIds),
        operator: "ada".to_owned(),
    };
    World {
        directory,
        clock,
        tools,
    }
}

impl World {
    async fn tenant(&self, host: &str) -> TenantRow {
        let new = NewTenant {
            id: None,
            name: "Tea & more".to_owned(),
            hosts: vec![host.to_owned()],
            shard: shard_a(),
            region: "local".to_owned(),
        };
        create_tenant(&self.tools, new).await.unwrap()
    }

    async fn actions(&self) -> Vec<String> {
        let entries = list_audit(&self.tools, None, 0, 500).await.unwrap();
        entries.into_iter().map(|entry| entry.fact.action).collect()
    }
}

/// Random enough for a test, and the same each time.
fn random(seed: u8) -> [u8; 64] {
    core::array::from_fn(|n| seed.wrapping_mul(31).wrapping_add(u8::try_from(n).unwrap()) % 200)
}

fn secret(scopes: &[&str]) -> KeyRequest {
    KeyRequest {
        kind: ApiKeyKind::Secret,
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        expires_at: None,
    }
}

#[tokio::test]
async fn a_tenant_is_entered_with_its_host_and_its_place_and_every_change_is_in_the_log() {
    let world = world().await;
    let tools = &world.tools;
    let tenant = world.tenant("Tea.Example.:443").await;
    assert_eq!(
        show_tenant(tools, tenant.id).await.unwrap().hosts,
        ["tea.example"]
    );
    assert_eq!(list_tenants(tools).await.unwrap(), vec![tenant.clone()]);
    let tx = tools.shards[&shard_a()].begin(tenant.id).await.unwrap();
    tx.rollback().await.unwrap();

    let taken = add_domain(tools, tenant.id, "TEA.example").await;
    assert!(matches!(taken, Err(TenantError::HostTaken(host)) if host == "tea.example"));
    assert!(matches!(
        add_domain(tools, tenant.id, "10.0.0.1").await,
        Err(TenantError::Host(_))
    ));
    add_domain(tools, tenant.id, "www.tea.example")
        .await
        .unwrap();
    remove_domain(tools, tenant.id, "tea.example")
        .await
        .unwrap();
    assert!(matches!(
        remove_domain(tools, tenant.id, "tea.example").await,
        Err(TenantError::UnknownHost(_))
    ));
    let suspended = suspend_tenant(tools, tenant.id, "unpaid").await.unwrap();
    assert_eq!(suspended.placement.status, TenantStatus::Suspended);
    suspend_tenant(tools, tenant.id, "again").await.unwrap();
    let record = route_record(tools, "www.tea.example").await.unwrap();
    let read = RouteRecord::parse(&record.value).unwrap();
    assert_eq!(
        (read.status, read.tenant_id),
        (TenantStatus::Suspended, tenant.id)
    );
    resume_tenant(tools, tenant.id, "paid").await.unwrap();
    assert_eq!(
        world.actions().await,
        [
            "tenant.create",
            "domain.add",
            "domain.remove",
            "tenant.suspend",
            "tenant.resume"
        ]
    );
    let report = verify_audit(tools, None).await.unwrap();
    assert_eq!(report.head.seq, 5);
}

#[tokio::test]
async fn a_key_is_kept_as_a_digest_and_a_publishable_one_cannot_do_more_than_a_browser_may() {
    let world = world().await;
    let tools = &world.tools;
    let tenant = world.tenant("tea.example").await;
    let made = create_key(
        tools,
        tenant.id,
        &secret(&["orders:write", "orders:read"]),
        &random(1),
    )
    .await
    .unwrap();
    let presented = PresentedKey::new(made.text.reveal()).unwrap();
    let record = route_record(tools, "tea.example").await.unwrap();
    let record = RouteRecord::parse(&record.value).unwrap();
    let found = presented.find(&record).unwrap();
    assert_eq!(found.id, made.key.id);
    assert_eq!(found.principal, made.key.principal);
    assert_eq!(found.scopes.to_string(), "orders:read orders:write");

    // Nowhere in the directory.
    let rows = world
        .directory
        .texts(
            "SELECT k::text FROM souk_directory.api_keys k UNION ALL \
             SELECT a::text FROM souk_directory.audit_log a",
        )
        .await;
    let hidden = &made.text.reveal()[made.key.shown_prefix.len()..];
    assert!(
        rows.len() == 3 && rows.iter().all(|row| !row.contains(hidden)),
        "{rows:?}"
    );

    let publishable = |scope: &str| KeyRequest {
        kind: ApiKeyKind::Publishable,
        ..secret(&[scope])
    };
    for scope in [
        "orders:write",
        "orders:read",
        "inventory:write",
        "catalog:write",
    ] {
        let refused = create_key(tools, tenant.id, &publishable(scope), &random(2)).await;
        assert!(
            matches!(&refused, Err(TenantError::ScopeNotPublishable(named)) if named == scope),
            "{scope}"
        );
    }
    let quotes = create_key(tools, tenant.id, &publishable("quotes:write"), &random(3)).await;
    assert!(quotes.unwrap().text.reveal().starts_with("souk_pk_"));
    assert!(matches!(
        create_key(tools, tenant.id, &secret(&["all"]), &random(4)).await,
        Err(TenantError::Scopes(_))
    ));
    let past = KeyRequest {
        expires_at: Some(world.clock.now()),
        ..secret(&[])
    };
    assert!(matches!(
        create_key(tools, tenant.id, &past, &random(4)).await,
        Err(TenantError::Expiry)
    ));
}

#[tokio::test]
async fn a_rotated_key_keeps_its_principal_and_the_old_one_ends_after_the_grace() {
    let world = world().await;
    let tools = &world.tools;
    let tenant = world.tenant("tea.example").await;
    let old = create_key(tools, tenant.id, &secret(&["orders:read"]), &random(1))
        .await
        .unwrap();
    let rotation = Rotation {
        old: old.key.id,
        grace: time::Duration::hours(1),
        expires_at: None,
    };
    let new = rotate_key(tools, tenant.id, rotation, &random(2))
        .await
        .unwrap();
    assert_eq!(new.key.principal, old.key.principal);
    assert_eq!(new.key.scopes, old.key.scopes);
    assert_ne!(new.key.id, old.key.id);
    assert!(matches!(
        rotate_key(tools, tenant.id, rotation, &random(3)).await,
        Err(TenantError::TwoKeysLive)
    ));

    let live = || async {
        let record = route_record(tools, "tea.example").await.unwrap();
        let record = RouteRecord::parse(&record.value).unwrap();
        let find = |text: &str| PresentedKey::new(text).unwrap().find(&record).cloned();
        (find(old.text.reveal()), find(new.text.reveal()))
    };
    let (old_live, new_live) = live().await;
    assert_eq!(
        old_live.as_ref().map(|key| &key.principal),
        new_live.as_ref().map(|key| &key.principal)
    );
    // The edge itself lets it expire, whether or not the record is published again.
    let ends = world.clock.now().unix_s() + 3_600;
    assert_eq!(old_live.unwrap().expires_at, Some(ends));
    world.clock.advance_ms(3_600_000);
    let (old_live, new_live) = live().await;
    assert!(old_live.is_none() && new_live.is_some());
    assert!(matches!(
        rotate_key(tools, tenant.id, rotation, &random(3)).await,
        Err(TenantError::KeyNotLive(_))
    ));

    revoke_key(tools, tenant.id, new.key.id).await.unwrap();
    revoke_key(tools, tenant.id, new.key.id).await.unwrap();
    assert!(live().await.1.is_none());
    assert_eq!(
        world.actions().await,
        ["tenant.create", "key.create", "key.rotate", "key.revoke"]
    );
}

#[tokio::test]
async fn a_tenant_sees_nothing_of_another_and_a_refused_change_is_not_in_the_log() {
    let world = world().await;
    let tools = &world.tools;
    let (one, other) = (
        world.tenant("one.example").await,
        world.tenant("other.example").await,
    );
    let key = create_key(tools, one.id, &secret(&[]), &random(1))
        .await
        .unwrap();
    assert!(matches!(
        revoke_key(tools, other.id, key.key.id).await,
        Err(TenantError::UnknownKey(_))
    ));
    assert!(matches!(
        remove_domain(tools, other.id, "one.example").await,
        Err(TenantError::UnknownHost(_))
    ));
    let records = route_records(tools, other.id).await.unwrap();
    let keys: Vec<&str> = records.iter().map(|entry| entry.key.as_str()).collect();
    let by_id = format!("tenant:{}", other.id);
    assert_eq!(keys, [by_id.as_str(), "host:other.example"]);
    assert_eq!(records[0].value, records[1].value);
    let record = RouteRecord::parse(&records[0].value).unwrap();
    assert_eq!((record.tenant_id, record.keys.len()), (other.id, 0));
    assert_eq!(
        world.actions().await,
        ["tenant.create", "tenant.create", "key.create"]
    );
}

#[tokio::test]
async fn functions_read_placements_and_nothing_else() {
    let world = world().await;
    let tenant = world.tenant("tea.example").await;
    let reader = world.directory.directory_reader();
    let placement = reader.placement(tenant.id).await.unwrap().unwrap();
    assert_eq!(placement, tenant.placement);
    for refused in [
        "SELECT * FROM souk_directory.api_keys",
        "SELECT sha256 FROM souk_directory.api_keys",
        "SELECT * FROM souk_directory.domains",
        "SELECT * FROM souk_directory.audit_log",
        "SELECT * FROM souk_directory.tenant_moves",
        "SELECT name FROM souk_directory.tenants",
        "UPDATE souk_directory.tenants SET shard = 'b'",
        "DELETE FROM souk_directory.tenants",
    ] {
        let role = Some("souk_directory_reader");
        let error = world.directory.refusal(role, refused).await.unwrap();
        assert!(error.contains("permission denied"), "{refused}: {error}");
    }
}

#[tokio::test]
async fn the_log_refuses_its_owner_and_what_was_forced_is_found() {
    let world = world().await;
    let tools = &world.tools;
    let tenant = world.tenant("tea.example").await;
    for n in 0..4 {
        add_domain(tools, tenant.id, &format!("h{n}.example"))
            .await
            .unwrap();
    }
    for refused in [
        "UPDATE souk_directory.audit_log SET actor = 'eve'",
        "DELETE FROM souk_directory.audit_log",
        "TRUNCATE souk_directory.audit_log",
    ] {
        let error = world
            .directory
            .refusal(Some(OWNER_ROLE), refused)
            .await
            .unwrap();
        assert!(error.contains("permission denied"), "{refused}: {error}");
        // Not even to one to whom no right is denied.
        let error = world.directory.refusal(None, refused).await.unwrap();
        assert!(error.contains("appended"), "{refused}: {error}");
    }
    verify_audit(tools, None).await.unwrap();
}

#[tokio::test]
async fn an_entry_that_was_altered_removed_or_put_elsewhere_is_named() {
    let world = world().await;
    let tools = &world.tools;
    let tenant = world.tenant("tea.example").await;
    for n in 0..4 {
        add_domain(tools, tenant.id, &format!("h{n}.example"))
            .await
            .unwrap();
    }
    let forced = [
        (
            "UPDATE souk_directory.audit_log SET actor = 'eve' WHERE seq = 2",
            2,
        ),
        (
            "UPDATE souk_directory.audit_log SET detail = '{\"host\": 1}' WHERE seq = 3",
            3,
        ),
        (
            "UPDATE souk_directory.audit_log SET at = at + interval '1 microsecond' WHERE seq = 4",
            4,
        ),
        (
            "UPDATE souk_directory.audit_log SET tenant_id = NULL WHERE seq = 5",
            5,
        ),
        ("DELETE FROM souk_directory.audit_log WHERE seq = 3", 3),
        (
            "UPDATE souk_directory.audit_log SET seq = 7 - seq WHERE seq IN (3, 4)",
            3,
        ),
        ("DELETE FROM souk_directory.audit_log WHERE seq = 5", 4),
    ];
    for (tamper, first_bad) in forced {
        world
            .directory
            .execute(&format!(
                "CREATE TABLE kept AS TABLE souk_directory.audit_log; \
                 ALTER TABLE souk_directory.audit_log DISABLE TRIGGER USER; \
                 ALTER TABLE souk_directory.audit_log DROP CONSTRAINT audit_log_pkey; {tamper}"
            ))
            .await;
        let found = verify_audit(tools, None).await.unwrap_err();
        let TenantError::AuditBroken(found) = found else {
            panic!("{tamper}: {found}");
        };
        let named = match found {
            AuditBreak::Missing { seq }
            | AuditBreak::Altered { seq }
            | AuditBreak::Unlinked { seq }
            | AuditBreak::OtherEnd { seq }
            | AuditBreak::OtherAnchor { seq } => seq,
        };
        assert_eq!(named, first_bad, "{tamper}: {found}");
        world
            .directory
            .execute(
                "DELETE FROM souk_directory.audit_log; \
                 INSERT INTO souk_directory.audit_log TABLE kept; DROP TABLE kept; \
                 ALTER TABLE souk_directory.audit_log ADD CONSTRAINT audit_log_pkey PRIMARY KEY (seq); \
                 ALTER TABLE souk_directory.audit_log ENABLE ALWAYS TRIGGER audit_log_append_only",
            )
            .await;
        verify_audit(tools, None).await.unwrap();
    }
}

#[tokio::test]
async fn a_log_whose_end_was_cut_off_is_told_by_what_was_kept_elsewhere() {
    let world = world().await;
    let tools = &world.tools;
    let tenant = world.tenant("tea.example").await;
    for n in 0..4 {
        add_domain(tools, tenant.id, &format!("h{n}.example"))
            .await
            .unwrap();
    }
    let anchor = verify_audit(tools, None).await.unwrap().head;
    // The head beside the log was put right.
    world
        .directory
        .execute(
            "ALTER TABLE souk_directory.audit_log DISABLE TRIGGER USER; \
             DELETE FROM souk_directory.audit_log WHERE seq = 5; \
             UPDATE souk_directory.audit_head SET (seq, hash) = \
                 (SELECT seq, hash FROM souk_directory.audit_log WHERE seq = 4)",
        )
        .await;
    verify_audit(tools, None).await.unwrap();
    assert!(matches!(
        verify_audit(tools, Some(anchor)).await,
        Err(TenantError::AuditBroken(AuditBreak::OtherAnchor { seq: 5 }))
    ));
}

#[tokio::test]
async fn entries_of_changes_made_at_once_form_one_chain() {
    let world = world().await;
    let tenant = world.tenant("tea.example").await;
    let mut running = tokio::task::JoinSet::new();
    for n in 0..20 {
        let tools = world.tools.clone();
        running.spawn(async move {
            let host = format!("h{n}.example");
            add_domain(&tools, tenant.id, &host).await.unwrap();
        });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
    assert_eq!(verify_audit(&world.tools, None).await.unwrap().head.seq, 21);
}
