//! Spin's key-value store in memory, and its variables.

use crate::bindings::{key_value, variables};
use crate::component::Data;
use crate::specification::Fault;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::Result;
use wasmtime::component::{Accessor, HasSelf, Resource};

/// The store, which all instances share.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeyValue {
    entries: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    faults: Arc<BTreeMap<String, Fault>>,
}

/// A store that an instance has opened.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "what `bindgen!` makes names it as its own")]
pub struct OpenStore;

type Answer<T> = Result<Result<T, key_value::Error>>;

impl KeyValue {
    pub(crate) fn new(
        entries: &BTreeMap<String, String>,
        faults: &BTreeMap<String, Fault>,
    ) -> Self {
        let entries = entries.iter();
        let entries = entries.map(|(key, value)| (key.clone(), value.clone().into_bytes()));
        Self {
            entries: Arc::new(Mutex::new(entries.collect())),
            faults: Arc::new(faults.clone()),
        }
    }

    /// What `act` says of the entries, unless there is something wrong with the key.
    async fn with<T>(
        &self,
        key: &str,
        act: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> T,
    ) -> Answer<T> {
        let fault = self
            .faults
            .iter()
            .find(|(prefix, _)| key.starts_with(*prefix));
        match fault {
            Some((_, Fault::Error)) => {
                return Ok(Err(key_value::Error::Other("the store is down".to_owned())));
            }
            Some((_, Fault::Silence)) => std::future::pending().await,
            None => {}
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Ok(act(&mut entries)))
    }
}

fn key_value_of<T: 'static>(accessor: &Accessor<T, HasSelf<Data>>) -> KeyValue {
    accessor.with(|mut access| access.get().key_value.clone())
}

impl key_value::Host for Data {}

impl key_value::HostStore for Data {
    fn drop(&mut self, store: Resource<OpenStore>) -> Result<()> {
        self.table.delete(store)?;
        Ok(())
    }
}

impl<T: 'static + Send> key_value::HostStoreWithStore<T> for HasSelf<Data> {
    async fn open(accessor: &Accessor<T, Self>, label: String) -> Answer<Resource<OpenStore>> {
        accessor.with(|mut access| {
            let data = access.get();
            if !data.stores.contains(&label) {
                return Ok(Err(key_value::Error::AccessDenied));
            }
            Ok(Ok(data.table.push(OpenStore)?))
        })
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        _: Resource<OpenStore>,
        key: String,
    ) -> Answer<Option<Vec<u8>>> {
        key_value_of(accessor)
            .with(&key, |entries| entries.get(&key).cloned())
            .await
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        _: Resource<OpenStore>,
        key: String,
        value: Vec<u8>,
    ) -> Answer<()> {
        key_value_of(accessor)
            .with(&key, |entries| {
                entries.insert(key.clone(), value);
            })
            .await
    }

    async fn delete(
        accessor: &Accessor<T, Self>,
        _: Resource<OpenStore>,
        key: String,
    ) -> Answer<()> {
        key_value_of(accessor)
            .with(&key, |entries| {
                entries.remove(&key);
            })
            .await
    }

    async fn exists(
        accessor: &Accessor<T, Self>,
        _: Resource<OpenStore>,
        key: String,
    ) -> Answer<bool> {
        key_value_of(accessor)
            .with(&key, |entries| entries.contains_key(&key))
            .await
    }
}

impl variables::Host for Data {}

impl<T: 'static + Send> variables::HostWithStore<T> for HasSelf<Data> {
    async fn get(
        accessor: &Accessor<T, Self>,
        name: String,
    ) -> Result<Result<String, variables::Error>> {
        let value = accessor.with(|mut access| access.get().variables.get(&name).cloned());
        Ok(value.ok_or(variables::Error::Undefined(name)))
    }
}
