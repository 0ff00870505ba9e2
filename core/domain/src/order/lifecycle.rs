//! The commands that move an order on: confirm, fulfil, complete, cancel.

use super::allocation::take;
use super::{
    CancelReason, Order, OrderError, OrderLine, OrderRecord, OrderStatus, Quantity, Settlement,
    Transition,
};
use crate::Timestamp;
use crate::event::{
    EventData, FulfilledLineV1, OrderCancelledV1, OrderCompletedV1, OrderConfirmedV1,
    OrderFulfilledV1,
};
use std::collections::BTreeMap;

/// What of an order leaves the stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fulfilment {
    /// All that is left.
    Rest,
    /// So many units of these lines.
    Units(BTreeMap<u16, Quantity>),
}

impl Order {
    /// Confirms a placed order: its stock is no longer held for a while only, but until it is
    /// fulfilled or cancelled.
    ///
    /// The reservation's expiry is not looked at. Until somebody has cancelled the order its stock is
    /// still there, so a confirmation that comes late, but before the sweeper, keeps a sale that would
    /// otherwise be lost, and nobody is promised what is not there. Once it is cancelled it is refused
    /// like any other cancelled order. Which of the two comes first is decided by the lock on the
    /// order's row.
    ///
    /// # Errors
    /// [`OrderError::NotConfirmable`].
    pub fn confirm(self, now: Timestamp) -> Result<Transition, OrderError> {
        match self.status() {
            OrderStatus::Placed => {}
            status @ (OrderStatus::Confirmed
            | OrderStatus::Fulfilled
            | OrderStatus::Completed
            | OrderStatus::Cancelled) => return Err(OrderError::NotConfirmable { status }),
        }
        let event = EventData::OrderConfirmedV1(OrderConfirmedV1 {
            order_id: self.id(),
            confirmed_at: now,
        });
        Ok(Transition {
            order: self.advanced(|record| OrderRecord {
                status: OrderStatus::Confirmed,
                reservation_expires_at: None,
                confirmed_at: Some(now),
                ..record
            }),
            event,
            settlement: None,
        })
    }

    /// Fulfils a part of a confirmed order, or the rest. When nothing is left the order is fulfilled.
    /// The units leave the reservation and are sold: the caller settles the stock in the same
    /// transaction.
    ///
    /// # Errors
    /// [`OrderError::NotFulfillable`], [`OrderError::NothingToFulfil`], [`OrderError::NoSuchLine`],
    /// [`OrderError::TooManyUnits`]; [`OrderError::ReservationIncomplete`] is a defect.
    pub fn fulfil(self, what: &Fulfilment, now: Timestamp) -> Result<Transition, OrderError> {
        match self.status() {
            OrderStatus::Confirmed => {}
            status @ (OrderStatus::Placed
            | OrderStatus::Fulfilled
            | OrderStatus::Completed
            | OrderStatus::Cancelled) => return Err(OrderError::NotFulfillable { status }),
        }
        let leaving = self.units_leaving(what)?;
        let mut record = self.0;
        let mut sold = Vec::new();
        let mut told = Vec::with_capacity(leaving.len());
        for line in &mut record.lines {
            let Some(units) = leaving.get(&line.line_number) else {
                continue;
            };
            sold.extend(take(&mut record.allocations, &line.sku, u64::from(*units))?);
            line.fulfilled_quantity = line.fulfilled_quantity.saturating_add(*units);
            told.push(FulfilledLineV1 {
                line_number: line.line_number,
                sku: line.sku.clone(),
                quantity: *units,
            });
        }
        let complete = record.lines.iter().all(|line| line.open_units() == 0);
        let event = EventData::OrderFulfilledV1(OrderFulfilledV1 {
            order_id: record.id,
            lines: told,
            complete,
            fulfilled_at: now,
        });
        let order = Self(record).advanced(|record| {
            if complete {
                OrderRecord {
                    status: OrderStatus::Fulfilled,
                    fulfilled_at: Some(now),
                    ..record
                }
            } else {
                record
            }
        });
        Ok(Transition {
            order,
            event,
            settlement: Some(Settlement::Sold(sold)),
        })
    }

    /// Completes a fulfilled order: nothing more is to be done.
    ///
    /// # Errors
    /// [`OrderError::NotCompletable`].
    pub fn complete(self, now: Timestamp) -> Result<Transition, OrderError> {
        match self.status() {
            OrderStatus::Fulfilled => {}
            status @ (OrderStatus::Placed
            | OrderStatus::Confirmed
            | OrderStatus::Completed
            | OrderStatus::Cancelled) => return Err(OrderError::NotCompletable { status }),
        }
        let event = EventData::OrderCompletedV1(OrderCompletedV1 {
            order_id: self.id(),
            completed_at: now,
        });
        Ok(Transition {
            order: self.advanced(|record| OrderRecord {
                status: OrderStatus::Completed,
                completed_at: Some(now),
                ..record
            }),
            event,
            settlement: None,
        })
    }

    /// Cancels an order of which nothing is fulfilled. All that it holds is released: the caller
    /// settles the stock in the same transaction.
    ///
    /// # Errors
    /// [`OrderError::NotCancellable`], [`OrderError::PartlyFulfilled`].
    pub fn cancel(
        self,
        reason: Option<CancelReason>,
        now: Timestamp,
    ) -> Result<Transition, OrderError> {
        match self.status() {
            OrderStatus::Placed | OrderStatus::Confirmed => {}
            status @ (OrderStatus::Fulfilled | OrderStatus::Completed | OrderStatus::Cancelled) => {
                return Err(OrderError::NotCancellable { status });
            }
        }
        if self.lines().iter().any(|line| line.fulfilled_quantity > 0) {
            return Err(OrderError::PartlyFulfilled);
        }
        let event = EventData::OrderCancelledV1(OrderCancelledV1 {
            order_id: self.id(),
            reason: reason.as_ref().map(|reason| reason.as_str().to_owned()),
            cancelled_at: now,
        });
        let mut released = self.record().allocations.clone();
        released.sort();
        Ok(Transition {
            order: self.advanced(|record| OrderRecord {
                status: OrderStatus::Cancelled,
                allocations: Vec::new(),
                reservation_expires_at: None,
                cancelled_at: Some(now),
                cancel_reason: reason,
                ..record
            }),
            event,
            settlement: Some(Settlement::Released(released)),
        })
    }

    /// Whether its reservation has run out at `now`: only while it is placed.
    pub fn reservation_has_expired(&self, now: Timestamp) -> bool {
        self.record()
            .reservation_expires_at
            .is_some_and(|expires_at| expires_at <= now)
    }

    /// Units by line number, checked against what is open.
    fn units_leaving(&self, what: &Fulfilment) -> Result<BTreeMap<u16, u32>, OrderError> {
        let wanted = match what {
            Fulfilment::Rest => {
                let open = self.lines().iter().filter(|line| line.open_units() > 0);
                return Ok(open
                    .map(|line| (line.line_number, line.open_units()))
                    .collect());
            }
            Fulfilment::Units(wanted) => wanted,
        };
        if wanted.is_empty() {
            return Err(OrderError::NothingToFulfil);
        }
        let mut leaving = BTreeMap::new();
        for (line_number, quantity) in wanted {
            let line_number = *line_number;
            let found = |line: &&OrderLine| line.line_number == line_number;
            let line = self
                .lines()
                .iter()
                .find(found)
                .ok_or(OrderError::NoSuchLine { line_number })?;
            if quantity.get() > line.open_units() {
                return Err(OrderError::TooManyUnits {
                    line_number,
                    open_units: line.open_units(),
                });
            }
            leaving.insert(line_number, quantity.get());
        }
        Ok(leaving)
    }
}
