//! What an isolate or instance remembers of the key-value store: records of tenants, that there are none, and the
//! edge's settings. Old ones are used while new ones are fetched.

use std::collections::BTreeMap;
use std::rc::Rc;

/// Milliseconds for which a record is used without asking again.
const FRESH_MS: u64 = 10_000;
/// Milliseconds for which it is believed that there is none.
const MISSING_MS: u64 = 10_000;
/// Milliseconds for which a record is used while the store is asked again, or does not answer: what
/// suspends a tenant or revokes a key takes no longer than this and what the location keeps.
const STALE_MS: u64 = 60_000;
/// Milliseconds between two questions for the same key while the store does not answer.
const RETRY_MS: u64 = 1_000;
/// Entries at most; beyond, the least fresh ones go.
const ENTRIES_MAX: usize = 1_000;

/// Values of one kind by their keys.
#[derive(Debug)]
pub struct Store<T> {
    entries: BTreeMap<String, Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    /// Nothing where the store has nothing.
    value: Option<Rc<T>>,
    /// Unix milliseconds.
    at_ms: u64,
    asked_ms: u64,
    /// Whether `value` means anything: the store has answered, and it was understood.
    is_known: bool,
}

/// What is known of a key.
#[derive(Debug)]
pub enum Found<T> {
    /// This, or that there is none; and whether to ask again meanwhile.
    Known(Option<Rc<T>>, bool),
    /// Nothing yet.
    Ask,
    /// Nothing, and the store did not answer a moment ago.
    Unavailable,
}

impl<T> Default for Store<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Store<T> {
    /// One that knows nothing.
    pub const fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
        }
    }

    /// What is known of a key, at Unix milliseconds.
    pub fn get(&mut self, key: &str, now_ms: u64) -> Found<T> {
        let Some(entry) = self.entries.get_mut(key) else {
            return Found::Ask;
        };
        let age_ms = now_ms.saturating_sub(entry.at_ms);
        let may_ask = now_ms.saturating_sub(entry.asked_ms) >= RETRY_MS;
        let fresh_ms = if entry.value.is_some() {
            FRESH_MS
        } else {
            MISSING_MS
        };
        if entry.is_known && age_ms < fresh_ms {
            return Found::Known(entry.value.clone(), false);
        }
        if entry.is_known && entry.value.is_some() && age_ms < STALE_MS {
            if may_ask {
                entry.asked_ms = now_ms;
            }
            return Found::Known(entry.value.clone(), may_ask);
        }
        if may_ask {
            Found::Ask
        } else {
            Found::Unavailable
        }
    }

    /// What the store has said: a value, or nothing.
    pub fn learn(&mut self, key: &str, value: Option<T>, now_ms: u64) {
        self.make_room(key);
        let entry = Entry {
            value: value.map(Rc::new),
            at_ms: now_ms,
            asked_ms: now_ms,
            is_known: true,
        };
        self.entries.insert(key.to_owned(), entry);
    }

    /// It has said nothing, or nothing that is understood: what was known stays so while it may.
    pub fn fail(&mut self, key: &str, now_ms: u64) {
        self.make_room(key);
        let entry = self.entries.entry(key.to_owned()).or_insert(Entry {
            value: None,
            at_ms: now_ms,
            asked_ms: now_ms,
            is_known: false,
        });
        entry.asked_ms = now_ms;
    }

    fn make_room(&mut self, key: &str) {
        if self.entries.len() < ENTRIES_MAX || self.entries.contains_key(key) {
            return;
        }
        let mut times: Vec<u64> = self.entries.values().map(|entry| entry.at_ms).collect();
        times.sort_unstable();
        let median = times.get(ENTRIES_MAX / 2).copied().unwrap_or(u64::MAX);
        self.entries.retain(|_, entry| entry.at_ms > median);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_763_700_000_000;

    fn known(found: &Found<u8>) -> Option<(Option<u8>, bool)> {
        match found {
            Found::Known(value, refresh) => Some((value.as_deref().copied(), *refresh)),
            Found::Ask | Found::Unavailable => None,
        }
    }

    #[test]
    fn what_is_known_is_used_then_asked_for_again_then_forgotten() {
        let mut store = Store::new();
        assert!(matches!(store.get("a", NOW_MS), Found::Ask));
        store.learn("a", Some(1), NOW_MS);
        assert_eq!(
            known(&store.get("a", NOW_MS + 9_999)),
            Some((Some(1), false))
        );
        assert_eq!(
            known(&store.get("a", NOW_MS + 10_000)),
            Some((Some(1), true))
        );
        assert_eq!(
            known(&store.get("a", NOW_MS + 10_001)),
            Some((Some(1), false)),
            "one asks"
        );
        store.fail("a", NOW_MS + 10_500);
        assert_eq!(
            known(&store.get("a", NOW_MS + 59_999)),
            Some((Some(1), true))
        );
        assert!(
            matches!(store.get("a", NOW_MS + 61_000), Found::Ask),
            "too old to be right"
        );
    }

    #[test]
    fn that_there_is_none_is_remembered_for_a_moment() {
        let mut store: Store<u8> = Store::new();
        store.learn("a", None, NOW_MS);
        assert_eq!(known(&store.get("a", NOW_MS + 9_999)), Some((None, false)));
        assert!(matches!(store.get("a", NOW_MS + 10_000), Found::Ask));
    }

    #[test]
    fn a_store_that_is_down_is_asked_once_a_second() {
        let mut store: Store<u8> = Store::new();
        store.fail("a", NOW_MS);
        assert!(matches!(store.get("a", NOW_MS + 999), Found::Unavailable));
        assert!(matches!(store.get("a", NOW_MS + 1_000), Found::Ask));
    }

    #[test]
    fn memory_is_bounded() {
        let mut store = Store::new();
        for number in 0..5_000_u64 {
            store.learn(&number.to_string(), Some(1), NOW_MS + number);
            assert!(store.entries.len() <= ENTRIES_MAX);
        }
        assert_eq!(
            known(&store.get("4999", NOW_MS + 5_000)),
            Some((Some(1), false))
        );
    }
}
