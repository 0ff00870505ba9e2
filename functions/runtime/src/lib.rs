//! What every function shares.
//!
//! A function's `main` reads its configuration through [`config::Lookup`], starts [`telemetry`],
//! builds its clients once, and hands events to a handler that parses, calls a use case, and answers.

pub mod adapters;
pub mod answer;
pub mod batch;
mod catalog_problem;
pub mod conditional;
pub mod config;
pub mod consumer;
mod databases;
pub mod doorbell;
pub mod edge_keys;
pub mod edge_request;
pub mod edge_signature;
pub mod environment;
pub mod fields;
mod json;
pub mod metrics;
pub mod openapi;
mod order_problem;
mod payment_problem;
mod pricing_problem;
pub mod problem;
pub mod query;
pub mod quote_keys;
pub mod request;
pub mod routes;
pub mod stripe;
pub mod telemetry;
pub mod webhook_config;
mod webhook_problem;
pub mod webhook_sender;

pub use souk_policy::problem::Code as EdgeCode;
pub use souk_policy::{decide, identity, operations, route, signature};
