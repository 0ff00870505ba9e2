//! What is sold: products, their variants, prices by time, and stock by place.

mod import;
mod prices;
mod product;
mod stock;
mod text;

pub use import::{
    IMPORT_COLUMNS, IMPORT_ROWS_MAX, ImportFields, ImportProduct, ImportRow, ImportStock,
};
pub use prices::{PRICE_WINDOWS_MAX, PriceSchedule, RequestedPrice, UNIT_PRICE_MINOR_MAX};
pub use product::{
    CatalogStatus, Product, ProductContent, RequestedProduct, RequestedVariant, Variant,
    VariantContent,
};
pub use stock::{
    BelowReserved, ON_HAND_MAX, RequestedStock, Restocked, STOCK_BUCKETS_MAX, StockCell,
    StockSetting,
};
pub use text::{
    ATTRIBUTES_MAX, Attributes, CatalogTextError, DESCRIPTION_CHARS_MAX, Description, Location,
    ProductCode, TITLE_CHARS_MAX, Title,
};

use core::fmt;

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where: a JSON pointer (RFC 6901) into the request's body.
    pub pointer: String,
    /// What is wrong with it.
    pub reason: String,
}

/// What is wrong, gathered, so that all of it can be said at once.
#[derive(Debug, Default)]
struct Violations(Vec<Violation>);

impl Violations {
    fn note(&mut self, pointer: impl Into<String>, reason: impl fmt::Display) {
        self.0.push(Violation {
            pointer: pointer.into(),
            reason: reason.to_string(),
        });
    }

    /// The value, or nothing and a note.
    fn take<T, E: fmt::Display>(&mut self, pointer: &str, parsed: Result<T, E>) -> Option<T> {
        parsed.map_err(|error| self.note(pointer, error)).ok()
    }

    /// `value`, if nothing was wrong.
    fn or<T>(self, value: Option<T>) -> Result<T, Vec<Violation>> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self.0),
        }
    }
}
