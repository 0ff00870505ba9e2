//! What snapshots say of refunds.

use super::{
    OperationKind, OperationStatus, Payment, ProviderRefund, ProviderRefundStatus, Refund,
    RefundOrigin, RefundStatus,
};
use crate::{RefundId, Timestamp};
use uuid::Uuid;

impl ProviderRefund {
    pub(super) const fn has_failed(&self) -> bool {
        match self.status {
            ProviderRefundStatus::Failed | ProviderRefundStatus::Canceled => true,
            ProviderRefundStatus::Pending
            | ProviderRefundStatus::RequiresAction
            | ProviderRefundStatus::Succeeded => false,
        }
    }
}

impl Payment {
    /// Merges what the PSP says of one refund. Returns why it contradicts, if it does: then it has
    /// changed nothing.
    pub(super) fn observe_refund(
        &mut self,
        said: &ProviderRefund,
        now: Timestamp,
        fresh: &mut dyn FnMut() -> Uuid,
    ) -> Option<&'static str> {
        let known = self.refunds.iter().position(|refund| {
            said.refund == Some(refund.id)
                || refund.provider_refund.as_deref() == Some(said.id.as_str())
        });
        let Some(refund) = known.and_then(|at| self.refunds.get_mut(at)) else {
            return self.observe_foreign_refund(said, now, fresh);
        };
        if refund.amount != said.amount {
            return Some("refund_amount");
        }
        if refund
            .provider_refund
            .as_ref()
            .is_some_and(|id| *id != said.id)
        {
            return Some("second_refund");
        }
        let id = refund.id;
        let status = later(refund.status, said.status);
        let contradiction = (refund.status == RefundStatus::Succeeded
            && status != RefundStatus::Succeeded)
            .then_some("refund_came_back");
        refund.provider_refund = Some(said.id.clone());
        if refund.status != status {
            refund.status = status;
            refund.updated_at = now;
        }
        for operation in self.operations.iter_mut().filter(|o| o.is_pending()) {
            if let OperationKind::Refund { refund, .. } = operation.kind
                && refund == id
            {
                operation.settle(OperationStatus::Succeeded, now);
            }
        }
        self.sum_refunds();
        contradiction
    }

    /// A refund that was made past Souk. One for which there is no room waits until there is.
    fn observe_foreign_refund(
        &mut self,
        said: &ProviderRefund,
        now: Timestamp,
        fresh: &mut dyn FnMut() -> Uuid,
    ) -> Option<&'static str> {
        let status = later(RefundStatus::Pending, said.status);
        let intent = &self.intent;
        let takes = match status {
            RefundStatus::Pending | RefundStatus::Succeeded => said.amount.amount_minor(),
            RefundStatus::Failed | RefundStatus::Canceled => 0,
        };
        let left = intent
            .captured
            .amount_minor()
            .saturating_sub(intent.refunded.amount_minor())
            .saturating_sub(intent.refund_reserved.amount_minor());
        if said.amount.currency() != intent.amount.currency()
            || said.amount.amount_minor() < 1
            || takes > left
        {
            return Some("foreign_refund");
        }
        self.refunds.push(Refund {
            id: RefundId::from_uuid(fresh()),
            intent: self.intent.id,
            order: self.intent.order,
            status,
            amount: said.amount,
            origin: RefundOrigin::Provider,
            reason: None,
            provider_refund: Some(said.id.clone()),
            failure: None,
            created_at: now,
            updated_at: now,
        });
        self.sum_refunds();
        None
    }

    /// The intent's sums are those of the refunds.
    pub(super) fn sum_refunds(&mut self) {
        let sum = |wanted: RefundStatus| {
            let of = self.refunds.iter().filter(|r| r.status == wanted);
            of.fold(0_i64, |sum, r| sum.saturating_add(r.amount.amount_minor()))
        };
        let (refunded, reserved) = (sum(RefundStatus::Succeeded), sum(RefundStatus::Pending));
        self.intent.refunded = self.money(refunded);
        self.intent.refund_reserved = self.money(reserved);
    }
}

/// A refund goes from pending to succeeded, and from both to failed or canceled; never back.
const fn later(known: RefundStatus, said: ProviderRefundStatus) -> RefundStatus {
    match (known, said) {
        (
            RefundStatus::Pending,
            ProviderRefundStatus::Pending | ProviderRefundStatus::RequiresAction,
        ) => RefundStatus::Pending,
        (RefundStatus::Pending, ProviderRefundStatus::Succeeded)
        | (
            RefundStatus::Succeeded,
            ProviderRefundStatus::Pending
            | ProviderRefundStatus::RequiresAction
            | ProviderRefundStatus::Succeeded,
        ) => RefundStatus::Succeeded,
        (RefundStatus::Pending | RefundStatus::Succeeded, ProviderRefundStatus::Failed) => {
            RefundStatus::Failed
        }
        (RefundStatus::Pending | RefundStatus::Succeeded, ProviderRefundStatus::Canceled) => {
            RefundStatus::Canceled
        }
        (
            ended @ (RefundStatus::Failed | RefundStatus::Canceled),
            ProviderRefundStatus::Pending
            | ProviderRefundStatus::RequiresAction
            | ProviderRefundStatus::Succeeded
            | ProviderRefundStatus::Failed
            | ProviderRefundStatus::Canceled,
        ) => ended,
    }
}
