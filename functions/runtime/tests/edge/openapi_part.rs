//! A function's part of the API's description: complete, and what `docs/openapi.json` says.

use serde_json::Value;
use souk_runtime::openapi::Part;
use std::{env, fs, path::Path};

/// With `SOUK_OPENAPI_OUT`, `part` is written into that folder, from which `cargo xtask openapi` takes it;
/// otherwise it is compared with what is published.
pub(crate) fn write_or_compare(function: &str, part: &Part) {
    if let Some(folder) = env::var_os("SOUK_OPENAPI_OUT") {
        let text = serde_json::to_string_pretty(&part.document).unwrap();
        fs::write(Path::new(&folder).join(format!("{function}.json")), text).unwrap();
        return;
    }
    assert_eq!(part.disagreements, [""; 0]);
    let published: Value =
        serde_json::from_str(include_str!("../../../../docs/openapi.json")).unwrap();
    for area in ["/paths", "/components/schemas"] {
        for (name, described) in part.document.pointer(area).unwrap().as_object().unwrap() {
            let published = &published.pointer(area).unwrap()[name];
            assert_eq!(described, published, "{name}: run `cargo xtask openapi`");
        }
    }
}
