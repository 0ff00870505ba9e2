//! Where webhooks are sent.

use super::is_public;
use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;
use std::collections::BTreeSet;
use url::{Host, Url};

/// Bytes of an endpoint's URL at most.
pub const ENDPOINT_URL_BYTES_MAX: usize = 2_048;

/// An absolute URL with the scheme `https`, or `http`, with a host, without credentials and without a
/// fragment, in the normal form of the URL Standard: `https://0x7f.1/` is `https://127.0.0.1/`.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointUrl(Url);

/// Why a URL is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointUrlError {
    /// It is too long.
    #[error("is longer than {ENDPOINT_URL_BYTES_MAX} bytes")]
    TooLong,
    /// It is none.
    #[error("is not an absolute URL with a host")]
    Malformed,
    /// It has another scheme, or the plain one where only the encrypted one may be.
    #[error("is not an https URL")]
    Scheme,
    /// It has a user's name or a password, which would be logged.
    #[error("must not have a user name or a password")]
    Credentials,
    /// It has a fragment, which is never sent.
    #[error("must not have a fragment")]
    Fragment,
    /// Its host is an address that is not public.
    #[error("is not at a public address")]
    NotPublic,
}

/// What may be sent to, besides https at public addresses. Nothing, but where Souk is tried out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TargetRules {
    /// Also without encryption.
    pub plain_http: bool,
    /// Also to these addresses.
    pub addresses: BTreeSet<IpAddr>,
}

impl TargetRules {
    /// Whether a connection to this address may be made.
    pub fn allow(&self, address: IpAddr) -> bool {
        is_public(address) || self.addresses.contains(&address)
    }

    /// Whether anything can be sent to `url` at all. A name may lead to any address: what it leads to is
    /// asked when the connection is made, by [`TargetRules::allow`].
    ///
    /// # Errors
    /// [`EndpointUrlError::Scheme`], [`EndpointUrlError::NotPublic`].
    pub fn check(&self, url: &EndpointUrl) -> Result<(), EndpointUrlError> {
        if !(url.is_encrypted() || self.plain_http) {
            return Err(EndpointUrlError::Scheme);
        }
        match url.address() {
            Some(address) if !self.allow(address) => Err(EndpointUrlError::NotPublic),
            Some(_) | None => Ok(()),
        }
    }
}

impl EndpointUrl {
    /// The whole of it.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it is `https`.
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Its host, where that is an address and not a name.
    pub fn address(&self) -> Option<IpAddr> {
        match self.0.host()? {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }

    /// Its host as a resolver takes it: a name, or an address without brackets.
    pub fn host(&self) -> String {
        let address = self.address().map(|address| address.to_string());
        address.unwrap_or_else(|| self.0.host_str().unwrap_or_default().to_owned())
    }

    /// The host with its port where that is not the scheme's own, as `Host` has it (RFC 9110, section
    /// 7.2).
    pub fn authority(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0
            .port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        let default = if self.is_encrypted() { 443 } else { 80 };
        self.0.port().unwrap_or(default)
    }

    /// Path and query, as the request line has them.
    pub fn path_and_query(&self) -> String {
        let path = self.0.path();
        self.0
            .query()
            .map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
    }
}

impl FromStr for EndpointUrl {
    type Err = EndpointUrlError;

    fn from_str(text: &str) -> Result<Self, EndpointUrlError> {
        if text.len() > ENDPOINT_URL_BYTES_MAX {
            return Err(EndpointUrlError::TooLong);
        }
        let url = Url::parse(text).map_err(|_| EndpointUrlError::Malformed)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(EndpointUrlError::Scheme);
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(EndpointUrlError::Malformed);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointUrlError::Credentials);
        }
        if url.fragment().is_some() {
            return Err(EndpointUrlError::Fragment);
        }
        // Normalising may make it longer.
        if url.as_str().len() > ENDPOINT_URL_BYTES_MAX {
            return Err(EndpointUrlError::TooLong);
        }
        Ok(Self(url))
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Without path and query, which may hold what only its owner is to know.
impl fmt::Debug for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/…", self.0.scheme(), self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn checked(text: &str, rules: &TargetRules) -> Result<String, EndpointUrlError> {
        let url: EndpointUrl = text.parse()?;
        rules.check(&url)?;
        Ok(url.to_string())
    }

    #[test]
    fn an_address_is_refused_in_whatever_form_it_is_written() {
        let strict = TargetRules::default();
        for text in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://０.0.0.0/",
            "https://169.254.169.254/latest/meta-data",
            "https://10.0.0.1:8443/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:8.8.8.8]/",
            "https://[fd00:ec2::254]/",
            "https://[fe80::1]/",
            "https://[64:ff9b::10.0.0.1]/",
        ] {
            assert_eq!(
                checked(text, &strict),
                Err(EndpointUrlError::NotPublic),
                "{text}"
            );
        }
        assert!(checked("https://8.8.8.8/", &strict).is_ok());
    }

    #[test]
    fn forms() {
        let strict = TargetRules::default();
        for (text, error) in [
            ("", EndpointUrlError::Malformed),
            ("shop.example", EndpointUrlError::Malformed),
            ("https://", EndpointUrlError::Malformed),
            ("ftp://shop.example/", EndpointUrlError::Scheme),
            ("http://shop.example/", EndpointUrlError::Scheme),
            ("file:///etc/passwd", EndpointUrlError::Scheme),
            ("https://u@shop.example/", EndpointUrlError::Credentials),
            ("https://:p@shop.example/", EndpointUrlError::Credentials),
            ("https://shop.example/#a", EndpointUrlError::Fragment),
        ] {
            assert_eq!(checked(text, &strict), Err(error), "{text}");
        }
        let long = format!(
            "https://shop.example/{}",
            "x".repeat(ENDPOINT_URL_BYTES_MAX)
        );
        assert_eq!(checked(&long, &strict), Err(EndpointUrlError::TooLong));
        let url: EndpointUrl = "HTTPS://Shop.Example:443/a b?q=1".parse().unwrap();
        assert_eq!(url.as_str(), "https://shop.example/a%20b?q=1");
        assert_eq!(
            (url.authority().as_str(), url.port()),
            ("shop.example", 443)
        );
        assert_eq!(url.path_and_query(), "/a%20b?q=1");
        assert_eq!(format!("{url:?}"), "https://shop.example/…");
        let six: EndpointUrl = "https://[2606:4700::1111]:8443/".parse().unwrap();
        assert_eq!(six.authority(), "[2606:4700::1111]:8443");
        assert_eq!(six.host(), "2606:4700::1111");
    }

    #[test]
    fn only_an_explicit_rule_opens_more() {
        let rules = TargetRules {
            plain_http: true,
            addresses: BTreeSet::from([[127, 0, 0, 1].into()]),
        };
        assert!(checked("http://127.0.0.1:9/", &rules).is_ok());
        let other = checked("http://127.0.0.2:9/", &rules);
        assert_eq!(other, Err(EndpointUrlError::NotPublic));
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused_and_what_is_taken_is_stable(text in "\\PC{0,60}") {
            for text in [text.clone(), format!("https://{text}")] {
                if let Ok(url) = text.parse::<EndpointUrl>() {
                    prop_assert_eq!(url.as_str().parse::<EndpointUrl>().unwrap(), url);
                }
            }
        }
    }
}
