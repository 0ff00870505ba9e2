//! What a token claims, and whether its issuer may claim it (RFC 7519, section 4.1).

use super::json::object;
use super::{Algorithm, Jws, TokenError};
use crate::authenticate::Caller;
use crate::identity::{SCOPES_MAX, Scopes};
use crate::operations::is_known_scope;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use souk_domain::{Principal, TenantId};
use std::collections::BTreeMap;

/// Issuers of a tenant at most.
pub const ISSUERS_MAX: usize = 8;
/// Seconds by which an issuer's clock and ours may differ.
pub const LEEWAY_S: i64 = 60;
/// Audiences and roles of a token at most.
const LIST_MAX: usize = 32;
/// Roles of an issuer at most.
const ROLES_MAX: usize = 32;
/// Bytes of any text of an issuer at most.
const TEXT_BYTES_MAX: usize = 256;
/// Bytes of an issuer's short name at most.
const NAME_BYTES_MAX: usize = 16;

/// Settings of an issuer that must not be acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    /// The short name.
    #[error("an issuer's name is 1 to {NAME_BYTES_MAX} lower-case letters, digits and hyphens")]
    Name,
    /// The address of the key set.
    #[error("the address of an issuer's key set is no plain https URL")]
    JwksUrl,
    /// A text is empty or too long.
    #[error("a text of an issuer is empty or longer than {TEXT_BYTES_MAX} bytes")]
    Text,
    /// Too many roles.
    #[error("an issuer has more than {ROLES_MAX} roles")]
    Roles,
}

/// Who may issue tokens for a tenant, and how. Refreshing a token is between its issuer and its holder:
/// the edge knows access tokens only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// A short name, which its principals begin with: `name|subject`.
    pub name: String,
    /// What `iss` must be, byte for byte.
    pub issuer: String,
    /// Where its keys are. Never taken from a token.
    pub jwks_url: String,
    /// The one algorithm that it signs with.
    pub algorithm: Algorithm,
    /// What `aud` must be or contain.
    pub audience: String,
    /// The claim that must have the tenant's id.
    pub tenant_claim: String,
    /// What `typ` must be, such as `at+jwt` (RFC 9068); without it `JWT`, `at+jwt` or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_type: Option<String>,
    /// The scopes that its tokens may have at most, whatever they claim.
    pub grants: Scopes,
    /// What a role stands for, within `grants`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<String, Scopes>,
}

impl Issuer {
    /// Checks what its types do not say.
    pub fn check(&self) -> Result<(), IssuerError> {
        let accepted =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let name_fits = (1..=NAME_BYTES_MAX).contains(&self.name.len());
        if !name_fits || !self.name.bytes().all(accepted) {
            return Err(IssuerError::Name);
        }
        let texts = [
            &self.issuer,
            &self.audience,
            &self.tenant_claim,
            &self.jwks_url,
        ];
        let mut all = texts
            .into_iter()
            .chain(&self.token_type)
            .chain(self.roles.keys());
        if !all.all(|text| (1..=TEXT_BYTES_MAX).contains(&text.len())) {
            return Err(IssuerError::Text);
        }
        if self.roles.len() > ROLES_MAX {
            return Err(IssuerError::Roles);
        }
        if self.jwks_host().is_none() {
            return Err(IssuerError::JwksUrl);
        }
        Ok(())
    }

    /// The host, with its port where it has one, that the keys are fetched from. Plain HTTP is for
    /// this machine alone.
    pub fn jwks_host(&self) -> Option<&str> {
        let (scheme, rest) = self.jwks_url.split_once("://")?;
        let (host, path) = rest.split_once('/')?;
        let accepted = |byte: u8| byte.is_ascii_alphanumeric() || b".-:".contains(&byte);
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"\\#?@%".contains(&byte);
        let is_host = !host.is_empty() && host.bytes().all(accepted);
        let name = host.split(':').next().unwrap_or_default();
        let is_local = matches!(name, "127.0.0.1" | "localhost");
        let fits = is_host && path.bytes().all(plain) && !path.split('/').any(|part| part == "..");
        (fits && (scheme == "https" || (scheme == "http" && is_local))).then_some(host)
    }
}

/// Claims whose signature is not proved yet: all that can be learned of them is who says to have
/// issued them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnverifiedClaims(Map<String, Value>);

impl UnverifiedClaims {
    /// Reads the payload of a token.
    ///
    /// # Errors
    /// [`TokenError::Claims`].
    pub fn parse(jws: &Jws<'_>) -> Result<Self, TokenError> {
        let members = object(jws.payload()).ok_or(TokenError::Claims)?;
        Ok(Self(members))
    }

    /// Which of the tenant's issuers is to be asked whether it signed this, if the token has the form
    /// that this issuer's have.
    ///
    /// # Errors
    /// [`TokenError::Issuer`], [`TokenError::NotPinned`], [`TokenError::Type`].
    pub fn issuer<'a>(
        &self,
        jws: &Jws<'_>,
        issuers: &'a [Issuer],
    ) -> Result<&'a Issuer, TokenError> {
        let named = self.0.get("iss").and_then(Value::as_str);
        let issuer = issuers
            .iter()
            .find(|issuer| Some(issuer.issuer.as_str()) == named)
            .ok_or(TokenError::Issuer)?;
        if issuer.algorithm != jws.algorithm() {
            return Err(TokenError::NotPinned);
        }
        check_type(jws.kind(), issuer.token_type.as_deref())?;
        Ok(issuer)
    }

    /// Who calls, by claims whose signature by `issuer` holds. `now_unix_s` is in Unix seconds.
    ///
    /// # Errors
    /// Where they are for another audience, time or tenant, or incomplete.
    pub fn accept(
        &self,
        issuer: &Issuer,
        tenant: TenantId,
        now_unix_s: i64,
    ) -> Result<Caller, TokenError> {
        self.check_audience(&issuer.audience)?;
        self.check_times(now_unix_s)?;
        let claimed = self.0.get(&issuer.tenant_claim).and_then(Value::as_str);
        if claimed != Some(tenant.to_string().as_str()) {
            return Err(TokenError::Tenant);
        }
        Ok(Caller {
            principal: self.principal(issuer)?,
            scopes: self.scopes(issuer)?,
        })
    }

    fn check_audience(&self, wanted: &str) -> Result<(), TokenError> {
        let held = match self.0.get("aud") {
            Some(Value::String(one)) => one == wanted,
            Some(Value::Array(several)) if several.len() <= LIST_MAX => {
                if !several.iter().all(Value::is_string) {
                    return Err(TokenError::Claims);
                }
                several.iter().any(|one| one == wanted)
            }
            None => false,
            Some(_) => return Err(TokenError::Claims),
        };
        if held {
            Ok(())
        } else {
            Err(TokenError::Audience)
        }
    }

    fn check_times(&self, now_unix_s: i64) -> Result<(), TokenError> {
        let ahead = now_unix_s.saturating_add(LEEWAY_S);
        let behind = now_unix_s.saturating_sub(LEEWAY_S);
        let expires = self.seconds("exp")?.ok_or(TokenError::Claims)?;
        if behind >= expires {
            return Err(TokenError::Expired);
        }
        if self.seconds("nbf")?.is_some_and(|from| from > ahead) {
            return Err(TokenError::NotYet);
        }
        if self.seconds("iat")?.is_some_and(|at| at > ahead) {
            return Err(TokenError::IssuedInFuture);
        }
        Ok(())
    }

    /// A `NumericDate` (RFC 7519, section 2): a number, whose fraction does not matter.
    fn seconds(&self, name: &str) -> Result<Option<i64>, TokenError> {
        let Some(value) = self.0.get(name) else {
            return Ok(None);
        };
        let Value::Number(number) = value else {
            return Err(TokenError::Claims);
        };
        let whole = number.as_i64().or_else(|| {
            let text = number.to_string();
            let (whole, fraction) = text.split_once('.')?;
            let plain = fraction.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| whole.parse().ok())?
        });
        match whole {
            Some(seconds) if seconds >= 0 => Ok(Some(seconds)),
            Some(_) | None => Err(TokenError::Claims),
        }
    }

    /// The issuer's name and the subject: the subjects of two issuers are not one, and none is an API
    /// key.
    fn principal(&self, issuer: &Issuer) -> Result<String, TokenError> {
        let subject = self.0.get("sub").and_then(Value::as_str);
        let subject = subject.filter(|subject| !subject.is_empty());
        let subject = subject.ok_or(TokenError::Subject)?;
        let name = format!("{}|{subject}", issuer.name);
        match name.parse::<Principal>() {
            Ok(principal) => Ok(principal.to_string()),
            Err(_) => Err(TokenError::Subject),
        }
    }

    /// Those that the token claims by `scope` (RFC 9068, section 2.2.3) or by `roles`, that are of
    /// Souk, and that the issuer may grant. Others, like `openid`, are not looked at.
    fn scopes(&self, issuer: &Issuer) -> Result<Scopes, TokenError> {
        let mut names: Vec<&str> = Vec::new();
        match self.0.get("scope") {
            None => {}
            Some(Value::String(scopes)) => names.extend(scopes.split(' ')),
            Some(_) => return Err(TokenError::Claims),
        }
        match self.0.get("roles") {
            None => {}
            Some(Value::Array(roles)) if roles.len() <= LIST_MAX => {
                for role in roles {
                    let role = role.as_str().ok_or(TokenError::Claims)?;
                    names.extend(issuer.roles.get(role).into_iter().flat_map(Scopes::iter));
                }
            }
            Some(_) => return Err(TokenError::Claims),
        }
        names.retain(|name| is_known_scope(name) && issuer.grants.contains(name));
        names.sort_unstable();
        names.dedup();
        names.truncate(SCOPES_MAX);
        Scopes::new(names).map_err(|_| TokenError::Claims)
    }
}

/// RFC 8725, section 3.11: a token for something else, such as an ID token or a logout token, says so.
fn check_type(named: Option<&str>, pinned: Option<&str>) -> Result<(), TokenError> {
    let plain = |kind: &str| {
        let kind = kind.to_ascii_lowercase();
        kind.strip_prefix("application/")
            .unwrap_or(&kind)
            .to_owned()
    };
    let fits = match (named.map(plain), pinned.map(plain)) {
        (named, Some(pinned)) => named == Some(pinned),
        (None, None) => true,
        (Some(named), None) => matches!(named.as_str(), "jwt" | "at+jwt"),
    };
    if fits { Ok(()) } else { Err(TokenError::Type) }
}
