//! Who calls: from what a request presents to a principal with scopes.

use crate::api_key::{KeyKind, PUBLISHABLE_SCOPES, PresentedKey};
use crate::identity::{ANONYMOUS_PRINCIPAL, PSP_PRINCIPAL, Scopes};
use crate::problem::{Code, Problem};
use crate::route::RouteRecord;

/// What a caller may present. Each kind is proved in its own way in [`authenticate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credential<'a> {
    /// A key of the tenant's: a secret one, `souk_sk_…`, or a publishable one, `souk_pk_…`.
    ApiKey(PresentedKey),
    /// A signed token of one of the tenant's issuers.
    Token(&'a str),
}

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The name under which it acts; it does not change when a secret is renewed.
    pub principal: String,
    /// What it may do.
    pub scopes: Scopes,
}

impl Caller {
    /// Who calls without a credential: a principal that may do nothing but what anyone may.
    pub fn anonymous() -> Self {
        Self {
            principal: ANONYMOUS_PRINCIPAL.to_owned(),
            scopes: Scopes::default(),
        }
    }

    /// Who says to be the tenant's payment service provider.
    pub fn psp() -> Self {
        Self {
            principal: PSP_PRINCIPAL.to_owned(),
            scopes: Scopes::default(),
        }
    }
}

impl<'a> Credential<'a> {
    /// From the value of `Authorization` (RFC 6750, section 2.1); nothing where the header is not
    /// there.
    pub(crate) fn parse(authorization: Option<&'a str>) -> Result<Option<Self>, Problem> {
        let Some(authorization) = authorization else {
            return Ok(None);
        };
        let token = authorization
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim_matches(' '));
        let Some(token) = token else {
            return Err(invalid("The authorization scheme is not Bearer."));
        };
        if KeyKind::of(token).is_none() {
            // Nothing else has a dot, and no token is without.
            if token.contains('.') {
                return Ok(Some(Self::Token(token)));
            }
            return Err(invalid(
                "The bearer token is neither an API key nor a signed token.",
            ));
        }
        let key = PresentedKey::new(token).ok_or_else(|| invalid("The API key is malformed."))?;
        Ok(Some(Self::ApiKey(key)))
    }
}

/// Proves a key against the tenant's record. `now_unix_s` is in Unix seconds.
pub(crate) fn authenticate(
    presented: &PresentedKey,
    record: &RouteRecord,
    now_unix_s: i64,
) -> Result<Caller, Problem> {
    let key = presented
        .find(record)
        .ok_or_else(|| invalid("The API key is not one of this tenant's."))?;
    if key.expires_at.is_some_and(|expiry| now_unix_s >= expiry) {
        return Err(Problem::new(
            Code::CredentialExpired,
            "The API key has expired.",
        ));
    }
    Ok(Caller {
        principal: key.principal.to_string(),
        scopes: match presented.kind() {
            KeyKind::Secret => key.scopes.clone(),
            // Whatever its record says: anyone can read this key in a shop's page.
            KeyKind::Publishable => key.scopes.only(&PUBLISHABLE_SCOPES),
        },
    })
}

fn invalid(detail: &'static str) -> Problem {
    Problem::new(Code::CredentialInvalid, detail)
}
