//! The keys of the edge's signatures, which change while a function runs: read again when what is held is old, and
//! when a signature names a key that is not in it (ADR 0026).

use crate::config::{ConfigError, EDGE_KEYS, edge_ring};
use crate::environment::{Environment, EnvironmentError, SecretText};
use futures::future::BoxFuture;
use souk_app::signing_keys::RING_AGE_MAX;
use souk_domain::Timestamp;
use souk_policy::signature::KeyRing;
use std::sync::{Arc, PoisonError, RwLock};
use time::Duration;
use tokio::sync::Mutex;

/// After a reading that failed, the next one.
const AFTER_FAILURE: Duration = Duration::seconds(30);
/// Between readings for keys that are not known: anybody can name one.
const BETWEEN_UNKNOWN: Duration = Duration::seconds(10);

/// Reads the text of the ring.
type Read = dyn Fn() -> BoxFuture<'static, Result<String, EnvironmentError>> + Send + Sync;

/// The ring as it was read last, and how to read it again.
pub struct EdgeKeys {
    held: RwLock<Arc<KeyRing>>,
    /// None where the configuration has the keys themselves.
    again: Option<Box<Read>>,
    /// One reads; the others go on with what is held.
    due: Mutex<Due>,
}

/// When to read again.
#[derive(Debug, Clone, Copy)]
struct Due {
    at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
}

impl core::fmt::Debug for EdgeKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("EdgeKeys")
    }
}

impl From<KeyRing> for EdgeKeys {
    /// Keys that stay.
    fn from(ring: KeyRing) -> Self {
        Self::new(ring, None)
    }
}

impl EdgeKeys {
    fn new(ring: KeyRing, again: Option<Box<Read>>) -> Self {
        Self {
            held: RwLock::new(Arc::new(ring)),
            again,
            due: Mutex::new(Due {
                at: None,
                tried_at: None,
            }),
        }
    }

    /// Those of the configuration; where it names a secret, that is read again from time to time.
    ///
    /// # Errors
    /// When there are none, or none that can be used.
    pub fn configured(environment: &Environment) -> Result<Self, ConfigError> {
        let ring = edge_ring(&environment.lookup().required(EDGE_KEYS)?)?;
        let again = environment.secret_text(EDGE_KEYS).map(reader);
        Ok(Self::new(ring, again))
    }

    /// The keys to accept at `now`. Reads them again where they are older than [`RING_AGE_MAX`]; where that fails,
    /// it is those of before, and the next try is soon.
    pub async fn at(&self, now: Timestamp) -> Arc<KeyRing> {
        self.read_if(now, |due| match due.at {
            // The first request starts the time: this process has just read them.
            None => false,
            Some(at) => now >= at,
        })
        .await;
        self.held()
    }

    /// The keys, read again, after a signature named one that is not among them. None where they were read just
    /// now, or cannot be.
    pub async fn after_unknown(&self, now: Timestamp) -> Option<Arc<KeyRing>> {
        let read = self.read_if(now, |due| {
            match due.tried_at.map(|at| at.plus(BETWEEN_UNKNOWN)) {
                Some(Ok(at)) => now >= at,
                Some(Err(_)) | None => true,
            }
        });
        read.await.then(|| self.held())
    }

    fn held(&self) -> Arc<KeyRing> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.clone()
    }

    /// Reads them where `is_due`; whether that was done.
    async fn read_if(&self, now: Timestamp, is_due: impl FnOnce(&Due) -> bool) -> bool {
        let (Some(again), Ok(mut due)) = (&self.again, self.due.try_lock()) else {
            return false;
        };
        let wanted = is_due(&due);
        if due.at.is_none() {
            due.at = now.plus(RING_AGE_MAX).ok();
        }
        if !wanted {
            return false;
        }
        due.tried_at = Some(now);
        let read = again().await.map_err(|error| error.to_string());
        let ring = read.and_then(|text| edge_ring(&text).map_err(|error| error.to_string()));
        let next = match ring {
            Ok(ring) => {
                *self.held.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
                due.at = now.plus(RING_AGE_MAX).ok();
                return true;
            }
            Err(cause) => {
                tracing::error!(cause, "the edge's keys could not be read again");
                now.plus(AFTER_FAILURE).ok()
            }
        };
        due.at = next;
        false
    }
}

fn reader(text: SecretText) -> Box<Read> {
    let text = Arc::new(text);
    Box::new(move || {
        let text = text.clone();
        Box::pin(async move { text.read().await })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const KEY: &str = "c291ay1lZGdlLXdvcmtlci10ZXN0LXNpZ25pbmcta2V5IQ==";

    fn ring(ids: &[&str]) -> String {
        let keys: std::collections::BTreeMap<_, _> = ids.iter().map(|id| (*id, KEY)).collect();
        serde_json::json!(keys).to_string()
    }

    fn minute(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH
            .plus(Duration::minutes(minutes))
            .unwrap()
    }

    fn knows(ring: &KeyRing, id: &str) -> bool {
        format!("{ring:?}").contains(id)
    }

    /// Keys whose vault answers with each of `answers`, and how often it was asked.
    fn keys(answers: Vec<Option<String>>) -> (EdgeKeys, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let again: Box<Read> = Box::new(move || {
            let at = count.fetch_add(1, Ordering::SeqCst);
            let answer = answers.get(at).cloned().flatten();
            Box::pin(async move { answer.ok_or(EnvironmentError::Unclosed) })
        });
        (
            EdgeKeys::new(edge_ring(&ring(&["a1"])).unwrap(), Some(again)),
            asked,
        )
    }

    #[tokio::test]
    async fn what_is_old_is_read_again_and_what_is_not_is_not() {
        let (keys, asked) = keys(vec![Some(ring(&["a1", "b2"]))]);
        for at in [0, 1, 4] {
            assert!(!knows(&*keys.at(minute(at)).await, "b2"), "{at}");
        }
        assert!(knows(&*keys.at(minute(5)).await, "b2"));
        keys.at(minute(9)).await;
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_vault_that_does_not_answer_costs_nothing_but_time() {
        let (keys, asked) = keys(vec![None, Some("{}".to_owned()), Some(ring(&["b2"]))]);
        keys.at(minute(0)).await;
        for at in [5, 6] {
            let held = keys.at(minute(at)).await;
            assert!(knows(&held, "a1"), "the keys of before stay");
        }
        let half = minute(6).plus(Duration::seconds(29)).unwrap();
        keys.at(half).await;
        assert_eq!(asked.load(Ordering::SeqCst), 2, "it is not asked each time");
        assert!(knows(&*keys.at(minute(7)).await, "b2"));
    }

    #[tokio::test]
    async fn an_unknown_key_is_looked_for_and_whoever_invents_ids_does_not_keep_the_vault_busy() {
        let (keys, asked) = keys(vec![Some(ring(&["a1", "b2"])), Some(ring(&["a1", "b2"]))]);
        keys.at(minute(0)).await;
        let held = keys.after_unknown(minute(0)).await.unwrap();
        assert!(knows(&held, "b2"));
        for _ in 0..100 {
            assert!(keys.after_unknown(minute(0)).await.is_none());
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert!(keys.after_unknown(minute(1)).await.is_some());
    }

    #[tokio::test]
    async fn keys_of_the_configuration_stay() {
        let keys = EdgeKeys::from(edge_ring(&ring(&["a1"])).unwrap());
        assert!(knows(&*keys.at(minute(999)).await, "a1"));
        assert!(keys.after_unknown(minute(999)).await.is_none());
    }
}
