//! The order process: what is done about an order by itself, step by step.

mod advance_process;
mod perform;
mod show_process;
mod step_detail;
mod sweep_processes;

pub use advance_process::{
    Advanced, PROCESS_STEPS_PER_RUN_MAX, ProcessCause, ProcessSettings, advance_process,
};
pub use show_process::{PROCESS_STEPS_SHOWN_MAX, ProcessView, show_process};
pub use souk_postgres::processes::{LoggedStep, OrderProcess, ProcessState};
pub use sweep_processes::{ProcessSweepReport, sweep_processes};
