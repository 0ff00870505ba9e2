//! Spin's key-value store: records of tenants and the edge's settings, as the worker has them in KV.

use crate::answer::report;
use crate::clock::now_ms;
use crate::memory::{Memory, with};
use souk_policy::problem::{Problem, unroutable};
use souk_policy::route::{RouteKey, RouteRecord};
use souk_policy::settings::{SETTINGS_KEY, Settings};
use souk_policy::store::{Found, Store as Remembered};
use spin_sdk::key_value::{Error, Store};
use std::rc::Rc;

/// What the store holds under a key.
pub(crate) async fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
    Store::open_default().await?.get(key).await
}

/// Keeps a value. Where that fails, it is lost.
pub(crate) async fn set(key: &str, value: &[u8]) -> Result<(), Error> {
    Store::open_default().await?.set(key, value).await
}

/// What counts for all tenants.
pub(crate) async fn settings() -> Result<Rc<Settings>, Problem> {
    let found = found(SETTINGS_KEY, |memory| &mut memory.settings, parse_settings).await?;
    Ok(found.unwrap_or_default())
}

/// The record under a key, or nothing where there is none.
pub(crate) async fn record(key: &RouteKey) -> Result<Option<Rc<RouteRecord>>, Problem> {
    found(key.as_str(), |memory| &mut memory.records, parse_record).await
}

/// An error and its cause, for the log.
fn told(error: &dyn core::error::Error) -> String {
    let cause = error.source().map(ToString::to_string);
    format!("{error}: {}", cause.unwrap_or_default())
}

fn parse_settings(json: &str) -> Result<Settings, String> {
    Settings::parse(json).map_err(|error| told(&error))
}

fn parse_record(json: &str) -> Result<RouteRecord, String> {
    RouteRecord::parse(json).map_err(|error| told(&error))
}

type Place<T> = fn(&mut Memory) -> &mut Remembered<T>;
type Parse<T> = fn(&str) -> Result<T, String>;

/// What is remembered, or what the store says; what is old is used while it is asked for again.
async fn found<T: 'static>(
    key: &str,
    place: Place<T>,
    parse: Parse<T>,
) -> Result<Option<Rc<T>>, Problem> {
    let remembered = with(|memory| place(memory).get(key, now_ms()));
    match remembered {
        Found::Known(value, refresh) => {
            if refresh {
                let key = key.to_owned();
                spin_sdk::wasip3::spawn(async move { learn(&key, place, parse).await });
            }
            return Ok(value);
        }
        Found::Unavailable => return Err(unroutable()),
        Found::Ask => learn(key, place, parse).await,
    }
    match with(|memory| place(memory).get(key, now_ms())) {
        Found::Known(value, _) => Ok(value),
        Found::Ask | Found::Unavailable => Err(unroutable()),
    }
}

async fn learn<T>(key: &str, place: Place<T>, parse: Parse<T>) {
    let value = match get(key).await {
        Ok(value) => parsed(value, parse),
        Err(error) => Err(error.to_string()),
    };
    match value {
        Ok(value) => with(|memory| place(memory).learn(key, value, now_ms())),
        Err(cause) => {
            with(|memory| place(memory).fail(key, now_ms()));
            report("routing_unavailable", &format!("{key}: {cause}"));
        }
    }
}

fn parsed<T>(value: Option<Vec<u8>>, parse: Parse<T>) -> Result<Option<T>, String> {
    let Some(bytes) = value else {
        return Ok(None);
    };
    let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
    parse(&text).map(Some)
}
