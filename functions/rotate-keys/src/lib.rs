//! Where the edge's keys are kept, and how the edge is told: the adapters of their rotation.

mod cloudflare;
mod secrets_manager;

pub use cloudflare::{CloudflareWorker, WorkerSettingsError};
pub use secrets_manager::SecretsManagerRing;
