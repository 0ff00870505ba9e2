//! What an instance remembers. Requests that it serves at the same time share it, and each borrows it only
//! between two things that it waits for.

use souk_policy::address::AddressLimiter;
use souk_policy::breaker::Breaker;
use souk_policy::config::Config;
use souk_policy::jwks_cache::JwksEntry;
use souk_policy::limit_states::States;
use souk_policy::route::RouteRecord;
use souk_policy::settings::Settings;
use souk_policy::store::Store;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Key sets that are remembered at most.
const KEY_SETS_MAX: usize = 256;

thread_local! {
    static MEMORY: RefCell<Memory> = const { RefCell::new(Memory::new()) };
}

#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) config: Option<Rc<Config>>,
    pub(crate) settings: Store<Settings>,
    pub(crate) records: Store<RouteRecord>,
    key_sets: BTreeMap<String, KeySet>,
    pub(crate) addresses: AddressLimiter,
    pub(crate) states: States,
    pub(crate) limiter: Breaker,
    origin: Breaker,
    canary: Breaker,
}

/// The keys behind one address.
#[derive(Debug, Default)]
pub(crate) struct KeySet {
    pub(crate) entry: JwksEntry,
    /// What the store was told of them, to be told again with a later try.
    pub(crate) stored: crate::stored_keys::StoredKeys,
    /// When a fetch began that has not ended, in Unix milliseconds.
    pub(crate) fetching_since_ms: Option<u64>,
}

impl Memory {
    const fn new() -> Self {
        Self {
            config: None,
            settings: Store::new(),
            records: Store::new(),
            key_sets: BTreeMap::new(),
            addresses: AddressLimiter::new(),
            states: States::new(),
            limiter: Breaker::new(),
            origin: Breaker::new(),
            canary: Breaker::new(),
        }
    }

    pub(crate) fn breaker(&mut self, is_canary: bool) -> &mut Breaker {
        if is_canary {
            &mut self.canary
        } else {
            &mut self.origin
        }
    }

    pub(crate) fn key_set(&mut self, url: &str) -> &mut KeySet {
        if self.key_sets.len() >= KEY_SETS_MAX && !self.key_sets.contains_key(url) {
            self.key_sets.clear();
        }
        self.key_sets.entry(url.to_owned()).or_default()
    }
}

/// Borrows the memory. `act` must not wait for anything, which its type does not let it.
pub(crate) fn with<T>(act: impl FnOnce(&mut Memory) -> T) -> T {
    MEMORY.with(|memory| act(&mut memory.borrow_mut()))
}

/// The settings, where they were read.
pub(crate) fn config() -> Option<Rc<Config>> {
    with(|memory| memory.config.clone())
}
