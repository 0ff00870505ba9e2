//! A relay's process: what the Lambda function does when it is invoked, again and again.

use crate::queue::client;
use crate::workers::{until_standard_input_ends, variable};
use core::time::Duration;
use souk_app::{Database, RelaySettings, relay_outbox};
use souk_outbox_relay::SqsPublisher;
use tokio::time::Instant;

/// Short, so that a stopped relay loses its lanes while the test waits for it.
const LEASE: Duration = Duration::from_secs(2);
const PUBLISH_TIMEOUT: Duration = Duration::from_millis(800);
const RUN: Duration = Duration::from_secs(1);

/// Before the number of lanes that a run found to be another's by now.
pub(crate) const LOST: &str = "lanes lost: ";

pub(crate) async fn run() {
    let db = Database::connect_lazily(&variable("SOUK_CHAOS_DATABASE_URL"), 2).unwrap();
    let sqs = client(&variable("SOUK_CHAOS_ENDPOINT"));
    let publisher = SqsPublisher::new(sqs, variable("SOUK_CHAOS_QUEUE_URL"));
    let settings = RelaySettings {
        holder: variable("SOUK_CHAOS_NAME"),
        lease: LEASE,
        publish_timeout: PUBLISH_TIMEOUT,
        ..RelaySettings::default()
    };
    let relaying = async {
        loop {
            let stop_at = Instant::now() + RUN;
            let run = relay_outbox(&db, &publisher, &settings, stop_at);
            // What fails is tried again by the next run, as by the next sweep.
            if let Ok(report) = Box::pin(run).await
                && report.lanes_lost > 0
            {
                println!("{LOST}{}", report.lanes_lost);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = relaying => {}
        () = until_standard_input_ends() => {}
    }
}
