//! What is kept is what the edge reads, and what it would not read is not kept.

use crate::world::world;
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use souk_app::edge::{
    CallerChange, EdgeError, IssuerRow, LimitRow, PlanRow, PublishPatience, PublishScope,
    SettingsChange, TenantChange, change_settings, change_tenant_edge, publish_edge, put_plan,
    remove_plan, show_edge,
};
use souk_app::tenants::{add_domain, list_audit, resume_tenant, suspend_tenant, verify_audit};
use souk_policy::route::RouteRecord;
use souk_policy::settings::Settings;

fn issuer(name: &str) -> IssuerRow {
    IssuerRow {
        name: name.to_owned(),
        issuer: format!("https://{name}.example/"),
        jwks_url: format!("https://{name}.example:8443/keys"),
        algorithm: "ES256".to_owned(),
        audience: "souk".to_owned(),
        tenant_claim: "tenant".to_owned(),
        token_type: None,
        grants: vec!["orders:read".to_owned(), "orders:write".to_owned()],
        roles: json!({ "clerk": ["orders:read"] }),
    }
}

fn put(issuer: IssuerRow) -> TenantChange {
    TenantChange::PutIssuer {
        issuer: Box::new(issuer),
        allow_host: true,
    }
}

fn limit(emission_interval_us: u64, burst: u32) -> LimitRow {
    LimitRow {
        emission_interval_us,
        burst,
    }
}

/// What an operator may say of a tenant's callers.
#[derive(Debug, Clone)]
struct Said {
    plan: bool,
    tenant: Option<LimitRow>,
    key: Option<LimitRow>,
    shadow: Option<bool>,
    origins: Vec<String>,
    disabled: Vec<String>,
    features: Vec<String>,
    canary: u8,
    issuers: Vec<String>,
}

fn said() -> impl Strategy<Value = Said> {
    let limits =
        || option::of((1_u64..=3_600_000_000, 1_u32..=1_000_000).prop_map(|(i, b)| limit(i, b)));
    let names = |known: &'static [&'static str]| {
        btree_set(proptest::sample::select(known), 0..known.len())
            .prop_map(|names| names.into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    (
        any::<bool>(),
        limits(),
        limits(),
        option::of(any::<bool>()),
        vec("https://[a-z]{1,20}\\.example(:[1-9][0-9]{3})?", 0..5),
        names(&["all", "writes", "orders", "place_order", "list_orders"]),
        vec("[a-z0-9_-]{1,64}", 0..5),
        0_u8..=100,
        names(&["one", "two", "three"]),
    )
        .prop_map(
            |(plan, tenant, key, shadow, origins, disabled, features, canary, issuers)| Said {
                plan,
                tenant,
                key,
                shadow,
                origins,
                disabled,
                features,
                canary,
                issuers,
            },
        )
}

fn changes(said: &Said) -> Vec<TenantChange> {
    let plan = said.plan.then(|| "large".to_owned());
    let of_callers = [
        CallerChange::Plan(plan),
        CallerChange::TenantLimit(said.tenant),
        CallerChange::KeyLimit(said.key),
        CallerChange::Shadow(said.shadow),
        CallerChange::CorsOrigins(said.origins.clone()),
        CallerChange::Enable(
            ["all", "writes", "orders", "place_order", "list_orders"]
                .map(str::to_owned)
                .to_vec(),
        ),
        CallerChange::Disable(said.disabled.clone()),
        CallerChange::Features(said.features.clone()),
        CallerChange::Canary(said.canary),
    ];
    let issuers = said.issuers.iter().map(|name| put(issuer(name)));
    of_callers
        .map(Into::into)
        .into_iter()
        .chain(issuers)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_means_what_was_said() {
    let world = world().await;
    let tools = &world.tools;
    let large = PlanRow {
        plan: "large".to_owned(),
        tenant: Some(limit(5_000, 300)),
        key: None,
        shadow: true,
    };
    put_plan(tools, &large).await.unwrap();
    let tenant = world.tenant("tea.example", "eu").await;
    add_domain(tools, tenant, "*.Shops.example").await.unwrap();
    let mut runner = TestRunner::new(Config::with_cases(24));
    let runtime = tokio::runtime::Handle::current();
    let ran = tokio::task::block_in_place(|| {
        runner.run(&said(), |said| {
            runtime.block_on(async {
                let earlier = show_edge(tools, Some(tenant)).await.unwrap();
                for issuer in &earlier.tenants[0].issuers {
                    let removal = TenantChange::RemoveIssuer(issuer.name.clone());
                    change_tenant_edge(tools, tenant, &[removal]).await.unwrap();
                }
                change_tenant_edge(tools, tenant, &changes(&said))
                    .await
                    .unwrap();
                world.publish().await;
            });
            let values = world.store.values();
            let value = &values[&format!("tenant:{tenant}")];
            assert_eq!(&values["host:tea.example"], value);
            assert_eq!(&values["host:*.shops.example"], value);
            let record = RouteRecord::parse(value).unwrap();
            let policy = &record.policy;
            let rule = |limit: LimitRow| (limit.emission_interval_us, limit.burst);
            let of_plan = said.plan.then_some(&large);
            let tenant_limit = said
                .tenant
                .or(of_plan.and_then(|plan| plan.tenant))
                .map(rule);
            let read = |rule: souk_policy::gcra::Rule| (rule.interval_us(), rule.burst());
            prop_assert_eq!(policy.limits.tenant.map(read), tenant_limit);
            prop_assert_eq!(policy.limits.key.map(read), said.key.map(rule));
            let limited = tenant_limit.is_some() || said.key.is_some();
            let shadow = said.shadow.unwrap_or(said.plan) && limited;
            prop_assert_eq!(policy.limits.shadow, shadow);
            let as_set = |list: &[String]| {
                list.iter()
                    .cloned()
                    .collect::<std::collections::BTreeSet<_>>()
            };
            prop_assert_eq!(as_set(&policy.cors_origins), as_set(&said.origins));
            prop_assert_eq!(as_set(&policy.disabled), as_set(&said.disabled));
            prop_assert_eq!(as_set(&policy.features), as_set(&said.features));
            prop_assert_eq!(policy.canary_percent, said.canary);
            prop_assert_eq!(policy.plan.is_some(), said.plan);
            let names: Vec<_> = policy
                .issuers
                .iter()
                .map(|issuer| issuer.name.clone())
                .collect();
            prop_assert_eq!(as_set(&names), as_set(&said.issuers));
            for read in &policy.issuers {
                let told = issuer(&read.name);
                prop_assert_eq!(
                    (&read.issuer, &read.jwks_url),
                    (&told.issuer, &told.jwks_url)
                );
                prop_assert_eq!(read.algorithm.name(), "ES256");
                prop_assert_eq!(read.grants.to_string(), "orders:read orders:write");
                prop_assert_eq!(read.roles["clerk"].to_string(), "orders:read");
            }
            Ok(())
        })
    });
    ran.unwrap();
    verify_audit(tools, None).await.unwrap();
}

#[tokio::test]
async fn what_the_edge_would_not_read_is_refused_and_nothing_is_lost() {
    let world = world().await;
    let tools = &world.tools;
    let tenant = world.tenant("tea.example", "eu-west").await;
    change_tenant_edge(tools, tenant, &[put(issuer("id"))])
        .await
        .unwrap();
    world.change(tenant, CallerChange::Canary(7)).await;
    let pinned = TenantChange::Residency(Some("eu".to_owned()));
    change_tenant_edge(tools, tenant, &[pinned]).await.unwrap();
    let before = show_edge(tools, None).await.unwrap();
    let entries = list_audit(tools, None, 0, 500).await.unwrap().len();

    let list = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    let many = |count: usize| {
        (0..count)
            .map(|n| format!("https://a{n}.example"))
            .collect::<Vec<_>>()
    };
    let altered = |alter: fn(&mut IssuerRow)| {
        let mut issuer = issuer("other");
        alter(&mut issuer);
        put(issuer)
    };
    let bad: Vec<TenantChange> = vec![
        CallerChange::Plan(Some("none".to_owned())).into(),
        CallerChange::TenantLimit(Some(limit(0, 1))).into(),
        CallerChange::KeyLimit(Some(limit(1, 0))).into(),
        CallerChange::KeyLimit(Some(limit(3_600_000_001, 1))).into(),
        CallerChange::CorsOrigins(list(&["*"])).into(),
        CallerChange::CorsOrigins(list(&["https://a.example/"])).into(),
        CallerChange::CorsOrigins(list(&["https://a.example https://b.example"])).into(),
        CallerChange::CorsOrigins(many(33)).into(),
        CallerChange::Disable(list(&["place_ordr"])).into(),
        CallerChange::Disable(list(&[""])).into(),
        CallerChange::Canary(101).into(),
        CallerChange::Features(list(&["New"])).into(),
        CallerChange::Features(list(&["a b"])).into(),
        TenantChange::Region("us-east".to_owned()),
        TenantChange::Region("europe".to_owned()),
        TenantChange::Region("EU".to_owned()),
        TenantChange::Residency(Some("us".to_owned())),
        TenantChange::Residency(Some("eu-west".to_owned())),
        TenantChange::RemoveIssuer("none".to_owned()),
        altered(|issuer| issuer.algorithm = "HS256".to_owned()),
        altered(|issuer| issuer.algorithm = "none".to_owned()),
        altered(|issuer| issuer.jwks_url = "http://id.example/keys".to_owned()),
        altered(|issuer| issuer.jwks_url = "https://id.example@evil.example/keys".to_owned()),
        altered(|issuer| issuer.name = "a|b".to_owned()),
        altered(|issuer| issuer.issuer = "https://id.example/".to_owned()),
        altered(|issuer| issuer.issuer = String::new()),
        altered(|issuer| issuer.grants = vec!["everything".to_owned()]),
        altered(|issuer| issuer.roles = json!({ "clerk": "orders:read" })),
        TenantChange::PutIssuer {
            issuer: Box::new(issuer("elsewhere")),
            allow_host: false,
        },
    ];
    for change in bad {
        // What is right beside it is not done either.
        let both = [CallerChange::Canary(50).into(), change.clone()];
        let refused = change_tenant_edge(tools, tenant, &both).await;
        let error = refused.expect_err(&format!("{change:?}"));
        assert!(
            !matches!(error, EdgeError::Database(_)),
            "{change:?}: {error:?}"
        );
    }
    for change in [
        SettingsChange::Deny {
            range: "192.0.2.1/24".to_owned(),
            reason: String::new(),
        },
        SettingsChange::Deny {
            range: "tea.example".to_owned(),
            reason: String::new(),
        },
        SettingsChange::Allow("everybody".to_owned()),
        SettingsChange::AddressLimit(Some(limit(0, 9))),
        SettingsChange::Disable(list(&["plce_order"])),
        SettingsChange::AllowIssuerHost("https://id.example".to_owned()),
        SettingsChange::AllowIssuerHost(String::new()),
        SettingsChange::RemoveIssuerHost("id.example:8443".to_owned()),
    ] {
        let error = change_settings(tools, &change)
            .await
            .expect_err(&format!("{change:?}"));
        assert!(
            !matches!(error, EdgeError::Database(_)),
            "{change:?}: {error:?}"
        );
    }
    let nameless = PlanRow {
        plan: "Large".to_owned(),
        tenant: None,
        key: None,
        shadow: false,
    };
    assert!(matches!(
        put_plan(tools, &nameless).await,
        Err(EdgeError::PlanName)
    ));
    assert_eq!(show_edge(tools, None).await.unwrap(), before);
    assert_eq!(
        list_audit(tools, None, 0, 500).await.unwrap().len(),
        entries
    );
}

#[tokio::test]
async fn the_schema_refuses_what_the_code_would_not_write() {
    let world = world().await;
    let tenant = world.tenant("tea.example", "eu").await.as_uuid();
    let insert = |columns: &str, values: &str| {
        format!(
            "INSERT INTO souk_directory.edge_tenants (tenant_id, {columns}) VALUES ('{tenant}', {values})"
        )
    };
    world
        .directory
        .execute("UPDATE souk_directory.tenants SET residency = 'eu'")
        .await;
    for (sql, constraint) in [
        (
            insert("canary_percent", "101"),
            "edge_tenants_canary_percent",
        ),
        (
            insert("tenant_interval_us", "5"),
            "edge_tenants_tenant_limit",
        ),
        (
            insert("key_interval_us, key_burst", "5, 0"),
            "edge_tenants_key_limit",
        ),
        (insert("plan", "'none'"), "edge_tenants_plan_fkey"),
        (
            insert("cors_origins", "'{null}'"),
            "edge_tenants_cors_origins_form",
        ),
        (
            insert("cors_origins", "'{https://a/}'"),
            "edge_tenants_cors_origins_form",
        ),
        (
            insert("cors_origins", "'{https://a,\"\"}'"),
            "edge_tenants_cors_origins_form",
        ),
        (
            insert("disabled", "'{\"a b\"}'"),
            "edge_tenants_disabled_form",
        ),
        (insert("features", "'{A}'"), "edge_tenants_features_form"),
        (
            "UPDATE souk_directory.tenants SET region = 'us'".to_owned(),
            "tenants_region_within_residency",
        ),
        (
            "UPDATE souk_directory.tenants SET region = 'europe'".to_owned(),
            "tenants_region_within_residency",
        ),
        (
            "UPDATE souk_directory.domains SET host = '*.example'".to_owned(),
            "domains_host_form",
        ),
        (
            "INSERT INTO souk_directory.edge_settings (one) VALUES (false)".to_owned(),
            "edge_settings_one",
        ),
        (
            "INSERT INTO souk_directory.edge_denied VALUES ('all', '', now())".to_owned(),
            "edge_denied_range_form",
        ),
    ] {
        let refusal = world.directory.refusal(None, &sql).await.expect(&sql);
        assert!(refusal.contains(constraint), "{sql}: {refusal}");
    }
    // Who only looks tenants up sees none of it.
    for table in [
        "plans",
        "edge_tenants",
        "edge_issuers",
        "edge_entries",
        "edge_publications",
    ] {
        let sql = format!("SELECT FROM souk_directory.{table}");
        let refusal = world
            .directory
            .refusal(Some("souk_directory_reader"), &sql)
            .await;
        assert!(
            refusal.is_some_and(|why| why.contains("permission denied")),
            "{table}"
        );
    }
}

#[tokio::test]
async fn what_counts_for_all_is_published_as_the_edge_reads_it() {
    let world = world().await;
    let tools = &world.tools;
    for change in [
        SettingsChange::Deny {
            range: "192.0.2.7".to_owned(),
            reason: "scraper".to_owned(),
        },
        SettingsChange::Deny {
            range: "2001:DB8::/32".to_owned(),
            reason: String::new(),
        },
        SettingsChange::Deny {
            range: "203.0.113.0/24".to_owned(),
            reason: String::new(),
        },
        SettingsChange::Allow("203.0.113.0/24".to_owned()),
        SettingsChange::AddressLimit(Some(limit(10_000, 200))),
        SettingsChange::Disable(vec!["place_order".to_owned(), "writes".to_owned()]),
        SettingsChange::Enable(vec!["writes".to_owned()]),
        SettingsChange::AllowIssuerHost("id.example:8443".to_owned()),
    ] {
        change_settings(tools, &change).await.unwrap();
    }
    world.publish().await;
    let settings = Settings::parse(&world.store.values()["edge:settings"]).unwrap();
    assert!(settings.denies("192.0.2.7".parse().unwrap()));
    assert!(settings.denies("2001:db8::9".parse().unwrap()));
    assert!(!settings.denies("203.0.113.9".parse().unwrap()));
    assert_eq!(settings.disabled, ["place_order"]);
    assert_eq!(settings.issuer_hosts, ["id.example:8443"]);
    assert_eq!(settings.address_limit.unwrap().burst(), 200);
}

#[tokio::test]
async fn a_change_of_one_is_published_without_the_others_and_a_suspension_at_once() {
    let world = world().await;
    let tools = &world.tools;
    let tea = world.tenant("tea.example", "eu").await;
    let mate = world.tenant("mate.example", "eu").await;
    world.publish().await;
    world.change(mate, CallerChange::Canary(100)).await;
    suspend_tenant(tools, tea, "unpaid").await.unwrap();
    let scope = PublishScope::Tenant(tea);
    let report = publish_edge(tools, &world.store, scope, PublishPatience::default())
        .await
        .unwrap();
    assert_eq!(report.put.len(), 2, "{report:?}");
    let record = RouteRecord::parse(&world.store.values()["host:tea.example"]).unwrap();
    assert_eq!(record.status, souk_domain::TenantStatus::Suspended);
    let other = RouteRecord::parse(&world.store.values()["host:mate.example"]).unwrap();
    assert_eq!(other.policy.canary_percent, 0);
    // What stays as it was published does not stay where it was taken away.
    suspend_tenant(tools, mate, "unpaid too").await.unwrap();
    let scope = PublishScope::Tenant(tea);
    publish_edge(tools, &world.store, scope, PublishPatience::default())
        .await
        .unwrap();
    let other = RouteRecord::parse(&world.store.values()["host:mate.example"]).unwrap();
    assert_eq!(other.status, souk_domain::TenantStatus::Suspended);
    assert_eq!(other.policy.canary_percent, 0);
    resume_tenant(tools, mate, "paid").await.unwrap();
    // All: what is suspended goes first.
    let plan = PlanRow {
        plan: "p".to_owned(),
        tenant: None,
        key: None,
        shadow: false,
    };
    put_plan(tools, &plan).await.unwrap();
    for tenant in [tea, mate] {
        world
            .change(tenant, CallerChange::Plan(Some("p".to_owned())))
            .await;
    }
    assert!(matches!(
        remove_plan(tools, "p").await,
        Err(EdgeError::PlanInUse(_))
    ));
    let report = world.publish().await;
    assert!(
        report.put[0].contains("tea") || report.put[0].contains(&tea.to_string()),
        "{report:?}"
    );
}
