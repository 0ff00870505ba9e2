//! What the log says of a step.

use serde_json::{Value, json};
use souk_domain::process::ProcessStep;

/// What `step` is about, in JSON.
pub(super) fn step_detail(step: &ProcessStep) -> Value {
    match step {
        ProcessStep::Confirm | ProcessStep::Reinstate | ProcessStep::Done => json!({}),
        ProcessStep::Cancel { reason } => json!({ "reason": reason }),
        ProcessStep::Capture { intent, amount } => {
            json!({ "payment_intent_id": intent, "amount": amount })
        }
        ProcessStep::Void { intent, reason } => {
            json!({ "payment_intent_id": intent, "reason": reason })
        }
        ProcessStep::Refund {
            intent,
            amount,
            reason,
        } => json!({ "payment_intent_id": intent, "amount": amount, "reason": reason }),
        ProcessStep::Wait { on, until } => json!({ "on": on.as_str(), "until": until }),
        ProcessStep::Review(cause) => json!({ "cause": cause.as_str() }),
    }
}
