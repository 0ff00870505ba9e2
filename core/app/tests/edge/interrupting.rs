//! A publication that ends anywhere is finished by the next one.

use crate::world::{AT_ONCE, Fault, World, world};
use souk_app::edge::{CallerChange, EdgeError, PublishScope, publish_edge};
use souk_app::tenants::{add_domain, remove_domain, verify_audit};
use souk_domain::TenantId;
use std::fmt::Write as _;

/// Steps at most, so that a test that never ends fails.
const STEPS_MAX: usize = 2_000;

/// Changes what would be written, and what would be removed.
async fn change(world: &World, tenant: TenantId, round: usize) {
    let percent = u8::try_from(round % 100 + 1).unwrap();
    world.change(tenant, CallerChange::Canary(percent)).await;
    add_domain(&world.tools, tenant, &format!("new{round}.example"))
        .await
        .unwrap();
    if round > 0 {
        let old = format!("new{}.example", round - 1);
        remove_domain(&world.tools, tenant, &old).await.unwrap();
    }
}

/// Lets the database count what is written of a publication, and refuse what it was told to.
async fn count_writes(world: &World) {
    let mut sql = "CREATE SEQUENCE public.writes MINVALUE 0; CREATE TABLE public.fault (at bigint); \
        CREATE FUNCTION public.count_write() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ \
        BEGIN IF nextval('public.writes') = (SELECT at FROM public.fault) THEN \
        RAISE EXCEPTION 'it was told to fail'; END IF; RETURN NULL; END $$;"
        .to_owned();
    for table in [
        "edge_head",
        "edge_publications",
        "edge_entries",
        "edge_stored",
        "audit_log",
    ] {
        let _ = write!(
            sql,
            "CREATE TRIGGER count_write BEFORE INSERT OR UPDATE OR DELETE ON souk_directory.{table} \
             FOR EACH STATEMENT EXECUTE FUNCTION public.count_write();"
        );
    }
    world.directory.execute(&sql).await;
}

/// The `nth` write from now, from 0, fails; or none.
async fn fail_write(world: &World, nth: Option<usize>) {
    let nth = nth.map_or(-1, |nth| i64::try_from(nth).unwrap());
    let sql = format!(
        "ALTER SEQUENCE public.writes RESTART WITH 0; DELETE FROM public.fault; \
         INSERT INTO public.fault VALUES ({nth})"
    );
    world.directory.execute(&sql).await;
}

#[tokio::test]
async fn one_that_ends_at_any_write_of_its_own_is_finished_by_the_next() {
    let world = world().await;
    let tenant = world.tenant("tea.example", "eu").await;
    world.publish().await;
    count_writes(&world).await;
    for step in 0..STEPS_MAX {
        fail_write(&world, None).await;
        change(&world, tenant, step).await;
        fail_write(&world, Some(step)).await;
        let done = publish_edge(&world.tools, &world.store, PublishScope::All, AT_ONCE).await;
        fail_write(&world, None).await;
        // Its lease was perhaps not given back.
        world.let_the_lease_lapse().await;
        if done.is_ok() && world.is_finished().await && step > 20 {
            assert_eq!(world.store.values(), world.published().await);
            verify_audit(&world.tools, None).await.unwrap();
            return;
        }
        world.publish().await;
        assert_eq!(world.store.values(), world.published().await, "step {step}");
        assert!(world.is_finished().await, "step {step}");
    }
    panic!("it never ends");
}

#[tokio::test]
async fn one_whose_store_fails_at_any_call_is_finished_by_the_next() {
    let world = world().await;
    let tenant = world.tenant("tea.example", "eu").await;
    world.publish().await;
    let mut round = 0;
    for fault in [Fault::Before, Fault::After, Fault::Half] {
        for call in 0..STEPS_MAX {
            change(&world, tenant, round).await;
            round += 1;
            world.store.fail(call, fault.clone());
            let done = publish_edge(&world.tools, &world.store, PublishScope::All, AT_ONCE).await;
            world.store.heal();
            let Err(error) = done else {
                assert!(call >= 2, "a list, a removal and a write can fail");
                break;
            };
            assert!(matches!(error, EdgeError::Store(_)), "{error:?}");
            // Again, and again interrupted: it still comes to its end.
            world.store.fail(call, fault.clone());
            let _ = publish_edge(&world.tools, &world.store, PublishScope::All, AT_ONCE).await;
            world.store.heal();
            world.publish().await;
            assert_eq!(
                world.store.values(),
                world.published().await,
                "{fault:?} {call}"
            );
            assert!(world.is_finished().await);
        }
    }
}
