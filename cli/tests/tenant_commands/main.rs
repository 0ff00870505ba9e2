//! What an operator does for one tenant, as it is built: on a real directory and shard, into a queue that
//! speaks the SQS API.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "tests"
)]

#[path = "../dlq/cloud.rs"]
mod cloud;
mod parked;
mod webhooks;

use cloud::{Cloud, Fate, Told};
use serde_json::{Value, json};
use souk_domain::TenantId;
use souk_testkit::{OWNER_ROLE, TestDatabase, TestTenant};

/// Tenants that the directory has placed on a shard, and a queue.
struct Shop {
    directory: TestDatabase,
    shard: TestDatabase,
    cloud: Cloud,
    tenant: TestTenant,
    /// Another tenant, to whom nothing must happen.
    other: TestTenant,
}

impl Shop {
    async fn open() -> Self {
        let directory = TestDatabase::create_directory().await;
        let shard = TestDatabase::create().await;
        shard.owner().await;
        let shop = Self {
            tenant: TestTenant::create(&shard, &[]).await,
            other: TestTenant::create(&shard, &[]).await,
            directory,
            shard,
            cloud: Cloud::fifo().await,
        };
        for tenant in [shop.tenant.id, shop.other.id] {
            let id = tenant.to_string();
            let create = [
                "tenants", "create", "A shop", "--shard", "main", "--id", &id,
            ];
            let told = shop.souk(&create).await;
            assert!(told.ok, "{told:?}");
        }
        shop
    }

    async fn souk(&self, arguments: &[&str]) -> Told {
        self.souk_with(arguments, |_, _| Fate::Answer).await
    }

    async fn souk_with(
        &self,
        arguments: &[&str],
        fates: impl Fn(&str, usize) -> Fate + Send + Sync + 'static,
    ) -> Told {
        let shards = |role| json!({ "main": { "primary": self.shard.url_by_role(role) } });
        let queues = json!({
            "read_models": self.cloud.source,
            "order_process": self.cloud.source,
            "webhooks": self.cloud.source,
        });
        let environment = [
            (
                "SOUK_DIRECTORY_DATABASE_URL",
                self.directory.url_by_role(OWNER_ROLE),
            ),
            ("SOUK_SHARDS_ADMIN", shards(OWNER_ROLE).to_string()),
            ("SOUK_SWEEPER_SHARDS", shards("souk_sweeper").to_string()),
            ("SOUK_EVENT_QUEUES", queues.to_string()),
        ];
        let run = self.cloud.start(arguments, &environment, fates).await;
        run.end().await
    }

    /// Runs a command that has to succeed and prints JSON, one object a line.
    async fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        let told = self.souk(arguments).await;
        assert!(told.ok, "{arguments:?}: {told:?}");
        told.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn named(id: &TenantId) -> String {
    format!("--tenant={id}")
}
