//! Puts a payment into review.

use super::drive::load_locked;
use super::write::{souk_itself, write};
use crate::{AppError, Tools};
use souk_domain::payment::PaymentIntent;
use souk_domain::{PaymentIntentId, TenantId};

/// Puts the payment into review for `reason`, a word, with the event that says so. One that is there
/// already, or is `conflicted`, stays as it is with its first reason.
///
/// # Errors
/// [`AppError::PaymentIntentNotFound`], [`AppError::Database`].
pub async fn review_payment_intent(
    tools: &Tools,
    tenant: TenantId,
    intent: PaymentIntentId,
    reason: &'static str,
) -> Result<PaymentIntent, AppError> {
    let now = tools.clock.now();
    let caller = souk_itself(tools, tenant, now);
    let mut tx = tools.db.begin(tenant).await?;
    let reviewed = async {
        let before = load_locked(&mut tx, intent).await?;
        let transition = before.clone().put_into_review(reason, now);
        write(tools, &mut tx, &caller, Some(&before), (transition, now)).await
    }
    .await;
    match reviewed {
        Ok(payment) => {
            tx.commit().await?;
            Ok(payment.intent)
        }
        Err(error) => {
            tx.rollback().await?;
            Err(error)
        }
    }
}
