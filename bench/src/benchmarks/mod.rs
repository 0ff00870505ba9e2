//! The benchmarks, a file each.

mod flash_sale;
mod idempotency;
mod list_orders;
mod payment;
mod place_order;
mod place_order_node;
mod placing;
mod policy;
mod relay;
mod relay_backlog;
mod relay_cost;
mod relay_latency;
mod relay_scaling;
mod relay_sqs;

use crate::Places;
use crate::machine::Machine;
use crate::postgres::Server;
use crate::report::Limit;
use crate::rounds::Comparison;
use anyhow::Result;
use clap::ValueEnum;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Benchmark {
    /// Orders per second through HTTP, app and Postgres, against pgbench running the same statement
    PlaceOrder,
    /// The same, against one SQL function that does it all: the limit of the machine
    PlaceOrderBound,
    /// The same, against the same endpoint in Fastify and node-postgres
    PlaceOrderNode,
    /// Latency of the write with an idempotency key, against the same write without one
    Idempotency,
    /// Orders per second of one hot sku in buckets, against the single row; nothing sold twice
    FlashSale,
    /// Latency of lists of a tenant with a million orders, against one with a thousand
    ListOrders,
    /// Intent, confirmation and capture, against the calls of the PSP that they need
    Payment,
    /// Decisions of the edge per second, by class of request, against bare checks of a signature
    Policy,
    /// Events per second from the outbox to a queue that costs nothing, against graphile-worker
    Relay,
    /// Events per second from the outbox into SQS, against sending them from memory
    RelaySqs,
    /// Several relays on one backlog, against one
    RelayScaling,
    /// Leasing lanes and reading on beside ten million published events, against an empty outbox
    RelayBacklog,
    /// From the commit to the queue, idle and at 500 events a second, against sending right away
    RelayLatency,
    /// What a million events cost by AWS's price list
    RelayCost,
}

/// How a benchmark is run.
#[derive(Debug)]
pub(crate) struct Settings<'a> {
    pub(crate) server: &'a Server,
    pub(crate) places: &'a Places,
    pub(crate) quick: bool,
    /// Threads of the orders function.
    pub(crate) threads: usize,
}

impl Settings<'_> {
    /// `full`, or `quick` when it is only to be seen that it runs.
    pub(crate) const fn pick<T: Copy>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// All of them, or the first one.
    fn some_of<T: Copy>(&self, all: &[T]) -> Vec<T> {
        let count = self.pick(all.len(), 1);
        all.iter().take(count).copied().collect()
    }
}

/// What a benchmark has found.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The machine as it was before.
    pub(crate) machine: Machine,
    pub(crate) comparisons: Vec<Comparison>,
    /// What the limit is about.
    pub(crate) ratio: f64,
    pub(crate) limit: Limit,
    /// For people.
    pub(crate) notes: Vec<String>,
    /// What else was found, for the record.
    pub(crate) facts: serde_json::Value,
}

impl Benchmark {
    /// As it is called on the command line and in files.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::PlaceOrder => "place-order",
            Self::PlaceOrderBound => "place-order-bound",
            Self::PlaceOrderNode => "place-order-node",
            Self::Idempotency => "idempotency",
            Self::FlashSale => "flash-sale",
            Self::ListOrders => "list-orders",
            Self::Payment => "payment",
            Self::Policy => "policy",
            Self::Relay => "relay",
            Self::RelaySqs => "relay-sqs",
            Self::RelayScaling => "relay-scaling",
            Self::RelayBacklog => "relay-backlog",
            Self::RelayLatency => "relay-latency",
            Self::RelayCost => "relay-cost",
        }
    }

    pub(crate) async fn run(self, settings: &Settings<'_>) -> Result<Outcome> {
        match self {
            Self::PlaceOrder => place_order::against_the_same_statement(settings).await,
            Self::PlaceOrderBound => place_order::against_the_machine(settings).await,
            Self::PlaceOrderNode => place_order_node::run(settings).await,
            Self::Idempotency => idempotency::run(settings).await,
            Self::FlashSale => flash_sale::run(settings).await,
            Self::ListOrders => list_orders::run(settings).await,
            Self::Payment => payment::run(settings).await,
            Self::Policy => policy::run(settings).await,
            Self::Relay => relay::run(settings).await,
            Self::RelaySqs => relay_sqs::run(settings).await,
            Self::RelayScaling => relay_scaling::run(settings).await,
            Self::RelayBacklog => relay_backlog::run(settings).await,
            Self::RelayLatency => relay_latency::run(settings).await,
            Self::RelayCost => relay_cost::run(settings).await,
        }
    }
}
