//! Bodies of commands on orders.

use souk_domain::{CancelReason, Fulfilment, ORDER_LINES_MAX, QUANTITY_MAX, Quantity};
use souk_runtime::fields::Field;
use std::collections::BTreeMap;

/// What a client says when it cancels.
pub(crate) struct Cancellation {
    /// Why, if it says so.
    pub(crate) reason: Option<CancelReason>,
}

/// Body of `POST /v1/orders/{id}/cancel`: a reason, or none.
pub(crate) fn cancellation(body: &Field<'_>) -> Option<Cancellation> {
    let body = body.object(&["reason"])?;
    let reason = body.optional("reason", |field| {
        let reason: CancelReason = field.parse()?;
        if reason.is_reserved() {
            return field.refuse("is a reason that only Souk itself gives");
        }
        Some(reason)
    });
    Some(Cancellation { reason: reason? })
}

/// Body of `POST /v1/orders/{id}/fulfil`: units of lines; all that is left where there are none given.
pub(crate) fn fulfilment(body: &Field<'_>) -> Option<Fulfilment> {
    let body = body.object(&["lines"])?;
    let lines = body.optional("lines", |field| {
        let lines = field.list(1..=ORDER_LINES_MAX, fulfilled_line)?;
        let mut units = BTreeMap::new();
        for (line_number, quantity) in lines {
            if units.insert(line_number, quantity).is_some() {
                return field.refuse(format!("names line {line_number} more than once"));
            }
        }
        Some(units)
    })?;
    Some(lines.map_or(Fulfilment::Rest, Fulfilment::Units))
}

fn fulfilled_line(line: &Field<'_>) -> Option<(u16, Quantity)> {
    let line = line.object(&["line_number", "quantity"])?;
    let line_number = line.required("line_number", |field| {
        let number = field.integer(1..=i64::from(u16::MAX))?;
        u16::try_from(number).ok()
    });
    let quantity = line.required("quantity", |field| {
        let units = field.integer(1..=i64::from(QUANTITY_MAX))?;
        let units = u32::try_from(units).ok()?;
        Quantity::new(units).ok()
    });
    Some((line_number?, quantity?))
}
