//! Reads the fields of a body one by one and notes everything that is wrong with them, so that one
//! answer names it all.
//!
//! A reader returns `None` where it has noted something. All members of an object are read first, and
//! only then put together with `?`, so that none hides what is wrong with the next:
//!
//! ```ignore
//! fn line(field: &Field<'_>) -> Option<RequestedLine> {
//!     let line = field.object(&["sku", "quantity"])?;
//!     let sku = line.required("sku", Field::parse);
//!     let quantity = line.required("quantity", |field| field.integer(1..=QUANTITY_MAX));
//!     Some(RequestedLine { sku: sku?, quantity: quantity? })
//! }
//! ```

use crate::json::{Errors, push};
use core::fmt::Display;
use core::ops::RangeInclusive;
use core::str::FromStr;
use serde_json::{Map, Value};

/// A value of a body, and where it is.
#[derive(Debug, Clone)]
pub struct Field<'a> {
    value: &'a Value,
    pointer: String,
    errors: &'a Errors,
}

/// The members of an object, of which none is unknown.
#[derive(Debug)]
pub struct Object<'a> {
    members: &'a Map<String, Value>,
    known: &'a [&'static str],
    pointer: String,
    errors: &'a Errors,
}

impl<'a> Field<'a> {
    pub(crate) fn root(value: &'a Value, errors: &'a Errors) -> Self {
        Self {
            value,
            pointer: String::new(),
            errors,
        }
    }

    /// As it was sent.
    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// Where it is: a JSON pointer (RFC 6901).
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// Notes what is wrong with it.
    pub fn refuse<T>(&self, reason: impl Display) -> Option<T> {
        self.errors.note(&self.pointer, reason.to_string());
        None
    }

    /// Notes what is wrong at `pointer` within it.
    pub fn refuse_at<T>(&self, pointer: &str, reason: impl Display) -> Option<T> {
        let pointer = format!("{}{pointer}", self.pointer);
        self.errors.note(&pointer, reason.to_string());
        None
    }

    /// A string.
    pub fn text(&self) -> Option<&'a str> {
        let text = self.value.as_str();
        text.or_else(|| self.refuse("is not a string"))
    }

    /// A string in the form of `T`, whose error says what is wrong.
    pub fn parse<T>(&self) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let parsed = self.text()?.parse();
        parsed.map_or_else(|error: T::Err| self.refuse(error), Some)
    }

    /// An integer within `range`, written without fraction or exponent.
    pub fn integer(&self, range: RangeInclusive<i64>) -> Option<i64> {
        let Value::Number(number) = self.value else {
            return self.refuse("is not an integer");
        };
        if number.is_f64() {
            return self.refuse("is not an integer");
        }
        let integer = number.as_i64().filter(|integer| range.contains(integer));
        integer.or_else(|| {
            let (min, max) = range.into_inner();
            self.refuse(format!("is not between {min} and {max}"))
        })
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Option<bool> {
        let boolean = self.value.as_bool();
        boolean.or_else(|| self.refuse("is neither true nor false"))
    }

    /// A list with as many items as `count` says, each read by `read`. What is wrong with its items is
    /// noted for all of them, unless there are too many.
    pub fn list<T>(
        &self,
        count: RangeInclusive<usize>,
        read: impl Fn(&Field<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Value::Array(items) = self.value else {
            return self.refuse("is not an array");
        };
        if !count.contains(&items.len()) {
            let (min, max) = count.into_inner();
            return self.refuse(format!("does not have {min} to {max} items"));
        }
        let read: Vec<Option<T>> = items
            .iter()
            .enumerate()
            .map(|(index, item)| read(&self.below(&index.to_string(), item)))
            .collect();
        read.into_iter().collect()
    }

    /// An object whose members have names of their own: at most `count_max` of them, each read by
    /// `read`.
    pub fn map<T>(
        &self,
        count_max: usize,
        read: impl Fn(&str, &Field<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Value::Object(members) = self.value else {
            return self.refuse("is not an object");
        };
        if members.len() > count_max {
            return self.refuse(format!("has more than {count_max} members"));
        }
        let read: Vec<Option<T>> = members
            .iter()
            .map(|(name, value)| read(name, &self.below(name, value)))
            .collect();
        read.into_iter().collect()
    }

    /// An object that has no other members than `known`. Unknown ones are noted; the others can still
    /// be read.
    pub fn object(&self, known: &'a [&'static str]) -> Option<Object<'a>> {
        let Value::Object(members) = self.value else {
            return self.refuse("is not an object");
        };
        for (name, value) in members {
            if !known.contains(&name.as_str()) {
                self.below(name, value).refuse::<()>("is not known here");
            }
        }
        Some(Object {
            members,
            known,
            pointer: self.pointer.clone(),
            errors: self.errors,
        })
    }

    fn below(&self, name: &str, value: &'a Value) -> Self {
        let mut pointer = self.pointer.clone();
        push(&mut pointer, name);
        Self {
            value,
            pointer,
            errors: self.errors,
        }
    }
}

impl<'a> Object<'a> {
    /// A member that must be there.
    pub fn required<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&Field<'a>) -> Option<T>,
    ) -> Option<T> {
        let Some(field) = self.member(name) else {
            let mut pointer = self.pointer.clone();
            push(&mut pointer, name);
            self.errors.note(&pointer, "is missing");
            return None;
        };
        read(&field)
    }

    /// A member that may be missing or `null`; the outer `None` says that something was noted.
    #[allow(
        clippy::option_option,
        reason = "nothing sent and something wrong are different"
    )]
    pub fn optional<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&Field<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.member(name) {
            Some(field) if !field.value.is_null() => read(&field).map(Some),
            _ => Some(None),
        }
    }

    fn member(&self, name: &'static str) -> Option<Field<'a>> {
        debug_assert!(self.known.contains(&name), "{name} is read and not known");
        let mut pointer = self.pointer.clone();
        push(&mut pointer, name);
        self.members.get(name).map(|value| Field {
            value,
            pointer,
            errors: self.errors,
        })
    }
}
