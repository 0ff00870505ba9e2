//! A key is rotated while everything goes on, and at no moment does an edge sign with a key that a verifier does
//! not accept: whatever dies, wherever, however often, and whoever else deploys meanwhile.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests"
)]

#[path = "key_rotation/world.rs"]
mod world;

use proptest::prelude::*;
use souk_app::signing_keys::Phase;
use world::{Ended, World};

/// Minutes that are waited at once: around each of the waits.
const JUMPS: [i64; 8] = [1, 4, 14, 16, 19, 21, 25 * 60, 31 * 24 * 60];
/// Runs that end a rotation from wherever it is, one each hour.
const RUNS_MAX: usize = 60;

/// Polls after which a run has made all its calls.
const CALL_HALVES_MAX: usize = 7;

/// Runs each hour, undisturbed, until the key of before does not exist any more.
fn converges(world: &World, from: &str) {
    world.quiet();
    for _ in 0..RUNS_MAX {
        world.replicate();
        let run = world.start(false);
        assert!(
            matches!(world.finish(run), Ended::Well),
            "an undisturbed run fails"
        );
        world.pass(if world.phase() == Phase::AtRest {
            31 * 24 * 60
        } else {
            60
        });
        if world.phase() == Phase::AtRest && world.signs() != from {
            return;
        }
    }
    panic!("the rotation has not ended: {:?}", world.phase());
}

#[tokio::test(start_paused = true)]
async fn a_rotation_goes_its_way() {
    let world = World::new();
    let first = world.signs();
    let mut phases = Vec::new();
    for _ in 0..RUNS_MAX {
        world.replicate();
        let run = world.start(false);
        world.finish(run);
        if phases.last() != Some(&world.phase()) {
            phases.push(world.phase());
        }
        if phases.len() == 6 {
            break;
        }
        world.pass(if phases.len() == 1 { 31 * 24 * 60 } else { 61 });
    }
    assert_eq!(
        phases,
        [
            Phase::AtRest,
            Phase::Spreading,
            Phase::Learning,
            Phase::Settling,
            Phase::Confirming,
            Phase::AtRest
        ]
    );
    assert_eq!(
        (first.as_str(), world.signs().as_str()),
        ("edge-a1", "edge-b2")
    );
}

/// A rotation of which so many steps are done, and the next is due.
fn before_step(step: usize) -> World {
    let world = World::new();
    for _ in 0..step {
        world.replicate();
        let run = world.start(false);
        world.finish(run);
        world.pass(31 * 24 * 60);
    }
    world
}

/// Every step dies at every one of its calls, before or after the effect, or with an effect that comes late; and then
/// the run that repeats it dies too, at every one of its own.
#[tokio::test(start_paused = true)]
async fn every_step_may_die_twice() {
    let mut deaths = 0;
    for step in 0..6 {
        for (polls, late) in (0..10).flat_map(|p| [(p, false), (p, true)]) {
            for again in [0, 2, 3, 5, 6] {
                let world = before_step(step);
                let first = world.signs();
                world.replicate();
                let run = world.start(false);
                if world.poll(run, polls) {
                    break;
                }
                deaths += 1;
                world.kill(run, late);
                let run = world.start(false);
                world.poll(run, again);
                world.kill(run, again % 2 == 0);
                world.pass(1);
                converges(&world, &first);
            }
        }
    }
    assert!(deaths > 200, "only {deaths} runs died");
}

/// Two runs stand still, each somewhere between its calls, while others take steps; then both go on with what they
/// saw. Two may have made a key of the same id, and a third been told that the regions have it, when it is the other
/// that they have: what is written must be what was read, and only where it still is.
#[tokio::test(start_paused = true)]
async fn runs_that_are_late_write_over_nothing() {
    for step in 0..6 {
        for way in 0..=2 * CALL_HALVES_MAX.pow(2) {
            let (early, late) = (way / 2 % CALL_HALVES_MAX, way / 2 / CALL_HALVES_MAX);
            let between = 1 + way % 2;
            let world = before_step(step);
            let first = world.signs();
            let early_run = world.start(true);
            world.poll(early_run, early);
            for _ in 0..between {
                let run = world.start(true);
                world.finish(run);
            }
            let late_run = world.start(false);
            world.poll(late_run, late);
            world.poll(early_run, 2 * CALL_HALVES_MAX);
            world.replicate();
            world.poll(late_run, 2 * CALL_HALVES_MAX);
            // What they wrote is not copied for as long as it takes until a key may sign.
            world.pass(21);
            let run = world.start(false);
            world.finish(run);
            converges(&world, &first);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_signs_that_is_not_in_each_region() {
    let world = World::new();
    let first = world.signs();
    for _ in 0..40 {
        let run = world.start(true);
        let ended = world.finish(run);
        world.pass(180);
        assert_eq!(world.deployed(), first, "the other region has no copy");
        if let Ended::Badly(reason) = ended {
            assert!(reason.contains("spreading since"), "{reason}");
            return;
        }
    }
    panic!("nobody is told that a region has no copy");
}

#[tokio::test(start_paused = true)]
async fn who_demands_waits_minutes_and_not_a_month() {
    let world = World::new();
    let first = world.signs();
    let run = world.start(true);
    world.finish(run);
    for _ in 0..6 {
        world.replicate();
        world.pass(21);
        let run = world.start(false);
        world.finish(run);
    }
    assert_eq!(world.phase(), Phase::AtRest);
    assert!(!world.accepted().contains(&first), "{:?}", world.accepted());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_shrink_iters: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Runs overlap, die, and are late; verifiers, locations and regions lag; others deploy; time passes.
    #[test]
    fn whatever_happens_each_signature_is_accepted(
        actions in prop::collection::vec((0..12_u8, any::<u8>()), 1..160),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let _entered = runtime.enter();
        let world = World::new();
        for (action, how) in actions {
            let which = usize::from(how);
            match action {
                0 | 1 => { world.start(how % 8 == 0); }
                2..=4 => { world.poll_any(which, 1 + which % 5); }
                5 => world.kill_any(which, how % 2 == 0),
                6 => world.pass(JUMPS[which % JUMPS.len()]),
                7 => world.verifier_reads(which),
                8 => world.location_takes_up(which),
                9 => world.replicate(),
                10 => world.deployment_begins(),
                _ => world.deployment_ends(),
            }
        }
        converges(&world, &world.signs());
    }
}
