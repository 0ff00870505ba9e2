//! Orders: what was bought, at which price, and where it stands.

use crate::event::{EventData, OrderCancelledV1, OrderLineV1, OrderPlacedV1};
use crate::pricing::{Breakdown, CountryCode, DiscountCode, PricingError, Totals};
use crate::{Currency, Money, OrderId, Timestamp};
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

/// Why an order, or a part of one, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// Not a SKU.
    #[error("a sku is 1 to {SKU_BYTES_MAX} of the characters A-Z a-z 0-9 . _ -")]
    InvalidSku,
    /// Not a quantity.
    #[error("a quantity is 1 to {QUANTITY_MAX}")]
    InvalidQuantity,
    /// Not a customer reference.
    #[error("a customer reference is 1 to {CUSTOMER_REFERENCE_CHARS_MAX} printable characters")]
    InvalidCustomerReference,
    /// No line, or too many.
    #[error("an order has 1 to {ORDER_LINES_MAX} lines")]
    InvalidLineCount,
    /// It cannot be priced.
    #[error(transparent)]
    Pricing(#[from] PricingError),
    /// The order's state does not allow the command.
    #[error("an order that is {status} cannot be cancelled")]
    NotCancellable {
        /// Where the order stands.
        status: OrderStatus,
    },
    /// A text names no order status.
    #[error("unknown order status")]
    UnknownStatus,
}

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

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Taken, stock reserved.
    Placed,
    /// Given up, stock released. Final.
    Cancelled,
}

impl OrderStatus {
    /// Every status.
    pub const ALL: [Self; 2] = [Self::Placed, Self::Cancelled];

    /// The name in JSON and in Postgres.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl FromStr for OrderStatus {
    type Err = OrderError;

    fn from_str(name: &str) -> Result<Self, OrderError> {
        Self::ALL
            .into_iter()
            .find(|s| s.as_str() == name)
            .ok_or(OrderError::UnknownStatus)
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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
    currency: Currency,
    lines: Vec<RequestedLine>,
    customer_reference: Option<CustomerReference>,
    shipping_country: Option<CountryCode>,
    discount_codes: Vec<DiscountCode>,
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

/// One line of an order, priced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderLine {
    /// Position in the order, from 1.
    pub line_number: u16,
    /// What.
    pub sku: Sku,
    /// How many.
    pub quantity: Quantity,
    /// Price of one unit when the order was placed.
    pub unit_price: Money,
    /// `quantity` times `unit_price`.
    pub line_total: Money,
    /// What is taken off this line.
    pub discount: Money,
    /// The tax in, or on top of, what is left of this line.
    pub tax: Money,
    /// Its rate in parts per million.
    pub tax_rate_ppm: u32,
}

/// An order as stored: the parts of [`Order`], unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRecord {
    /// Identity.
    pub id: OrderId,
    /// Where it stands.
    pub status: OrderStatus,
    /// Sum of the lines' totals.
    pub subtotal: Money,
    /// Sum of the lines' discounts.
    pub discount: Money,
    /// Shipping.
    pub shipping: Money,
    /// All taxes.
    pub tax: Money,
    /// Whether `tax` is a part of the prices, or is added to them.
    pub tax_included: bool,
    /// What is to be paid.
    pub total: Money,
    /// Where the numbers come from.
    pub breakdown: Breakdown,
    /// Where it is shipped.
    pub shipping_country: Option<CountryCode>,
    /// Until when its stock is held without a confirmation.
    pub reservation_expires_at: Option<Timestamp>,
    /// The lines, by `line_number`.
    pub lines: Vec<OrderLine>,
    /// The merchant's name for the buyer.
    pub customer_reference: Option<CustomerReference>,
    /// Raised by one with each transition; the first is 1. Also the sequence of the event that the
    /// transition emits.
    pub version: u64,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// When it was cancelled, if it was.
    pub cancelled_at: Option<Timestamp>,
}

/// An order. Its fields can be read but only commands change them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order(OrderRecord);

/// What a command did: the order as it is now, and the event that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The order after the command.
    pub order: Order,
    /// What happened, in the past tense.
    pub event: EventData,
}

impl Order {
    /// Places an order at the price `totals`, which [`crate::pricing::price`] has made of this
    /// request, and starts at version 1. Its stock is held until `reservation_expires_at`.
    pub fn place(
        id: OrderId,
        request: OrderRequest,
        totals: Totals,
        reservation_expires_at: Timestamp,
        now: Timestamp,
    ) -> Transition {
        let currency = totals.currency;
        let total = totals.total;
        let lines = totals
            .lines
            .into_iter()
            .map(|line| OrderLine {
                line_number: line.line_number,
                sku: line.sku,
                quantity: line.quantity,
                unit_price: line.unit_price,
                line_total: line.line_total,
                discount: line.discount,
                tax: line.tax,
                tax_rate_ppm: line.tax_rate_ppm,
            })
            .collect();
        let order = Self(OrderRecord {
            id,
            status: OrderStatus::Placed,
            subtotal: totals.subtotal,
            discount: totals.discount,
            shipping: totals.shipping,
            tax: totals.tax,
            tax_included: totals.tax_included,
            total,
            breakdown: totals.breakdown,
            shipping_country: request.shipping_country,
            reservation_expires_at: Some(reservation_expires_at),
            lines,
            customer_reference: request.customer_reference,
            version: 1,
            placed_at: now,
            cancelled_at: None,
        });
        let event = EventData::OrderPlacedV1(OrderPlacedV1 {
            order_id: id,
            currency,
            total,
            lines: order.lines().iter().map(OrderLineV1::from).collect(),
            customer_reference: order
                .0
                .customer_reference
                .as_ref()
                .map(|r| r.as_str().to_owned()),
            placed_at: now,
        });
        Transition { order, event }
    }

    /// Cancels a placed order. Its stock is to be released by the caller, in the same transaction.
    pub fn cancel(self, now: Timestamp) -> Result<Transition, OrderError> {
        match self.0.status {
            OrderStatus::Placed => {}
            status @ OrderStatus::Cancelled => return Err(OrderError::NotCancellable { status }),
        }
        let event = EventData::OrderCancelledV1(OrderCancelledV1 {
            order_id: self.0.id,
            cancelled_at: now,
        });
        let order = Self(OrderRecord {
            status: OrderStatus::Cancelled,
            version: self.0.version.saturating_add(1),
            reservation_expires_at: None,
            cancelled_at: Some(now),
            ..self.0
        });
        Ok(Transition { order, event })
    }

    /// An order read back from the database, which is trusted to hold only what commands made.
    pub const fn from_record(record: OrderRecord) -> Self {
        Self(record)
    }

    /// All fields.
    pub const fn record(&self) -> &OrderRecord {
        &self.0
    }

    /// Identity.
    pub const fn id(&self) -> OrderId {
        self.0.id
    }

    /// Where it stands.
    pub const fn status(&self) -> OrderStatus {
        self.0.status
    }

    /// Version: the number of transitions so far.
    pub const fn version(&self) -> u64 {
        self.0.version
    }

    /// The lines, by line number.
    pub fn lines(&self) -> &[OrderLine] {
        &self.0.lines
    }

    /// Units held of each sku, over all lines, in the order of skus.
    pub fn units_by_sku(&self) -> BTreeMap<Sku, u64> {
        let mut units = BTreeMap::new();
        for line in &self.0.lines {
            let sum: &mut u64 = units.entry(line.sku.clone()).or_default();
            *sum = sum.saturating_add(u64::from(line.quantity.get()));
        }
        units
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::{PriceSheet, PricingRules, SkuPrice, price};
    use proptest::prelude::*;
    use uuid::Uuid;

    fn eur() -> Currency {
        "EUR".parse().unwrap()
    }

    fn order_id() -> OrderId {
        OrderId::from_uuid(Uuid::from_u128(7))
    }

    fn at(unix_ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(unix_ms).unwrap()
    }

    fn line(sku: &str, quantity: u32) -> RequestedLine {
        RequestedLine {
            sku: sku.parse().unwrap(),
            quantity: Quantity::new(quantity).unwrap(),
        }
    }

    fn sheet(list: &[(&str, Money)]) -> PriceSheet {
        let sku_price = |unit_price| SkuPrice {
            unit_price,
            tax_category: "standard".parse().unwrap(),
        };
        PriceSheet {
            at: at(0),
            currency: eur(),
            skus: list
                .iter()
                .map(|(sku, unit_price)| (sku.parse().unwrap(), sku_price(*unit_price)))
                .collect(),
            rules: PricingRules::default().into(),
        }
    }

    fn place(request: OrderRequest, list: &[(&str, i64)]) -> Result<Transition, PricingError> {
        let list: Vec<(&str, Money)> = list
            .iter()
            .map(|(sku, minor)| (*sku, Money::new(*minor, eur())))
            .collect();
        let totals = price(&request, &sheet(&list))?;
        Ok(Order::place(
            order_id(),
            request,
            totals,
            at(900_000),
            at(0),
        ))
    }

    #[test]
    fn placing_prices_each_line_and_sums_up() {
        let request = OrderRequest::new(
            eur(),
            vec![line("TEA", 3), line("POT", 1), line("TEA", 1)],
            None,
        )
        .unwrap();
        assert_eq!(
            request.units_by_sku(),
            BTreeMap::from([("POT".parse().unwrap(), 1), ("TEA".parse().unwrap(), 4)])
        );
        let placed = place(request, &[("TEA", 250), ("POT", 5900)]).unwrap();
        let record = placed.order.record();
        assert_eq!(record.total, Money::new(3 * 250 + 5900 + 250, eur()));
        assert_eq!(record.version, 1);
        assert_eq!(
            record
                .lines
                .iter()
                .map(|l| l.line_number)
                .collect::<Vec<_>>(),
            [1, 2, 3]
        );
        assert_eq!(placed.event.type_name(), "order.placed.v1");
    }

    #[test]
    fn refuses_what_cannot_be_sold_or_summed() {
        let request =
            |quantity| OrderRequest::new(eur(), vec![line("TEA", quantity)], None).unwrap();
        assert!(matches!(
            place(request(1), &[("POT", 1)]),
            Err(PricingError::NotSold { .. })
        ));
        assert_eq!(
            place(request(2), &[("TEA", i64::MAX)]).unwrap_err(),
            PricingError::TotalTooLarge
        );
        let usd = Money::new(1, "USD".parse().unwrap());
        assert!(matches!(
            price(&request(1), &sheet(&[("TEA", usd)])),
            Err(PricingError::NotSold { .. })
        ));
    }

    #[test]
    fn bounds_are_enforced() {
        assert_eq!(
            OrderRequest::new(eur(), vec![], None),
            Err(OrderError::InvalidLineCount)
        );
        assert_eq!(
            OrderRequest::new(eur(), vec![line("A", 1); ORDER_LINES_MAX + 1], None),
            Err(OrderError::InvalidLineCount)
        );
        assert!(OrderRequest::new(eur(), vec![line("A", 1); ORDER_LINES_MAX], None).is_ok());
        assert!(Quantity::new(0).is_err() && Quantity::new(QUANTITY_MAX + 1).is_err());
        for bad in ["", "with space", "snow☃", &"x".repeat(SKU_BYTES_MAX + 1)] {
            assert!(bad.parse::<Sku>().is_err(), "{bad:?} was accepted");
        }
        assert!("line\nbreak".parse::<CustomerReference>().is_err());
    }

    proptest! {
        /// Whatever commands come, a cancelled order stays as it is, the version counts the
        /// transitions, and each transition has exactly one event.
        #[test]
        fn commands_keep_the_invariants(cancels in 0_usize..5, quantity in 1_u32..100) {
            let request = OrderRequest::new(eur(), vec![line("TEA", quantity)], None).unwrap();
            let placed = place(request, &[("TEA", 5)]).unwrap();
            let mut order = placed.order;
            let mut transitions = 1;
            for step in 0..cancels {
                match order.clone().cancel(at(1_000)) {
                    Ok(done) => {
                        transitions = u64::saturating_add(transitions, 1);
                        prop_assert_eq!(done.event.type_name(), "order.cancelled.v1");
                        order = done.order;
                    }
                    Err(error) => {
                        prop_assert!(step > 0);
                        prop_assert_eq!(error, OrderError::NotCancellable { status: OrderStatus::Cancelled });
                    }
                }
                prop_assert_eq!(order.version(), transitions);
            }
            prop_assert!(order.version() <= 2);
        }
    }
}
