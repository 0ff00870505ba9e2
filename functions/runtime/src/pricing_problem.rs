//! What cannot be priced, as problem documents.

use crate::problem::{Code, Problem};
use serde_json::json;
use souk_domain::pricing::{NotApplicable, PricingError, QuoteError};

impl From<&PricingError> for Problem {
    fn from(error: &PricingError) -> Self {
        let refused = |code| Self::new(code, error.to_string());
        match error {
            PricingError::NotSold { sku, currency } => refused(Code::SkuNotSold)
                .with_member("sku", json!(sku))
                .with_member("currency", json!(currency)),
            PricingError::TotalTooLarge => refused(Code::TotalTooLarge),
            PricingError::CountryMissing => refused(Code::ShippingCountryMissing),
            PricingError::NotShipped { country, currency } => refused(Code::NotShipped)
                .with_member("country", json!(country))
                .with_member("currency", json!(currency)),
            PricingError::NotTaxed { country, category } => refused(Code::NotTaxed)
                .with_member("country", json!(country))
                .with_member("tax_category", json!(category)),
            PricingError::UnknownDiscountCode { code } => {
                refused(Code::DiscountCodeUnknown).with_member("discount_code", json!(code))
            }
            PricingError::DiscountCodeNotApplicable { code, reason } => {
                refused(Code::DiscountCodeNotApplicable)
                    .with_member("discount_code", json!(code))
                    .with_member("reason", json!(name_of(reason)))
            }
            PricingError::InvalidCountry
            | PricingError::InvalidDiscountCode
            | PricingError::InvalidDiscountName
            | PricingError::InvalidTaxCategory => refused(Code::ValidationFailed),
        }
    }
}

impl From<&QuoteError> for Problem {
    fn from(error: &QuoteError) -> Self {
        let code = match error {
            QuoteError::Expired => Code::QuoteExpired,
            QuoteError::Invalid => Code::QuoteInvalid,
        };
        Self::new(code, error.to_string())
    }
}

/// The stable name of a reason.
const fn name_of(reason: &NotApplicable) -> &'static str {
    match reason {
        NotApplicable::NotYet => "not_yet_valid",
        NotApplicable::Over => "expired",
        NotApplicable::BelowMinimum => "below_minimum_subtotal",
        NotApplicable::OtherCurrency => "other_currency",
        NotApplicable::TooFewUnits => "too_few_units",
        NotApplicable::TakesNothing => "nothing_to_take_off",
        NotApplicable::NotCombinable { .. } => "not_combinable",
    }
}
