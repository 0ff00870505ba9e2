//! One step of a rotation. Whatever it dies of, and wherever, the next run goes on: each step has one effect, is
//! written down after it, and does no harm when it is repeated.

use super::ring::{KEY_BYTES, Phase, RingError, RingStep, SigningRing};
use crate::ports::{Clock, EdgeSigner, KeptRing, KeyStoreError, KeyVault};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use core::time::Duration;
use serde::Serialize;
use souk_domain::Timestamp;
use tokio::time::timeout;

/// All of one run. What a run may still do after it was given up is bounded by it.
pub const ROTATION_TIME_MAX: Duration = Duration::from_secs(45);
/// A rotation that has not moved for so long needs a person.
const STUCK_AFTER: time::Duration = time::Duration::days(3);

/// What a run has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// Nothing: it is not time.
    Waited,
    /// Nothing: not each region has the new key.
    NotEverywhere,
    /// Nothing: another run was faster.
    Overtaken,
    /// Noted that the ring is there.
    Noted,
    /// Wrote a new key.
    Began,
    /// Wrote down that each region has it.
    Spread,
    /// Let it sign.
    Switched,
    /// Told the signer again.
    Confirmed,
    /// Took the old one out.
    Retired,
}

/// What a run has found and done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RotationReport {
    /// What was done.
    pub done: Done,
    /// How far the rotation is now.
    pub phase: &'static str,
    /// Since when.
    pub since: Option<Timestamp>,
    /// The key that signs.
    pub signs: String,
    /// The keys that are accepted.
    pub accepted: Vec<String>,
}

/// Why a run has not done its step, or not known to have done it.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// What the vault has is no ring, or cannot be turned.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// The vault or the signer.
    #[error("{what}")]
    Store {
        /// What was tried.
        what: &'static str,
        /// What they say.
        #[source]
        source: KeyStoreError,
    },
    /// The machine has no randomness.
    #[error("no key could be made")]
    Randomness,
    /// It took longer than [`ROTATION_TIME_MAX`].
    #[error("the step took too long")]
    TimedOut,
    /// It has stood still.
    #[error("the rotation has been {phase} since {since}")]
    Stuck {
        /// In which phase.
        phase: &'static str,
        /// Since when.
        since: Timestamp,
    },
}

/// Takes the next step of the ring's rotation, if it is time; `demanded`: begin one now, and make haste.
///
/// # Errors
/// Where the step could not be done, or may not have been. The next run repeats it.
pub async fn rotate_keys(
    vault: &impl KeyVault,
    signer: &impl EdgeSigner,
    clock: &dyn Clock,
    demanded: bool,
) -> Result<RotationReport, RotateError> {
    timeout(ROTATION_TIME_MAX, step(vault, signer, clock, demanded))
        .await
        .unwrap_or(Err(RotateError::TimedOut))
}

async fn step(
    vault: &impl KeyVault,
    signer: &impl EdgeSigner,
    clock: &dyn Clock,
    demanded: bool,
) -> Result<RotationReport, RotateError> {
    let KeptRing { ring, version } = vault.read().await.map_err(failed("reading the ring"))?;
    let now = clock.now();
    let (done, next) = match ring.step(now, demanded)? {
        RingStep::Wait(_) => return Ok(report(Done::Waited, &ring)),
        RingStep::Note => (Done::Noted, ring.noted(now)),
        RingStep::Begin => (Done::Began, ring.begun(fresh_key()?, now, demanded)?),
        RingStep::AwaitCopies => {
            let asked = vault.is_everywhere().await;
            if !asked.map_err(failed("asking for the regions' copies"))? {
                not_stuck(&ring, now)?;
                return Ok(report(Done::NotEverywhere, &ring));
            }
            (Done::Spread, ring.copied(now))
        }
        RingStep::Switch => {
            let next = ring.switched(now)?;
            tell(signer, &next).await?;
            // Both keys are accepted for so long from when the signer was told, not from when the run began.
            (Done::Switched, next.noted(clock.now()))
        }
        RingStep::Confirm => {
            tell(signer, &ring).await?;
            (Done::Confirmed, ring.confirmed(clock.now()))
        }
        RingStep::Retire => (Done::Retired, ring.retired(now)),
    };
    let replaced = vault.replace(&version, &next).await;
    if replaced.map_err(failed("writing the ring"))? {
        Ok(report(done, &next))
    } else {
        Ok(report(Done::Overtaken, &ring))
    }
}

async fn tell(signer: &impl EdgeSigner, ring: &SigningRing) -> Result<(), RotateError> {
    let (id, key) = ring.signing();
    let told = signer.sign_with(id, key).await;
    told.map_err(failed("telling the edge its key"))
}

fn not_stuck(ring: &SigningRing, now: Timestamp) -> Result<(), RotateError> {
    let phase = ring.phase();
    let Some(since) = ring.since() else {
        return Ok(());
    };
    let late = since.plus(STUCK_AFTER).map_err(RingError::from)?;
    if phase == Phase::AtRest || now < late {
        return Ok(());
    }
    let phase = phase.as_str();
    Err(RotateError::Stuck { phase, since })
}

fn failed(what: &'static str) -> impl Fn(KeyStoreError) -> RotateError {
    move |source| RotateError::Store { what, source }
}

fn report(done: Done, ring: &SigningRing) -> RotationReport {
    RotationReport {
        done,
        phase: ring.phase().as_str(),
        since: ring.since(),
        signs: ring.signing().0.to_owned(),
        accepted: ring.ids().map(str::to_owned).collect(),
    }
}

/// A key that nobody has had, in base64.
fn fresh_key() -> Result<String, RotateError> {
    let mut bytes = [0_u8; KEY_BYTES];
    let random = SystemRandom::new();
    random
        .fill(&mut bytes)
        .map_err(|_| RotateError::Randomness)?;
    Ok(BASE64.encode(bytes))
}
