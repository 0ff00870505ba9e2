//! Whether a schema takes less than before, or answers more.

use super::compare::{members, resolved};
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// Which way values of a schema go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the client: what was taken must still be taken.
    Sent,
    /// To the client: what it relies on must still be there. New values of an enumeration are no
    /// break: clients are told to expect them.
    Answered,
}

/// Where references of the old and of the new schema lead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Documents<'a> {
    pub(super) old: &'a Value,
    pub(super) new: &'a Value,
}

/// Levels of a schema that are compared; one that refers to itself has no end.
const DEPTH_MAX: usize = 16;
const UPPER: [&str; 5] = [
    "maximum",
    "exclusiveMaximum",
    "maxLength",
    "maxItems",
    "maxProperties",
];
const LOWER: [&str; 5] = [
    "minimum",
    "exclusiveMinimum",
    "minLength",
    "minItems",
    "minProperties",
];
const FORMS: [&str; 3] = ["pattern", "format", "const"];
const COMBINED: [&str; 3] = ["allOf", "anyOf", "oneOf"];

/// The ways in which `new` breaks who relies on `old`, in words.
pub(super) fn narrowed(
    documents: Documents<'_>,
    old: &Value,
    new: &Value,
    direction: Direction,
    place: &str,
) -> Vec<String> {
    let mut comparison = Comparison {
        documents,
        direction,
        seen: BTreeSet::new(),
        broken: Vec::new(),
    };
    comparison.compare(old, new, place, 0);
    comparison.broken
}

struct Comparison<'a> {
    documents: Documents<'a>,
    direction: Direction,
    /// References that have been followed: what is wrong behind one is said once.
    seen: BTreeSet<&'a str>,
    broken: Vec<String>,
}

impl<'a> Comparison<'a> {
    fn compare(&mut self, old: &'a Value, new: &'a Value, place: &str, depth: usize) {
        if depth > DEPTH_MAX {
            return;
        }
        let reference = old.get("$ref").and_then(Value::as_str);
        if reference.is_some_and(|reference| !self.seen.insert(reference)) {
            return;
        }
        let old = resolved(self.documents.old, old);
        let new = resolved(self.documents.new, new);
        self.types(old, new, place);
        if self.direction == Direction::Sent {
            self.values(old, new, place);
            self.bounds(old, new, place);
        }
        self.required(old, new, place);
        for (name, before) in members(old, "properties") {
            let place = format!("{place}/{name}");
            match new.get("properties").and_then(|all| all.get(name)) {
                Some(now) => self.compare(before, now, &place, depth.saturating_add(1)),
                None => self.broken.push(format!("{place} is gone")),
            }
        }
        for name in ["items", "additionalProperties"] {
            if let Some((before, now)) = old.get(name).zip(new.get(name)) {
                self.compare(before, now, &format!("{place}/*"), depth.saturating_add(1));
            }
        }
        if self.direction == Direction::Sent && takes_any(old) && !takes_any(new) {
            self.broken
                .push(format!("{place}: other members are not taken any more"));
        }
        for name in COMBINED {
            self.combined(old.get(name), new.get(name), place, depth);
        }
    }

    fn types(&mut self, old: &Value, new: &Value, place: &str) {
        let (before, now) = (types(old), types(new));
        let fits = match self.direction {
            Direction::Sent => now.is_empty() || (!before.is_empty() && before.is_subset(&now)),
            Direction::Answered => before.is_empty() || (!now.is_empty() && now.is_subset(&before)),
        };
        if !fits {
            self.broken
                .push(format!("{place}: is {now:?}, was {before:?}"));
        }
    }

    fn values(&mut self, old: &Value, new: &Value, place: &str) {
        let Some(now) = new.get("enum").and_then(Value::as_array) else {
            return;
        };
        let Some(before) = old.get("enum").and_then(Value::as_array) else {
            self.broken
                .push(format!("{place}: only some values are taken now"));
            return;
        };
        for value in before.iter().filter(|value| !now.contains(value)) {
            let value = value.as_str().map_or(value.to_string(), str::to_owned);
            self.broken
                .push(format!("{place}: {value} is not taken any more"));
        }
    }

    fn bounds(&mut self, old: &Value, new: &Value, place: &str) {
        for (names, worse) in [(UPPER, Ordering::Less), (LOWER, Ordering::Greater)] {
            for name in names {
                let Some(now) = new.get(name).and_then(Value::as_f64) else {
                    continue;
                };
                match old.get(name).and_then(Value::as_f64) {
                    // A text, a list or an object that had no bound had this one.
                    None if name.starts_with("min") && name != "minimum" && now <= 0.0 => {}
                    None => self
                        .broken
                        .push(format!("{place}: {name} is {now}, was none")),
                    Some(before) if now.total_cmp(&before) == worse => {
                        self.broken
                            .push(format!("{place}: {name} is {now}, was {before}"));
                    }
                    Some(_) => {}
                }
            }
        }
        for name in FORMS {
            if new.get(name).is_some() && new.get(name) != old.get(name) {
                self.broken.push(format!("{place}: it has another {name}"));
            }
        }
    }

    fn required(&mut self, old: &Value, new: &Value, place: &str) {
        let (before, now) = (texts(old.get("required")), texts(new.get("required")));
        let (more, fewer, how) = match self.direction {
            Direction::Sent => (&now, &before, "is required now"),
            Direction::Answered => (&before, &now, "is not always there any more"),
        };
        let lost: BTreeSet<&str> = more.difference(fewer).copied().collect();
        // Of a property that is gone altogether it is said elsewhere.
        let known = |name: &&&str| {
            let all = new.get("properties");
            all.is_some_and(|all| all.get(**name).is_some())
        };
        let words: Vec<String> = lost
            .iter()
            .filter(known)
            .map(|name| format!("{place}/{name} {how}"))
            .collect();
        self.broken.extend(words);
    }

    fn combined(
        &mut self,
        old: Option<&'a Value>,
        new: Option<&'a Value>,
        place: &str,
        depth: usize,
    ) {
        let list = |value: Option<&'a Value>| -> &'a [Value] {
            let items = value.and_then(Value::as_array);
            items.map(Vec::as_slice).unwrap_or_default()
        };
        let (before, now) = (list(old), list(new));
        if before.len() != now.len() {
            self.broken
                .push(format!("{place}: it is composed otherwise"));
            return;
        }
        for (before, now) in before.iter().zip(now) {
            self.compare(before, now, place, depth.saturating_add(1));
        }
    }
}

fn takes_any(schema: &Value) -> bool {
    schema.get("additionalProperties") != Some(&Value::Bool(false))
}

fn types(schema: &Value) -> BTreeSet<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => BTreeSet::from([one.as_str()]),
        several => texts(several),
    }
}

fn texts(value: Option<&Value>) -> BTreeSet<&str> {
    let items = value.and_then(Value::as_array);
    items
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}
