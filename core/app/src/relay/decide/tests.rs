#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

use super::*;
use proptest::prelude::*;
use souk_postgres::outbox::{LaneCursor, LaneLease, Seen};

const RETRY: RetryTerms = RetryTerms {
    first: Duration::from_secs(1),
    most: Duration::from_secs(60),
};

fn event(position: i64, aggregate: u128, found: Found) -> PendingEvent {
    PendingEvent {
        position,
        lane: 0,
        tenant_id: Uuid::nil(),
        event_id: Uuid::from_u128(u128::try_from(position).unwrap()),
        aggregate_id: Uuid::from_u128(aggregate),
        event_type: "order.placed.v1".to_owned(),
        body: "{}".to_owned(),
        found,
        waits: false,
        attempts: 0,
        age: Duration::ZERO,
    }
}

fn new(position: i64, aggregate: u128) -> PendingEvent {
    event(position, aggregate, Found::New)
}

fn positions(batches: &[Vec<PendingEvent>]) -> Vec<Vec<i64>> {
    batches
        .iter()
        .map(|b| b.iter().map(|e| e.position).collect())
        .collect()
}

#[test]
fn a_wave_has_each_aggregate_once_and_keeps_its_order() {
    let events = [(1, 7), (2, 8), (3, 7), (4, 7), (5, 9), (6, 8)].map(|(p, a)| new(p, a));
    let waves = into_waves(events.to_vec());
    assert_eq!(positions(&waves), [vec![1, 2, 5], vec![3, 6], vec![4]]);
}

#[test]
fn batches_fit_by_count_and_by_bytes() {
    let by_count = (1..=25).map(|n| new(n, 1)).collect();
    let sizes: Vec<usize> = into_batches(by_count, 10, 10_000)
        .iter()
        .map(Vec::len)
        .collect();
    assert_eq!(sizes, [10, 10, 5]);
    let overhead = message_bytes(&new(1, 1)) - 2;
    let by_bytes = [(1, 60), (2, 40), (3, 1), (4, 200)].map(|(position, bytes)| PendingEvent {
        body: "x".repeat(bytes),
        ..new(position, 1)
    });
    assert_eq!(
        positions(&into_batches(by_bytes.to_vec(), 10, 100 + 2 * overhead)),
        [vec![1, 2], vec![3], vec![4]]
    );
}

#[test]
fn a_queue_that_was_not_reached_counts_against_no_event() {
    let batch = [new(1, 1), new(2, 2), new(3, 3)];
    let unavailable = || Err(PublishError::unavailable("down"));
    let all = judge(
        &batch,
        vec![unavailable(), unavailable(), unavailable()],
        RETRY,
    );
    assert_eq!(all, [Fate::Unsent, Fate::Unsent, Fate::Unsent]);
    assert_eq!(
        judge(&batch, Vec::new(), RETRY),
        all,
        "nor no answer at all"
    );
    let refused = Err(PublishError::refused("no"));
    let fates = judge(&batch, vec![Ok(()), refused, unavailable()], RETRY);
    let counts = |fate: &Fate| match fate {
        Fate::Failed(failure) => Some(failure.counts),
        Fate::Taken | Fate::Waits | Fate::Unsent => None,
    };
    let counts: Vec<_> = fates.iter().map(counts).collect();
    assert_eq!(counts, [None, Some(true), Some(false)]);
    assert_eq!(fates[0], Fate::Taken);
}

#[test]
fn held_events_do_not_move_the_cursor() {
    let (lanes, read) = (lane_at(10), reading(Vec::new()));
    let failure = Failure {
        reason: "no".to_owned(),
        retry_after: Duration::ZERO,
        counts: true,
    };
    let held = |position, fate| Sent {
        event: event(position, 1, Found::Held),
        fate,
    };
    let sent = [
        held(3, Fate::Taken),
        held(4, Fate::Failed(failure.clone())),
        held(5, Fate::Waits),
    ];
    let settlement = settle(&lanes, &read, &sent);
    assert_eq!(settlement.progress.taken, [(0, 3)]);
    assert_eq!(settlement.progress.failed, [(0, 4, failure)]);
    assert_eq!(settlement.progress.parked, []);
    assert_eq!(settlement.progress.lanes[0].high, 10);
    assert!(settlement.stalled.is_empty());
}

#[test]
fn a_lane_that_overflows_stays_where_it_is() {
    let lanes = lane_at(10);
    let mut read = reading(Vec::new());
    read.overflowing = vec![0];
    let settlement = settle(&lanes, &read, &[]);
    assert_eq!(settlement.progress.lanes, [unmoved(&lanes[0])]);
}

fn lane_at(high: i64) -> Vec<LeasedLane> {
    vec![LeasedLane {
        lease: LaneLease {
            lane: 0,
            fencing_token: 1,
        },
        cursor: LaneCursor {
            low: 0,
            high,
            seen: Seen("before".to_owned()),
        },
        failures: 0,
        taken_over: false,
    }]
}

fn reading(events: Vec<PendingEvent>) -> OutboxRead {
    OutboxRead {
        seen: Seen("now".to_owned()),
        events,
        overflowing: Vec::new(),
    }
}

fn any_fate() -> impl Strategy<Value = Fate> {
    let failed = Fate::Failed(Failure {
        reason: String::new(),
        retry_after: Duration::ZERO,
        counts: true,
    });
    prop_oneof![
        4 => Just(Fate::Taken),
        1 => Just(failed),
        1 => Just(Fate::Waits),
        1 => Just(Fate::Unsent),
    ]
}

proptest! {
    /// What the cursor passes was taken, or is parked by the same record; what it does not pass is read
    /// again.
    #[test]
    fn the_cursor_passes_nothing_that_is_not_dealt_with(
        late in proptest::collection::vec(any_fate(), 0..4),
        new in proptest::collection::vec(any_fate(), 0..20),
    ) {
        let lanes = lane_at(10);
        let late = late.into_iter().zip(1_i64..).map(|(fate, position)| Sent {
            event: event(position, 1, Found::Late),
            fate,
        });
        let new = new.into_iter().zip(11_i64..).map(|(fate, position)| Sent {
            event: event(position, 1, Found::New),
            fate,
        });
        let sent: Vec<Sent> = late.chain(new).collect();
        let settlement = settle(&lanes, &reading(Vec::new()), &sent);
        let progress = &settlement.progress.lanes[0];
        let finds_late = progress.seen == lanes[0].cursor.seen;
        for Sent { event, fate } in &sent {
            let parked = settlement.progress.parked.iter();
            let parked = parked.filter(|p| p.position == event.position).count();
            let is_passed = match event.found {
                Found::New => event.position <= progress.high,
                Found::Late | Found::Held => !finds_late,
            };
            let to_park = matches!(fate, Fate::Failed(_) | Fate::Waits);
            prop_assert_eq!(parked, usize::from(is_passed && to_park));
            prop_assert!(!is_passed || *fate != Fate::Unsent);
            if *fate == Fate::Unsent {
                prop_assert!(settlement.stalled.contains(&0));
            }
        }
        if sent.iter().all(|one| one.fate != Fate::Unsent) {
            let last = sent.iter().rfind(|one| one.event.found == Found::New);
            prop_assert_eq!(progress.high, last.map_or(10, |one| one.event.position));
            prop_assert!(settlement.stalled.is_empty());
        }
    }

    #[test]
    fn waits_grow_to_their_bound_and_differ(failures in 1_u32..100, entropy: u64) {
        let (first, most) = (Duration::from_secs(1), Duration::from_secs(60));
        let wait = backoff(failures, first, most, entropy);
        let whole = first.saturating_mul(1 << failures.min(7).saturating_sub(1)).min(most);
        prop_assert!(wait >= whole / 2 && wait <= whole, "{wait:?} of {whole:?}");
        prop_assert_ne!(entropy_of(entropy, failures), entropy_of(entropy, failures + 1));
    }
}
