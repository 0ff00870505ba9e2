//! Handlers: parse, call the use case, answer.

mod imports;
mod prices;
mod products;
mod skus;
mod stock;

pub(crate) use imports::import_catalog;
pub(crate) use prices::{get_prices, put_prices};
pub(crate) use products::{delete_product, get_product, list_products, put_product};
pub(crate) use skus::{delete_sku, get_sku, put_sku};
pub(crate) use stock::{get_stock, put_stock};

use core::fmt::Display;
use core::str::FromStr;
use souk_app::{AppError, Audience, StoredResponse};
use souk_runtime::edge_signature::EdgeCaller;
use souk_runtime::problem::{Code, Problem};

/// Whoever may read the catalog as its owner does; everybody else is the public.
fn audience(edge: &EdgeCaller) -> Audience {
    if edge.scopes.contains("catalog:read") {
        return Audience::Shop;
    }
    Audience::Public
}

/// The answer to a command: what `respond` makes of its outcome, or why it was refused.
fn responder<T>(
    edge: &EdgeCaller,
    respond: impl Fn(&T) -> StoredResponse + Send + Sync,
) -> impl Fn(Result<&T, &AppError>) -> StoredResponse + Send + Sync {
    let request_id = edge.caller.request_id;
    move |outcome| match outcome {
        Ok(done) => respond(done),
        Err(error) => Problem::from(error).to_stored(request_id),
    }
}

/// A part of the path that a command is about.
fn path_part<T: FromStr<Err: Display>>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error: T::Err| {
        Problem::new(Code::ValidationFailed, format!("in the path: {error}"))
    })
}

/// 201 for what is new, 200 for what was there.
const fn put_status(version: u64) -> u16 {
    if version == 1 { 201 } else { 200 }
}
