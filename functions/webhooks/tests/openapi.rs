//! This function's part of the API's description.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "../../runtime/tests/edge/openapi_part.rs"]
mod openapi_part;

#[test]
fn the_part_is_complete_and_what_is_published() {
    openapi_part::write_or_compare("webhooks", &souk_webhooks::openapi::part());
}
