//! The policy's vectors, which all of its hosts run.

use crate::process::repository;
use serde_json::Value;
use std::fs;

/// A file of `core/policy/testdata`.
pub(crate) fn testdata(name: &str) -> Value {
    let path = repository().join("core/policy/testdata").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The table of hostile requests, with the issuers' keys at `keys_host` in place of their own.
pub(crate) fn hostile_table(keys_host: &str) -> Value {
    let text = testdata("hostile.json").to_string();
    let text = text.replace("https://keys.example", &format!("http://{keys_host}"));
    serde_json::from_str(&text.replace("\"keys.example\"", &format!("{keys_host:?}"))).unwrap()
}

/// What the store holds for that table, by its keys.
pub(crate) fn entries(table: &Value) -> Vec<(String, String)> {
    let records = table["records"].as_object().unwrap().iter();
    let records = records.map(|(key, record)| (key.clone(), record.to_string()));
    let settings = ("edge:settings".to_owned(), table["settings"].to_string());
    std::iter::once(settings).chain(records).collect()
}
