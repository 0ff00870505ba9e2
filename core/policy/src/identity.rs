//! Who a signed request is from, as the edge tells the origin.

use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use souk_domain::{IdError, Principal, PrincipalError, RequestId, TenantId};

/// The tenant's id, `ten_…`.
pub const TENANT_HEADER: &str = "souk-tenant";
/// The principal's name: an API key's id, `key_…`.
pub const PRINCIPAL_HEADER: &str = "souk-principal";
/// The principal's scopes, separated by one space each.
pub const SCOPES_HEADER: &str = "souk-scopes";
/// The region the tenant is served from.
pub const REGION_HEADER: &str = "souk-region";
/// The request's id, `req_…`; also on every answer.
pub const REQUEST_ID_HEADER: &str = "souk-request-id";
/// The shard on which the tenant was when its record was published, where the record says it: a hint,
/// which the shard itself may correct.
pub const SHARD_HEADER: &str = "souk-shard";
/// The tenant's feature flags, separated by one space each, where it has any.
pub const FEATURES_HEADER: &str = "souk-features";
/// What the names of the headers that only the edge may set begin with.
pub const HEADER_PREFIX: &str = "souk-";
/// The one such header that a client may send, and gets: which write a reader has to see.
pub const CONSISTENCY_HEADER: &str = "souk-consistency";
/// Bytes of its value at most.
pub const CONSISTENCY_BYTES_MAX: usize = 80;
/// The headers that carry an identity, in the order in which they are signed.
pub const IDENTITY_HEADERS: [&str; 5] = [
    TENANT_HEADER,
    PRINCIPAL_HEADER,
    SCOPES_HEADER,
    REGION_HEADER,
    REQUEST_ID_HEADER,
];

/// The principal of a request that came without a credential. No key has this name.
pub const ANONYMOUS_PRINCIPAL: &str = "anonymous";
/// The principal of a request that says to come from the tenant's payment service provider, which the
/// function behind has to verify. No key has this name.
pub const PSP_PRINCIPAL: &str = "psp";
/// What [`SCOPES_HEADER`] says of a principal without scopes: hosts on the way may drop an empty
/// header, and then the signature would not hold.
pub const NO_SCOPES: &str = "none";

/// Scopes of one principal at most.
pub const SCOPES_MAX: usize = 32;
/// Bytes of one scope at most.
pub const SCOPE_BYTES_MAX: usize = 64;
/// Bytes of a region's name at most.
pub const REGION_BYTES_MAX: usize = 32;

/// Texts that are not scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScopesError {
    /// One is not `resource:action` in lower-case letters, digits and underscores.
    #[error("a scope is not of the form resource:action, at most {SCOPE_BYTES_MAX} bytes long")]
    Malformed,
    /// One occurs twice.
    #[error("a scope occurs twice")]
    Repeated,
    /// There are too many.
    #[error("more than {SCOPES_MAX} scopes")]
    TooMany,
}

/// What a principal may do: an ordered set of names like `orders:write`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scopes(Vec<String>);

impl Scopes {
    /// Checks and orders the names.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, ScopesError> {
        let mut scopes: Vec<String> = Vec::new();
        for name in names {
            if scopes.len() == SCOPES_MAX {
                return Err(ScopesError::TooMany);
            }
            if !is_scope(name) {
                return Err(ScopesError::Malformed);
            }
            scopes.push(name.to_owned());
        }
        scopes.sort_unstable();
        let count = scopes.len();
        scopes.dedup();
        if scopes.len() < count {
            return Err(ScopesError::Repeated);
        }
        Ok(Self(scopes))
    }

    /// Whether `scope` is among them.
    pub fn contains(&self, scope: &str) -> bool {
        self.0.iter().any(|own| own == scope)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of them that are in `names` as well.
    #[must_use]
    pub fn only(&self, names: &[&str]) -> Self {
        let kept = self.0.iter().filter(|own| names.contains(&own.as_str()));
        Self(kept.cloned().collect())
    }

    /// The names, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

fn is_scope(name: &str) -> bool {
    let is_word = |word: &str| {
        let accepted =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        !word.is_empty() && word.bytes().all(accepted)
    };
    name.len() <= SCOPE_BYTES_MAX
        && name
            .split_once(':')
            .is_some_and(|(resource, action)| is_word(resource) && is_word(action))
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl FromStr for Scopes {
    type Err = ScopesError;

    /// From the header's form: one space between two names, and none elsewhere.
    fn from_str(text: &str) -> Result<Self, ScopesError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        Self::new(text.split(' '))
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        Self::new(names.iter().map(String::as_str)).map_err(de::Error::custom)
    }
}

/// Whether a text names a region: lower-case letters, digits and hyphens.
pub fn is_region(name: &str) -> bool {
    let accepted = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=REGION_BYTES_MAX).contains(&name.len()) && name.bytes().all(accepted)
}

/// Headers that carry no identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// A header is not there.
    #[error("the header {0} is missing")]
    Missing(&'static str),
    /// The tenant's id is malformed.
    #[error("{TENANT_HEADER} is malformed")]
    Tenant(#[source] IdError),
    /// The principal's name is malformed.
    #[error("{PRINCIPAL_HEADER} is malformed")]
    Principal(#[source] PrincipalError),
    /// The scopes are malformed.
    #[error("{SCOPES_HEADER} is malformed")]
    Scopes(#[source] ScopesError),
    /// The region's name is malformed.
    #[error("{REGION_HEADER} is malformed")]
    Region,
    /// The request's id is malformed.
    #[error("{REQUEST_ID_HEADER} is malformed")]
    RequestId(#[source] IdError),
}

/// Who a request is from and which request it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeIdentity {
    /// The tenant whose rows the request may touch.
    pub tenant: TenantId,
    /// The authenticated caller's name.
    pub principal: String,
    /// What the caller may do.
    pub scopes: Scopes,
    /// The region the tenant is served from.
    pub region: String,
    /// The request's id.
    pub request_id: RequestId,
}

impl EdgeIdentity {
    /// Reads the identity from the headers, found by lower-case name.
    pub(crate) fn from_headers<'a>(
        find: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<Self, IdentityError> {
        let value = |name: &'static str| find(name).ok_or(IdentityError::Missing(name));
        let principal: Principal = value(PRINCIPAL_HEADER)?
            .parse()
            .map_err(IdentityError::Principal)?;
        let region = value(REGION_HEADER)?;
        if !is_region(region) {
            return Err(IdentityError::Region);
        }
        Ok(Self {
            tenant: value(TENANT_HEADER)?
                .parse()
                .map_err(IdentityError::Tenant)?,
            principal: principal.as_str().to_owned(),
            scopes: match value(SCOPES_HEADER)? {
                NO_SCOPES => Scopes::default(),
                names => names.parse().map_err(IdentityError::Scopes)?,
            },
            region: region.to_owned(),
            request_id: value(REQUEST_ID_HEADER)?
                .parse()
                .map_err(IdentityError::RequestId)?,
        })
    }

    fn scopes_header(&self) -> String {
        if self.scopes.is_empty() {
            return NO_SCOPES.to_owned();
        }
        self.scopes.to_string()
    }

    /// The headers that carry it, in the order of [`IDENTITY_HEADERS`].
    pub fn to_headers(&self) -> [(&'static str, String); 5] {
        [
            (TENANT_HEADER, self.tenant.to_string()),
            (PRINCIPAL_HEADER, self.principal.clone()),
            (SCOPES_HEADER, self.scopes_header()),
            (REGION_HEADER, self.region.clone()),
            (REQUEST_ID_HEADER, self.request_id.to_string()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_an_ordered_set() {
        let scopes: Scopes = "orders:write orders:read".parse().unwrap();
        assert_eq!(scopes.to_string(), "orders:read orders:write");
        assert!(scopes.contains("orders:read"));
        assert!(!scopes.contains("orders"));
        assert!("".parse::<Scopes>().unwrap().is_empty());
        for (bad, error) in [
            ("orders:read orders:read", ScopesError::Repeated),
            ("orders:read  orders:write", ScopesError::Malformed),
            (" orders:read", ScopesError::Malformed),
            ("orders", ScopesError::Malformed),
            (":read", ScopesError::Malformed),
            ("orders:", ScopesError::Malformed),
            ("orders:read:all", ScopesError::Malformed),
            ("Orders:read", ScopesError::Malformed),
        ] {
            assert_eq!(bad.parse::<Scopes>(), Err(error), "{bad:?}");
        }
    }

    #[test]
    fn a_principal_without_scopes_has_no_empty_header() {
        let identity = EdgeIdentity {
            tenant: "ten_0197c0de8f2b7c3a9d4e5f6071829304".parse().unwrap(),
            principal: ANONYMOUS_PRINCIPAL.to_owned(),
            scopes: Scopes::default(),
            region: "local".to_owned(),
            request_id: "req_0197c0de8f2b7c3a9d4e5f6071829306".parse().unwrap(),
        };
        let headers = identity.to_headers();
        assert!(headers.iter().all(|(_, value)| !value.is_empty()));
        let find = |name: &str| {
            let found = headers.iter().find(|(own, _)| *own == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(EdgeIdentity::from_headers(find), Ok(identity.clone()));
    }

    #[test]
    fn only_keeps_what_both_have() {
        let scopes: Scopes = "catalog:read orders:write".parse().unwrap();
        let kept = scopes.only(&["catalog:read", "quotes:write"]);
        assert_eq!(kept.to_string(), "catalog:read");
    }

    #[test]
    fn scopes_are_bounded() {
        let names: Vec<String> = (0..=SCOPES_MAX).map(|n| format!("r:a{n}")).collect();
        let all = names.iter().map(String::as_str);
        assert_eq!(Scopes::new(all.clone()), Err(ScopesError::TooMany));
        assert!(Scopes::new(all.skip(1)).is_ok());
        let long = format!("r:{}", "a".repeat(SCOPE_BYTES_MAX));
        assert_eq!(long.parse::<Scopes>(), Err(ScopesError::Malformed));
    }

    #[test]
    fn headers_round_trip_and_each_is_needed() {
        let identity = EdgeIdentity {
            tenant: "ten_0197c0de8f2b7c3a9d4e5f6071829304".parse().unwrap(),
            principal: "key_0197c0de8f2b7c3a9d4e5f6071829305".to_owned(),
            scopes: "orders:read".parse().unwrap(),
            region: "eu-central-1".to_owned(),
            request_id: "req_0197c0de8f2b7c3a9d4e5f6071829306".parse().unwrap(),
        };
        let headers = identity.to_headers();
        assert_eq!(headers.each_ref().map(|(name, _)| *name), IDENTITY_HEADERS);
        let find = |without: &str, name: &str| {
            let mut all = headers.iter();
            let found = all.find(|(own, _)| *own == name && name != without);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(
            EdgeIdentity::from_headers(|name| find("", name)),
            Ok(identity.clone())
        );
        for missing in IDENTITY_HEADERS {
            assert_eq!(
                EdgeIdentity::from_headers(|name| find(missing, name)),
                Err(IdentityError::Missing(missing))
            );
            let garbled = |name: &str| {
                let value = find("", name);
                value.map(|value| if name == missing { "\u{7f}" } else { value })
            };
            assert!(EdgeIdentity::from_headers(garbled).is_err(), "{missing}");
        }
    }
}
