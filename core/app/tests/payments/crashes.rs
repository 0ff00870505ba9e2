//! A process dies at any of its steps, and the client's next try takes over: one effect.

use crate::shop::{HOUR_MS, PRICE, Shop, text};
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use souk_app::{Answer, AppError, DatabaseError};
use souk_domain::PaymentIntentId;
use souk_domain::payment::{CaptureMethod, IntentStatus};

/// Runs the future for `steps` of its steps, and drops it then, wherever it is.
async fn dies_after<F: Future>(future: F, steps: u32) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = steps;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// The client tries again until there is an answer. The lease of the one that died has ended.
async fn insist<F>(shop: &Shop, mut attempt: impl FnMut() -> F) -> Answer
where
    F: Future<Output = Result<Answer, AppError>>,
{
    for _ in 0..50 {
        shop.db
            .execute(
                "UPDATE souk.idempotency_keys \
                 SET lease_expires_at = clock_timestamp() - interval '1 second' \
                 WHERE finished_at IS NULL",
            )
            .await;
        match attempt().await {
            Ok(answer) => return answer,
            // The server has not noticed yet that the other end is gone.
            Err(AppError::KeyInFlight { .. } | AppError::Database(DatabaseError::Contended(_))) => {
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("there is no answer");
}

/// More than a payment takes.
const STEPS: u32 = 40;

#[tokio::test]
async fn a_payment_is_charged_once_wherever_its_process_dies() {
    let shop = Shop::open().await;
    let mut crashed = 0;
    // How many steps a payment takes depends on how fast Postgres answers: a busy machine has its
    // answer there before anybody waits for it. So it is not the first that lives which ends this.
    for steps in 0..STEPS {
        let order = shop.place(&format!("order-{steps}")).await;
        let key = format!("pay-{steps}");
        let pay = || shop.pay(&key, order, CaptureMethod::Automatic);
        let charged = shop.psp.charges();
        let died = dies_after(pay(), steps).await.is_none();
        let paid = insist(&shop, pay).await;
        let intent: PaymentIntentId = text(&paid).parse().unwrap();
        assert_eq!(shop.psp.charges(), charged + 1, "died after {steps} steps");
        assert_eq!(shop.status(intent).await, IntentStatus::Succeeded);
        let again = shop.psp.payment_of(intent).unwrap();
        assert_eq!(again.captured.amount_minor(), 4 * PRICE);
        crashed += u32::from(died);
    }
    assert!(crashed >= 3, "only {crashed} have died");
    let paid = i128::from(STEPS) * 4 * i128::from(PRICE);
    shop.assert_books(paid).await;
}

#[tokio::test]
async fn captures_and_refunds_have_their_effect_once_wherever_their_process_dies() {
    let shop = Shop::open().await;
    for steps in (0..).step_by(2) {
        let order = shop.place(&format!("order-{steps}")).await;
        let key = format!("pay-{steps}");
        let pay = shop.pay(&key, order, CaptureMethod::Manual);
        let intent: PaymentIntentId = text(&pay.await.unwrap()).parse().unwrap();
        let key = format!("capture-{steps}");
        let capture = || shop.capture(&key, intent, Some(600), true);
        let captured = dies_after(capture(), steps).await.is_some();
        insist(&shop, capture).await;
        let key = format!("refund-{steps}");
        let refund = || shop.refund(&key, intent, Some(250));
        let refunded = dies_after(refund(), steps).await.is_some();
        insist(&shop, refund).await;
        let at_psp = shop.psp.payment_of(intent).unwrap();
        assert_eq!(at_psp.captured.amount_minor(), 600);
        assert_eq!(at_psp.refunds.len(), 1, "died after {steps} steps");
        let shown = shop.intent(intent).await;
        assert_eq!(shown.captured.amount_minor(), 600);
        assert_eq!(shown.refunded.amount_minor(), 250);
        if captured && refunded {
            break;
        }
    }
}

#[tokio::test]
async fn a_payment_whose_client_never_comes_back_ends_all_the_same() {
    let shop = Shop::open().await;
    for steps in (0..).step_by(3) {
        let order = shop.place(&format!("order-{steps}")).await;
        let key = format!("pay-{steps}");
        let pay = shop.pay(&key, order, CaptureMethod::Automatic);
        let done = dies_after(pay, steps).await.is_some();
        shop.sweep_after(HOUR_MS).await;
        if done {
            break;
        }
    }
    let open = "SELECT count(*) FROM souk.payment_intents WHERE status <> 'succeeded'";
    assert_eq!(shop.db.number(open).await, 0);
    let paid = shop
        .db
        .number("SELECT count(*) FROM souk.payment_intents")
        .await;
    assert_eq!(u64::try_from(paid).unwrap(), shop.psp.charges());
    shop.assert_books(i128::from(paid) * 4 * i128::from(PRICE))
        .await;
}
