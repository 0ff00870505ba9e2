//! Query parameters: every one is known, given once, and of its form; what is not is named all at
//! once.

use crate::problem::{Code, Problem};
use core::fmt::Display;
use core::ops::RangeInclusive;
use core::str::FromStr;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The parameters of a request, read one by one.
#[derive(Debug)]
pub struct Query {
    values: BTreeMap<&'static str, String>,
    wrong: Vec<Value>,
}

impl Query {
    /// Reads `query`, the part of the target after its question mark. `known` are the names that it may
    /// have.
    pub fn new(query: Option<&str>, known: &[&'static str]) -> Self {
        let mut read = Self {
            values: BTreeMap::new(),
            wrong: Vec::new(),
        };
        let pairs = query.unwrap_or_default().split('&');
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name).unwrap_or_default();
            match known.iter().find(|known| **known == name) {
                None => read.note(&name, "is not known here"),
                Some(known) if read.values.contains_key(known) => {
                    read.note(known, "is given more than once");
                }
                Some(known) => match decoded(value) {
                    Some(value) => {
                        read.values.insert(known, value);
                    }
                    None => read.note(known, "is not UTF-8"),
                },
            }
        }
        read
    }

    /// The parameter in the form of `T`, whose error says what is wrong, if it is there.
    pub fn parsed<T: FromStr<Err: Display>>(&mut self, name: &'static str) -> Option<T> {
        let parsed = self.values.get(name)?.parse::<T>();
        parsed
            .map_err(|error| self.note(name, &error.to_string()))
            .ok()
    }

    /// The parameter as a number within `range`, or `default` where it is not there.
    pub fn number(&mut self, name: &'static str, range: RangeInclusive<u8>, default: u8) -> u8 {
        let Some(text) = self.values.get(name) else {
            return default;
        };
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.unwrap_or_else(|| {
            let (min, max) = range.into_inner();
            self.note(name, &format!("is not a number from {min} to {max}"));
            default
        })
    }

    /// Notes what is wrong with a parameter.
    pub fn note(&mut self, name: &str, reason: &str) {
        self.wrong
            .push(json!({ "parameter": name, "reason": reason }));
    }

    /// Nothing, if all parameters were as they should be.
    ///
    /// # Errors
    /// 400 `query_invalid`, with everything that was noted.
    pub fn finish(self) -> Result<(), Problem> {
        if self.wrong.is_empty() {
            return Ok(());
        }
        let detail = "one or more query parameters are not valid; see errors";
        let problem = Problem::new(Code::QueryInvalid, detail);
        Err(problem.with_member("errors", Value::Array(self.wrong)))
    }
}

fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_defaults_taken() {
        let mut query = Query::new(
            Some("limit=7&name=a%20b+c&&flag"),
            &["limit", "name", "flag"],
        );
        assert_eq!(query.number("limit", 1..=100, 20), 7);
        assert_eq!(query.parsed::<String>("name").as_deref(), Some("a b c"));
        assert_eq!(query.parsed::<String>("flag").as_deref(), Some(""));
        assert!(query.finish().is_ok());
        let mut absent = Query::new(None, &["limit"]);
        assert_eq!(absent.number("limit", 1..=100, 20), 20);
        assert!(absent.finish().is_ok());
    }

    #[test]
    fn all_that_is_wrong_is_named() {
        let text = "limit=0&cursor=1&cursor=2&other=1&id=x&name=%ff";
        let mut query = Query::new(Some(text), &["limit", "cursor", "id", "name"]);
        query.number("limit", 1..=100, 20);
        query.parsed::<u32>("id");
        let problem = query.finish().unwrap_err();
        assert_eq!(problem.code(), "query_invalid");
        let body = format!("{problem:?}");
        for name in ["limit", "cursor", "other", "id", "name"] {
            assert!(body.contains(name), "{name} in {body}");
        }
    }
}
