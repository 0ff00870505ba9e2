//! A request as Spin hands it over, and its facts for the policy.

use core::net::{IpAddr, SocketAddr};
use http::{HeaderMap, Method, Uri};
use souk_domain::RequestId;
use souk_policy::decide::RequestFacts;
use souk_policy::request_id::request_id;
use std::borrow::Cow;

/// The header in which Spin says who is at the other end of the connection. It adds its own behind what a
/// client may have sent under this name.
const CLIENT_ADDRESS: &str = "spin-client-addr";

/// What Spin knows of a request before its body.
#[derive(Debug)]
pub(crate) struct Arrival {
    now_unix_ms: u64,
    request_id: RequestId,
    method: String,
    host: String,
    path: String,
    query: Option<String>,
    headers: Vec<(String, String)>,
    client_address: Option<IpAddr>,
}

/// Facts borrow their headers from this.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    arrival: &'a Arrival,
    headers: Vec<(&'a str, &'a str)>,
}

impl Arrival {
    pub(crate) fn new(
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        now_unix_ms: u64,
        random: &[u8; 10],
    ) -> Self {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let of_header = || headers.get("host").map(|host| text(host.as_bytes()));
        let authority = uri.authority().map(|own| own.as_str().to_owned());
        let pairs = headers.iter();
        Self {
            now_unix_ms,
            request_id: request_id(now_unix_ms, random),
            method: method.as_str().to_owned(),
            host: authority.or_else(of_header).unwrap_or_default(),
            path: uri.path().to_owned(),
            query: uri.query().map(str::to_owned),
            headers: pairs
                .map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes())))
                .collect(),
            client_address: client_address(headers),
        }
    }

    /// When it came.
    pub(crate) fn now_unix_ms(&self) -> u64 {
        self.now_unix_ms
    }

    /// The id given to it.
    pub(crate) fn request_id(&self) -> RequestId {
        self.request_id
    }

    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    pub(crate) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    pub(crate) fn client_address(&self) -> Option<IpAddr> {
        self.client_address
    }

    pub(crate) fn facts(&self) -> Facts<'_> {
        let headers = self.headers.iter();
        Facts {
            arrival: self,
            headers: headers
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect(),
        }
    }
}

impl Facts<'_> {
    /// As the policy wants them.
    pub(crate) fn for_policy(&self) -> RequestFacts<'_> {
        let now_unix_s = self.arrival.now_unix_ms / 1000;
        RequestFacts {
            method: &self.arrival.method,
            host: &self.arrival.host,
            path: &self.arrival.path,
            query: self.arrival.query.as_deref(),
            headers: &self.headers,
            now_unix_s: i64::try_from(now_unix_s).unwrap_or(i64::MAX),
            request_id: self.arrival.request_id,
            client_address: self.arrival.client_address,
        }
    }
}

fn client_address(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all(CLIENT_ADDRESS).iter().next_back()?;
    let text: Cow<'_, str> = String::from_utf8_lossy(last.as_bytes());
    let address: Option<SocketAddr> = text.parse().ok();
    address.map(|address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(uri: &str, headers: &[(&'static str, &'static [u8])]) -> Arrival {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, http::HeaderValue::from_bytes(value).unwrap());
        }
        let random = [0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f];
        let uri: Uri = uri.parse().unwrap();
        Arrival::new(&Method::POST, &uri, &map, 1_763_700_000_123, &random)
    }

    #[test]
    fn tells_what_came() {
        let arrival = arrival(
            "http://demo.localhost:3000/v1/orders?a=b?c",
            &[
                ("content-type", b"application/json"),
                ("idempotency-key", b"a"),
                ("idempotency-key", b"\xff"),
                (CLIENT_ADDRESS, b"203.0.113.9:1"),
                (CLIENT_ADDRESS, b"[2001:db8::1]:4711"),
            ],
        );
        let facts = arrival.facts();
        let told = facts.for_policy();
        assert_eq!(
            (told.method, told.host, told.path, told.query),
            ("POST", "demo.localhost:3000", "/v1/orders", Some("a=b?c"))
        );
        assert_eq!(told.now_unix_s, 1_763_700_000);
        assert_eq!(
            told.request_id.to_string(),
            "req_019aa4b6457b7cc398c4dc0c0c07398f"
        );
        let keys = told
            .headers
            .iter()
            .filter(|(name, _)| *name == "idempotency-key");
        let keys: Vec<&str> = keys.map(|(_, value)| *value).collect();
        assert_eq!(keys, ["a", "\u{fffd}"], "each is told, whatever it is");
        // The last one is Spin's own.
        assert_eq!(told.client_address, "2001:db8::1".parse().ok());
    }

    #[test]
    fn the_host_is_the_authority_or_the_header() {
        let facts_of = |uri, headers: &[_]| arrival(uri, headers).host;
        assert_eq!(
            facts_of("/v1/orders", &[("host", b"a.example")]),
            "a.example"
        );
        assert_eq!(
            facts_of("http://b.example/", &[("host", b"a.example")]),
            "b.example"
        );
        assert_eq!(facts_of("/", &[]), "");
    }

    #[test]
    fn an_address_that_is_none_is_nobodys() {
        for value in [&b"127.0.0.1"[..], b"", b"unknown", b"\xff"] {
            let headers = [(CLIENT_ADDRESS, value)];
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(name, http::HeaderValue::from_bytes(value).unwrap());
            }
            assert_eq!(client_address(&map), None, "{value:?}");
        }
    }
}
