//! A database with tenants, one for each flow.

use souk_app::{
    Caller, Clock, Database, IdGenerator, Shards, SkuSeed, Tools, place_order, seed_tenant,
};
use souk_domain::{Currency, Money, OrderId, TenantId, Timestamp};
use souk_testkit::{FixedClock, Probe, TestDatabase, caller, order_request, respond};
use std::sync::{Arc, Mutex};
use uuid::Uuid;

/// Units of the one sku that there are.
pub(crate) const UNITS: u32 = 10;
/// Of which the order is about so many.
pub(crate) const ORDERED: u32 = 3;
/// What a unit costs, in cents.
const CENTS: i64 = 499;

/// A database that many flows use, one after the other.
pub(crate) struct Shop {
    pub(crate) db: TestDatabase,
    pub(crate) probe: Probe,
    pub(crate) app: Database,
    pub(crate) sweeper: Database,
    superuser: Database,
}

/// Ids by the seed.
struct SeededIds(Mutex<fastrand::Rng>);

impl IdGenerator for SeededIds {
    fn uuid_v7(&self, now: Timestamp) -> Uuid {
        let mut rng = self.0.lock().unwrap();
        let millis = u64::try_from(now.unix_ms()).unwrap();
        uuid::Builder::from_unix_timestamp_millis(
            millis,
            &rng.u128(..).to_le_bytes()[..10].try_into().unwrap(),
        )
        .into_uuid()
    }
}

/// A tenant with an order.
pub(crate) struct Customer {
    pub(crate) tools: Tools,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) caller: Caller,
    pub(crate) order: OrderId,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let db = TestDatabase::create().await;
        // Nobody pulls the plug of Postgres here.
        db.execute(&format!(
            "ALTER DATABASE {} SET synchronous_commit = off",
            db.name()
        ))
        .await;
        Self {
            probe: Probe::new(&db.url()),
            app: db.by_role("souk_app", 6),
            sweeper: db.by_role("souk_sweeper", 1),
            superuser: db.superuser(),
            db,
        }
    }

    /// A new tenant by the seed, and an order of it.
    pub(crate) async fn customer(&self, seed: u64) -> Customer {
        let mut rng = fastrand::Rng::with_seed(seed ^ 0x05ee_d1d5);
        let tenant = TenantId::from_uuid(
            uuid::Builder::from_random_bytes(rng.u128(..).to_le_bytes()).into_uuid(),
        );
        let euro: Currency = "EUR".parse().unwrap();
        let clock = Arc::new(FixedClock::new());
        let sku = SkuSeed {
            sku: "THING".parse().unwrap(),
            title: "Thing".to_owned(),
            unit_price: Money::new(CENTS, euro),
            units: UNITS,
        };
        seed_tenant(&self.superuser, tenant, "Flow", &[sku], clock.now())
            .await
            .expect("the tenant can be entered");
        let tools = Tools {
            db: Shards::single(self.app.clone()),
            clock: clock.clone(),
            ids: Arc::new(SeededIds(Mutex::new(rng))),
            prices: Arc::default(),
        };
        let caller = caller(tenant);
        let once = crate::script::once("order");
        let wish = order_request(&[("THING", ORDERED)]);
        let placed = place_order(&tools, &caller, &once, wish, respond).await;
        let body = placed.expect("the order is placed").response.body;
        let order = core::str::from_utf8(&body).unwrap().parse().unwrap();
        Customer {
            tools,
            clock,
            caller,
            order,
        }
    }
}
