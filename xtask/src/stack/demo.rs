//! One order through the whole stack, and how to repeat it by hand.

use super::Facts;
use super::secrets::DEMO_HOST;
use super::{Role, SHARDS};
use crate::postgres::{psql_program, run_sql};
use crate::repo::Repo;
use anyhow::{Context, Result, anyhow, bail};
use core::time::Duration;
use reqwest::header::HeaderValue;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use souk_domain::OrderId;
use tokio::time::{Instant, sleep, timeout};
use url::Url;

/// Longer than the sweep's period: the order arrives even if its doorbell was lost.
const READ_MODEL_TIMEOUT: Duration = Duration::from_secs(90);
const CONSISTENCY: &str = "souk-consistency";
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What happened to the demo order.
#[derive(Debug)]
pub(crate) struct Demo {
    order_id: OrderId,
    placed: Value,
    paid: Value,
    placed_after: Duration,
    paid_after: Duration,
    projected_after: Duration,
}

/// Places an order through the edge, reads it back, pays it, and waits until the read model has it.
pub(crate) async fn run(repo: &Repo, facts: &Facts) -> Result<Demo> {
    let client = Client::builder()
        .no_proxy()
        .timeout(REQUEST_TIMEOUT)
        .build()?;
    let began = Instant::now();
    let request = json!({
        "currency": "EUR",
        "lines": [{"sku": "TEA-GREEN-100G", "quantity": 2}],
        "customer_reference": "demo",
    });
    let key = format!("demo-{:016x}", fastrand::u64(..));
    let place = client
        .post(format!("{}/v1/orders", facts.edge_url))
        .header("idempotency-key", key)
        .json(&request);
    let (placed, token) = answer(place, facts, StatusCode::CREATED)
        .await
        .context("the order was not placed")?;
    let placed_after = began.elapsed();
    let order_id: OrderId = placed
        .get("id")
        .and_then(Value::as_str)
        .with_context(|| format!("the order has no id: {placed}"))?
        .parse()?;

    // With what the answer said of its place in the log: a replica may be a moment behind.
    let token = token.context("the answer has no consistency token")?;
    let read = client
        .get(format!("{}/v1/orders/{order_id}", facts.edge_url))
        .header(CONSISTENCY, token);
    let (found, _) = answer(read, facts, StatusCode::OK)
        .await
        .context("the order cannot be read back")?;
    if found.get("id") != placed.get("id") {
        bail!("another order was read back: {found}");
    }
    let paying = Instant::now();
    let paid = pay(&client, facts, order_id).await?;
    let paid_after = paying.elapsed();
    wait_for_summary(repo, facts, order_id).await?;
    Ok(Demo {
        order_id,
        placed,
        paid,
        placed_after,
        paid_after,
        projected_after: began.elapsed(),
    })
}

/// Pays the order, by a payment method that the simulated bank approves.
async fn pay(client: &Client, facts: &Facts, order: OrderId) -> Result<Value> {
    let body = json!({ "order_id": order, "payment_method": "pm_card_visa", "confirm": true });
    let request = client
        .post(format!("{}/v1/payment-intents", facts.edge_url))
        .header("idempotency-key", format!("demo-pay-{order}"))
        .json(&body);
    let (paid, _) = answer(request, facts, StatusCode::CREATED)
        .await
        .context("the order was not paid")?;
    if paid.get("status") != Some(&json!("succeeded")) {
        bail!("the payment has not succeeded: {paid}");
    }
    Ok(paid)
}

/// The body, and the consistency token.
async fn answer(
    request: RequestBuilder,
    facts: &Facts,
    wanted: StatusCode,
) -> Result<(Value, Option<HeaderValue>)> {
    let response: Response = request
        .header("host", DEMO_HOST)
        .bearer_auth(&facts.secrets.api_key)
        .send()
        .await?;
    let status = response.status();
    let token = response.headers().get(CONSISTENCY).cloned();
    let body = response.text().await?;
    if status != wanted {
        bail!("the edge answered {status}: {body}");
    }
    let body = serde_json::from_str(&body).with_context(|| format!("not JSON: {body}"))?;
    Ok((body, token))
}

async fn wait_for_summary(repo: &Repo, facts: &Facts, order: OrderId) -> Result<()> {
    let file = repo.sql("order_summary_exists.sql");
    let tenant_id = facts.secrets.tenant_id.as_uuid().to_string();
    let order_id = order.as_uuid().to_string();
    let variables = [
        ("tenant_id", tenant_id.as_str()),
        ("order_id", order_id.as_str()),
    ];
    let database = demo_database(facts)?;
    let appeared = async {
        while run_sql(repo, &database, &file, &variables).await?.trim() != "t" {
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    };
    timeout(READ_MODEL_TIMEOUT, appeared)
        .await
        .unwrap_or_else(|_| {
            let limit_s = READ_MODEL_TIMEOUT.as_secs();
            Err(anyhow!(
                "{order} is not in the read model after {limit_s} s"
            ))
        })
}

/// The shard of the demo tenant, as the functions see it.
fn demo_database(facts: &Facts) -> Result<Url> {
    let [(_, database), _] = SHARDS;
    facts.databases.primary(database, Role::App)
}

impl Demo {
    /// What happened, for the terminal.
    pub(crate) fn story(&self) -> String {
        format!(
            "The demo tenant placed order {} through the edge in {} ms:\n{:#}\n\
             It was paid in {} ms, at a simulated payment service provider:\n{:#}\n\
             Its event was in the read model {} ms after the request.",
            self.order_id,
            self.placed_after.as_millis(),
            self.placed,
            self.paid_after.as_millis(),
            self.paid,
            self.projected_after.as_millis(),
        )
    }

    /// The lines that repeat it.
    pub(crate) fn repeat_by_hand(&self, repo: &Repo, facts: &Facts) -> Result<String> {
        let edge = &facts.edge_url;
        let headers = format!(
            "-H 'Host: {DEMO_HOST}' -H 'Authorization: Bearer {}'",
            facts.secrets.api_key
        );
        let body = r#"{"currency":"EUR","lines":[{"sku":"TEA-GREEN-100G","quantity":2}]}"#;
        Ok(format!(
            "Place an order, read it back:\n\
             curl -s {edge}/v1/orders {headers} -H 'Content-Type: application/json' \
             -H \"Idempotency-Key: $(date +%s%N)\" -d '{body}'\n\
             curl -s {edge}/v1/orders/{id} {headers}\n\
             Pay your order (ORDER is its id; pm_card_chargeDeclined is declined, and \
             pm_card_authenticationRequired wants the customer to do something), and give 5.00 back \
             (PAYMENT is the id of the payment):\n\
             curl -s {edge}/v1/payment-intents {headers} -H 'Content-Type: application/json' \
             -H \"Idempotency-Key: $(date +%s%N)\" -d '{payment}'\n\
             curl -s {edge}/v1/payment-intents/PAYMENT/refunds {headers} \
             -H 'Content-Type: application/json' -H \"Idempotency-Key: $(date +%s%N)\" \
             -d '{{\"amount_minor\":500}}'\n\
             Or cancel it, while it is not paid:\n\
             curl -s -X POST {edge}/v1/orders/ORDER/cancel {headers} \
             -H \"Idempotency-Key: $(date +%s%N)\"\n\
             What the payment service provider knows: curl -s {psp}/_admin/totals\n\
             See what the consumer made of the events:\n\
             {psql} '{url}' -c \"SET souk.tenant_id='{tenant}'\" -c 'TABLE souk.order_summaries'\n\
             Operate it:\n\
             . '{operator}' && cargo run -q -p souk-cli -- outbox status --watch",
            operator = facts.operator.display(),
            id = self.order_id,
            payment = r#"{"order_id":"ORDER","payment_method":"pm_card_visa","confirm":true}"#,
            psp = facts.psp_url,
            psql = psql_program(repo)?.display(),
            url = demo_database(facts)?,
            tenant = facts.secrets.tenant_id.as_uuid(),
        ))
    }
}
