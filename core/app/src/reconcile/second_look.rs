//! The second look at a payment: all of it, as the PSP shows it now, against all that is booked of it.

use super::report::{ReconcileReport, Resolution};
use crate::payments::{apply_provider_dispute, apply_provider_payment, review_payment_intent};
use crate::{AppError, PaymentProvider, ProviderError, Tools};
use souk_domain::payment::{
    IntentStatus, MovementKind, ProviderDispute, ProviderMovement, ProviderPayment,
    ProviderPaymentId,
};
use souk_domain::reconcile::{
    BookedPayment, Difference, DifferenceKind, differences, movements_exceed,
};
use souk_domain::{PaymentIntentId, TenantId};
use souk_postgres::{books, payments};
use std::collections::BTreeSet;

/// Who looks.
pub(super) struct Looker<'a, P> {
    pub(super) tools: &'a Tools,
    pub(super) provider: &'a P,
    pub(super) tenant: TenantId,
    pub(super) movements: &'a [ProviderMovement],
}

impl<P: PaymentProvider> Looker<'_, P> {
    /// Looks at the payment, of which `booked` is what was found in the books.
    pub(super) async fn look(
        &self,
        payment: &ProviderPaymentId,
        booked: Option<BookedPayment>,
        report: &mut ReconcileReport,
    ) -> Result<(), AppError> {
        let said = match self.provider.retrieve(self.tenant, payment).await {
            Ok(said) => Some(said),
            Err(ProviderError::NotFound) => None,
            Err(error) => {
                report
                    .incomplete
                    .push(format!("payment {payment}: {error}"));
                return Ok(());
            }
        };
        let Some(booked) = booked else {
            return self.look_at_stranger(payment, said, report).await;
        };
        let disputes = match self.disputes(payment, &booked).await {
            Ok(disputes) => disputes,
            Err(error) => {
                report
                    .incomplete
                    .push(format!("disputes of {payment}: {error}"));
                return Ok(());
            }
        };
        let before = differences(said.as_ref(), &disputes, &booked);
        let after = if before.is_empty() {
            Vec::new()
        } else {
            self.merge(said.as_ref(), &disputes).await?;
            let booked = self.booked(booked.intent).await?.unwrap_or(booked.clone());
            differences(said.as_ref(), &disputes, &booked)
        };
        let same = |a: &Difference, b: &Difference| a.kind == b.kind && a.source == b.source;
        let healed = before.iter().filter(|b| !after.iter().any(|a| same(a, b)));
        let healed: Vec<Difference> = healed.cloned().collect();
        for difference in healed {
            let resolution = self.standing(booked.intent).await?;
            report.found(difference, resolution);
        }
        let exceeding = said
            .as_ref()
            .and_then(|said| movements_exceed(self.movements, said, Some(booked.intent)));
        for difference in after.into_iter().chain(exceeding) {
            let resolution = self.to_review(difference.intent, difference.kind).await?;
            report.found(difference, resolution);
        }
        Ok(())
    }

    /// A payment that has moved and is in no book by its name: ours all the same, or not.
    async fn look_at_stranger(
        &self,
        payment: &ProviderPaymentId,
        said: Option<ProviderPayment>,
        report: &mut ReconcileReport,
    ) -> Result<(), AppError> {
        let named = said.as_ref().and_then(|said| said.intent);
        let ours = match named {
            Some(intent) => self.booked(intent).await?,
            None => None,
        };
        let Some(sample) = self
            .movements
            .iter()
            .find(|m| m.payment.as_ref() == Some(payment))
        else {
            return Ok(());
        };
        let theirs = said.as_ref().map_or(sample.gross, |said| said.captured);
        let difference = |kind, intent| Difference {
            kind,
            payment: Some(payment.clone()),
            intent,
            source: String::new(),
            ours_minor: 0,
            theirs_minor: theirs.amount_minor(),
            currency: theirs.currency(),
        };
        let Some(ours) = ours else {
            report.found(
                difference(DifferenceKind::PaymentUnknown, None),
                Resolution::Open,
            );
            return Ok(());
        };
        let intent = Some(ours.intent);
        if ours.payment.as_ref().is_some_and(|known| known != payment) {
            let kind = DifferenceKind::PaymentTwice;
            let resolution = self.to_review(intent, kind).await?;
            report.found(difference(kind, intent), resolution);
            return Ok(());
        }
        // The answer to the call that made it was never heard.
        self.merge(said.as_ref(), &[]).await?;
        match self.booked(ours.intent).await? {
            Some(now) if now.payment.as_ref() == Some(payment) => {
                let left = differences(said.as_ref(), &[], &now);
                let missed = difference(DifferenceKind::CaptureMissing, intent);
                if left.is_empty() {
                    let resolution = self.standing(ours.intent).await?;
                    report.found(missed, resolution);
                }
                for difference in left {
                    let resolution = self.to_review(intent, difference.kind).await?;
                    report.found(difference, resolution);
                }
            }
            _ => {
                let resolution = self
                    .to_review(intent, DifferenceKind::CaptureMissing)
                    .await?;
                report.found(
                    difference(DifferenceKind::CaptureMissing, intent),
                    resolution,
                );
            }
        }
        Ok(())
    }

    /// Every dispute of the payment that either side knows of, as it stands at the PSP.
    async fn disputes(
        &self,
        payment: &ProviderPaymentId,
        booked: &BookedPayment,
    ) -> Result<Vec<ProviderDispute>, ProviderError> {
        let moved = self.movements.iter().filter(|movement| {
            movement.payment.as_ref() == Some(payment)
                && matches!(
                    movement.kind,
                    MovementKind::Dispute | MovementKind::DisputeReversal
                )
        });
        let mut ids: BTreeSet<&str> = moved.map(|movement| movement.source.as_str()).collect();
        ids.extend(
            booked
                .disputes
                .iter()
                .map(|dispute| dispute.provider_dispute.as_str()),
        );
        let mut disputes = Vec::new();
        for id in ids {
            match self.provider.dispute(self.tenant, id).await {
                Ok(dispute) => disputes.push(dispute),
                Err(ProviderError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(disputes)
    }

    /// Merges what the PSP shows, as if it had told it.
    pub(super) async fn merge(
        &self,
        said: Option<&ProviderPayment>,
        disputes: &[ProviderDispute],
    ) -> Result<(), AppError> {
        if let Some(said) = said {
            apply_provider_payment(self.tools, self.tenant, said).await?;
        }
        for dispute in disputes {
            apply_provider_dispute(self.tools, self.tenant, dispute).await?;
        }
        Ok(())
    }

    async fn booked(&self, intent: PaymentIntentId) -> Result<Option<BookedPayment>, AppError> {
        let mut tx = self.tools.db.begin(self.tenant).await?;
        let booked = books::booked_payments(&mut tx, &[], &[intent]).await?;
        tx.commit().await?;
        Ok(booked.into_iter().next())
    }

    /// Healed, unless merging has put the payment into review: then a person has to look all the same.
    pub(super) async fn standing(&self, intent: PaymentIntentId) -> Result<Resolution, AppError> {
        let mut tx = self.tools.db.begin(self.tenant).await?;
        let found = payments::load_intent(&mut tx, intent).await?;
        tx.commit().await?;
        let status = found.map(|intent| intent.status);
        Ok(match status {
            Some(IntentStatus::Review | IntentStatus::Conflicted) => Resolution::Review,
            Some(
                IntentStatus::RequiresPaymentMethod
                | IntentStatus::RequiresConfirmation
                | IntentStatus::RequiresAction
                | IntentStatus::Processing
                | IntentStatus::RequiresCapture
                | IntentStatus::Succeeded
                | IntentStatus::Canceled,
            )
            | None => Resolution::Healed,
        })
    }

    /// Puts the payment into review for this reason, where there is one.
    pub(super) async fn to_review(
        &self,
        intent: Option<PaymentIntentId>,
        kind: DifferenceKind,
    ) -> Result<Resolution, AppError> {
        let Some(intent) = intent else {
            return Ok(Resolution::Open);
        };
        review_payment_intent(self.tools, self.tenant, intent, kind.as_str()).await?;
        Ok(Resolution::Review)
    }
}
