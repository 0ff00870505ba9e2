//! Showing a secret.
//!
//! An answer is stored with its idempotency key for a day, so that a client who has lost it gets it again.
//! What is stored has the secret as it is kept, sealed; only what is sent has its text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use souk_app::Answer;
use souk_app::webhooks::{SealedSecret, SealingKeys, WebhookRefusal};
use souk_domain::{TenantId, Timestamp, WebhookEndpointId};
use souk_runtime::problem::Problem;

/// The member that has the secret, sealed or not.
const SECRET: &str = "secret";

/// A secret as a stored answer has it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SealedJson {
    generation: i32,
    key_id: String,
    sealed: String,
}

impl From<&SealedSecret> for SealedJson {
    fn from(secret: &SealedSecret) -> Self {
        Self {
            generation: secret.generation,
            key_id: secret.key_id.clone(),
            sealed: BASE64.encode(&secret.sealed),
        }
    }
}

/// The answer with the secret's text where it has a sealed one; as it is where it has none, as a refusal
/// has.
pub(crate) fn reveal(
    mut answer: Answer,
    keys: &SealingKeys,
    tenant: TenantId,
) -> Result<Answer, Problem> {
    let Some((mut body, sealed, endpoint)) = sealed_in(&answer.response.body) else {
        return Ok(answer);
    };
    let secret = keys
        .open(&sealed, tenant, endpoint)
        .map_err(|error| Problem::from(&WebhookRefusal::from(error)))?;
    if let Some(shown) = body.get_mut(SECRET) {
        *shown = json!(secret.reveal());
    }
    answer.response.body = body.to_string().into_bytes();
    Ok(answer)
}

fn sealed_in(body: &[u8]) -> Option<(Value, SealedSecret, WebhookEndpointId)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let stored = SealedJson::deserialize(body.get(SECRET)?).ok()?;
    let endpoint = body.get("id")?.as_str()?.parse().ok()?;
    let sealed = SealedSecret {
        generation: stored.generation,
        key_id: stored.key_id,
        sealed: BASE64.decode(stored.sealed).ok()?,
        created_at: Timestamp::UNIX_EPOCH,
        expires_at: None,
    };
    Some((body, sealed, endpoint))
}
