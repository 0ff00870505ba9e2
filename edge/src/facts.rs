//! The facts of a request, from the text in which `worker.js` hands them over.

use core::net::IpAddr;
use souk_domain::RequestId;
use souk_policy::decide::RequestFacts;
use souk_policy::request_id::request_id;

/// What the worker runtime knows of a request before its body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Facts<'a> {
    now_unix_ms: u64,
    request_id: RequestId,
    method: &'a str,
    host: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    headers: Vec<(&'a str, &'a str)>,
}

impl<'a> Facts<'a> {
    /// Lines: Unix milliseconds, ten random bytes in hexadecimal, the method, the URL, and a
    /// `name:value` for each header. Nothing where the text has another form.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let mut lines = text.split('\n');
        let now_unix_ms = lines.next()?.parse().ok()?;
        let random = random_bytes(lines.next()?)?;
        let method = lines.next()?;
        let (host, path, query) = split_url(lines.next()?)?;
        let headers = lines
            .map(|line| line.split_once(':'))
            .collect::<Option<_>>()?;
        Some(Self {
            now_unix_ms,
            request_id: request_id(now_unix_ms, &random),
            method,
            host,
            path,
            query,
            headers,
        })
    }

    /// When it came.
    pub(crate) fn now_unix_ms(&self) -> u64 {
        self.now_unix_ms
    }

    /// Who sent it: Cloudflare sets this header, whatever the client said.
    pub(crate) fn client_address(&self) -> Option<IpAddr> {
        let mut headers = self.headers.iter();
        let (_, address) = headers.find(|(name, _)| *name == "cf-connecting-ip")?;
        address.parse().ok()
    }

    /// The id given to this request.
    pub(crate) fn request_id(&self) -> RequestId {
        self.request_id
    }

    /// As the policy wants them.
    pub(crate) fn for_policy(&self) -> RequestFacts<'_> {
        let now_unix_s = self.now_unix_ms / 1000;
        RequestFacts {
            method: self.method,
            host: self.host,
            path: self.path,
            query: self.query,
            headers: &self.headers,
            now_unix_s: i64::try_from(now_unix_s).unwrap_or(i64::MAX),
            request_id: self.request_id,
            client_address: self.client_address(),
        }
    }
}

fn random_bytes(hexadecimal: &str) -> Option<[u8; 10]> {
    let bits = u128::from_str_radix(hexadecimal, 16).ok()?;
    let bytes = bits.to_be_bytes();
    let complete = hexadecimal.len() == 20;
    complete.then(|| bytes.last_chunk::<10>().copied())?
}

/// Host with port, path and query of an absolute URL as the runtime writes it: it has resolved dot
/// segments and encoded what does not belong in a URL.
fn split_url(url: &str) -> Option<(&str, &str, Option<&str>)> {
    let (_, rest) = url.split_once("://")?;
    let (host, _) = rest.split_once('/')?;
    let target = rest.strip_prefix(host)?;
    let (target, _) = target.split_once('#').unwrap_or((target, ""));
    Some(match target.split_once('?') {
        Some((path, query)) => (host, path, Some(query)),
        None => (host, target, None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_runtime_tells() {
        let text = "1763700000123\n0cc318c4dc0c0c07398f\nPOST\n\
            https://demo.localhost:8787/v1/orders?a=b?c\ncontent-type:application/json\nx-time:10:30\nx-empty:";
        let facts = Facts::parse(text).unwrap();
        let told = facts.for_policy();
        assert_eq!(told.now_unix_s, 1_763_700_000);
        assert_eq!(
            facts.request_id().to_string(),
            "req_019aa4b6457b7cc398c4dc0c0c07398f"
        );
        assert_eq!(
            (told.method, told.host, told.path, told.query),
            ("POST", "demo.localhost:8787", "/v1/orders", Some("a=b?c"))
        );
        assert_eq!(
            told.headers,
            [
                ("content-type", "application/json"),
                ("x-time", "10:30"),
                ("x-empty", "")
            ]
        );
    }

    #[test]
    fn reads_urls() {
        assert_eq!(split_url("http://a/"), Some(("a", "/", None)));
        assert_eq!(split_url("http://a/?#b?c"), Some(("a", "/", Some(""))));
        assert_eq!(split_url("http://a"), None);
        assert_eq!(split_url("/a"), None);
    }

    #[test]
    fn refuses_another_form() {
        for text in [
            "",
            "1\n0cc318c4dc0c0c07398f\nGET",
            "x\n0cc318c4dc0c0c07398f\nGET\nhttp://a/",
            "1\n0cc318c4dc0c0c0739\nGET\nhttp://a/",
            "1\nzzc318c4dc0c0c07398f\nGET\nhttp://a/",
            "1\n0cc318c4dc0c0c07398f\nGET\nhttp://a/\nno colon",
        ] {
            assert_eq!(Facts::parse(text), None, "{text:?}");
        }
    }
}
