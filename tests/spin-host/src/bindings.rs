//! What `bindgen!` makes of `wit/`.

#[allow(
    unsafe_code,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
mod generated {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "souk:spin-host/host",
        imports: { default: trappable },
        with: {
            "spin:key-value/key-value.store": crate::key_value::OpenStore,
        },
    });
}

pub(crate) use generated::Host_;
pub(crate) use generated::spin::{key_value::key_value, variables::variables};
