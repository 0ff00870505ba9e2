//! JSON of a body, read strictly: bounded in depth, no member twice, no number that programs read
//! differently, no character that the database cannot hold.

use crate::problem::{Code, FieldError, Problem};
use core::cell::RefCell;
use core::fmt;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Levels of arrays and objects in a body at most.
pub(crate) const DEPTH_MAX: usize = 32;
/// Wrong fields that one answer names at most.
pub(crate) const ERRORS_MAX: usize = 64;
/// The largest integer, to either side of zero, that every program reads as it was written (RFC 7493,
/// section 2.2): beyond it two different requests could have one fingerprint.
const INTEGER_MAX: u64 = 9_007_199_254_740_991;
/// The same for what is written with a fraction or an exponent, or has more digits.
const FLOAT_MAX: f64 = 9_007_199_254_740_991.0;

/// What is wrong with a body, as far as it has been read; at most [`ERRORS_MAX`].
#[derive(Debug, Default)]
pub(crate) struct Errors(RefCell<Vec<FieldError>>);

impl Errors {
    pub(crate) fn note(&self, pointer: &str, reason: impl Into<String>) {
        let mut errors = self.0.borrow_mut();
        if errors.len() < ERRORS_MAX {
            errors.push(FieldError {
                pointer: pointer.to_owned(),
                reason: reason.into(),
            });
        }
    }

    pub(crate) fn into_inner(self) -> Vec<FieldError> {
        self.0.into_inner()
    }
}

/// Extends a pointer by a member's name or an item's index (RFC 6901, section 3).
pub(crate) fn push(pointer: &mut String, name: &str) {
    pointer.push('/');
    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
}

/// Parses a text: 400 where it is too deep or no JSON; what else is wrong with it goes to `errors`.
pub(crate) fn parse(text: &[u8], errors: &Errors) -> Result<Value, Problem> {
    if is_too_deep(text) {
        let detail = format!("a body has at most {DEPTH_MAX} levels of arrays and objects");
        return Err(Problem::new(Code::BodyTooDeep, detail));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let mut pointer = String::new();
    let strict = Strict {
        pointer: &mut pointer,
        errors,
    };
    strict
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| {
            let detail = format!("at line {}, column {}", error.line(), error.column());
            Problem::new(Code::MalformedJson, detail)
        })
}

/// Counts brackets outside of strings, so that nothing deep is ever parsed.
fn is_too_deep(text: &[u8]) -> bool {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth = depth.saturating_add(1),
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return true;
        }
    }
    false
}

/// Reads one value at `pointer`.
struct Strict<'a> {
    pointer: &'a mut String,
    errors: &'a Errors,
}

impl Strict<'_> {
    /// Reads what lies below under `name`.
    fn below(&mut self, name: &str) -> Strict<'_> {
        push(self.pointer, name);
        Strict {
            pointer: self.pointer,
            errors: self.errors,
        }
    }

    fn check_text(&self, text: &str) {
        if text.contains('\0') {
            self.errors.note(self.pointer, "has the character U+0000");
        }
    }

    fn check_size(&self, fits: bool) {
        if !fits {
            let reason =
                format!("is a number beyond {INTEGER_MAX}, which programs read differently");
            self.errors.note(self.pointer, reason);
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        self.check_size(value.unsigned_abs() <= INTEGER_MAX);
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        self.check_size(value <= INTEGER_MAX);
        Ok(Value::from(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        self.check_size(value.abs() <= FLOAT_MAX);
        let number = Number::from_f64(value).ok_or_else(|| E::custom("not a number"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        self.check_text(value);
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        self.check_text(&value);
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let length = self.pointer.len();
        let mut list = Vec::new();
        loop {
            let index = list.len().to_string();
            let item = items.next_element_seed(self.below(&index))?;
            self.pointer.truncate(length);
            match item {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Value, A::Error> {
        let length = self.pointer.len();
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let inner = self.below(&name);
            inner.check_text(&name);
            if object.contains_key(&name) {
                inner.errors.note(inner.pointer, "occurs more than once");
            }
            let value = members.next_value_seed(inner)?;
            self.pointer.truncate(length);
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn noted(text: &str) -> (Value, Vec<(String, String)>) {
        let errors = Errors::default();
        let value = parse(text.as_bytes(), &errors).unwrap();
        let errors = errors.into_inner();
        let pairs = errors.into_iter().map(|one| (one.pointer, one.reason));
        (value, pairs.collect())
    }

    fn code(text: &[u8]) -> &'static str {
        parse(text, &Errors::default()).unwrap_err().code()
    }

    #[test]
    fn what_is_read_is_what_serde_json_reads() {
        let text = r#"{"a":[1,-2,2.5,"x",null,true,{"b":{}}],"\u00e9":"\ud83d\ude00"}"#;
        let (value, errors) = noted(text);
        assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(errors, []);
    }

    #[test]
    fn doubled_members_nul_and_wide_numbers_are_all_pointed_at() {
        let text = r#"{"a":{"x/y":1,"x/y":2},"b":["\u0000",9007199254740992,-1e300],"c\u0000":1,
            "d":9007199254740991,"e":99999999999999999999}"#;
        let (_, errors) = noted(text);
        let pointers: Vec<&str> = errors.iter().map(|(pointer, _)| pointer.as_str()).collect();
        let expected = ["/a/x~1y", "/b/0", "/b/1", "/b/2", "/c\0", "/e"];
        assert_eq!(pointers, expected);
    }

    #[test]
    fn depth_is_bounded_before_anything_is_parsed() {
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(nested(DEPTH_MAX).as_bytes(), &Errors::default()).is_ok());
        assert_eq!(code(nested(DEPTH_MAX + 1).as_bytes()), "body_too_deep");
        assert_eq!(code("[{\"a\":".repeat(100_000).as_bytes()), "body_too_deep");
        // Brackets in strings are none.
        let text = format!("[\"\\\"{}\"]", "[".repeat(100));
        assert_eq!(noted(&text).0, json!([format!("\"{}", "[".repeat(100))]));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            &b""[..],
            b"{",
            b"[1] x",
            b"{\"a\":1,}",
            b"[01]",
            b"[NaN]",
            b"[1e999]",
            b"\"\\ud800\"",
            b"\"\xff\"",
            b"\"\n\"",
            b"\xef\xbb\xbf{}",
        ] {
            assert_eq!(code(text), "malformed_json", "{text:?}");
        }
    }

    #[test]
    fn errors_are_bounded() {
        let text = format!("[{}]", "\"\\u0000\",".repeat(1_000) + "1");
        assert_eq!(noted(&text).1.len(), ERRORS_MAX);
    }
}
