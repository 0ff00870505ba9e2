//! This function's part of the API's description (OpenAPI 3.1).

mod operations;
mod schemas;

use souk_runtime::openapi::{Part, Refusals, complete};
use souk_runtime::operations::Function;
use souk_runtime::problem::Code;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(
    operations::list_products,
    operations::get_product,
    operations::put_product,
    operations::delete_product,
    operations::get_sku,
    operations::put_sku,
    operations::delete_sku,
    operations::get_prices,
    operations::put_prices,
    operations::get_stock,
    operations::put_stock,
    operations::import_catalog,
    operations::get_pricing_rules,
    operations::put_pricing_rules,
))]
struct Operations;

/// What each operation can refuse besides what all of its kind do.
const REFUSALS: &[Refusals] = &[
    (
        "list_products",
        &[
            Code::QueryInvalid,
            Code::CursorInvalid,
            Code::PreconditionInvalid,
        ],
    ),
    (
        "get_product",
        &[Code::ProductNotFound, Code::PreconditionInvalid],
    ),
    ("put_product", CONDITIONAL),
    ("put_product", &[Code::ValidationFailed]),
    ("delete_product", CONDITIONAL),
    ("delete_product", &[Code::ProductNotFound]),
    ("get_sku", &[Code::SkuNotFound, Code::PreconditionInvalid]),
    ("put_sku", CONDITIONAL),
    ("put_sku", &[Code::ProductUnknown, Code::ProductArchived]),
    ("delete_sku", CONDITIONAL),
    ("delete_sku", &[Code::SkuNotFound]),
    (
        "get_prices",
        &[
            Code::SkuNotFound,
            Code::ValidationFailed,
            Code::PreconditionInvalid,
        ],
    ),
    ("put_prices", &[Code::SkuNotFound]),
    ("get_stock", &[Code::SkuNotFound]),
    ("put_stock", &[Code::SkuNotFound, Code::StockBelowReserved]),
    ("get_pricing_rules", &[Code::PreconditionInvalid]),
    ("put_pricing_rules", CONDITIONAL),
];
const CONDITIONAL: &[Code] = &[Code::PreconditionInvalid, Code::PreconditionFailed];

/// The part, and what is missing in it.
pub fn part() -> Part {
    let described = serde_json::to_value(Operations::openapi()).unwrap_or_default();
    complete(described, Function::Catalog, REFUSALS)
}
