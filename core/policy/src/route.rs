//! Where a host leads: the route record of a tenant, as it is kept in the edge's key-value store.

use crate::edge_policy::{EdgePolicy, EdgePolicyError};
use crate::identity::{ANONYMOUS_PRINCIPAL, PSP_PRINCIPAL, Scopes, is_region};
use serde::{Deserialize, Serialize};
pub use souk_domain::TenantStatus;
use souk_domain::{ApiKeyId, Principal, TenantId};

/// The newest version of records. It is written only where a record says what the one before cannot:
/// an edge that is one release behind still reads all others.
pub const RECORD_VERSION: u32 = 5;
/// The version that says of features, and of no shard.
const RECORD_VERSION_FEATURES: u32 = 4;
/// The version that says of issuers, limits, pages and switches, and of no features.
const RECORD_VERSION_POLICY: u32 = 3;
/// The version that is written otherwise.
pub const RECORD_VERSION_PLAIN: u32 = 2;
/// The oldest version that it reads as well: there, a key's principal is the key.
pub const RECORD_VERSION_MIN: u32 = 1;
/// Bytes of a record at most.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;
/// API keys of a tenant at most.
pub const KEYS_MAX: usize = 64;
/// Bytes of a host name at most (RFC 1035, section 2.3.4).
pub const HOST_BYTES_MAX: usize = 253;
/// Bytes of one label of a host name at most.
pub const LABEL_BYTES_MAX: usize = 63;

/// A record that must not be acted on.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It is too large.
    #[error("the record has more than {RECORD_BYTES_MAX} bytes")]
    TooLarge,
    /// It is no record, or has a field that is unknown or malformed.
    #[error("the record is malformed")]
    Malformed(#[source] serde_json::Error),
    /// It was written for other code.
    #[error("the record has version {0}, this code reads {RECORD_VERSION_MIN} to {RECORD_VERSION}")]
    Version(u32),
    /// Its region is none.
    #[error("the record's region is malformed")]
    Region,
    /// Its shard is none.
    #[error("the record's shard is malformed")]
    Shard,
    /// It has too many keys.
    #[error("the record has more than {KEYS_MAX} keys")]
    TooManyKeys,
    /// Two keys share an id or a secret.
    #[error("the record has the key {0} twice")]
    RepeatedKey(ApiKeyId),
    /// A key says for whom it stands where that is not said, or does not where it is.
    #[error("the key {0} has a principal in version 1, or none in a later one")]
    Principal(ApiKeyId),
    /// A key's digest is none.
    #[error("the digest of the key {0} is not 64 lower-case hexadecimal digits")]
    Digest(ApiKeyId),
    /// What it says of issuers, limits and browsers.
    #[error("the record's policy is malformed")]
    Policy(#[from] EdgePolicyError),
}

/// An API key as the edge knows it: never the key, only its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its public id.
    pub id: ApiKeyId,
    /// Under whose name its holder acts. Keys that replace one another share it.
    pub principal: Principal,
    /// SHA-256 of the whole text of the key.
    pub sha256: [u8; 32],
    /// What its holder may do.
    pub scopes: Scopes,
    /// The Unix second from which on it is not accepted any more.
    pub expires_at: Option<i64>,
}

/// A tenant's route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteRecord {
    /// Whose it is.
    pub tenant_id: TenantId,
    /// Whether it is served.
    pub status: TenantStatus,
    /// The region that serves it.
    pub region: String,
    /// The shard where it was when the record was published, since version 5: a hint for functions that
    /// do not know it yet. It may be wrong, and nothing depends on it.
    pub shard: Option<String>,
    /// Who may call.
    pub keys: Vec<KeyRecord>,
    /// Who else may, how often, from which pages, and where to.
    pub policy: EdgePolicy,
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRecord {
    version: u32,
    tenant_id: TenantId,
    status: TenantStatus,
    region: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shard: Option<String>,
    keys: Vec<WireKey>,
    #[serde(default, skip_serializing_if = "EdgePolicy::says_nothing")]
    policy: EdgePolicy,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireKey {
    id: ApiKeyId,
    principal: Option<String>,
    sha256: String,
    scopes: Scopes,
    expires_at: Option<i64>,
}

impl RouteRecord {
    /// Reads a record from JSON. All of it must be understood: a field of a later version could be
    /// the one that forbids what this code would allow.
    pub fn parse(json: &str) -> Result<Self, RecordError> {
        if json.len() > RECORD_BYTES_MAX {
            return Err(RecordError::TooLarge);
        }
        let Versioned { version } = serde_json::from_str(json).map_err(RecordError::Malformed)?;
        if !(RECORD_VERSION_MIN..=RECORD_VERSION).contains(&version) {
            return Err(RecordError::Version(version));
        }
        let wire: WireRecord = serde_json::from_str(json).map_err(RecordError::Malformed)?;
        if !is_region(&wire.region) {
            return Err(RecordError::Region);
        }
        // A shard's name is made of the same letters.
        if wire.shard.as_ref().is_some_and(|shard| !is_region(shard)) {
            return Err(RecordError::Shard);
        }
        if wire.keys.len() > KEYS_MAX {
            return Err(RecordError::TooManyKeys);
        }
        if version < version_of(&wire.policy, wire.shard.as_deref()) {
            return Err(RecordError::Version(version));
        }
        wire.policy.check()?;
        let mut keys: Vec<KeyRecord> = Vec::with_capacity(wire.keys.len());
        for wire_key in wire.keys {
            let key = KeyRecord {
                principal: principal(version, &wire_key)?,
                sha256: digest(&wire_key.sha256).ok_or(RecordError::Digest(wire_key.id))?,
                id: wire_key.id,
                scopes: wire_key.scopes,
                expires_at: wire_key.expires_at,
            };
            let same = |other: &KeyRecord| other.id == key.id || other.sha256 == key.sha256;
            if keys.iter().any(same) {
                return Err(RecordError::RepeatedKey(key.id));
            }
            keys.push(key);
        }
        Ok(Self {
            tenant_id: wire.tenant_id,
            status: wire.status,
            region: wire.region,
            shard: wire.shard,
            keys,
            policy: wire.policy,
        })
    }

    /// The record as JSON, in the oldest version that can say it.
    pub fn to_json(&self) -> Result<String, RecordError> {
        let keys = self.keys.iter().map(|key| WireKey {
            id: key.id,
            principal: Some(key.principal.to_string()),
            sha256: hex::encode(key.sha256),
            scopes: key.scopes.clone(),
            expires_at: key.expires_at,
        });
        let wire = WireRecord {
            version: version_of(&self.policy, self.shard.as_deref()).max(RECORD_VERSION_PLAIN),
            tenant_id: self.tenant_id,
            status: self.status,
            region: self.region.clone(),
            shard: self.shard.clone(),
            keys: keys.collect(),
            policy: self.policy.clone(),
        };
        let json = serde_json::to_string(&wire).map_err(RecordError::Malformed)?;
        // What is written must be what is read.
        Self::parse(&json)?;
        Ok(json)
    }
}

/// The oldest version that can say this.
fn version_of(policy: &EdgePolicy, shard: Option<&str>) -> u32 {
    if shard.is_some() {
        RECORD_VERSION
    } else if !policy.features.is_empty() {
        RECORD_VERSION_FEATURES
    } else if policy.says_nothing() {
        RECORD_VERSION_MIN
    } else {
        RECORD_VERSION_POLICY
    }
}

/// Before version 2, a key was its own principal.
fn principal(version: u32, key: &WireKey) -> Result<Principal, RecordError> {
    let name = match (version, &key.principal) {
        (1, None) => key.id.to_string(),
        // Nobody has the name of those who have none.
        (2.., Some(name)) if ![ANONYMOUS_PRINCIPAL, PSP_PRINCIPAL].contains(&name.as_str()) => {
            name.clone()
        }
        _ => return Err(RecordError::Principal(key.id)),
    };
    name.parse().map_err(|_| RecordError::Principal(key.id))
}

/// 32 bytes from 64 lower-case hexadecimal digits.
fn digest(hexadecimal: &str) -> Option<[u8; 32]> {
    let lower_case = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    let mut bytes = [0; 32];
    let canonical = hexadecimal.bytes().all(lower_case);
    (canonical && hex::decode_to_slice(hexadecimal, &mut bytes).is_ok()).then_some(bytes)
}

/// The key under which a tenant's record is kept: once for each of its hosts, and once by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteKey(String);

impl RouteKey {
    /// From the host of a request: its case, its port and one dot at its end do not matter. Nothing
    /// where it is not a host name, as an address is not.
    pub fn of_host(host: &str) -> Option<Self> {
        let name = match host.split_once(':') {
            Some((name, port)) => {
                let is_port =
                    (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
                is_port.then_some(name)?
            }
            None => host,
        };
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let last = name.rsplit('.').next().unwrap_or_default();
        // A name whose last label is a number is read as an IPv4 address (WHATWG URL, host parsing).
        let is_address = last.bytes().all(|byte| byte.is_ascii_digit());
        let fits = name.len() <= HOST_BYTES_MAX && !is_address && name.split('.').all(is_label);
        fits.then(|| Self(format!("host:{name}")))
    }

    /// The record that counts for all hosts one label below another name, where this host has none of
    /// its own: `host:*.shops.example` for `shop.shops.example`. Never one for a whole top-level domain.
    pub fn wildcard(&self) -> Option<Self> {
        let (_, parent) = self.0.strip_prefix("host:")?.split_once('.')?;
        parent
            .contains('.')
            .then(|| Self(format!("host:*.{parent}")))
    }

    /// For requests whose path names the tenant, whatever their host is.
    pub fn of_tenant(tenant: TenantId) -> Self {
        Self(format!("tenant:{tenant}"))
    }

    /// `host:` and the host name, or `tenant:` and the tenant's id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Letters, digits and hyphens, no hyphen at either end (RFC 1123, section 2.1).
fn is_label(label: &str) -> bool {
    (1..=LABEL_BYTES_MAX).contains(&label.len())
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn record() -> Value {
        json!({
            "version": 1,
            "tenant_id": "ten_0197c0de8f2b7c3a9d4e5f6071829304",
            "status": "active",
            "region": "local",
            "keys": [{
                "id": "key_0197c0de8f2b7c3a9d4e5f6071829305",
                "sha256": "ab".repeat(32),
                "scopes": ["orders:write", "orders:read"],
                "expires_at": null,
            }],
        })
    }

    fn altered(pointer: &str, value: Value) -> Result<RouteRecord, RecordError> {
        let mut record = record();
        *record.pointer_mut(pointer).unwrap() = value;
        RouteRecord::parse(&record.to_string())
    }

    #[test]
    fn reads_a_record() {
        let record = RouteRecord::parse(&record().to_string()).unwrap();
        assert_eq!(record.status, TenantStatus::Active);
        assert_eq!(record.region, "local");
        let key = record.keys.first().unwrap();
        assert_eq!(key.sha256, [0xab; 32]);
        assert_eq!(key.scopes.to_string(), "orders:read orders:write");
        assert_eq!(key.expires_at, None);
        assert!(altered("/keys/0/expires_at", json!(5)).is_ok());
        assert!(altered("/keys", json!([])).is_ok());
    }

    #[test]
    fn a_key_stands_for_itself_or_for_whom_the_record_says() {
        let old = RouteRecord::parse(&record().to_string()).unwrap();
        let key = old.keys.first().unwrap();
        assert_eq!(key.principal.as_str(), key.id.to_string());

        let mut newer = record();
        newer["version"] = json!(2);
        let refused = RouteRecord::parse(&newer.to_string());
        assert!(matches!(refused, Err(RecordError::Principal(_))));
        for (bad, good) in [
            ("", "key_0197c0de8f2b7c3a9d4e5f60718293ff"),
            ("a b", "shop"),
            ("anonymous", "anonymous2"),
            ("psp", "psp2"),
        ] {
            newer["keys"][0]["principal"] = json!(bad);
            let refused = RouteRecord::parse(&newer.to_string());
            assert!(matches!(refused, Err(RecordError::Principal(_))), "{bad:?}");
            newer["keys"][0]["principal"] = json!(good);
            let read = RouteRecord::parse(&newer.to_string()).unwrap();
            assert_eq!(read.keys.first().unwrap().principal.as_str(), good);
        }

        let refused = altered("/keys/0", {
            let mut key = record()["keys"][0].clone();
            key["principal"] = json!("shop");
            key
        });
        assert!(matches!(refused, Err(RecordError::Principal(_))));
    }

    #[test]
    fn reads_what_it_writes() {
        for record in [record(), {
            let mut newer = record();
            newer["version"] = json!(2);
            newer["keys"][0]["principal"] = json!("shop");
            newer
        }] {
            let record = RouteRecord::parse(&record.to_string()).unwrap();
            let written = record.to_json().unwrap();
            assert_eq!(RouteRecord::parse(&written).unwrap(), record);
        }
        let mut record = RouteRecord::parse(&record().to_string()).unwrap();
        record.shard = Some("eu-1".to_owned());
        let written = record.to_json().unwrap();
        assert_eq!(RouteRecord::parse(&written).unwrap(), record);
        record.shard = Some("B".to_owned());
        assert!(matches!(record.to_json(), Err(RecordError::Shard)));
        record.region = "EU".to_owned();
        assert!(matches!(record.to_json(), Err(RecordError::Region)));
    }

    #[test]
    fn a_record_has_the_oldest_version_that_can_say_it() {
        let mut record = RouteRecord::parse(&record().to_string()).unwrap();
        let written = |record: &RouteRecord| {
            let json: Value = serde_json::from_str(&record.to_json().unwrap()).unwrap();
            json["version"].clone()
        };
        assert_eq!(written(&record), json!(2));
        record.policy.canary_percent = 1;
        assert_eq!(written(&record), json!(3));
        record.policy.features = vec!["new-checkout".to_owned()];
        assert_eq!(written(&record), json!(4));
        record.shard = Some("b".to_owned());
        assert_eq!(written(&record), json!(5));
        // An edge that does not know of a field must not go by a record that has it.
        let older = |record: &RouteRecord, version: u32, before: u32| {
            let (own, other) = (
                format!("\"version\":{version}"),
                format!("\"version\":{before}"),
            );
            RouteRecord::parse(&record.to_json().unwrap().replace(&own, &other))
        };
        assert!(matches!(older(&record, 5, 4), Err(RecordError::Version(4))));
        record.shard = None;
        assert!(matches!(older(&record, 4, 3), Err(RecordError::Version(3))));
    }

    #[test]
    fn refuses_what_it_does_not_understand() {
        use RecordError as E;
        assert!(matches!(RouteRecord::parse("{}"), Err(E::Malformed(_))));
        assert!(matches!(RouteRecord::parse("null"), Err(E::Malformed(_))));
        for version in [0, RECORD_VERSION + 1] {
            let newer = json!({ "version": version, "new": 1 }).to_string();
            assert!(matches!(RouteRecord::parse(&newer), Err(E::Version(v)) if v == version));
        }
        let mut extended = record();
        extended["plan"] = json!("large");
        assert!(matches!(
            RouteRecord::parse(&extended.to_string()),
            Err(E::Malformed(_))
        ));
        for (pointer, value) in [
            ("/tenant_id", json!("tenant")),
            ("/status", json!("closed")),
            ("/keys/0/id", json!("ten_0197c0de8f2b7c3a9d4e5f6071829304")),
            ("/keys/0/scopes", json!(["all"])),
            ("/keys/0/expires_at", json!("tomorrow")),
        ] {
            assert!(
                matches!(altered(pointer, value), Err(E::Malformed(_))),
                "{pointer}"
            );
        }
        assert!(matches!(altered("/region", json!("EU")), Err(E::Region)));
        for bad in [
            "",
            "ab",
            &"AB".repeat(32),
            &"zz".repeat(32),
            &"ab".repeat(33),
        ] {
            assert!(
                matches!(altered("/keys/0/sha256", json!(bad)), Err(E::Digest(_))),
                "{bad}"
            );
        }
        let twice = json!([record()["keys"][0], record()["keys"][0]]);
        assert!(matches!(altered("/keys", twice), Err(E::RepeatedKey(_))));
        let long = " ".repeat(RECORD_BYTES_MAX + 1);
        assert!(matches!(RouteRecord::parse(&long), Err(E::TooLarge)));
    }

    #[test]
    fn a_host_leads_to_one_key() {
        for host in [
            "demo.localhost",
            "Demo.LOCALHOST",
            "demo.localhost:8787",
            "demo.localhost.",
            "demo.localhost.:80",
        ] {
            let key = RouteKey::of_host(host);
            assert_eq!(
                key.as_ref().map(RouteKey::as_str),
                Some("host:demo.localhost"),
                "{host}"
            );
        }
        let tenant: TenantId = "ten_0197c0de8f2b7c3a9d4e5f6071829304".parse().unwrap();
        assert_eq!(
            RouteKey::of_tenant(tenant).as_str(),
            "tenant:ten_0197c0de8f2b7c3a9d4e5f6071829304"
        );
        assert!(RouteKey::of_host("xn--mnchen-3ya.example").is_some());
        assert!(RouteKey::of_host("7.example").is_some());
    }

    #[test]
    fn a_wildcard_stands_for_one_label_below_a_domain() {
        let wildcard = |host: &str| RouteKey::of_host(host).unwrap().wildcard();
        let key = wildcard("Shop.shops.example:443").unwrap();
        assert_eq!(key.as_str(), "host:*.shops.example");
        assert_eq!(
            wildcard("a.b.shops.example").unwrap().as_str(),
            "host:*.b.shops.example"
        );
        assert_eq!(wildcard("shop.localhost"), None);
        assert_eq!(wildcard("localhost"), None);
        let tenant: TenantId = "ten_0197c0de8f2b7c3a9d4e5f6071829304".parse().unwrap();
        assert_eq!(RouteKey::of_tenant(tenant).wildcard(), None);
    }

    #[test]
    fn a_policy_makes_a_record_of_the_newest_version() {
        let mut plain = RouteRecord::parse(&record().to_string()).unwrap();
        assert!(plain.to_json().unwrap().starts_with("{\"version\":2,"));
        plain.policy.disabled = vec!["place_order".to_owned()];
        let written = plain.to_json().unwrap();
        assert!(written.starts_with("{\"version\":3,"));
        assert_eq!(RouteRecord::parse(&written).unwrap(), plain);
        let older = written.replacen("\"version\":3", "\"version\":2", 1);
        assert!(matches!(
            RouteRecord::parse(&older),
            Err(RecordError::Version(2))
        ));
    }

    #[test]
    fn what_is_no_host_name_has_no_key() {
        let long_label = format!("{}.example", "a".repeat(LABEL_BYTES_MAX + 1));
        let long = format!("{}example", "a.".repeat(124));
        for bad in [
            "",
            ".",
            ":80",
            "a..b",
            "a.b..",
            "-a.b",
            "a-.b",
            "a_b.c",
            "a b",
            "a/b",
            "a@b",
            "ü.b",
            "127.0.0.1",
            "127.0.0.1:80",
            "[::1]",
            "[::1]:80",
            "::1",
            "a:",
            "a:b",
            "a:123456",
            "a:1:2",
            "host:a",
            "a%2e",
            &long_label,
            &long,
        ] {
            assert_eq!(RouteKey::of_host(bad), None, "{bad:?}");
        }
    }
}
