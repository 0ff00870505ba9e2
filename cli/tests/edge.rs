//! `souk edge` as it is built, against a directory and what stands for Cloudflare's interface.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::too_many_lines,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "edge/cloudflare.rs"]
mod cloudflare;
mod told;

use cloudflare::{Cloudflare, Fate, TOKEN};
use serde_json::Value;
use souk_testkit::{OWNER_ROLE, TestDatabase};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use told::{Told, told};

const TENANT: &str = "ten_0197c0de8f2b7c3a9d4e5f6071829304";
const TENANT_UUID: &str = "0197c0de-8f2b-7c3a-9d4e-5f6071829304";

struct World {
    directory: TestDatabase,
    cloudflare: Cloudflare,
    url: String,
}

impl World {
    async fn open() -> Self {
        let directory = TestDatabase::create_directory().await;
        let sql = format!(
            "INSERT INTO souk_directory.tenants (tenant_id, name, region, shard, created_at) \
             VALUES ('{TENANT_UUID}', 'Tea', 'eu', 'a', now())"
        );
        directory.execute(&sql).await;
        let (cloudflare, url) = Cloudflare::start().await;
        Self {
            directory,
            cloudflare,
            url,
        }
    }

    async fn souk(&self, words: &str) -> Told {
        self.souk_with(words, TOKEN).await
    }

    /// Against the store of a local cloud.
    async fn souk_local(&self, folder: &Path, words: &str) -> Told {
        let mut command = self.command(words);
        command.env("SOUK_EDGE_LOCAL", folder);
        told(command).await
    }

    /// Without an edge's store.
    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_souk"));
        command
            .args(words.split(' '))
            .env(
                "SOUK_DIRECTORY_DATABASE_URL",
                self.directory.url_by_role(OWNER_ROLE),
            )
            .env("SOUK_OPERATOR", "ada");
        command
    }

    async fn souk_with(&self, words: &str, token: &str) -> Told {
        let mut command = self.command(words);
        command
            .env("SOUK_EDGE_KV_NAMESPACE", "4567ef")
            .env("CLOUDFLARE_ACCOUNT_ID", "0123abcd")
            .env("SOUK_CLOUDFLARE_API_URL", &self.url)
            .env("CLOUDFLARE_API_TOKEN", token);
        let told = told(command).await;
        assert!(
            !told.err.contains(TOKEN) && !told.out.contains(TOKEN),
            "{told:?}"
        );
        told
    }

    async fn does(&self, words: &str) -> String {
        let told = self.souk(words).await;
        assert_eq!(told.code, 0, "{words}: {told:?}");
        told.out
    }

    async fn json(&self, words: &str) -> Value {
        serde_json::from_str(&self.does(words).await).unwrap()
    }

    async fn set_up(&self) {
        for words in [
            "edge plans put small --tenant 100/s:200 --key 10/s",
            &format!("edge plan set {TENANT} small"),
            &format!("edge limits set {TENANT} --key 5/s:50 --shadow true"),
            &format!("edge cors set {TENANT} https://tea.example http://localhost:3000"),
            &format!(
                "edge issuers add {TENANT} id --issuer https://id.example/ --jwks-url https://id.example/keys \
                 --algorithm EdDSA --audience souk --grant orders:read --grant orders:write \
                 --role clerk=orders:read --allow-host"
            ),
            &format!("edge operations disable refund_payment_intent --tenant {TENANT}"),
            "edge operations disable import_catalog",
            "edge denied add 192.0.2.0/24 --reason scraper",
            "edge address-limit set 50/s:100",
            &format!("edge canary set {TENANT} 5"),
            &format!("edge features set {TENANT} new-checkout"),
            &format!("edge residency set {TENANT} eu"),
        ] {
            self.does(words).await;
        }
    }
}

#[tokio::test]
async fn what_is_set_is_shown_published_and_gone_back_from() {
    let world = World::open().await;
    let cloudflare = &world.cloudflare;
    world.set_up().await;
    assert_eq!(
        cloudflare.requests(),
        [""; 0],
        "nothing is published by itself"
    );
    let shown = world.json(&format!("edge show {TENANT}")).await;
    assert_eq!(shown["plan"], "small");
    assert_eq!(shown["issuers"][0]["roles"]["clerk"][0], "orders:read");
    cloudflare.set("host:old.example", "{}");
    cloudflare.set("jwks:of-the-edge", "{}");
    let diff = world.json("edge diff --json").await;
    assert_eq!(diff["differences"].as_array().unwrap().len(), 3, "{diff}");

    // A tenant's host: where a store is named, it is told at once; the first time, of everything.
    world
        .does(&format!("tenants domains add {TENANT} Tea.example"))
        .await;
    let values = cloudflare.values();
    let keys: Vec<&str> = values.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "edge:settings",
            "host:tea.example",
            "jwks:of-the-edge",
            &format!("tenant:{TENANT}")
        ]
    );
    let record: Value = serde_json::from_str(&values["host:tea.example"]).unwrap();
    assert_eq!(
        record["policy"]["limits"]["key"]["emission_interval_us"],
        200_000
    );
    assert_eq!(record["policy"]["limits"]["tenant"]["burst"], 200);
    assert_eq!(record["policy"]["disabled"][0], "refund_payment_intent");
    let settings: Value = serde_json::from_str(&values["edge:settings"]).unwrap();
    assert_eq!(settings["issuer_hosts"][0], "id.example");
    assert!(
        world
            .does("edge diff")
            .await
            .contains("nothing would change")
    );

    // A switch at once, and nothing else that has changed.
    world.does(&format!("edge canary set {TENANT} 50")).await;
    world.does("edge operations disable writes --publish").await;
    assert!(cloudflare.values()["edge:settings"].contains("writes"));
    assert_eq!(
        cloudflare.values()["host:tea.example"],
        values["host:tea.example"]
    );
    let told = world.does("edge diff").await;
    assert!(
        told.contains("~ host:tea.example  policy.canary_percent\n"),
        "{told}"
    );
    world.does("edge publish").await;

    let report = world.json("edge rollback --to 1 --json").await;
    assert_eq!(report["published"]["version"], 4, "{report}");
    assert_eq!(cloudflare.values(), values);
    let history = world.does("edge history").await;
    let last: Value = serde_json::from_str(history.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&last["restores"], &last["by"]),
        (&Value::from(1), &Value::from("ada"))
    );

    world.does(&format!("tenants suspend {TENANT}")).await;
    assert!(cloudflare.values()["host:tea.example"].contains("\"suspended\""));
    world.does("audit verify").await;
}

#[tokio::test]
async fn what_is_wrong_is_refused_in_words() {
    let world = World::open().await;
    world.set_up().await;
    let before = world.does("edge show").await + &world.does(&format!("edge show {TENANT}")).await;
    for (words, told) in [
        (format!("edge cors set {TENANT} *"), "scheme, host and port"),
        (format!("edge canary set {TENANT} 101"), "0 to 100"),
        (
            format!("edge operations disable plce_order --tenant {TENANT}"),
            "\"plce_order\" is no operation",
        ),
        (
            format!("edge region set {TENANT} us-east"),
            "must not leave \"eu\"",
        ),
        (format!("edge plan set {TENANT} none"), "no plan \"none\""),
        (
            format!("edge limits set {TENANT} --key 5/d"),
            "a limit is like",
        ),
        (
            "edge denied add 192.0.2.1/24".to_owned(),
            "192.0.2.0/24 without further bits",
        ),
        (
            format!(
                "edge issuers add {TENANT} x --issuer x --jwks-url https://x.example/k --algorithm HS256 --audience x --allow-host"
            ),
            "ES256, EdDSA or RS256",
        ),
        (
            format!(
                "edge issuers add {TENANT} x --issuer x --jwks-url https://x.example/k --algorithm ES256 --audience x"
            ),
            "x.example is none of the hosts",
        ),
        ("edge rollback".to_owned(), "no publication to go back to"),
    ] {
        let refused = world.souk(&words).await;
        assert_ne!(refused.code, 0, "{words}");
        assert!(refused.err.contains(told), "{words}: {refused:?}");
    }
    let after = world.does("edge show").await + &world.does(&format!("edge show {TENANT}")).await;
    assert_eq!(before, after);
    let refused = world.souk_with("edge publish", "another").await;
    assert!(
        refused.err.contains("CLOUDFLARE_API_TOKEN needs the right"),
        "{refused:?}"
    );
    let plain = world
        .souk("edge publish --cloudflare-api http://kv.example")
        .await;
    assert!(plain.err.contains("by https only"), "{plain:?}");
}

#[tokio::test]
async fn a_publication_survives_what_a_store_does() {
    let world = World::open().await;
    let cloudflare = &world.cloudflare;
    world.set_up().await;
    for n in 0..9 {
        let sql = format!(
            "INSERT INTO souk_directory.domains VALUES ('shop{n}.example', '{TENANT_UUID}', now())"
        );
        world.directory.execute(&sql).await;
    }
    // Refused, too many, failed after the effect, and not answered after it.
    cloudflare.fates([
        Fate::Refuse(500, None),
        Fate::Refuse(429, Some(1)),
        Fate::Deny,
        Fate::Refuse(503, None),
        // The list; and then what is written.
        Fate::Without("none".to_owned()),
        Fate::Deny,
        Fate::Hang,
    ]);
    world
        .does("edge publish --cloudflare-timeout-ms 2000")
        .await;
    assert_eq!(
        (cloudflare.fates_left(), cloudflare.values().len()),
        (0, 11)
    );

    // More than it waits for.
    cloudflare.requests();
    cloudflare.fates([Fate::Refuse(429, Some(3_600))]);
    let refused = world.souk("edge publish").await;
    assert!(
        refused.err.contains("answered 429, 10000: as it was told"),
        "{refused:?}"
    );
    assert_eq!(cloudflare.requests().len(), 1);
    // What will not get better is not tried again.
    cloudflare.fates([Fate::Refuse(400, None)]);
    assert_eq!(world.souk("edge publish").await.code, 1);
    assert_eq!(cloudflare.requests().len(), 1);

    // One key only; then it is finished.
    world.does(&format!("edge canary set {TENANT} 77")).await;
    let bad = || Fate::Without("host:shop3.example".to_owned());
    let pages = 4;
    cloudflare.fates((0..pages).map(|_| Fate::Without("none".to_owned())).chain([
        bad(),
        bad(),
        bad(),
    ]));
    let partly = world.souk("edge publish").await;
    assert_eq!(partly.code, 1);
    assert!(
        partly.err.contains("has not taken host:shop3.example"),
        "{partly:?}"
    );
    let has_it = |values: std::collections::BTreeMap<String, String>| {
        values
            .values()
            .filter(|value| value.contains("\"canary_percent\":77"))
            .count()
    };
    assert_eq!(has_it(cloudflare.values()), 9);
    let diff = world.json("edge diff --json").await;
    assert_eq!(diff["finished"], false);
    assert_eq!(diff["differences"][0]["change"], "repair");
    let report = world.json("edge publish --json").await;
    assert_eq!(report["written"], serde_json::json!(["host:shop3.example"]));
    assert_eq!(has_it(cloudflare.values()), 10);
}

/// What stands for wrangler: it keeps what it was told, and fails where it must.
const WRANGLER: &str = "#!/bin/sh\necho \"$2 $3\" >> calls\n\
    [ ! -e broken ] || { echo it is broken >&2; exit 1; }\nmkdir -p state\n\
    case \"$3\" in list) cat list.json ;; put) cp \"$4\" put.json ;; delete) cp \"$4\" delete.json ;; esac\n";

#[tokio::test]
async fn the_local_clouds_store_is_written_by_wrangler_and_asked_only_where_it_must_be() {
    let world = World::open().await;
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let refused = world.souk_local(home, "edge publish").await;
    assert!(
        refused.err.contains("is no edge of a local cloud"),
        "{refused:?}"
    );
    let program = home.join("wrangler");
    fs::write(&program, WRANGLER).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let calls = || fs::read_to_string(home.join("calls")).unwrap_or_default();
    let does = async |words: &str| {
        let told = world.souk_local(home, words).await;
        assert_eq!(told.code, 0, "{words}: {told:?}");
    };

    does("edge publish").await;
    assert_eq!(calls(), "bulk put\n", "where nothing is, nothing is asked");
    let put = fs::read_to_string(home.join("put.json")).unwrap();
    assert!(
        put.contains(&format!("tenant:{TENANT}")) && put.contains("edge:settings"),
        "{put}"
    );
    does("edge publish").await;
    assert_eq!(calls(), "bulk put\n", "nothing differs");
    // What came of it is not known, so wrangler is asked the next time.
    does(&format!("edge canary set {TENANT} 5")).await;
    fs::write(home.join("broken"), "").unwrap();
    let failed = world.souk_local(home, "edge publish").await;
    assert!(failed.err.contains("it is broken"), "{failed:?}");
    fs::remove_file(home.join("broken")).unwrap();
    fs::write(
        home.join("list.json"),
        r#"[{ "name": "host:left.example" }]"#,
    )
    .unwrap();
    does("edge publish").await;
    assert!(
        calls().ends_with("key list\nbulk delete\nbulk put\n"),
        "{}",
        calls()
    );
    let deleted = fs::read_to_string(home.join("delete.json")).unwrap();
    assert_eq!(deleted, r#"["host:left.example"]"#);
}
