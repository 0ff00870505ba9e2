//! This function's part of the API's description: complete, and what `docs/openapi.json` says. With
//! `SOUK_OPENAPI_OUT` it is written into that folder, from which `cargo xtask openapi` takes it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use serde_json::Value;
use std::{env, fs, path::Path};

#[test]
fn the_part_is_complete_and_what_is_published() {
    let part = souk_catalog::openapi::part();
    if let Some(folder) = env::var_os("SOUK_OPENAPI_OUT") {
        let text = serde_json::to_string_pretty(&part.document).unwrap();
        fs::write(Path::new(&folder).join("catalog.json"), text).unwrap();
        return;
    }
    assert_eq!(part.disagreements, [""; 0]);
    let published: Value =
        serde_json::from_str(include_str!("../../../docs/openapi.json")).unwrap();
    for area in ["/paths", "/components/schemas"] {
        for (name, described) in part.document.pointer(area).unwrap().as_object().unwrap() {
            let published = &published.pointer(area).unwrap()[name];
            assert_eq!(described, published, "{name}: run `cargo xtask openapi`");
        }
    }
}
