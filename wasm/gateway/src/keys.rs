//! Keys of issuers: from memory, else from the store, else from the issuer.

use crate::answer::report;
use crate::clock::{now_ms, pause, within};
use crate::memory::with;
use crate::stored_keys::{Fetched, StoredKeys, store_key};
use crate::stores;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use souk_policy::decide::{IssuerKey, KeyWanted};
use souk_policy::jose::{Algorithm, JWKS_BYTES_MAX, PublicKey};
use souk_policy::jwks_cache::Lookup;
use spin_sdk::http::{EmptyBody, Request, send};

/// Milliseconds for a fetch of an issuer's keys.
const FETCH_TIMEOUT_MS: u32 = 2_000;
/// Milliseconds after which a fetch that was not heard of is over.
const FETCH_MS_MAX: u64 = 5_000;
/// Milliseconds between two looks at what another request is fetching.
const WAIT_STEP_MS: u32 = 5;
/// Looks at most.
const WAIT_STEPS_MAX: u32 = 500;

/// What is known of the key that a token names.
#[derive(Debug)]
pub(crate) enum Key {
    Found(Box<PublicKey>),
    Unknown,
    Unavailable,
}

impl Key {
    pub(crate) fn for_policy(&self) -> IssuerKey<'_> {
        match self {
            Self::Found(key) => IssuerKey::Found(key),
            Self::Unknown => IssuerKey::Unknown,
            Self::Unavailable => IssuerKey::Unavailable,
        }
    }
}

/// What memory says, and what has to be done about it.
enum Turn {
    Done(Key),
    /// It is this one, and should be fetched again meanwhile.
    Refresh(Key),
    Fetch,
    Wait,
}

/// Finds the key among the issuer's.
pub(crate) async fn find(wanted: &KeyWanted<'_>) -> Key {
    let url = wanted.issuer.jwks_url.as_str();
    let look_up = || look_up(url, wanted.key_id.as_deref(), wanted.issuer.algorithm);
    let mut turn = look_up();
    if matches!(turn, Turn::Fetch) {
        adopt(url).await;
        turn = look_up();
    }
    if matches!(turn, Turn::Fetch) {
        begin(url);
        fetch(url).await;
        turn = look_up();
    }
    for _ in 0..WAIT_STEPS_MAX {
        match turn {
            Turn::Done(key) => return key,
            Turn::Refresh(key) => {
                let url = url.to_owned();
                begin(&url);
                spin_sdk::wasip3::spawn(async move { fetch(&url).await });
                return key;
            }
            Turn::Wait => pause(WAIT_STEP_MS).await,
            Turn::Fetch => break,
        }
        turn = look_up();
    }
    Key::Unavailable
}

fn look_up(url: &str, key_id: Option<&str>, algorithm: Algorithm) -> Turn {
    let now_ms = now_ms();
    with(|memory| {
        let set = memory.key_set(url);
        let is_fetching = set
            .fetching_since_ms
            .is_some_and(|since| now_ms.saturating_sub(since) < FETCH_MS_MAX);
        match set.entry.look_up(key_id, algorithm, now_ms) {
            Lookup::Use { key, refresh } => {
                let key = Key::Found(Box::new(key.clone()));
                if refresh && !is_fetching {
                    Turn::Refresh(key)
                } else {
                    Turn::Done(key)
                }
            }
            Lookup::Fetch | Lookup::Unknown | Lookup::Unavailable if is_fetching => Turn::Wait,
            Lookup::Fetch => Turn::Fetch,
            Lookup::Unknown => Turn::Done(Key::Unknown),
            Lookup::Unavailable => Turn::Done(Key::Unavailable),
        }
    })
}

/// Takes over what another instance has learned since.
async fn adopt(url: &str) {
    let Some(stored) = stored(url).await else {
        return;
    };
    with(|memory| {
        let set = memory.key_set(url);
        if set.fetching_since_ms.is_none() && stored.tried_at_ms > set.stored.tried_at_ms {
            set.entry = stored.entry();
            set.stored = stored;
        }
    });
}

/// After a failure: the answer that another instance has had meanwhile counts, and is not to be lost.
async fn adopt_answer(url: &str) {
    let Some(stored) = stored(url).await else {
        return;
    };
    with(|memory| {
        let set = memory.key_set(url);
        if set.stored.take_later_answer(stored) {
            set.entry = set.stored.entry();
        }
    });
}

async fn stored(url: &str) -> Option<StoredKeys> {
    let bytes = stores::get(&store_key(url)).await.ok()??;
    StoredKeys::parse(&bytes)
}

fn begin(url: &str) {
    let now_ms = now_ms();
    with(|memory| {
        let set = memory.key_set(url);
        set.entry.fetching(now_ms);
        set.stored.tried_at_ms = now_ms;
        set.fetching_since_ms = Some(now_ms);
    });
}

/// One fetch, that [`begin`] has announced.
async fn fetch(url: &str) {
    let fetched = within(FETCH_TIMEOUT_MS, ask(url)).await;
    let fetched = fetched.unwrap_or_else(|| Err("timeout".to_owned()));
    let learned = with(|memory| {
        let set = memory.key_set(url);
        let fetched = fetched?;
        let control = fetched.cache_control.as_deref();
        let learned = set.entry.fetched(&fetched.body, control, fetched.at_ms);
        learned.map_err(|error| error.to_string())?;
        set.stored.answer = Some(fetched);
        Ok(())
    });
    if let Err::<(), String>(cause) = learned {
        report("keys_unavailable", &format!("{url}: {cause}"));
        adopt_answer(url).await;
    }
    let stored = with(|memory| {
        let set = memory.key_set(url);
        set.fetching_since_ms = None;
        set.stored.to_bytes()
    });
    if let Err(error) = stores::set(&store_key(url), &stored).await {
        report("keys_unavailable", &format!("{url}: is not kept: {error}"));
    }
}

async fn ask(url: &str) -> Result<Fetched, String> {
    let request = Request::get(url)
        .header("accept", "application/json")
        .body(EmptyBody::new())
        .map_err(|error| error.to_string())?;
    let response = send(request).await.map_err(|error| error.to_string())?;
    if response.status() != 200 {
        return Err(format!("status {}", response.status().as_u16()));
    }
    let control = response.headers().get("cache-control");
    let cache_control = control
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let mut body = response.into_body();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| error.to_string())?;
        let chunk: Bytes = frame.into_data().unwrap_or_default();
        if all.len().saturating_add(chunk.len()) > JWKS_BYTES_MAX {
            return Err("too large".to_owned());
        }
        all.extend_from_slice(&chunk);
    }
    Ok(Fetched {
        at_ms: now_ms(),
        cache_control,
        body: all.to_vec(),
    })
}
