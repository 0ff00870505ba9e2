//! The way back from cancelled: for an order whose payment came when its reservation had run out.

use super::{Allocation, CancelReason, Order, OrderError, OrderRecord, OrderStatus, Transition};
use crate::Timestamp;
use crate::event::{EventData, OrderReinstatedV1, OrderReinstatementRefusedV1};
use std::collections::BTreeMap;

impl Order {
    /// Whether it was cancelled for no other reason than that its reservation had run out, so that a
    /// payment which comes late can bring it back. What a person cancelled stays cancelled.
    pub fn is_reinstatable(&self) -> bool {
        let expired = CancelReason::reservation_expired();
        match self.status() {
            OrderStatus::Cancelled => self.record().cancel_reason.as_ref() == Some(&expired),
            OrderStatus::Placed
            | OrderStatus::Confirmed
            | OrderStatus::Fulfilled
            | OrderStatus::Completed => false,
        }
    }

    /// Places an order again that was cancelled because its reservation had run out. `allocations` is
    /// the stock of all its lines, which the caller has reserved in the same transaction; it is held
    /// until `reservation_expires_at`.
    ///
    /// # Errors
    /// [`OrderError::NotReinstatable`]; [`OrderError::ReservationIncomplete`] when `allocations` is not
    /// what the lines want.
    pub fn reinstate(
        self,
        mut allocations: Vec<Allocation>,
        reservation_expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Transition, OrderError> {
        self.check_reinstatable()?;
        let mut reserved: BTreeMap<_, u64> = BTreeMap::new();
        for cell in &allocations {
            let units = reserved.entry(cell.sku.clone()).or_default();
            *units = units.saturating_add(cell.units);
        }
        for (sku, units) in self.units_by_sku() {
            if reserved.remove(&sku) != Some(units) {
                return Err(OrderError::ReservationIncomplete { sku });
            }
        }
        if let Some((sku, _)) = reserved.pop_first() {
            return Err(OrderError::ReservationIncomplete { sku });
        }
        allocations.sort();
        let event = EventData::OrderReinstatedV1(OrderReinstatedV1 {
            order_id: self.id(),
            reservation_expires_at,
            reinstated_at: now,
        });
        Ok(Transition {
            order: self.advanced(|record| OrderRecord {
                status: OrderStatus::Placed,
                allocations,
                reservation_expires_at: Some(reservation_expires_at),
                cancelled_at: None,
                cancel_reason: None,
                ..record
            }),
            event,
            settlement: None,
        })
    }

    /// Notes that an order whose payment came late stays cancelled, because its stock is with others by
    /// now. From here on its reason is [`CancelReason::sold_out_before_payment`], and the money goes
    /// back.
    ///
    /// # Errors
    /// [`OrderError::NotReinstatable`].
    pub fn refuse_reinstatement(self, now: Timestamp) -> Result<Transition, OrderError> {
        self.check_reinstatable()?;
        let reason = CancelReason::sold_out_before_payment();
        let event = EventData::OrderReinstatementRefusedV1(OrderReinstatementRefusedV1 {
            order_id: self.id(),
            reason: reason.as_str().to_owned(),
            refused_at: now,
        });
        Ok(Transition {
            order: self.advanced(|record| OrderRecord {
                cancel_reason: Some(reason),
                ..record
            }),
            event,
            settlement: None,
        })
    }

    fn check_reinstatable(&self) -> Result<(), OrderError> {
        if self.is_reinstatable() {
            return Ok(());
        }
        Err(OrderError::NotReinstatable {
            status: self.status(),
        })
    }

    /// Whether the sweeper may give its stock back at `now`: its reservation has run out, and no money
    /// is held or taken for it. An order that is paid for is confirmed by the order process instead,
    /// however late that comes.
    pub fn has_expired_unpaid(&self, now: Timestamp) -> bool {
        self.reservation_has_expired(now) && !self.record().payment_status.has_money()
    }
}
