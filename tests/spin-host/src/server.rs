//! The HTTP side, with what Spin adds to a request.

use crate::component::Gateway;
use anyhow::{Context as _, Result, anyhow, ensure};
use bytes::Bytes;
use http::header::{HOST, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use wasmtime_wasi_http::handler::ProxyHandler;
use wasmtime_wasi_http::{Error, WasiBody};

/// Serves until the program is ended.
pub(crate) async fn serve(
    handler: ProxyHandler<Gateway>,
    client_address_header: Option<String>,
) -> Result<()> {
    let client_address_header: Option<Arc<str>> = client_address_header.map(Into::into);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("Serving http://127.0.0.1:{}", listener.local_addr()?.port());
    loop {
        let (stream, client) = listener.accept().await?;
        let place = Place {
            handler: handler.clone(),
            client,
            client_address_header: client_address_header.clone(),
        };
        tokio::spawn(connection(place, stream));
    }
}

/// Where requests come from, and where they go.
struct Place {
    handler: ProxyHandler<Gateway>,
    client: SocketAddr,
    client_address_header: Option<Arc<str>>,
}

impl Place {
    /// Who sends a request.
    fn client_of(&self, parts: &Parts) -> Result<SocketAddr> {
        let name = self.client_address_header.as_deref();
        match name.and_then(|name| parts.headers.get(name)) {
            Some(address) => Ok(SocketAddr::new(address.to_str()?.parse()?, 1)),
            None => Ok(self.client),
        }
    }
}

async fn connection(place: Place, stream: TcpStream) {
    let service = service_fn(|request| answer(&place, request));
    let served = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        eprintln!("a connection has failed: {error}");
    }
}

async fn answer(
    place: &Place,
    request: Request<Incoming>,
) -> Result<Response<WasiBody>, Infallible> {
    let answered = match prepare(place, request) {
        Ok(request) => place
            .handler
            .handle((), request)
            .await
            .map_err(|error| anyhow!("{error:?}")),
        Err(error) => Err(error),
    };
    Ok(answered.unwrap_or_else(|error| {
        eprintln!("a request has failed: {error:?}");
        let body = Full::new(Bytes::new()).map_err(Error::from).boxed_unsync();
        let mut response = Response::new(body);
        *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        response
    }))
}

/// Gives it the authority of its host, and adds Spin's own headers behind those that came.
fn prepare(place: &Place, request: Request<Incoming>) -> Result<Request<WasiBody>> {
    let (mut parts, body) = request.into_parts();
    let client = place.client_of(&parts)?;
    let host = parts
        .headers
        .get(HOST)
        .context("no host")?
        .to_str()?
        .to_owned();
    let authority: Authority = host.parse()?;
    let of_target = parts.uri.authority();
    ensure!(
        of_target.is_none_or(|own| *own == authority),
        "the request line names another host"
    );
    let target = parts.uri.path_and_query().cloned();
    let target = target.unwrap_or_else(|| PathAndQuery::from_static("/"));
    for value in parts.headers.values() {
        std::str::from_utf8(value.as_bytes()).context("a header is not UTF-8")?;
    }
    for (name, value) in [
        ("spin-path-info", target.path().to_owned()),
        ("spin-full-url", format!("http://{host}{target}")),
        ("spin-matched-route", "/...".to_owned()),
        ("spin-base-path", "/".to_owned()),
        ("spin-raw-component-route", "/...".to_owned()),
        ("spin-component-route", String::new()),
        ("spin-client-addr", client.to_string()),
    ] {
        let value = HeaderValue::from_str(&value)?;
        parts.headers.append(HeaderName::from_static(name), value);
    }
    parts.uri = Uri::builder()
        .scheme(Scheme::HTTP)
        .authority(authority)
        .path_and_query(target)
        .build()?;
    let body = body.map_err(Error::from).boxed_unsync();
    Ok(Request::from_parts(parts, body))
}
