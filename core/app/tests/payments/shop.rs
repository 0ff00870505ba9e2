//! A shop with one tenant, and a PSP in memory.

use souk_app::payments::{
    CancelPaymentIntent, CapturePaymentIntent, ConfirmPaymentIntent, CreatePaymentIntent,
    PaymentSweepReport, PaymentSweepSettings, ProviderEvent, ProviderEventObject, Received,
    RefundPaymentIntent, cancel_payment_intent, capture_payment_intent, confirm_payment_intent,
    create_payment_intent, get_payment_intent, ledger_balances, list_refunds,
    receive_provider_event, refund_payment_intent, sweep_operations, verify_ledger,
};
use souk_app::{Answer, AppError, Once, StoredResponse, get_order, place_order};
use souk_domain::payment::{
    Account, CaptureMethod, IntentStatus, PaymentIntent, ProviderPaymentId, Refund,
};
use souk_domain::{
    IdempotencyKey, OrderId, PaymentIntentId, PaymentStatus, RefundId, RequestFingerprint,
};
use souk_testkit::{ScriptedPsp, TestDatabase, TestTenant, order_request, respond};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// What one unit costs.
pub(crate) const PRICE: i64 = 250;
pub(crate) const HOUR_MS: i64 = 60 * 60 * 1_000;

pub(crate) fn once(key: &str) -> Once {
    Once {
        key: IdempotencyKey::parse(key).unwrap(),
        operation: "test",
        fingerprint: RequestFingerprint::new("POST", key, None).unwrap(),
    }
}

fn answer(outcome: Result<String, String>) -> StoredResponse {
    let (status, text) = match outcome {
        Ok(text) => (200, text),
        Err(text) => (422, text),
    };
    StoredResponse {
        status,
        headers: BTreeMap::new(),
        body: text.into_bytes(),
    }
}

pub(crate) fn tell(outcome: Result<&PaymentIntent, &AppError>) -> StoredResponse {
    answer(
        outcome
            .map(|i| i.id.to_string())
            .map_err(ToString::to_string),
    )
}

pub(crate) fn tell_refund(outcome: Result<&Refund, &AppError>) -> StoredResponse {
    answer(
        outcome
            .map(|r| r.id.to_string())
            .map_err(ToString::to_string),
    )
}

pub(crate) fn text(answer: &Answer) -> &str {
    core::str::from_utf8(&answer.response.body).unwrap()
}

pub(crate) struct Shop {
    pub(crate) db: TestDatabase,
    pub(crate) tenant: TestTenant,
    pub(crate) psp: ScriptedPsp,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let db = TestDatabase::create().await;
        let tenant = TestTenant::create(&db, &[("TEA", PRICE, 1_000)]).await;
        Self {
            db,
            tenant,
            psp: ScriptedPsp::default(),
        }
    }

    /// An order of four units: 10.00.
    pub(crate) async fn place(&self, key: &str) -> OrderId {
        let request = order_request(&[("TEA", 4)]);
        let (caller, once) = (self.tenant.caller(), once(key));
        let placed = place_order(&self.tenant.tools, &caller, &once, request, respond);
        text(&placed.await.unwrap()).parse().unwrap()
    }

    /// Makes an intent and tries to pay.
    pub(crate) async fn pay(
        &self,
        key: &str,
        order: OrderId,
        capture_method: CaptureMethod,
    ) -> Result<Answer, AppError> {
        let command = CreatePaymentIntent {
            once: once(key),
            order,
            capture_method,
            payment_method: Some("pm_card_visa".parse().unwrap()),
            confirm: true,
            return_url: None,
        };
        let (tools, caller) = (&self.tenant.tools, self.tenant.caller());
        create_payment_intent(tools, &self.psp, &caller, &command, tell).await
    }

    /// An order that is paid, or held for, by the one intent.
    pub(crate) async fn paid(&self, capture_method: CaptureMethod) -> PaymentIntentId {
        let order = self.place("order").await;
        let paid = self.pay("pay", order, capture_method).await.unwrap();
        text(&paid).parse().unwrap()
    }

    pub(crate) async fn confirm(
        &self,
        key: &str,
        intent: PaymentIntentId,
    ) -> Result<Answer, AppError> {
        let command = ConfirmPaymentIntent {
            once: once(key),
            intent,
            payment_method: Some("pm_card_mastercard".parse().unwrap()),
            return_url: None,
        };
        let (tools, caller) = (&self.tenant.tools, self.tenant.caller());
        confirm_payment_intent(tools, &self.psp, &caller, &command, tell).await
    }

    pub(crate) async fn capture(
        &self,
        key: &str,
        intent: PaymentIntentId,
        amount_minor: Option<i64>,
        is_final: bool,
    ) -> Result<Answer, AppError> {
        let command = CapturePaymentIntent {
            once: once(key),
            intent,
            amount_minor,
            is_final,
        };
        let (tools, caller) = (&self.tenant.tools, self.tenant.caller());
        capture_payment_intent(tools, &self.psp, &caller, &command, tell).await
    }

    pub(crate) async fn cancel(
        &self,
        key: &str,
        intent: PaymentIntentId,
    ) -> Result<Answer, AppError> {
        let command = CancelPaymentIntent {
            once: once(key),
            intent,
            reason: None,
        };
        let (tools, caller) = (&self.tenant.tools, self.tenant.caller());
        cancel_payment_intent(tools, &self.psp, &caller, &command, tell).await
    }

    pub(crate) async fn refund(
        &self,
        key: &str,
        intent: PaymentIntentId,
        amount_minor: Option<i64>,
    ) -> Result<Answer, AppError> {
        let command = RefundPaymentIntent {
            once: once(key),
            intent,
            amount_minor,
            reason: None,
        };
        let (tools, caller) = (&self.tenant.tools, self.tenant.caller());
        refund_payment_intent(tools, &self.psp, &caller, &command, tell_refund).await
    }

    /// The PSP tells that something happened to a payment.
    pub(crate) async fn webhook(&self, id: &str, payment: &ProviderPaymentId) -> Received {
        let event = ProviderEvent {
            id: id.to_owned(),
            kind: "payment_intent.updated".to_owned(),
            object: ProviderEventObject::Payment(payment.clone()),
        };
        let tools = &self.tenant.tools;
        receive_provider_event(tools, &self.psp, self.tenant.id, &event)
            .await
            .unwrap()
    }

    /// Time passes, and the sweeper comes.
    pub(crate) async fn sweep_after(&self, ms: i64) -> PaymentSweepReport {
        self.tenant.clock.advance_ms(ms);
        let sweeper = self.db.by_role("souk_sweeper", 2);
        let settings = PaymentSweepSettings {
            batch_size_max: 2,
            concurrency_max: 2,
        };
        let stop_at = Instant::now() + Duration::from_secs(600);
        let tools = &self.tenant.tools;
        let report = sweep_operations(tools, &self.psp, &sweeper, settings, stop_at).await;
        let report = report.unwrap();
        assert!(!report.out_of_time);
        report
    }

    pub(crate) async fn intent(&self, id: PaymentIntentId) -> PaymentIntent {
        let found = get_payment_intent(&self.tenant.tools, &self.tenant.caller(), id).await;
        found.unwrap()
    }

    pub(crate) async fn status(&self, id: PaymentIntentId) -> IntentStatus {
        self.intent(id).await.status
    }

    pub(crate) async fn order_status(&self, id: PaymentIntentId) -> PaymentStatus {
        let order = self.intent(id).await.order;
        let order = get_order(&self.tenant.tools, &self.tenant.caller(), order).await;
        order.unwrap().record().payment_status
    }

    pub(crate) async fn refunds(&self, id: PaymentIntentId) -> Vec<Refund> {
        let found = list_refunds(&self.tenant.tools, &self.tenant.caller(), id).await;
        found.unwrap()
    }

    pub(crate) async fn refund_of(&self, answer: &Answer, intent: PaymentIntentId) -> Refund {
        let id: RefundId = text(answer).parse().unwrap();
        let refunds = self.refunds(intent).await;
        refunds.into_iter().find(|r| r.id == id).unwrap()
    }

    /// The books are in order, and cash at the PSP is `cash_minor`.
    pub(crate) async fn assert_books(&self, cash_minor: i128) {
        let (tools, tenant) = (&self.tenant.tools, self.tenant.id);
        assert_eq!(verify_ledger(tools, tenant, 10).await.unwrap(), []);
        let balances = ledger_balances(tools, tenant).await.unwrap();
        let sum: i128 = balances.iter().map(|b| b.amount_minor).sum();
        assert_eq!(sum, 0);
        let cash = balances.iter().find(|b| b.account == Account::CashAtPsp);
        assert_eq!(cash.map_or(0, |b| b.amount_minor), cash_minor);
        let owed = balances.iter().find(|b| b.account == Account::Receivable);
        assert_eq!(owed.map_or(0, |b| b.amount_minor), 0);
    }

    /// What the PSP took is what is booked and shown.
    pub(crate) async fn assert_psp_agrees(&self, intent: PaymentIntentId) {
        let shown = self.intent(intent).await;
        let at_psp = self.psp.payment_of(intent).unwrap();
        assert_eq!(shown.captured, at_psp.captured);
        let refunded: i64 = at_psp.refunds.iter().map(|r| r.amount.amount_minor()).sum();
        assert_eq!(shown.refunded.amount_minor(), refunded);
        self.assert_books(i128::from(shown.captured.amount_minor() - refunded))
            .await;
    }
}
