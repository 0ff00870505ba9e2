//! Connections to addresses that were checked.

use super::NameLookup;
use core::time::Duration;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use souk_app::webhooks::SendError;
use souk_domain::webhook::{EndpointUrl, TargetRules};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Addresses of a name that are tried, at most.
const ADDRESSES_TRIED_MAX: usize = 4;
/// A connection to one of them.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// Connects to the first address of the URL's host that answers and that `rules` allow. The others are not
/// even tried.
pub(super) async fn connect(
    rules: &TargetRules,
    names: &dyn NameLookup,
    url: &EndpointUrl,
) -> Result<TcpStream, SendError> {
    let addresses = addresses(names, url).await?;
    if addresses.is_empty() {
        return Err(SendError::Unresolved);
    }
    let allowed = addresses
        .iter()
        .filter(|address| rules.allow(address.ip()))
        .take(ADDRESSES_TRIED_MAX);
    let mut last = SendError::NotAllowed;
    for address in allowed {
        match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return checked(rules, stream),
            Ok(Err(error)) => last = SendError::Connection(error.kind().to_string()),
            Err(_elapsed) => last = SendError::Connection("no answer in time".to_owned()),
        }
    }
    Err(last)
}

async fn addresses(
    names: &dyn NameLookup,
    url: &EndpointUrl,
) -> Result<Vec<SocketAddr>, SendError> {
    if let Some(address) = url.address() {
        return Ok(vec![SocketAddr::new(address, url.port())]);
    }
    let found = names.lookup(&url.host(), url.port()).await;
    found.map_err(|_| SendError::Unresolved)
}

/// What was connected to is what was asked for; looked at once more before the first byte is sent.
fn checked(rules: &TargetRules, stream: TcpStream) -> Result<TcpStream, SendError> {
    let peer = stream.peer_addr();
    if peer.is_ok_and(|peer| rules.allow(peer.ip())) {
        // Without it a small request waits for more to send; with an error it is only slower.
        stream.set_nodelay(true).ok();
        return Ok(stream);
    }
    Err(SendError::NotAllowed)
}

/// Makes the connection secure: the host has to prove that it has the URL's name.
pub(super) async fn encrypt(
    config: &Arc<ClientConfig>,
    stream: TcpStream,
    url: &EndpointUrl,
) -> Result<TlsStream<TcpStream>, SendError> {
    let name = ServerName::try_from(url.host())
        .map_err(|_| SendError::Connection("the host has no valid name".to_owned()))?;
    let connecting = TlsConnector::from(Arc::clone(config)).connect(name, stream);
    connecting
        .await
        .map_err(|error| SendError::Connection(format!("TLS: {error}")))
}
