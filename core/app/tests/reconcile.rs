//! Differences between the PSP and the books, planted one by one: all of them are found, each is called by
//! its name, and nothing else is found.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::large_futures,
    reason = "tests"
)]

mod shop;

use shop::{DAY_MS, MINUTE_MS, SLOW, Shop, VISA, once};
use souk_app::payments::{RefundPaymentIntent, payment_intents_of_order, refund_payment_intent};
use souk_app::reconcile::{ReconcileReport, Resolution, Window, reconcile_all, reconcile_tenant};
use souk_app::{
    AppError, Clock, MovementPage, PaymentProvider, ProviderError, ProviderRequest, StoredResponse,
};
use souk_domain::payment::{
    CaptureMethod, MovementKind, ProviderDispute, ProviderMovement, ProviderPayment,
    ProviderPaymentId, ProviderRefundStatus, Refund,
};
use souk_domain::process::CapturePolicy;
use souk_domain::reconcile::DifferenceKind as D;
use souk_domain::{Money, OrderId, PaymentIntentId, TenantId, Timestamp};
use souk_psp_simulator::world::{Call, Metadata, NewPayment, Request};
use souk_psp_simulator::{Client, Faults};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// The PSP, with what it would never say by itself.
struct Planted {
    psp: Client,
    /// Movements besides its own.
    movements: Vec<ProviderMovement>,
    /// Payments whose refunds never arrive.
    refunds_stuck: BTreeSet<ProviderPaymentId>,
}

impl PaymentProvider for Planted {
    async fn execute(
        &self,
        request: &ProviderRequest<'_>,
    ) -> Result<ProviderPayment, ProviderError> {
        self.psp.execute(request).await
    }

    async fn retrieve(
        &self,
        tenant: TenantId,
        payment: &ProviderPaymentId,
    ) -> Result<ProviderPayment, ProviderError> {
        let mut said = self.psp.retrieve(tenant, payment).await?;
        if self.refunds_stuck.contains(payment) {
            for refund in &mut said.refunds {
                refund.status = ProviderRefundStatus::Pending;
            }
        }
        Ok(said)
    }

    async fn find(
        &self,
        tenant: TenantId,
        intent: PaymentIntentId,
        created_from: Timestamp,
    ) -> Result<Option<ProviderPayment>, ProviderError> {
        self.psp.find(tenant, intent, created_from).await
    }

    async fn movements(
        &self,
        tenant: TenantId,
        from: Timestamp,
        until: Timestamp,
        after: Option<&str>,
    ) -> Result<MovementPage, ProviderError> {
        let mut page = self.psp.movements(tenant, from, until, after).await?;
        page.movements.retain(|movement| {
            let stuck = movement
                .payment
                .as_ref()
                .is_some_and(|p| self.refunds_stuck.contains(p));
            movement.kind != MovementKind::Refund || !stuck
        });
        if page.next.is_none() {
            page.movements.extend(self.movements.iter().cloned());
        }
        Ok(page)
    }

    async fn dispute(&self, tenant: TenantId, id: &str) -> Result<ProviderDispute, ProviderError> {
        self.psp.dispute(tenant, id).await
    }
}

fn noted(done: Result<&Refund, &AppError>) -> StoredResponse {
    StoredResponse {
        status: if done.is_ok() { 200 } else { 422 },
        headers: BTreeMap::new(),
        body: Vec::new(),
    }
}

struct Books {
    shop: Shop,
    began: Timestamp,
}

impl Books {
    async fn open() -> Self {
        let shop = Shop::open(1_000, CapturePolicy::OnFulfilment, Faults::default()).await;
        let began = shop.tenant.clock.now();
        shop.tenant.clock.advance_ms(MINUTE_MS);
        Self { shop, began }
    }

    /// An order that is paid for, and told of.
    async fn paid(&self, name: &str, method: CaptureMethod, with: &str) -> OrderId {
        let name = &name.replace(' ', "-");
        let order = self.shop.place(name, 2).await;
        let (psp, key) = (self.shop.psp.client(), format!("pay-{name}"));
        self.shop.pay(&psp, &key, order, (method, with)).await;
        order
    }

    async fn sold(&self, name: &str) -> OrderId {
        let order = self.paid(name, CaptureMethod::Automatic, VISA).await;
        self.shop.deliver().await;
        order
    }

    /// The ids of an order's payment: in our database, and at the PSP.
    async fn intent(&self, order: OrderId) -> (String, String) {
        let (tools, caller) = (&self.shop.tenant.tools, self.shop.tenant.caller());
        let intents = payment_intents_of_order(tools, caller.tenant, order)
            .await
            .unwrap();
        let intent = &intents[0];
        let payment = intent.provider_payment.as_ref();
        (
            intent.id.as_uuid().to_string(),
            payment.map(ToString::to_string).unwrap_or_default(),
        )
    }

    fn at_psp(&self, call: Call) {
        let request = Request {
            account: self.shop.tenant.id.to_string(),
            key: None,
            call,
        };
        let now = self.shop.psp.now_ms();
        let outcome = self.shop.psp.world().apply(&request, now);
        assert!(outcome.is_ok(), "{outcome:?}");
    }

    async fn book(&self, order: Option<OrderId>, source: &str, minor: i64, debit: &str) {
        let intent = match order {
            Some(order) => format!("'{}'", self.intent(order).await.0),
            None => "NULL".to_owned(),
        };
        let (tenant, id) = (self.shop.tenant.id.as_uuid(), uuid::Uuid::now_v7());
        let at = self.shop.tenant.clock.now();
        self.shop
            .db
            .execute(&format!(
                "BEGIN; INSERT INTO souk.ledger_transfers VALUES \
                     ('{tenant}', '{id}', '{source}', 'EUR', {intent}, '{at}'); \
                 INSERT INTO souk.ledger_entries VALUES \
                     ('{tenant}', '{id}', 1, '{debit}', {}), \
                     ('{tenant}', '{id}', 2, 'cash_at_psp', {minor}); COMMIT",
                -minor
            ))
            .await;
    }

    fn window(&self) -> Window {
        self.shop.tenant.clock.advance_ms(MINUTE_MS);
        Window {
            from: self.began,
            until: self.shop.tenant.clock.now(),
        }
    }

    fn planted(&self) -> Planted {
        Planted {
            psp: self.shop.psp.client(),
            movements: Vec::new(),
            refunds_stuck: BTreeSet::new(),
        }
    }

    async fn reconcile(&self, provider: &Planted) -> ReconcileReport {
        let (tools, tenant) = (&self.shop.tenant.tools, self.shop.tenant.id);
        let report = reconcile_tenant(tools, provider, tenant, self.window())
            .await
            .unwrap();
        assert_eq!(report.incomplete, [""; 0]);
        report
    }

    fn movement(&self, kind: MovementKind, payment: Option<&str>, minor: i64) -> ProviderMovement {
        let eur = |minor| Money::new(minor, "EUR".parse().unwrap());
        ProviderMovement {
            id: format!("txn_planted_{minor}"),
            kind,
            payment: payment.map(|id| id.parse().unwrap()),
            source: "src_planted".to_owned(),
            refund: None,
            gross: eur(minor),
            fee: eur(0),
            net: eur(minor),
            created_at: self.shop.tenant.clock.now(),
        }
    }
}

fn found(report: &ReconcileReport) -> BTreeMap<(D, &'static str), usize> {
    let mut found = BTreeMap::new();
    for finding in &report.findings {
        let key = (finding.difference.kind, finding.resolution.as_str());
        *found.entry(key).or_default() += 1;
    }
    found
}

#[tokio::test]
async fn where_the_psp_and_the_books_say_the_same_nothing_is_found() {
    let books = Books::open().await;
    let shop = &books.shop;
    for n in 0..20 {
        let order = books.sold(&format!("o{n}")).await;
        shop.advance(order).await;
        if n % 3 == 0 {
            shop.fulfil(&format!("f{n}"), order).await;
        }
    }
    let report = books.reconcile(&books.planted()).await;
    assert_eq!(found(&report), BTreeMap::new());
    assert_eq!(
        (report.movements, report.payments, report.fees_booked),
        (20, 20, 20)
    );
    // 1.5 % of 500 and 25 each.
    assert_eq!(report.net_minor["EUR"], 20 * (500 - 32));
    let cash =
        "SELECT sum(amount_minor)::bigint FROM souk.ledger_entries WHERE account = 'cash_at_psp'";
    assert_eq!(
        shop.db.number(cash).await,
        20 * (500 - 32),
        "cash is what the PSP has"
    );
    // Twice does no harm; nor does a window that cuts between a payment and its refund.
    assert_eq!(books.reconcile(&books.planted()).await.fees_booked, 0);
    shop.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_window_that_cuts_through_a_payments_life_shows_nothing() {
    let books = Books::open().await;
    let order = books.sold("o").await;
    let now = books.shop.tenant.clock.now();
    books.shop.tenant.clock.advance_ms(DAY_MS);
    let payment = books.intent(order).await.1;
    books.at_psp(Call::Refund {
        payment,
        amount: Some(100),
        metadata: Metadata::new(),
    });
    books.shop.deliver().await;
    let (tools, tenant) = (&books.shop.tenant.tools, books.shop.tenant.id);
    let halfway = now.plus(time::Duration::hours(5)).unwrap();
    let halves = [(books.began, halfway), (halfway, books.window().until)];
    for (from, until) in halves {
        let provider = books.planted();
        let report = reconcile_tenant(tools, &provider, tenant, Window { from, until }).await;
        assert_eq!(found(&report.unwrap()), BTreeMap::new());
    }
}

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "one difference after the other")]
async fn every_planted_difference_is_found_and_nothing_else() {
    let books = Books::open().await;
    let shop = &books.shop;
    let mut planted = books.planted();
    for n in 0..5 {
        books.sold(&format!("sound{n}")).await;
    }

    let refunded_elsewhere = books.sold("refunded elsewhere").await;
    let disputed = books.sold("disputed").await;
    let taken_elsewhere = books
        .paid("taken elsewhere", CaptureMethod::Manual, VISA)
        .await;
    let psp_id = |id: (String, String)| id.1;

    // What the PSP knows nothing of.
    let held = books.paid("held", CaptureMethod::Manual, VISA).await;
    books
        .book(Some(held), "capture:planted:1", 77, "receivable")
        .await;
    let sound = books.sold("booked twice").await;
    books
        .book(Some(sound), "capture:planted:2", 500, "receivable")
        .await;
    books.book(None, "fee:txn_none", -9, "fees").await;
    let other = books.sold("refund booked").await;
    let (intent, _) = books.intent(other).await;
    let refund = uuid::Uuid::now_v7();
    let tenant = shop.tenant.id.as_uuid();
    shop.db
        .execute(&format!(
            "INSERT INTO souk.refunds VALUES ('{tenant}', '{refund}', '{intent}', '{}', 'failed', \
                 'EUR', 50, 'souk', NULL, 're_none', NULL, now(), now())",
            other.as_uuid()
        ))
        .await;
    let name = souk_domain::RefundId::from_uuid(refund);
    books
        .book(Some(other), &format!("refund:{name}"), -50, "refunds")
        .await;
    let other = books.sold("dispute booked").await;
    let (intent, _) = books.intent(other).await;
    let dispute = uuid::Uuid::now_v7();
    shop.db
        .execute(&format!(
            "INSERT INTO souk.disputes VALUES ('{tenant}', '{dispute}', '{intent}', '{}', 'dp_none', \
                 'open', 'EUR', 60, 60, false, 'r', 1, now(), NULL)",
            other.as_uuid()
        ))
        .await;
    let name = souk_domain::DisputeId::from_uuid(dispute);
    books
        .book(
            Some(other),
            &format!("dispute:{name}:withdrawn"),
            -60,
            "disputes",
        )
        .await;

    // What both have, and not the same.
    let fee = shop.psp.world().movements()[0].id.clone();
    books.book(None, &format!("fee:{fee}"), -1, "fees").await;

    // What is nobody's, or one too many.
    let stranger = |metadata: Metadata| {
        Call::Create(NewPayment {
            amount: 900,
            currency: "eur".to_owned(),
            manual_capture: false,
            payment_method: Some(VISA.to_owned()),
            confirm: true,
            return_url: None,
            metadata,
        })
    };
    books.at_psp(stranger(Metadata::new()));
    let twice = books.sold("twice").await;
    let ours: uuid::Uuid = books.intent(twice).await.0.parse().unwrap();
    let ours = PaymentIntentId::from_uuid(ours).to_string();
    books.at_psp(stranger([("souk_payment_intent".to_owned(), ours)].into()));
    let much = books.sold("much").await;
    let payment = psp_id(books.intent(much).await);
    planted.movements = vec![
        books.movement(MovementKind::Charge, Some(&payment), 13),
        books.movement(MovementKind::Other("adjustment".to_owned()), None, -17),
    ];

    // What does not end.
    let late = books.sold("late").await;
    let (intent, payment) = books.intent(late).await;
    planted.refunds_stuck.insert(payment.parse().unwrap());
    shop.psp.set_faults(Faults {
        refunds_pending: 1_000,
        ..Faults::default()
    });
    let command = RefundPaymentIntent {
        once: once("refund"),
        intent: PaymentIntentId::from_uuid(intent.parse().unwrap()),
        amount_minor: Some(30),
        reason: None,
    };
    let (tools, caller) = (&shop.tenant.tools, shop.tenant.caller());
    refund_payment_intent(tools, &planted, &caller, &command, noted)
        .await
        .unwrap();
    let lost = souk_psp_simulator::CallRates {
        request_lost: 1_000,
        ..Default::default()
    };
    shop.psp.set_faults(Faults {
        calls: lost,
        ..Faults::default()
    });
    books.paid("stuck", CaptureMethod::Automatic, VISA).await;
    shop.psp.set_faults(Faults::default());
    // What nobody tells Souk.
    let slow = books.paid("slow", CaptureMethod::Automatic, SLOW).await;
    let payment = psp_id(books.intent(refunded_elsewhere).await);
    books.at_psp(Call::Refund {
        payment,
        amount: Some(120),
        metadata: Metadata::new(),
    });
    let payment = psp_id(books.intent(taken_elsewhere).await);
    books.at_psp(Call::Capture {
        payment,
        amount: None,
        is_final: true,
    });
    let payment = psp_id(books.intent(disputed).await);
    let now = shop.psp.now_ms();
    shop.psp.world().open_dispute(&payment, 500, now).unwrap();
    shop.tenant.clock.advance_ms(DAY_MS + MINUTE_MS);
    drop(shop.psp.world());

    let report = books.reconcile(&planted).await;
    println!("{}", serde_json::to_string_pretty(&report).unwrap());
    let wanted = BTreeMap::from([
        ((D::CaptureMissing, "healed"), 1),
        ((D::CaptureMissing, "review"), 1),
        ((D::RefundMissing, "healed"), 1),
        ((D::DisputeMissing, "healed"), 1),
        ((D::CaptureUnfounded, "review"), 1),
        ((D::CaptureAmount, "review"), 1),
        ((D::RefundUnfounded, "review"), 1),
        ((D::DisputeUnfounded, "review"), 1),
        ((D::FeeUnfounded, "open"), 1),
        ((D::FeeAmount, "open"), 1),
        ((D::PaymentUnknown, "open"), 1),
        ((D::PaymentTwice, "review"), 1),
        ((D::MovementsExceed, "review"), 1),
        ((D::MovementUnknown, "open"), 1),
        ((D::RefundLate, "open"), 1),
        ((D::PaymentStuck, "healed"), 1),
    ]);
    assert_eq!(found(&report), wanted);
    let reasons =
        "SELECT count(*) FROM souk.payment_intents WHERE status = 'review' AND reason IS NOT NULL";
    assert_eq!(
        shop.db.number(reasons).await,
        i64::try_from(report.count(Resolution::Review)).unwrap()
    );
    let status = shop.stands(slow).await.1;
    assert_eq!(status, souk_domain::PaymentStatus::Paid);

    // What was healed is found no more; what needs people is, until they have looked.
    let again = books.reconcile(&planted).await;
    assert_eq!(again.count(Resolution::Healed), 0);
    let stuck = "SELECT count(*) FROM souk.payment_intents WHERE status = 'processing'";
    assert_eq!(shop.db.number(stuck).await, 0);
}

/// With the keys of another account nothing is known of any payment: that puts none into review.
#[tokio::test]
async fn the_silence_of_another_account_accuses_nobody() {
    let books = Books::open().await;
    for n in 0..10 {
        books.sold(&format!("o{n}")).await;
    }
    let other =
        souk_psp_simulator::Simulator::new(books.shop.tenant.clock.clone(), Faults::default());
    let stranger = Planted {
        psp: other.client(),
        ..books.planted()
    };
    let (tools, tenant) = (&books.shop.tenant.tools, books.shop.tenant.id);
    let report = reconcile_tenant(tools, &stranger, tenant, books.window()).await;
    let report = report.unwrap();
    assert_eq!((report.findings.len(), report.incomplete.len()), (0, 1));
    let review = "SELECT count(*) FROM souk.payment_intents WHERE status = 'review'";
    assert_eq!(books.shop.db.number(review).await, 0);
}

#[tokio::test]
async fn all_tenants_are_reconciled_by_the_role_that_sees_only_who_they_are() {
    let books = Books::open().await;
    books.sold("o").await;
    let sweeper = books.shop.db.by_role("souk_sweeper", 2);
    let stop_at = Instant::now() + Duration::from_secs(600);
    let (tools, provider) = (&books.shop.tenant.tools, books.planted());
    let window = books.window();
    let all = reconcile_all(tools, &provider, &sweeper, window, (None, stop_at))
        .await
        .unwrap();
    assert_eq!((all.reports.len(), all.failed.len()), (1, 0));
    assert_eq!(all.reports[0].movements, 1);
    // Without time nothing is done, and it is said where to go on.
    let none = reconcile_all(tools, &provider, &sweeper, window, (None, Instant::now())).await;
    assert!(none.unwrap().reports.is_empty());
}
