//! From names to addresses.

use core::fmt::Debug;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::io;
use std::net::SocketAddr;

/// Looks names up.
pub trait NameLookup: Debug + Send + Sync {
    /// The addresses that `host` has now, with `port`.
    fn lookup<'a>(&'a self, host: &'a str, port: u16)
    -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// Asks the machine's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

impl NameLookup for SystemLookup {
    fn lookup<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) }.boxed()
    }
}
