//! What a buyer asks for: checked in form, not priced yet.

use super::OrderError;
use crate::Currency;
use crate::pricing::{CountryCode, DiscountCode};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::collections::BTreeMap;

/// Lines in one order at most.
pub const ORDER_LINES_MAX: usize = 64;
/// Units in one line at most.
pub const QUANTITY_MAX: u32 = 1_000_000;
/// Bytes in a stock keeping unit's code at most.
pub const SKU_BYTES_MAX: usize = 64;
/// Characters in a customer reference at most.
pub const CUSTOMER_REFERENCE_CHARS_MAX: usize = 128;

/// A stock keeping unit's code, unique within a tenant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Sku(String);

impl Sku {
    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Sku {
    type Err = OrderError;

    fn from_str(code: &str) -> Result<Self, OrderError> {
        let length_fits = (1..=SKU_BYTES_MAX).contains(&code.len());
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if length_fits && code.bytes().all(allowed) {
            return Ok(Self(code.to_owned()));
        }
        Err(OrderError::InvalidSku)
    }
}

impl fmt::Display for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Sku {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        code.parse().map_err(de::Error::custom)
    }
}

/// How many units: 1 to [`QUANTITY_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Quantity(u32);

impl Quantity {
    /// Checks the bounds.
    pub fn new(units: u32) -> Result<Self, OrderError> {
        if (1..=QUANTITY_MAX).contains(&units) {
            return Ok(Self(units));
        }
        Err(OrderError::InvalidQuantity)
    }

    /// Units.
    pub const fn get(&self) -> u32 {
        self.0
    }
}

/// The merchant's own name for the buyer; opaque to Souk, and no place for personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct CustomerReference(String);

impl CustomerReference {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CustomerReference {
    type Err = OrderError;

    fn from_str(text: &str) -> Result<Self, OrderError> {
        let chars = text.chars().count();
        if (1..=CUSTOMER_REFERENCE_CHARS_MAX).contains(&chars)
            && !text.chars().any(char::is_control)
        {
            return Ok(Self(text.to_owned()));
        }
        Err(OrderError::InvalidCustomerReference)
    }
}

/// One wish of a buyer, not priced yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedLine {
    /// What.
    pub sku: Sku,
    /// How many.
    pub quantity: Quantity,
}

/// What a buyer asks for: checked in form, not priced yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRequest {
    pub(super) currency: Currency,
    pub(super) lines: Vec<RequestedLine>,
    pub(super) customer_reference: Option<CustomerReference>,
    pub(super) shipping_country: Option<CountryCode>,
    pub(super) discount_codes: Vec<DiscountCode>,
}

impl OrderRequest {
    /// Takes 1 to [`ORDER_LINES_MAX`] lines. Two lines of one sku are allowed and stay apart.
    pub fn new(
        currency: Currency,
        lines: Vec<RequestedLine>,
        customer_reference: Option<CustomerReference>,
    ) -> Result<Self, OrderError> {
        if (1..=ORDER_LINES_MAX).contains(&lines.len()) {
            return Ok(Self {
                currency,
                lines,
                customer_reference,
                shipping_country: None,
                discount_codes: Vec::new(),
            });
        }
        Err(OrderError::InvalidLineCount)
    }

    /// The same, to be shipped to `country`.
    #[must_use]
    pub fn shipped_to(self, country: Option<CountryCode>) -> Self {
        Self {
            shipping_country: country,
            ..self
        }
    }

    /// The same, with discount codes. Their order means nothing, nor does naming one twice.
    #[must_use]
    pub fn with_discount_codes(self, mut codes: Vec<DiscountCode>) -> Self {
        codes.sort_unstable();
        codes.dedup();
        Self {
            discount_codes: codes,
            ..self
        }
    }

    /// What is wished for, in the order of the request.
    pub fn lines(&self) -> &[RequestedLine] {
        &self.lines
    }

    /// The merchant's name for the buyer.
    pub const fn customer_reference(&self) -> Option<&CustomerReference> {
        self.customer_reference.as_ref()
    }

    /// Where it is to be shipped.
    pub const fn shipping_country(&self) -> Option<CountryCode> {
        self.shipping_country
    }

    /// Which discounts the buyer asks for.
    pub fn discount_codes(&self) -> &[DiscountCode] {
        &self.discount_codes
    }

    /// The currency that the order is to be priced in.
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// Units wanted of each sku, over all lines, in the order of skus: the one order in which stock
    /// is locked, so that two orders never wait for each other.
    pub fn units_by_sku(&self) -> BTreeMap<Sku, u64> {
        let mut units = BTreeMap::new();
        for line in &self.lines {
            let sum: &mut u64 = units.entry(line.sku.clone()).or_default();
            // At most ORDER_LINES_MAX × QUANTITY_MAX: far below 2^64.
            *sum = sum.saturating_add(u64::from(line.quantity.get()));
        }
        units
    }
}
