//! Serves a PSP simulator on 127.0.0.1 until it is stopped.
#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use clap::Parser;
use core::time::Duration;
use souk_psp_simulator::{Faults, Settings, serve};
use std::io;

#[derive(Parser)]
#[command(
    about = "A PSP that takes Stripe's calls, with faults by a seed",
    max_term_width = 100
)]
struct Arguments {
    /// The port on 127.0.0.1; 0 for a free one, which is printed
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The seed of the faults
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many calls in a hundred, and events, go wrong on the way
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=100))]
    faults_percent: u16,
    /// How long a call that is not answered keeps its caller waiting
    #[arg(long, default_value_t = 60)]
    silence_s: u64,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let served = serve(Settings {
        port: arguments.port,
        faults: Faults::on_the_way(arguments.seed, arguments.faults_percent),
        silence: Duration::from_secs(arguments.silence_s),
        ..Settings::default()
    })
    .await?;
    println!("listening on {}", served.address);
    served.forever().await;
    Ok(())
}
