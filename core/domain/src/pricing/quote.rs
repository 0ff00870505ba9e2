//! Quotes: totals that hold for a while, whatever happens to prices.
//!
//! A quote is a text that its holder can read but not change: `q1.KEY_ID.PAYLOAD.MAC`, the last two in
//! base64url (RFC 4648, section 5) without padding. The MAC is HMAC-SHA-256 (RFC 2104) over version,
//! tenant, request and payload, each preceded by its length. Tenant and request are not in the text:
//! whoever opens it has to have the same ones.

use super::totals::{gross, totals};
use super::{
    AppliedDiscount, Breakdown, CountryCode, DiscountCode, DiscountName, ShippingPart, TaxPart,
    Totals,
};
use crate::order::OrderRequest;
use crate::{Money, TenantId, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use core::fmt;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::collections::BTreeMap;

/// Seconds for which a quote holds.
pub const QUOTE_TTL_S: i64 = 10 * 60;
/// Bytes of a quote at most: 64 lines and every discount that rules may have fit.
pub const QUOTE_BYTES_MAX: usize = 48 * 1024;
/// Bytes of a key: the output length of SHA-256 (RFC 2104, section 3).
pub const QUOTE_KEY_BYTES: usize = 32;
/// Keys that are accepted at the same time: the one in use and the one before or after it.
pub const QUOTE_KEYS_MAX: usize = 2;

const VERSION: &str = "q1";
const KEY_ID_BYTES_MAX: usize = 64;

/// The keys of quotes: one signs, all verify.
pub struct QuoteKeys {
    signing: String,
    keys: BTreeMap<String, [u8; QUOTE_KEY_BYTES]>,
}

/// Why something is no set of keys. Shows no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuoteKeysError {
    /// None, or too many.
    #[error("1 to {QUOTE_KEYS_MAX} keys are wanted")]
    Count,
    /// A name that cannot stand in a quote.
    #[error("a key's id is 1 to {KEY_ID_BYTES_MAX} of the characters A-Z a-z 0-9 _ -")]
    KeyId,
    /// The key that is to sign is not among them.
    #[error("there is no key with the id of the one that signs")]
    NoSigningKey,
}

impl fmt::Debug for QuoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuoteKeys")
            .field("signing", &self.signing)
            .field("ids", &self.keys.keys())
            .finish()
    }
}

impl QuoteKeys {
    /// `keys` by their ids; that of id `signing` signs.
    pub fn new(
        signing: String,
        keys: BTreeMap<String, [u8; QUOTE_KEY_BYTES]>,
    ) -> Result<Self, QuoteKeysError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        let is_id =
            |id: &String| (1..=KEY_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(allowed);
        if !(1..=QUOTE_KEYS_MAX).contains(&keys.len()) {
            return Err(QuoteKeysError::Count);
        }
        if !keys.keys().all(is_id) {
            return Err(QuoteKeysError::KeyId);
        }
        if !keys.contains_key(&signing) {
            return Err(QuoteKeysError::NoSigningKey);
        }
        Ok(Self { signing, keys })
    }

    fn mac(&self, id: &str, sealed: &Sealed<'_>) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.keys.get(id)?).ok()?;
        let request = serde_json::to_vec(&Asked::of(sealed.request)).ok()?;
        let tenant = sealed.tenant.as_uuid();
        let parts: [&[u8]; 5] = [
            VERSION.as_bytes(),
            id.as_bytes(),
            tenant.as_bytes(),
            &request,
            sealed.payload,
        ];
        for part in parts {
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            mac.update(&length.to_be_bytes());
            mac.update(part);
        }
        Some(mac)
    }
}

/// What the MAC is over.
struct Sealed<'a> {
    tenant: TenantId,
    request: &'a OrderRequest,
    payload: &'a [u8],
}

/// What of a request its price depends on: not who buys.
#[derive(Serialize)]
struct Asked<'a> {
    currency: &'a str,
    lines: Vec<(&'a str, u32)>,
    shipping_country: Option<CountryCode>,
    discount_codes: &'a [DiscountCode],
}

impl<'a> Asked<'a> {
    fn of(request: &'a OrderRequest) -> Asked<'a> {
        Asked {
            currency: request.currency().code(),
            lines: request
                .lines()
                .iter()
                .map(|line| (line.sku.as_str(), line.quantity.get()))
                .collect(),
            shipping_country: request.shipping_country(),
            discount_codes: request.discount_codes(),
        }
    }
}

/// What a quote says. All amounts are minor units of the request's currency; sums are left out.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    expires_ms: i64,
    tax_included: bool,
    /// Unit price, discount, tax, tax rate.
    lines: Vec<(i64, i64, i64, u32)>,
    discounts: Vec<(DiscountName, Option<DiscountCode>, i64)>,
    /// Rate, base, amount.
    taxes: Vec<(u32, i64, i64)>,
    /// Amount, tax, tax rate.
    shipping: Option<(i64, i64, u32)>,
}

/// Why a quote is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuoteError {
    /// It was given here, for this request; its time is over.
    #[error("the quote has expired; ask for a new one")]
    Expired,
    /// It was not given to this tenant for this request, or was altered.
    #[error("the quote is not one that was given for this request")]
    Invalid,
}

/// Seals `totals`, which are those of `request`, until `expires_at`.
///
/// # Errors
/// [`QuoteError::Invalid`] when the quote would be longer than [`QUOTE_BYTES_MAX`], which totals made
/// by [`super::price`] never are.
pub fn seal_quote(
    keys: &QuoteKeys,
    tenant: TenantId,
    request: &OrderRequest,
    totals: &Totals,
    expires_at: Timestamp,
) -> Result<String, QuoteError> {
    let claims = Claims::of(totals, expires_at);
    let payload = serde_json::to_vec(&claims).map_err(|_| QuoteError::Invalid)?;
    let sealed = Sealed {
        tenant,
        request,
        payload: &payload,
    };
    let mac = keys
        .mac(&keys.signing, &sealed)
        .ok_or(QuoteError::Invalid)?;
    let quote = format!(
        "{VERSION}.{}.{}.{}",
        keys.signing,
        BASE64URL.encode(&payload),
        BASE64URL.encode(mac.finalize().into_bytes()),
    );
    if quote.len() > QUOTE_BYTES_MAX {
        return Err(QuoteError::Invalid);
    }
    Ok(quote)
}

/// The totals that were sealed for `tenant` and this `request`, if they still hold at `now`.
pub fn open_quote(
    keys: &QuoteKeys,
    tenant: TenantId,
    request: &OrderRequest,
    quote: &str,
    now: Timestamp,
) -> Result<Totals, QuoteError> {
    let claims = verified(keys, tenant, request, quote).ok_or(QuoteError::Invalid)?;
    if claims.expires_ms <= now.unix_ms() {
        return Err(QuoteError::Expired);
    }
    claims.totals(request).ok_or(QuoteError::Invalid)
}

fn verified(
    keys: &QuoteKeys,
    tenant: TenantId,
    request: &OrderRequest,
    quote: &str,
) -> Option<Claims> {
    if quote.len() > QUOTE_BYTES_MAX {
        return None;
    }
    let mut parts = quote.split('.');
    let version = parts.next()?;
    let (id, payload, mac) = (parts.next()?, parts.next()?, parts.next()?);
    if version != VERSION || parts.next().is_some() {
        return None;
    }
    let payload = BASE64URL.decode(payload).ok()?;
    let sealed = Sealed {
        tenant,
        request,
        payload: &payload,
    };
    let expected = keys.mac(id, &sealed)?;
    // In constant time.
    expected.verify_slice(&BASE64URL.decode(mac).ok()?).ok()?;
    serde_json::from_slice(&payload).ok()
}

impl Claims {
    fn of(totals: &Totals, expires_at: Timestamp) -> Self {
        let breakdown = &totals.breakdown;
        Self {
            expires_ms: expires_at.unix_ms(),
            tax_included: totals.tax_included,
            lines: totals
                .lines
                .iter()
                .map(|line| {
                    let [unit_price, discount, tax] = [line.unit_price, line.discount, line.tax]
                        .map(|money| money.amount_minor());
                    (unit_price, discount, tax, line.tax_rate_ppm)
                })
                .collect(),
            discounts: breakdown
                .discounts
                .iter()
                .map(|d| (d.name.clone(), d.code.clone(), d.amount.amount_minor()))
                .collect(),
            taxes: breakdown
                .taxes
                .iter()
                .map(|part| {
                    let (base, amount) = (part.base.amount_minor(), part.amount.amount_minor());
                    (part.rate_ppm, base, amount)
                })
                .collect(),
            shipping: breakdown.shipping.map(|part| {
                let (amount, tax) = (part.amount.amount_minor(), part.tax.amount_minor());
                (amount, tax, part.tax_rate_ppm)
            }),
        }
    }

    fn totals(self, request: &OrderRequest) -> Option<Totals> {
        let money = |minor| Money::new(minor, request.currency());
        if self.lines.len() != request.lines().len() {
            return None;
        }
        let mut lines = Vec::with_capacity(self.lines.len());
        let quoted = (1_u16..).zip(request.lines()).zip(self.lines);
        for ((number, wanted), (unit_price, discount, tax, tax_rate_ppm)) in quoted {
            let mut line = gross(number, wanted, money(unit_price)).ok()?;
            (line.discount, line.tax, line.tax_rate_ppm) =
                (money(discount), money(tax), tax_rate_ppm);
            lines.push(line);
        }
        let discount = |(name, code, amount)| AppliedDiscount {
            name,
            code,
            amount: money(amount),
        };
        let tax = |(rate_ppm, base, amount)| TaxPart {
            rate_ppm,
            base: money(base),
            amount: money(amount),
        };
        let shipping = match self.shipping {
            Some((amount, tax, tax_rate_ppm)) => Some(ShippingPart {
                country: request.shipping_country()?,
                amount: money(amount),
                tax: money(tax),
                tax_rate_ppm,
            }),
            None => None,
        };
        let breakdown = Breakdown {
            discounts: self.discounts.into_iter().map(discount).collect(),
            taxes: self.taxes.into_iter().map(tax).collect(),
            shipping,
        };
        totals(lines, request.currency(), self.tax_included, breakdown).ok()
    }
}
