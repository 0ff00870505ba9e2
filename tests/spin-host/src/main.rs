//! `souk-spin-host SPECIFICATION`: runs the built gateway on 127.0.0.1 as its manifest says.
//!
//! It stands for Spin in tests: the same engine and the same handler of requests (an instance serves up to 16
//! at once and 128 in all, and is dropped after a second of rest), the headers that Spin adds, its key-value
//! store in memory, its variables, and no way out but to the hosts that the manifest allows. It is not Spin,
//! and no second implementation of it: whatever the gateway does not ask for is not here.

mod bindings;
mod component;
mod egress;
mod key_value;
mod manifest;
mod server;
mod specification;

use crate::manifest::Manifest;
use crate::specification::Specification;
use anyhow::{Context as _, Result, anyhow};
use std::path::PathBuf;

#[tokio::main]
async fn main() -> Result<()> {
    let path = std::env::args_os().nth(1);
    let path = PathBuf::from(path.context("usage: souk-spin-host SPECIFICATION")?);
    let specification = Specification::read(&path)?;
    let manifest = Manifest::read(&specification.manifest)?.resolve(&specification.variables)?;
    let handler =
        component::load(&specification, manifest).map_err(|error| anyhow!("{error:?}"))?;
    server::serve(handler, specification.client_address_header).await
}
