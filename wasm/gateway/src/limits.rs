//! The limiter: its states lie in the key-value store, which does not add and compare in one step. What this
//! instance has counted is in its own memory, so that only several instances at once can count too little
//! (docs/adr/0023).

use crate::answer::report;
use crate::clock::{now_ms, within};
use crate::memory::with;
use crate::stores;
use futures::future::try_join_all;
use sha2::{Digest as _, Sha256};
use souk_policy::limit::{LIMITER_BUDGET_MS, LimitQuestion, Limited, Silence};
use spin_sdk::key_value::Error;
use std::collections::BTreeMap;

/// What the limiter says of a request.
pub(crate) async fn ask(question: &LimitQuestion) -> Limited {
    if !with(|memory| memory.limiter.may_try(now_ms())) {
        return without_store(question);
    }
    let stored = within(LIMITER_BUDGET_MS, stored_states(question)).await;
    let stored = match stored {
        Some(Ok(stored)) => stored,
        Some(Err(error)) => return silent(question, &error.to_string()),
        None => return silent(question, "timeout"),
    };
    let now_us = now_ms().saturating_mul(1_000);
    let verdicts = with(|memory| {
        memory.limiter.succeeded();
        let stored = |key: &str| stored.get(key).copied();
        memory.states.decide_beside(question, now_us, stored)
    });
    let charges = question.charges.iter().zip(&verdicts);
    let changed: Vec<(String, u64)> = charges
        .filter(|(_, verdict)| verdict.allowed)
        .map(|(charge, verdict)| (store_key(question, &charge.key), verdict.tat_us))
        .collect();
    // Nobody waits for it.
    spin_sdk::wasip3::spawn(async move {
        for (key, tat_us) in changed {
            let kept = stores::set(&key, tat_us.to_string().as_bytes()).await;
            if let Err(error) = kept {
                report("limiter_unavailable", &error.to_string());
            }
        }
    });
    Limited::Decided(verdicts)
}

fn silent(question: &LimitQuestion, cause: &str) -> Limited {
    report("limiter_unavailable", cause);
    with(|memory| memory.limiter.failed(now_ms()));
    without_store(question)
}

/// Reads pass; what has an effect is limited by what came to this instance.
fn without_store(question: &LimitQuestion) -> Limited {
    match question.silence {
        Silence::Passes => Limited::Silent,
        Silence::IsDecidedHere => {
            let now_us = now_ms().saturating_mul(1_000);
            Limited::Decided(with(|memory| memory.states.decide(question, now_us)))
        }
    }
}

/// By the charges' keys; what is not understood is not there.
async fn stored_states(question: &LimitQuestion) -> Result<BTreeMap<String, u64>, Error> {
    let all = question.charges.iter().map(|charge| async move {
        let value = stores::get(&store_key(question, &charge.key)).await?;
        let text = value.and_then(|bytes| String::from_utf8(bytes).ok());
        let tat_us: Option<u64> = text.and_then(|text| text.parse().ok());
        Ok(tat_us.map(|tat_us| (charge.key.clone(), tat_us)))
    });
    Ok(try_join_all(all).await?.into_iter().flatten().collect())
}

/// Of one length, whatever a caller is called.
fn store_key(question: &LimitQuestion, charge: &str) -> String {
    let name = format!("{}/{charge}", question.limiter);
    format!("limit:{}", hex::encode(Sha256::digest(name.as_bytes())))
}
