//! The one border to JavaScript: what `glue.js` does, declared for Rust.

#![allow(
    unsafe_code,
    reason = "the code that wasm-bindgen generates for a border is unsafe"
)]

use js_sys::{Promise, Uint8Array};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};
use web_sys::{Request, Response};
use worker::Env;

#[wasm_bindgen(module = "/src/glue.js")]
extern "C" {
    pub(crate) fn facts(request: &Request) -> String;

    pub(crate) fn route_record(env: &Env, key: &str, cache_ttl_s: u32) -> Promise;

    pub(crate) fn read_body(request: &Request, bytes_max: u32) -> Promise;

    pub(crate) fn forward(
        request: &Request,
        url: &str,
        body: Option<Uint8Array>,
        timeout_ms: u32,
        stripped: &str,
        set: &str,
        answer_stripped: &str,
        answer: &str,
    ) -> Promise;

    #[wasm_bindgen(catch)]
    pub(crate) fn respond(status: u16, headers: &str, body: &str) -> Result<Response, JsValue>;
}
