//! Stripe's balance transactions (`docs.stripe.com/api/balance_transactions/object`).

use super::answers::{ListJson, REFUND, TENANT, instant, is, money, parse};
use serde::Deserialize;
use serde_json::Value;
use souk_app::MovementPage;
use souk_domain::TenantId;
use souk_domain::payment::{MovementKind, ProviderMovement};

#[derive(Debug, Deserialize)]
struct MovementJson {
    id: String,
    object: String,
    amount: i64,
    fee: i64,
    net: i64,
    currency: String,
    created: i64,
    r#type: String,
    reporting_category: String,
    #[serde(default)]
    source: Value,
}

/// Reads a page, without what was made for other tenants on the same account.
pub(super) fn read_page(body: &[u8], tenant: TenantId) -> Result<MovementPage, String> {
    let list: ListJson<MovementJson> = parse(body)?;
    let next = list
        .has_more
        .then(|| list.data.last().map(|last| last.id.clone()))
        .flatten();
    if list.has_more && next.is_none() {
        return Err("an empty page has more".to_owned());
    }
    let own = list.data.iter().filter(|own| !own.is_of_another(tenant));
    Ok(MovementPage {
        movements: own.map(MovementJson::read).collect::<Result<_, _>>()?,
        next,
    })
}

impl MovementJson {
    fn metadata(&self, key: &str) -> Option<&str> {
        self.source.get("metadata")?.get(key)?.as_str()
    }

    fn is_of_another(&self, tenant: TenantId) -> bool {
        let named = self.metadata(TENANT);
        named.is_some_and(|named| named != tenant.to_string())
    }

    fn read(&self) -> Result<ProviderMovement, String> {
        is(&self.object, "balance_transaction")?;
        if self.amount.checked_sub(self.fee) != Some(self.net) {
            return Err(format!("{}: net is not amount less fee", self.id));
        }
        let payment = self.source.get("payment_intent").and_then(id_of);
        Ok(ProviderMovement {
            id: self.id.clone(),
            kind: self.kind(),
            payment: payment.and_then(|id| id.parse().ok()),
            source: id_of(&self.source).unwrap_or_default().to_owned(),
            refund: self.metadata(REFUND).and_then(|id| id.parse().ok()),
            gross: money(self.amount, &self.currency)?,
            fee: money(self.fee, &self.currency)?,
            net: money(self.net, &self.currency)?,
            created_at: instant(self.created)?,
        })
    }

    fn kind(&self) -> MovementKind {
        match (self.r#type.as_str(), self.reporting_category.as_str()) {
            ("charge" | "payment", _) => MovementKind::Charge,
            ("refund" | "payment_refund", _) => MovementKind::Refund,
            ("refund_failure" | "payment_failure_refund", _) => MovementKind::RefundFailure,
            (_, "dispute") => MovementKind::Dispute,
            (_, "dispute_reversal") => MovementKind::DisputeReversal,
            ("stripe_fee" | "stripe_fx_fee" | "application_fee", _) => MovementKind::Fee,
            ("payout" | "payout_cancel" | "payout_failure", _) => MovementKind::Payout,
            (other, _) => MovementKind::Other(other.to_owned()),
        }
    }
}

/// The id of something that may be shown whole.
fn id_of(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("id")?.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TENANT_ID: &str = "ten_0197c0de8f2b7c3a9d4e5f6071829304";

    fn movement(tenant: &str) -> Value {
        json!({
            "id": "txn_1", "object": "balance_transaction", "amount": 1_000, "fee": 40, "net": 960,
            "currency": "eur", "created": 1_795_248_000, "type": "charge",
            "reporting_category": "charge",
            "source": {"id": "ch_1", "payment_intent": "pi_1", "metadata": {"souk_tenant": tenant}},
        })
    }

    fn read(movements: &[Value], has_more: bool) -> Result<MovementPage, String> {
        let page = json!({"data": movements, "has_more": has_more});
        read_page(page.to_string().as_bytes(), TENANT_ID.parse().unwrap())
    }

    #[test]
    fn another_tenants_movements_are_left_out_and_paging_goes_on() {
        let other = TENANT_ID.replace('4', "5");
        let page = read(&[movement(TENANT_ID), movement(&other)], true).unwrap();
        assert_eq!(page.movements.len(), 1);
        assert_eq!(page.next.as_deref(), Some("txn_1"));
        let own = &page.movements[0];
        assert_eq!(own.kind, MovementKind::Charge);
        assert_eq!(own.payment.as_ref().unwrap().as_str(), "pi_1");
        assert_eq!(own.source, "ch_1");
    }

    #[test]
    fn sums_that_do_not_fit_are_not_believed() {
        let mut wrong = movement(TENANT_ID);
        wrong["net"] = json!(961);
        assert!(read(&[wrong], false).is_err());
        assert!(read(&[], true).is_err());
        assert_eq!(read(&[], false).unwrap().next, None);
    }
}
