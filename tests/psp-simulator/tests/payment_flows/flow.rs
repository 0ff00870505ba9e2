//! One flow: the script, then all that runs by itself, until nothing moves any more.

use crate::books::{self, Tally};
use crate::crash::Mortal;
use crate::script::{self, Command, Step, once};
use crate::shop::{Customer, Shop};
use core::cell::Cell;
use core::future::Future;
use core::pin::Pin;
use fastrand::Rng;
use souk_app::payments::{
    CancelPaymentIntent, CapturePaymentIntent, ConfirmPaymentIntent, CreatePaymentIntent,
    PaymentSweepSettings, ProviderEvent, ProviderEventObject, RefundPaymentIntent,
    cancel_payment_intent, capture_payment_intent, confirm_payment_intent, create_payment_intent,
    payment_intents_of_order, receive_provider_event, refund_payment_intent, sweep_operations,
};
use souk_app::reconcile::{Resolution, Window, reconcile_tenant};
use souk_app::{AppError, Clock as _, DatabaseError, OrderCommand, StoredResponse, cancel_order};
use souk_domain::payment::{IntentStatus, PaymentIntent};
use souk_domain::{PaymentIntentId, Timestamp};
use souk_psp_simulator::world::{Event, Status};
use souk_psp_simulator::{Faults, Simulator};
use souk_testkit::respond;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// Rounds in which everything is to come to rest.
const QUIET_ROUNDS_MAX: u32 = 80;
/// How often a dead client's request is sent again.
const TRIES_MAX: u32 = 3;
/// Nothing waits longer than this for its next turn: a day is enough for all that has a deadline there.
const HOUR_MS: i64 = 60 * 60 * 1_000;

pub(crate) struct Flow<'a> {
    pub(crate) shop: &'a Shop,
    pub(crate) customer: Customer,
    pub(crate) simulator: Simulator,
    rng: Mutex<Rng>,
    /// What went wrong that must not.
    wrong: Mutex<Option<String>>,
    deaths: Mutex<u64>,
}

type Acting<'a> = Pin<Box<dyn Future<Output = Result<(), AppError>> + 'a>>;

fn answer<T>(outcome: Result<&T, &AppError>) -> StoredResponse {
    StoredResponse {
        status: if outcome.is_ok() { 200 } else { 422 },
        headers: BTreeMap::new(),
        body: Vec::new(),
    }
}

impl<'a> Flow<'a> {
    /// Plays the flow of a seed.
    ///
    /// # Errors
    /// Says what does not hold.
    pub(crate) async fn play(shop: &'a Shop, seed: u64) -> Result<Tally, String> {
        let mut rng = Rng::with_seed(seed);
        let faults = script::faults(&mut rng, seed);
        let steps = script::script(&mut rng);
        let customer = shop.customer(seed).await;
        let began = customer.clock.now();
        let simulator = Simulator::new(customer.clock.clone(), faults);
        let flow = Self {
            shop,
            customer,
            simulator,
            rng: Mutex::new(rng),
            wrong: Mutex::new(None),
            deaths: Mutex::new(0),
        };
        for (index, step) in steps.iter().enumerate() {
            flow.step(step, index).await;
            flow.still_right(step)?;
        }
        flow.simulator.set_faults(Faults {
            refunds_failing: faults.refunds_failing,
            ..Faults::none(seed)
        });
        flow.come_to_rest().await?;
        flow.reconcile(began).await?;
        let mut tally = books::check(&flow).await?;
        tally.deaths = *flow.deaths.lock().unwrap();
        Ok(tally)
    }

    fn still_right(&self, after: &Step) -> Result<(), String> {
        match self.wrong.lock().unwrap().take() {
            None => Ok(()),
            Some(wrong) => Err(format!("after {after:?}: {wrong}")),
        }
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.rng.lock().unwrap())
    }

    async fn step(&self, step: &Step, index: usize) {
        match step {
            Step::One(command) => {
                self.with_webhooks(self.insist(command, format!("{index}-a")))
                    .await;
            }
            Step::Both(one, other) => {
                let (one, other) = (
                    self.insist(one, format!("{index}-a")),
                    self.insist(other, format!("{index}-b")),
                );
                self.with_webhooks(async {
                    tokio::join!(one, other);
                })
                .await;
            }
            Step::Sweep => self.sweep().await,
            Step::Webhooks => self.webhooks().await,
            Step::Action { well } => self.action(*well),
            Step::TimePasses { ms } => self.customer.clock.advance_ms(*ms),
            Step::Dispute => self.dispute(),
        }
    }

    /// Sends a request until it is answered, or the client gives up.
    async fn insist(&self, command: &Command, key: String) {
        for _ in 0..TRIES_MAX {
            let dies = self.draw(|rng| (rng.u8(..100) < 15).then(|| rng.u32(1..40)));
            let client = self.simulator.client();
            let acting = self.act(command, &key, &client);
            if self.survives(acting, &client, dies).await {
                return;
            }
            if self.draw(|rng| rng.u8(..100) < 40) {
                return;
            }
            // The dead one's lease ends.
            self.shop
                .db
                .execute(
                    "UPDATE souk.idempotency_keys SET lease_expires_at = clock_timestamp() - interval '1 second' \
                     WHERE finished_at IS NULL",
                )
                .await;
        }
    }

    /// Whether it came to its end; errors that must not be are kept.
    async fn survives(
        &self,
        acting: Acting<'_>,
        client: &souk_psp_simulator::Client,
        dies: Option<u32>,
    ) -> bool {
        let mortal = Mortal {
            future: Box::pin(acting),
            waits_left: dies,
        };
        let ended = tokio::select! {
            ended = mortal => ended,
            () = client.crashed() => None,
        };
        match ended {
            None => {
                *self.deaths.lock().unwrap() += 1;
                false
            }
            // What a dead one holds is let go a moment later.
            Some(Err(AppError::Database(DatabaseError::Contended(_)))) => false,
            Some(Err(AppError::Database(error))) => {
                let mut wrong = self.wrong.lock().unwrap();
                *wrong = Some(format!("the database refuses: {error:?}"));
                true
            }
            Some(_) => true,
        }
    }

    async fn newest(&self) -> Result<Option<PaymentIntent>, AppError> {
        let Customer {
            tools,
            caller,
            order,
            ..
        } = &self.customer;
        let intents = payment_intents_of_order(tools, caller.tenant, *order).await?;
        Ok(intents
            .into_iter()
            .max_by_key(|own| (own.is_alive(), own.created_at)))
    }

    fn act<'b>(
        &'b self,
        command: &'b Command,
        key: &'b str,
        client: &'b souk_psp_simulator::Client,
    ) -> Acting<'b> {
        Box::pin(async move {
            let customer = &self.customer;
            let (tools, caller, once) = (&customer.tools, &customer.caller, once(key));
            let return_url = Some("https://shop.example/back".parse().unwrap());
            match command {
                Command::Create {
                    capture_method,
                    token,
                    confirm,
                } => {
                    let command = CreatePaymentIntent {
                        once,
                        order: customer.order,
                        capture_method: *capture_method,
                        payment_method: token.map(|token| token.parse().unwrap()),
                        confirm: *confirm,
                        return_url,
                    };
                    create_payment_intent(tools, client, caller, &command, answer).await?;
                    return Ok(());
                }
                Command::CancelOrder => {
                    let command = OrderCommand::on(customer.order, once);
                    cancel_order(tools, caller, &command, None, respond).await?;
                    return Ok(());
                }
                Command::Confirm(_)
                | Command::Capture { .. }
                | Command::Cancel
                | Command::Refund(_) => {}
            }
            let Some(intent) = self.newest().await? else {
                return Ok(());
            };
            self.on_intent(command, key, intent.id, client).await
        })
    }

    async fn on_intent(
        &self,
        command: &Command,
        key: &str,
        intent: PaymentIntentId,
        client: &souk_psp_simulator::Client,
    ) -> Result<(), AppError> {
        let customer = &self.customer;
        let (tools, caller, once) = (&customer.tools, &customer.caller, once(key));
        match command {
            Command::Confirm(token) => {
                let command = ConfirmPaymentIntent {
                    once,
                    intent,
                    payment_method: Some(token.parse().unwrap()),
                    return_url: Some("https://shop.example/back".parse().unwrap()),
                };
                confirm_payment_intent(tools, client, caller, &command, answer).await?;
            }
            Command::Capture { amount, is_final } => {
                let command = CapturePaymentIntent {
                    once,
                    intent,
                    amount_minor: *amount,
                    is_final: *is_final,
                };
                capture_payment_intent(tools, client, caller, &command, answer).await?;
            }
            Command::Cancel => {
                let command = CancelPaymentIntent {
                    once,
                    intent,
                    reason: None,
                };
                cancel_payment_intent(tools, client, caller, &command, answer).await?;
            }
            Command::Refund(amount_minor) => {
                let command = RefundPaymentIntent {
                    once,
                    intent,
                    amount_minor: *amount_minor,
                    reason: None,
                };
                refund_payment_intent(tools, client, caller, &command, answer).await?;
            }
            Command::Create { .. } | Command::CancelOrder => unreachable!(),
        }
        Ok(())
    }

    /// Events come while something else goes on, some before the answer to what caused them.
    async fn with_webhooks(&self, going_on: impl Future<Output = ()>) {
        let ended = Cell::new(false);
        let going_on = async {
            going_on.await;
            ended.set(true);
        };
        let events = async {
            while !ended.get() {
                self.webhooks().await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::join!(going_on, events);
    }

    pub(crate) async fn webhooks(&self) {
        for event in self.simulator.due_events() {
            let client = self.simulator.client();
            let told = ProviderEvent {
                id: event.id.clone(),
                kind: event.kind.to_owned(),
                object: object_of(&event),
            };
            let Customer { tools, caller, .. } = &self.customer;
            let dies = self.draw(|rng| (rng.u8(..100) < 5).then(|| rng.u32(1..20)));
            let taken = std::sync::atomic::AtomicBool::new(false);
            let acting: Acting<'_> = Box::pin(async {
                receive_provider_event(tools, &client, caller.tenant, &told).await?;
                taken.store(true, std::sync::atomic::Ordering::SeqCst);
                Ok(())
            });
            self.survives(acting, &client, dies).await;
            if taken.into_inner() {
                self.simulator.delivered(&event);
            } else {
                self.simulator.refused(&event);
            }
        }
    }

    pub(crate) async fn sweep(&self) {
        let client = self.simulator.client();
        let tools = &self.customer.tools;
        let dies = self.draw(|rng| (rng.u8(..100) < 10).then(|| rng.u32(1..60)));
        let acting: Acting<'_> = Box::pin(async {
            let stop_at = Instant::now() + Duration::from_secs(30);
            let settings = PaymentSweepSettings::default();
            sweep_operations(tools, &client, &self.shop.sweeper, settings, stop_at).await?;
            Ok(())
        });
        self.survives(acting, &client, dies).await;
    }

    fn action(&self, well: bool) {
        let now_ms = self.simulator.now_ms();
        let mut world = self.simulator.world();
        let waiting: Vec<String> = world
            .payments()
            .filter(|payment| payment.status == Status::RequiresAction)
            .map(|payment| payment.id.clone())
            .collect();
        for id in waiting {
            let _done = world.complete_action(&id, well, now_ms);
        }
    }

    fn dispute(&self) {
        let now_ms = self.simulator.now_ms();
        let amount = self.draw(|rng| rng.i64(1..=1_500));
        let mut world = self.simulator.world();
        let paid: Vec<(String, i64)> = world
            .payments()
            .filter(|payment| payment.captured - payment.refunded > 0)
            .map(|payment| (payment.id.clone(), payment.captured - payment.refunded))
            .collect();
        for (id, most) in paid {
            let _opened = world.open_dispute(&id, amount.min(most), now_ms);
        }
    }

    /// Nothing goes wrong any more; sweeps and events go on until nothing moves.
    async fn come_to_rest(&self) -> Result<(), String> {
        for round in 0..QUIET_ROUNDS_MAX {
            self.action(true);
            self.webhooks().await;
            self.sweep().await;
            self.still_right(&Step::Sweep)?;
            if self.is_at_rest().await? {
                return Ok(());
            }
            // First as fast as things happen, then in hours.
            let next = self.simulator.world().next_change_ms();
            let until = next.map_or(0, |at| at - self.simulator.now_ms());
            let wait = if round < 20 { 60_000 } else { HOUR_MS };
            self.customer.clock.advance_ms(until.clamp(wait, HOUR_MS));
        }
        Err(format!(
            "it does not come to rest: {}",
            self.describe().await
        ))
    }

    /// The daily look at the PSP's movements: it heals what no answer and no event has told, and what is
    /// then left is for people. A second look finds nothing new.
    async fn reconcile(&self, began: Timestamp) -> Result<(), String> {
        let Customer { tools, caller, .. } = &self.customer;
        for look in 1..=2 {
            self.customer.clock.advance_ms(HOUR_MS);
            let window = Window {
                from: began,
                until: self.customer.clock.now(),
            };
            let client = self.simulator.client();
            let report = reconcile_tenant(tools, &client, caller.tenant, window).await;
            let report = report.map_err(|error| format!("reconciliation: {error:?}"))?;
            if !report.incomplete.is_empty() {
                return Err(format!("reconciliation: {:?}", report.incomplete));
            }
            let open = report.findings.iter().find(|found| match found.resolution {
                Resolution::Review => false,
                Resolution::Healed => look > 1,
                Resolution::Open => true,
            });
            if let Some(open) = open {
                let described = self.describe().await;
                return Err(format!("look {look} found {open:?}: {described}"));
            }
            self.come_to_rest().await?;
        }
        Ok(())
    }

    async fn is_at_rest(&self) -> Result<bool, String> {
        if self.simulator.world().next_change_ms().is_some() {
            return Ok(false);
        }
        let pending = "SELECT count(*) FROM souk.provider_operations WHERE status = 'pending'";
        if self.shop.db.number(pending).await > 0 {
            return Ok(false);
        }
        let moving = "SELECT count(*) FROM souk.payment_intents \
                      WHERE status IN ('processing', 'requires_action')";
        if self.shop.db.number(moving).await > 0 {
            return Ok(false);
        }
        let refunds = "SELECT count(*) FROM souk.refunds WHERE status = 'pending'";
        Ok(self.shop.db.number(refunds).await == 0)
    }

    pub(crate) async fn intents(&self) -> Vec<PaymentIntent> {
        let Customer {
            tools,
            caller,
            order,
            ..
        } = &self.customer;
        let intents = payment_intents_of_order(tools, caller.tenant, *order).await;
        intents.expect("the intents can be read")
    }

    /// For who looks at a seed that failed.
    pub(crate) async fn describe(&self) -> String {
        let intents = self.intents().await;
        let shown: Vec<String> = intents
            .iter()
            .map(|own| {
                format!(
                    "{} {} captured {} refunded {}+{} reason {:?}",
                    own.id,
                    own.status,
                    own.captured.amount_minor(),
                    own.refunded.amount_minor(),
                    own.refund_reserved.amount_minor(),
                    own.reason
                )
            })
            .collect();
        let world = self.simulator.world();
        let there: Vec<String> = world
            .payments()
            .map(|own| {
                format!(
                    "{} for {:?} {} captured {} held {} refunded {}",
                    own.id,
                    own.metadata.get("souk_payment_intent"),
                    own.status.as_str(),
                    own.captured,
                    own.capturable,
                    own.refunded
                )
            })
            .collect();
        format!("here {shown:?}, there {there:?}")
    }
}

fn object_of(event: &Event) -> ProviderEventObject {
    if event.is_about_dispute() {
        return ProviderEventObject::Dispute(event.object.clone());
    }
    ProviderEventObject::Payment(event.object.parse().unwrap())
}

/// Whether a person has to look at it: then it may be otherwise at the PSP than here.
pub(crate) const fn is_for_people(status: IntentStatus) -> bool {
    matches!(status, IntentStatus::Conflicted | IntentStatus::Review)
}
