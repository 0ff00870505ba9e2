//! The order process: what its events and the passing of time lead to.

mod consume;
mod sweep;

pub use consume::consume;
pub use sweep::{SweepTotal, sweep};

use souk_app::process::ProcessSettings;
use souk_app::{PaymentProvider, Tools};

/// What the function acts with, built once a process.
#[derive(Debug)]
pub struct OrderProcess<P> {
    /// The use cases' tools.
    pub tools: Tools,
    /// The PSP.
    pub provider: P,
    /// How processes that begin now are led.
    pub settings: ProcessSettings,
}

impl<P: PaymentProvider> OrderProcess<P> {
    /// With these.
    pub const fn new(tools: Tools, provider: P, settings: ProcessSettings) -> Self {
        Self {
            tools,
            provider,
            settings,
        }
    }
}
