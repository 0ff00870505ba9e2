//! What cannot be priced, as problem documents.

use crate::problem::Problem;
use http::StatusCode;
use serde_json::json;
use souk_domain::pricing::{NotApplicable, PricingError};

impl From<&PricingError> for Problem {
    fn from(error: &PricingError) -> Self {
        let unprocessable = |code, title| {
            Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                code,
                title,
                error.to_string(),
            )
        };
        match error {
            PricingError::NotSold { sku, currency } => {
                unprocessable("sku_not_sold", "Not sold in this currency")
                    .with_member("sku", json!(sku))
                    .with_member("currency", json!(currency))
            }
            PricingError::TotalTooLarge => {
                unprocessable("total_too_large", "The total is too large")
            }
            PricingError::CountryMissing => {
                unprocessable("shipping_country_missing", "A shipping_country is needed")
            }
            PricingError::NotShipped { country, currency } => {
                unprocessable("not_shipped", "No shipping to this country")
                    .with_member("country", json!(country))
                    .with_member("currency", json!(currency))
            }
            PricingError::NotTaxed { country, category } => {
                unprocessable("not_taxed", "No tax rate for this country")
                    .with_member("country", json!(country))
                    .with_member("tax_category", json!(category))
            }
            PricingError::UnknownDiscountCode { code } => {
                unprocessable("discount_code_unknown", "Unknown discount code")
                    .with_member("discount_code", json!(code))
            }
            PricingError::DiscountCodeNotApplicable { code, reason } => unprocessable(
                "discount_code_not_applicable",
                "The discount code does not apply",
            )
            .with_member("discount_code", json!(code))
            .with_member("reason", json!(name_of(reason))),
            PricingError::InvalidCountry
            | PricingError::InvalidDiscountCode
            | PricingError::InvalidDiscountName
            | PricingError::InvalidTaxCategory => {
                unprocessable("validation_failed", "The request is not valid")
            }
        }
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
