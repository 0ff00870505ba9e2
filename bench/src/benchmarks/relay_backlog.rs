//! `relay-backlog`: neither what was published nor what waits makes taking the next events slower.
//!
//! A claim is what a relay does before it sends: lease lanes, and read on from their cursors. It is given
//! back at once, so that each claim finds the same events.

use super::{Outcome, Settings};
use crate::machine::Machine;
use crate::outbox::Outbox;
use crate::report::Limit;
use crate::rounds::{Comparison, Measure, Round, in_turns};
use anyhow::{Result, ensure};
use core::time::Duration;
use serde_json::json;
use souk_app::relay::{LaneRelease, LeaseTerms, OutboxStore as _, ReadLimits};
use souk_postgres::Database;
use std::time::Instant;
use uuid::Uuid;

/// In seven days.
const PUBLISHED: u64 = 10_000_000;
const WAITING: u64 = 1_000_000;
/// Enough that each lane has as many as a claim reads of it.
const FRESH: u64 = 4_096;
const PER_LANE: u16 = 10;
const LANES: usize = 64;
const LEASE: Duration = Duration::from_secs(30);

pub(super) async fn run(settings: &Settings<'_>) -> Result<Outcome> {
    let machine = Machine::look();
    let (published, waiting) = settings.pick((PUBLISHED, WAITING), (28_000, 10_000));
    eprintln!("loading {published} events that were published, which takes a few minutes");
    let began = Instant::now();
    let long = Outbox::open(settings.server).await?;
    long.fill_history(published).await?;
    let loaded_s = began.elapsed().as_secs();
    eprintln!("loaded in {loaded_s} s; now {waiting} that wait");
    let full = Outbox::open(settings.server).await?;
    full.fill_short(waiting).await?;
    let empty = Outbox::open(settings.server).await?;
    for outbox in [&long, &full, &empty] {
        outbox.fill(FRESH).await?;
        outbox
            .database
            .sql("VACUUM ANALYZE souk.outbox_events", &[])
            .await?;
        outbox.settle(settings.quick).await?;
    }
    let history = compare(settings, ("10 M published events", &long), ("none", &empty)).await?;
    let backlog = compare(settings, ("1 M events that wait", &full), ("4,096", &empty)).await?;
    let size = "SELECT pg_database_size(current_database()) / 1048576";
    Ok(Outcome {
        machine,
        ratio: history.ratio,
        limit: Limit::AtMost(1.2),
        notes: vec![
            format!("a claim leases {LANES} lanes and reads {PER_LANE} events of each"),
            "the limit is on the first".to_owned(),
        ],
        facts: json!({
            "published": published,
            "waiting": waiting,
            "loaded_s": loaded_s,
            "database_mib": long.database.number(size, &[]).await?,
        }),
        comparisons: vec![history, backlog],
    })
}

async fn compare(
    settings: &Settings<'_>,
    (ours, with): (&str, &Outbox<'_>),
    (peer, without): (&str, &Outbox<'_>),
) -> Result<Comparison> {
    let (pairs, claims) = settings.pick((10, 100), (1, 5));
    let with = Claims::new(with)?;
    let without = Claims::new(without)?;
    with.round(claims).await?;
    without.round(claims).await?;
    let (of_ours, of_peer) = in_turns(
        pairs,
        async || with.round(claims).await,
        async || without.round(claims).await,
    )
    .await?;
    with.leave().await?;
    without.leave().await?;
    Comparison::new(
        &format!("a claim beside {ours}"),
        Measure::P50,
        (ours, &of_ours),
        (peer, &of_peer),
    )
}

/// Claims of one outbox, by one relay.
struct Claims {
    database: Database,
    terms: LeaseTerms,
}

impl Claims {
    fn new(outbox: &Outbox<'_>) -> Result<Self> {
        Ok(Self {
            database: Database::connect_lazily(&outbox.relay_url(), 1)?,
            terms: LeaseTerms {
                holder: Uuid::now_v7().to_string(),
                lease: LEASE,
                tries_max: 12,
            },
        })
    }

    /// The next relay of this outbox has it for itself.
    async fn leave(self) -> Result<()> {
        self.database.release(&self.terms.holder, &[], true).await?;
        self.database.close().await;
        Ok(())
    }

    async fn round(&self, claims: usize) -> Result<Round> {
        let mut round = Round::new()?;
        for _ in 0..claims {
            let took = self.claim().await?;
            round.note(0, took);
            round.elapsed += took;
        }
        Ok(round)
    }

    async fn claim(&self) -> Result<Duration> {
        let lanes = u8::try_from(LANES)?;
        let limits = ReadLimits {
            new_per_lane_max: PER_LANE,
            late_per_lane_max: PER_LANE,
            held_per_lane_max: PER_LANE,
        };
        let began = Instant::now();
        let leased = self.database.lease(&self.terms, 0, lanes).await?;
        let read = self.database.read(&leased.lanes, limits).await?;
        let took = began.elapsed();
        ensure!(
            leased.lanes.len() == LANES && read.events.len() == LANES * usize::from(PER_LANE),
            "{} lanes, {} events",
            leased.lanes.len(),
            read.events.len()
        );
        let lanes: Vec<LaneRelease> = leased
            .lanes
            .iter()
            .map(|lane| LaneRelease {
                lease: lane.lease,
                wait: None,
            })
            .collect();
        self.database
            .release(&self.terms.holder, &lanes, false)
            .await?;
        Ok(took)
    }
}
