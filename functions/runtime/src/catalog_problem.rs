//! Refusals of the catalog as problems.

use crate::problem::{Code, Problem};
use serde_json::json;
use souk_app::CatalogRefusal;

impl From<&CatalogRefusal> for Problem {
    fn from(refusal: &CatalogRefusal) -> Self {
        let problem = |code| Self::new(code, refusal.to_string());
        match refusal {
            CatalogRefusal::ProductNotFound => problem(Code::ProductNotFound),
            CatalogRefusal::SkuNotFound => problem(Code::SkuNotFound),
            CatalogRefusal::UnknownProduct(code) => {
                problem(Code::ProductUnknown).with_member("product_code", json!(code))
            }
            CatalogRefusal::ArchivedProduct(code) => {
                problem(Code::ProductArchived).with_member("product_code", json!(code))
            }
            CatalogRefusal::OtherVersion { current } => {
                problem(Code::PreconditionFailed).with_member("current_version", json!(current))
            }
            CatalogRefusal::StockBelowReserved(below) => {
                problem(Code::StockBelowReserved).with_member("reserved", json!(below.reserved))
            }
        }
    }
}
