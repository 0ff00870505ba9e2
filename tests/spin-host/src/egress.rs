//! The way out: to the hosts that the manifest allows, in plain HTTP/1.1.

use crate::manifest::AllowedHost;
use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use tokio::net::TcpStream;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// What an instance may do by HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Egress {
    pub(crate) allowed: Arc<Vec<AllowedHost>>,
}

type Outcome = Result<http::Response<WasiBody>, Error>;
type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Egress {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Io,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Io), Error>> + Send> {
        let allowed = self.allowed.clone();
        Box::new(async move {
            let response = send(&allowed, request).await?;
            let done: Io = Box::new(async { Ok(()) });
            Ok((response, done))
        })
    }
}

async fn send(allowed: &[AllowedHost], mut request: http::Request<WasiBody>) -> Outcome {
    let uri = request.uri();
    let scheme = uri.scheme_str().unwrap_or_default();
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    let port = uri
        .port_u16()
        .unwrap_or(if scheme == "https" { 443 } else { 80 });
    let is_allowed = allowed
        .iter()
        .any(|one| one.scheme == scheme && one.host == host && one.port == port);
    if !is_allowed {
        return Err(Error::HttpRequestDenied);
    }
    if scheme != "http" {
        return Err(Error::TlsProtocolError);
    }
    let stream = TcpStream::connect((host.as_str(), port)).await;
    let stream = stream.map_err(Error::Connect)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    // The request line has no authority, since the other side is no proxy.
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    *request.uri_mut() = target.parse().map_err(|_| Error::HttpRequestUriInvalid)?;
    let response = sender.send_request(request).await?;
    Ok(response.map(|body| body.map_err(Error::from).boxed_unsync()))
}
