//! Souk.
#![allow(unsafe_code, missing_docs, reason = "x")]
use wasm_bindgen::prelude::*;
use worker::{Context, Env, event};

#[wasm_bindgen(module = "/src/glue.js")]
extern "C" {
    fn facts(request: &web_sys::Request) -> String;
    #[wasm_bindgen(catch)]
    fn route_record(env: &Env, key: &str) -> Result<js_sys::Promise, JsValue>;
    fn respond(status: u16, headers: &str, body: &str) -> web_sys::Response;
}

#[event(fetch)]
async fn fetch(
    request: web_sys::Request,
    env: Env,
    _ctx: Context,
) -> worker::Result<web_sys::Response> {
    let facts = facts(&request);
    let record =
        js_sys::futures::JsFuture::from(route_record(&env, "host:demo.localhost")?).await?;
    Ok(respond(
        200,
        "content-type:text/plain",
        &format!(
            "{facts}\n{record:?}\n{:?}",
            env.var("ORIGIN_URL").map(|v| v.to_string())
        ),
    ))
}
