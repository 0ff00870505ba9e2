//! What must hold of every order, whatever commands come.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use super::*;
use crate::Currency;
use crate::pricing::{PriceSheet, PricingError, PricingRules, SkuPrice, price};
use proptest::prelude::*;
use uuid::Uuid;

fn eur() -> Currency {
    "EUR".parse().unwrap()
}

fn order_id() -> OrderId {
    OrderId::from_uuid(Uuid::from_u128(7))
}

fn at(unix_ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(unix_ms).unwrap()
}

fn line(sku: &str, quantity: u32) -> RequestedLine {
    RequestedLine {
        sku: sku.parse().unwrap(),
        quantity: Quantity::new(quantity).unwrap(),
    }
}

fn sheet(list: &[(&str, Money)]) -> PriceSheet {
    let sku_price = |unit_price| SkuPrice {
        unit_price,
        tax_category: "standard".parse().unwrap(),
    };
    PriceSheet {
        at: at(0),
        currency: eur(),
        skus: list
            .iter()
            .map(|(sku, unit_price)| (sku.parse().unwrap(), sku_price(*unit_price)))
            .collect(),
        rules: PricingRules::default().into(),
    }
}

fn place(request: OrderRequest, list: &[(&str, i64)]) -> Result<Transition, PricingError> {
    let list: Vec<(&str, Money)> = list
        .iter()
        .map(|(sku, minor)| (*sku, Money::new(*minor, eur())))
        .collect();
    let totals = price(&request, &sheet(&list))?;
    Ok(Order::place(
        order_id(),
        request,
        totals,
        at(900_000),
        at(0),
    ))
}

#[test]
fn placing_prices_each_line_and_sums_up() {
    let request = OrderRequest::new(
        eur(),
        vec![line("TEA", 3), line("POT", 1), line("TEA", 1)],
        None,
    )
    .unwrap();
    assert_eq!(
        request.units_by_sku(),
        BTreeMap::from([("POT".parse().unwrap(), 1), ("TEA".parse().unwrap(), 4)])
    );
    let placed = place(request, &[("TEA", 250), ("POT", 5900)]).unwrap();
    let record = placed.order.record();
    assert_eq!(record.total, Money::new(3 * 250 + 5900 + 250, eur()));
    assert_eq!(record.version, 1);
    assert_eq!(
        record
            .lines
            .iter()
            .map(|l| l.line_number)
            .collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert_eq!(placed.event.type_name(), "order.placed.v1");
}

#[test]
fn refuses_what_cannot_be_sold_or_summed() {
    let request = |quantity| OrderRequest::new(eur(), vec![line("TEA", quantity)], None).unwrap();
    assert!(matches!(
        place(request(1), &[("POT", 1)]),
        Err(PricingError::NotSold { .. })
    ));
    assert_eq!(
        place(request(2), &[("TEA", i64::MAX)]).unwrap_err(),
        PricingError::TotalTooLarge
    );
    let usd = Money::new(1, "USD".parse().unwrap());
    assert!(matches!(
        price(&request(1), &sheet(&[("TEA", usd)])),
        Err(PricingError::NotSold { .. })
    ));
}

#[test]
fn bounds_are_enforced() {
    assert_eq!(
        OrderRequest::new(eur(), vec![], None),
        Err(OrderError::InvalidLineCount)
    );
    assert_eq!(
        OrderRequest::new(eur(), vec![line("A", 1); ORDER_LINES_MAX + 1], None),
        Err(OrderError::InvalidLineCount)
    );
    assert!(OrderRequest::new(eur(), vec![line("A", 1); ORDER_LINES_MAX], None).is_ok());
    assert!(Quantity::new(0).is_err() && Quantity::new(QUANTITY_MAX + 1).is_err());
    for bad in ["", "with space", "snow☃", &"x".repeat(SKU_BYTES_MAX + 1)] {
        assert!(bad.parse::<Sku>().is_err(), "{bad:?} was accepted");
    }
    assert!("line\nbreak".parse::<CustomerReference>().is_err());
}

/// A placed order of `lines`, whose stock lies in buckets of at most `bucket_units` units.
fn placed_in_buckets(lines: &[(&str, u32)], bucket_units: u64) -> Order {
    let request = OrderRequest::new(
        eur(),
        lines.iter().map(|(sku, n)| line(sku, *n)).collect(),
        None,
    )
    .unwrap();
    let list: Vec<(&str, i64)> = lines.iter().map(|(sku, _)| (*sku, 100)).collect();
    let mut record = place(request, &list).unwrap().order.record().clone();
    for (sku, units) in record.units_by_sku_for_test() {
        let mut left = units;
        for bucket in 0_i16.. {
            let here = left.min(bucket_units);
            record.allocations.push(Allocation {
                sku: sku.clone(),
                location: if bucket % 2 == 0 { "main" } else { "annex" }.to_owned(),
                bucket,
                units: here,
            });
            left -= here;
            if left == 0 {
                break;
            }
        }
    }
    Order::from_record(record)
}

impl OrderRecord {
    fn units_by_sku_for_test(&self) -> BTreeMap<Sku, u64> {
        Order::from_record(self.clone()).units_by_sku()
    }
}

fn units(lines: &[(u16, u32)]) -> Fulfilment {
    Fulfilment::Units(
        lines
            .iter()
            .map(|(number, n)| (*number, Quantity::new(*n).unwrap()))
            .collect(),
    )
}

fn allocated(cells: &[Allocation]) -> BTreeMap<Sku, u64> {
    let mut by_sku = BTreeMap::new();
    for cell in cells {
        *by_sku.entry(cell.sku.clone()).or_insert(0) += cell.units;
    }
    by_sku
}

#[test]
fn fulfilling_takes_from_the_first_buckets_whatever_their_order_on_record() {
    let order = placed_in_buckets(&[("TEA", 5)], 2);
    let mut shuffled = order.record().clone();
    shuffled.allocations.reverse();
    let fulfilled = |order: Order| {
        let confirmed = order.confirm(at(1)).unwrap().order;
        confirmed.fulfil(&units(&[(1, 3)]), at(2)).unwrap()
    };
    let one = fulfilled(order);
    assert_eq!(one, fulfilled(Order::from_record(shuffled)));
    let cell = |location: &str, bucket, units| Allocation {
        sku: "TEA".parse().unwrap(),
        location: location.to_owned(),
        bucket,
        units,
    };
    assert_eq!(
        one.settlement,
        Some(Settlement::Sold(vec![
            cell("annex", 1, 2),
            cell("main", 0, 1)
        ]))
    );
    assert_eq!(
        one.order.record().allocations,
        [cell("main", 0, 1), cell("main", 2, 1)]
    );
    assert_eq!(one.order.status(), OrderStatus::Confirmed);
}

#[test]
fn a_wrong_fulfilment_says_what_is_wrong() {
    let order = placed_in_buckets(&[("TEA", 5), ("POT", 1)], 9);
    assert_eq!(
        order.clone().fulfil(&Fulfilment::Rest, at(1)),
        Err(OrderError::NotFulfillable {
            status: OrderStatus::Placed
        })
    );
    let confirmed = order.confirm(at(1)).unwrap().order;
    let refused = |what: &Fulfilment| confirmed.clone().fulfil(what, at(2)).unwrap_err();
    assert_eq!(refused(&units(&[])), OrderError::NothingToFulfil);
    assert_eq!(
        refused(&units(&[(1, 1), (3, 1)])),
        OrderError::NoSuchLine { line_number: 3 }
    );
    assert_eq!(
        refused(&units(&[(1, 6)])),
        OrderError::TooManyUnits {
            line_number: 1,
            open_units: 5
        }
    );
    let mut broken = confirmed.record().clone();
    broken.allocations.clear();
    assert_eq!(
        Order::from_record(broken).fulfil(&Fulfilment::Rest, at(2)),
        Err(OrderError::ReservationIncomplete {
            sku: "TEA".parse().unwrap()
        })
    );
    let part = confirmed
        .clone()
        .fulfil(&units(&[(2, 1)]), at(2))
        .unwrap()
        .order;
    assert_eq!(part.cancel(None, at(3)), Err(OrderError::PartlyFulfilled));
}

#[test]
fn a_confirmation_after_the_expiry_holds_unless_the_order_was_cancelled_first() {
    let order = placed_in_buckets(&[("TEA", 1)], 1);
    let late = at(900_001);
    assert!(order.reservation_has_expired(late) && !order.reservation_has_expired(at(899_999)));
    let confirmed = order.clone().confirm(late).unwrap().order;
    assert_eq!(confirmed.record().reservation_expires_at, None);
    assert!(!confirmed.reservation_has_expired(late));
    let swept = order
        .cancel(Some(CancelReason::reservation_expired()), late)
        .unwrap();
    assert_eq!(
        swept.order.confirm(late),
        Err(OrderError::NotConfirmable {
            status: OrderStatus::Cancelled
        })
    );
}

#[test]
fn what_expired_can_be_placed_again_and_nothing_else() {
    let order = placed_in_buckets(&[("TEA", 3), ("POT", 1)], 2);
    let stock = order.record().allocations.clone();
    let until = at(2_000_000);
    let expired = Some(CancelReason::reservation_expired());
    let cancelled = order.clone().cancel(expired, at(900_000)).unwrap().order;
    assert!(cancelled.is_reinstatable());
    let again = cancelled
        .clone()
        .reinstate(stock.clone(), until, at(900_001));
    let again = again.unwrap();
    assert_order_is_sound(&again.order);
    assert_eq!(again.order.record().cancel_reason, None);
    assert_eq!(again.order.record().reservation_expires_at, Some(until));
    assert_eq!(again.order.version(), cancelled.version() + 1);
    assert_eq!(again.event.type_name(), "order.reinstated.v1");
    assert!(again.order.confirm(at(900_002)).is_ok());

    // Less, more, or something else than the lines want is a defect.
    let mut less = stock.clone();
    less.pop();
    let mut more = stock.clone();
    more.push(Allocation {
        sku: "CUP".parse().unwrap(),
        ..stock[0].clone()
    });
    for wrong in [less, more, Vec::new()] {
        assert!(matches!(
            cancelled.clone().reinstate(wrong, until, at(900_001)),
            Err(OrderError::ReservationIncomplete { .. })
        ));
    }

    let by_hand = order.clone().cancel(None, at(1)).unwrap().order;
    for other in [order, by_hand] {
        let refused = other.clone().reinstate(stock.clone(), until, at(2));
        assert!(matches!(refused, Err(OrderError::NotReinstatable { .. })));
        assert!(other.refuse_reinstatement(at(2)).is_err());
    }
}

#[test]
fn what_is_sold_out_stays_cancelled_and_says_so_once() {
    let order = placed_in_buckets(&[("TEA", 1)], 1);
    let expired = Some(CancelReason::reservation_expired());
    let cancelled = order.cancel(expired, at(900_000)).unwrap().order;
    let refused = cancelled.refuse_reinstatement(at(900_001)).unwrap();
    assert_order_is_sound(&refused.order);
    let reason = refused.order.record().cancel_reason.clone().unwrap();
    assert_eq!(reason.as_str(), "sold_out_before_payment");
    assert!(reason.is_reserved() && !refused.order.is_reinstatable());
    assert!(refused.order.refuse_reinstatement(at(900_002)).is_err());
}

#[test]
fn what_is_paid_for_does_not_expire() {
    let order = placed_in_buckets(&[("TEA", 1)], 1);
    let late = at(900_000);
    assert!(order.has_expired_unpaid(late) && !order.has_expired_unpaid(at(899_999)));
    let held = order
        .record_payment(PaymentChange::Authorize, at(1))
        .unwrap()
        .order;
    assert!(!held.has_expired_unpaid(late));
    let released = held
        .record_payment(PaymentChange::Void, at(2))
        .unwrap()
        .order;
    assert!(released.has_expired_unpaid(late));
}

#[test]
fn cursors_belong_to_their_list() {
    let id = order_id();
    let all = OrderFilter::default();
    let placed = OrderFilter {
        status: Some(OrderStatus::Placed),
        ..all.clone()
    };
    let buyer = OrderFilter {
        customer_reference: Some("placed".parse().unwrap()),
        ..all.clone()
    };
    let from = OrderFilter {
        placed_from: Some(at(0)),
        ..all.clone()
    };
    let before = OrderFilter {
        placed_before: Some(at(0)),
        ..all.clone()
    };
    let filters = [all, placed, buyer, from, before];
    for (i, one) in filters.iter().enumerate() {
        for (j, other) in filters.iter().enumerate() {
            let resumed = other.resume(&one.cursor_after(id));
            let wanted = if i == j {
                Ok(id)
            } else {
                Err(OrderError::InvalidCursor)
            };
            assert_eq!(resumed, wanted, "{one:?} {other:?}");
        }
    }
    let cursor = filters[0].cursor_after(id);
    for bad in [
        "",
        "x",
        &cursor[1..],
        &cursor.to_uppercase(),
        &format!("{cursor}0"),
    ] {
        assert_eq!(
            filters[0].resume(bad),
            Err(OrderError::InvalidCursor),
            "{bad:?}"
        );
    }
}

#[derive(Debug, Clone)]
enum Command {
    Confirm,
    Fulfil(Vec<(u16, u32)>),
    FulfilRest,
    Complete,
    Cancel,
    Authorize,
    Capture(i64),
    Void,
    Refund(i64),
}

fn commands() -> impl Strategy<Value = Vec<Command>> {
    let wanted = prop::collection::vec((0_u16..6, 1_u32..12), 0..4);
    let command = prop_oneof![
        3 => Just(Command::Confirm),
        6 => wanted.prop_map(Command::Fulfil),
        1 => Just(Command::FulfilRest),
        2 => Just(Command::Complete),
        1 => Just(Command::Cancel),
        2 => Just(Command::Authorize),
        2 => (-100_i64..2_000).prop_map(Command::Capture),
        1 => Just(Command::Void),
        3 => (-100_i64..2_000).prop_map(Command::Refund),
    ];
    prop::collection::vec(command, 0..24)
}

fn apply(order: Order, command: &Command, now: Timestamp) -> Result<Transition, OrderError> {
    match command {
        Command::Confirm => order.confirm(now),
        Command::Fulfil(lines) => order.fulfil(&units(lines), now),
        Command::FulfilRest => order.fulfil(&Fulfilment::Rest, now),
        Command::Complete => order.complete(now),
        Command::Cancel => order.cancel(None, now),
        Command::Authorize => order.record_payment(PaymentChange::Authorize, now),
        Command::Capture(minor) => {
            let amount = Money::new(*minor, eur());
            order.record_payment(PaymentChange::Capture { amount }, now)
        }
        Command::Void => order.record_payment(PaymentChange::Void, now),
        Command::Refund(minor) => {
            let amount = Money::new(*minor, eur());
            order.record_payment(PaymentChange::Refund { amount }, now)
        }
    }
}

/// The ways that the status may go, written down apart from the code.
const STATUS_WAYS: [(OrderStatus, OrderStatus); 5] = [
    (OrderStatus::Placed, OrderStatus::Confirmed),
    (OrderStatus::Confirmed, OrderStatus::Fulfilled),
    (OrderStatus::Fulfilled, OrderStatus::Completed),
    (OrderStatus::Placed, OrderStatus::Cancelled),
    (OrderStatus::Confirmed, OrderStatus::Cancelled),
];

/// The ways that the payment may go.
const PAYMENT_WAYS: [(PaymentStatus, PaymentStatus); 8] = [
    (PaymentStatus::Unpaid, PaymentStatus::Authorized),
    (PaymentStatus::Unpaid, PaymentStatus::Paid),
    (PaymentStatus::Authorized, PaymentStatus::Paid),
    (PaymentStatus::Authorized, PaymentStatus::Voided),
    (PaymentStatus::Paid, PaymentStatus::PartiallyRefunded),
    (PaymentStatus::Paid, PaymentStatus::Refunded),
    (
        PaymentStatus::PartiallyRefunded,
        PaymentStatus::PartiallyRefunded,
    ),
    (PaymentStatus::PartiallyRefunded, PaymentStatus::Refunded),
];

/// What holds of every order that commands have made.
fn assert_order_is_sound(order: &Order) {
    let record = order.record();
    let mut open: BTreeMap<Sku, u64> = BTreeMap::new();
    for line in &record.lines {
        assert!(line.fulfilled_quantity <= line.quantity.get());
        if line.open_units() > 0 {
            *open.entry(line.sku.clone()).or_default() += u64::from(line.open_units());
        }
    }
    let cancelled = record.status == OrderStatus::Cancelled;
    let held = allocated(&record.allocations);
    assert!(record.allocations.iter().all(|cell| cell.units > 0));
    if cancelled {
        assert!(held.is_empty());
        assert!(record.lines.iter().all(|line| line.fulfilled_quantity == 0));
    } else {
        assert_eq!(held, open, "allocations + fulfilled = ordered");
    }
    let all_fulfilled = record.lines.iter().all(|line| line.open_units() == 0);
    let past_fulfilment = matches!(
        record.status,
        OrderStatus::Fulfilled | OrderStatus::Completed
    );
    assert_eq!(all_fulfilled, past_fulfilment);
    assert_eq!(
        record.reservation_expires_at.is_some(),
        record.status == OrderStatus::Placed
    );
    assert_eq!(record.cancelled_at.is_some(), cancelled);
    assert_eq!(record.fulfilled_at.is_some(), past_fulfilment);
    assert_eq!(
        record.completed_at.is_some(),
        record.status == OrderStatus::Completed
    );
    assert!((0..=record.total.amount_minor()).contains(&record.captured.amount_minor()));
    assert!((0..=record.captured.amount_minor()).contains(&record.refunded.amount_minor()));
    let some_refunded = record.refunded.amount_minor() > 0;
    assert_eq!(
        some_refunded && record.refunded == record.captured,
        record.payment_status == PaymentStatus::Refunded
    );
}

/// What holds of every step from `before`.
fn assert_step_is_sound(before: &Order, done: &Transition, command: &Command) {
    let (old, new) = (before.record(), done.order.record());
    assert_eq!(new.version, old.version + 1);
    if old.status != new.status {
        assert!(
            STATUS_WAYS.contains(&(old.status, new.status)),
            "{command:?}"
        );
    }
    let is_payment = matches!(
        command,
        Command::Authorize | Command::Capture(_) | Command::Void | Command::Refund(_)
    );
    assert!(
        is_payment || !old.status.is_final(),
        "{command:?} left a final status"
    );
    if is_payment {
        assert_eq!(old.status, new.status);
        assert!(PAYMENT_WAYS.contains(&(old.payment_status, new.payment_status)));
    } else {
        assert_eq!(old.payment_status, new.payment_status);
    }
    let held_before = allocated(&old.allocations);
    let mut held_after = allocated(&new.allocations);
    let let_go = match &done.settlement {
        None => Vec::new(),
        Some(Settlement::Sold(cells)) => {
            assert!(matches!(command, Command::Fulfil(_) | Command::FulfilRest));
            cells.clone()
        }
        Some(Settlement::Released(cells)) => {
            assert!(matches!(command, Command::Cancel));
            cells.clone()
        }
    };
    for (sku, units) in allocated(&let_go) {
        *held_after.entry(sku).or_insert(0) += units;
    }
    assert_eq!(
        held_before, held_after,
        "{command:?}: what is let go was held"
    );
    let mut sorted = let_go.clone();
    sorted.sort();
    if matches!(command, Command::Cancel) {
        assert_eq!(sorted, let_go);
    }
}

#[test]
fn every_way_in_the_lists_can_be_gone() {
    let order = placed_in_buckets(&[("TEA", 2)], 9);
    let refund = |minor| Command::Refund(minor);
    let ways: [&[Command]; 4] = [
        &[Command::Confirm, Command::FulfilRest, Command::Complete],
        &[Command::Cancel, Command::Authorize, Command::Void],
        &[
            Command::Confirm,
            Command::Cancel,
            Command::Capture(200),
            refund(200),
        ],
        &[
            Command::Authorize,
            Command::Capture(150),
            refund(50),
            refund(50),
            refund(50),
        ],
    ];
    let mut seen = Vec::new();
    let mut seen_payment = Vec::new();
    for way in ways {
        let mut order = order.clone();
        for command in way {
            let done = apply(order.clone(), command, at(5)).unwrap();
            assert_step_is_sound(&order, &done, command);
            seen.push((order.status(), done.order.status()));
            seen_payment.push((
                order.record().payment_status,
                done.order.record().payment_status,
            ));
            order = done.order;
        }
    }
    assert!(STATUS_WAYS.iter().all(|way| seen.contains(way)));
    assert!(PAYMENT_WAYS.iter().all(|way| seen_payment.contains(way)));
}

proptest! {
    /// Whatever commands come, in any order and with any quantities: an order follows the two graphs,
    /// holds exactly what it has not fulfilled, and counts its events.
    #[test]
    fn commands_keep_the_invariants(
        quantities in prop::collection::vec((0_usize..3, 1_u32..10), 1..5),
        bucket_units in 1_u64..8,
        commands in commands(),
    ) {
        let skus = ["TEA", "POT", "CUP"];
        let lines: Vec<(&str, u32)> = quantities.iter().map(|(sku, n)| (skus[*sku], *n)).collect();
        let mut order = placed_in_buckets(&lines, bucket_units);
        let mut events = 1;
        for (step, command) in commands.iter().enumerate() {
            assert_order_is_sound(&order);
            let now = at(i64::try_from(step).unwrap() + 1);
            if let Ok(done) = apply(order.clone(), command, now) {
                events += 1;
                assert_step_is_sound(&order, &done, command);
                prop_assert!(done.event.to_json().is_ok());
                order = done.order;
            }
            prop_assert_eq!(order.version(), events);
        }
        assert_order_is_sound(&order);
    }

    /// The payment graph alone: total over every status and change, and never a refund beyond what
    /// is left.
    #[test]
    fn payment_changes_are_total(status in 0_usize..6, minor: i64, left in 0_i64..=i64::MAX) {
        let status = PaymentStatus::ALL[status];
        let refund = PaymentChange::Refund { amount: Money::new(minor, eur()) };
        let capture = PaymentChange::Capture { amount: Money::new(minor, eur()) };
        for change in [PaymentChange::Authorize, capture, PaymentChange::Void, refund] {
            match status.after(change, Money::new(left, eur())) {
                Ok(next) => {
                    prop_assert!(PAYMENT_WAYS.contains(&(status, next)));
                    if change == refund {
                        prop_assert!((1..=left).contains(&minor));
                        prop_assert_eq!(next == PaymentStatus::Refunded, minor == left);
                    }
                }
                Err(OrderError::InvalidRefund) => prop_assert!(!(1..=left).contains(&minor)),
                Err(error) => {
                    let told = matches!(error, OrderError::PaymentNotAllowed { .. });
                    prop_assert!(told, "{:?}", error);
                }
            }
        }
    }
}
