// The order journey, as a buyer's storefront makes it: price, place, cancel. Run by CloudWatch Synthetics.
// The tenant is one that was made for it: nothing it orders is delivered, and each order is cancelled.
const https = require("https");
const { randomUUID } = require("crypto");
const synthetics = require("Synthetics");
const { SecretsManagerClient, GetSecretValueCommand } = require("@aws-sdk/client-secrets-manager");

const TIMEOUT_MS = 15000;

function call(method, path, apiKey, body) {
  const text = body === undefined ? "" : JSON.stringify(body);
  const headers = { host: process.env.TENANT_HOST, authorization: `Bearer ${apiKey}` };
  if (method !== "GET") headers["idempotency-key"] = randomUUID();
  if (text) headers["content-type"] = "application/json";
  return new Promise((resolve, reject) => {
    const request = https.request(new URL(path, process.env.EDGE_URL), { method, headers, timeout: TIMEOUT_MS }, (answer) => {
      let got = "";
      answer.on("data", (part) => (got += part));
      answer.on("end", () => resolve({ status: answer.statusCode, id: answer.headers["souk-request-id"], text: got }));
    });
    request.on("timeout", () => request.destroy(new Error(`${method} ${path}: no answer in ${TIMEOUT_MS} ms`)));
    request.on("error", reject);
    request.end(text);
  });
}

function expect(answer, status, what) {
  // Never the body: the log must not hold what a request or an answer had.
  if (answer.status !== status) throw new Error(`${what}: ${answer.status} instead of ${status}, request ${answer.id}`);
  return answer.text ? JSON.parse(answer.text) : {};
}

exports.handler = async () => {
  const secrets = new SecretsManagerClient({});
  const secret = await secrets.send(new GetSecretValueCommand({ SecretId: process.env.API_KEY_SECRET }));
  const key = secret.SecretString;
  let order;
  await synthetics.executeStep("place", async () => {
    const body = { currency: "EUR", lines: [{ sku: process.env.SKU, quantity: 1 }] };
    order = expect(await call("POST", "/v1/orders", key, body), 201, "an order is placed");
  });
  await synthetics.executeStep("read", async () => {
    expect(await call("GET", `/v1/orders/${order.id}`, key), 200, "the order is read");
  });
  await synthetics.executeStep("cancel", async () => {
    expect(await call("POST", `/v1/orders/${order.id}/cancel`, key, {}), 200, "the order is cancelled");
  });
};
