//! Ports of 127.0.0.1 for the parts of a local cloud.

use crate::files;
use anyhow::{Result, bail};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

/// Free ports are looked for here, below the range that outgoing connections use.
const PORTS: core::ops::Range<u16> = 20_000..32_000;
const PORT_ATTEMPTS_MAX: u32 = 200;

/// The port that a part of `state` had last time, so that addresses last; another one where something
/// listens there now.
pub(crate) fn kept_port(state: &Path, part: &str) -> Result<u16> {
    let file = state.join(format!("{part}-port"));
    let kept = files::read_if_there(&file)?.and_then(|text| text.parse().ok());
    if let Some(port) = kept
        && is_free(port)
    {
        return Ok(port);
    }
    let new = free_port()?;
    files::write_private(&file, &new.to_string())?;
    Ok(new)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A port of 127.0.0.1 on which nothing listens.
fn free_port() -> Result<u16> {
    for _ in 0..PORT_ATTEMPTS_MAX {
        let port = fastrand::u16(PORTS);
        if is_free(port) {
            return Ok(port);
        }
    }
    bail!("no free port among {PORT_ATTEMPTS_MAX} of {PORTS:?}")
}
