// The peer of the benchmark place-order-node: POST /v1/orders as one writes it with Fastify and
// node-postgres, on Souk's own schema and under its row level security. One transaction with
// idempotency key, prices, stock, order, lines, outbox event and stored answer. Statements are
// prepared by name, stock is reserved by the schema's own function, rows are written in sets.
//
// It does less than the original: it does not check the edge's signature, knows no discounts, taxes
// and shipping, and gives no consistency token.
import { createHash, randomUUID } from 'node:crypto';
import Fastify from 'fastify';
import pg from 'pg';

const env = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
};

const LANES = 64;
const KEY_TTL_MS = 24 * 60 * 60 * 1000;
const RESERVATION_TTL_MS = 15 * 60 * 1000;
const OPERATION = 'POST /v1/orders';

// int8: amounts are far below 2^53 here.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

const pool = new pg.Pool({
  connectionString: env('PEER_DATABASE_URL'),
  max: Number(env('PEER_CONNECTIONS')),
  idleTimeoutMillis: 0,
});

/** A UUID of version 7: the time first, so that rows of one moment lie together. */
function uuidv7(now) {
  const ms = now.toString(16).padStart(12, '0');
  return `${ms.slice(0, 8)}-${ms.slice(8)}-7${randomUUID().slice(15)}`;
}

const simple = (uuid) => uuid.replaceAll('-', '');

function laneOf(uuid) {
  return parseInt(uuid.slice(-2), 16) % LANES;
}

class Refusal extends Error {
  constructor(status, code, detail) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

const statement = (name, text) => (values) => ({ name, text, values });

const claimKey = statement('claim', `
  INSERT INTO souk.idempotency_keys (tenant_id, principal, key, created_on, operation, fingerprint,
    created_at, expires_at)
  VALUES ($1, $2, $3, ($4::timestamptz AT TIME ZONE 'UTC')::date, $5, $6, $4, $7)
  ON CONFLICT ON CONSTRAINT idempotency_keys_pkey DO NOTHING`);
const findKey = statement('find', `
  SELECT fingerprint, response_status, response_headers, response_body FROM souk.idempotency_keys
  WHERE tenant_id = $1 AND principal = $2 AND key = $3
    AND created_on = ($4::timestamptz AT TIME ZONE 'UTC')::date`);
const loadPrices = statement('prices', `
  SELECT p.sku, p.unit_price_minor FROM souk.prices p
  JOIN souk.skus s ON s.tenant_id = p.tenant_id AND s.sku = p.sku AND s.status = 'active'
  WHERE p.tenant_id = $1 AND p.currency = $2 AND p.sku = ANY ($3::text[])
    AND p.valid_from <= $4 AND (p.valid_until IS NULL OR p.valid_until > $4)`);
const reserveStock = statement('reserve',
  'SELECT allocations, short FROM souk.reserve_stock($1, $2::text[], $3::bigint[])');
const insertOrder = statement('order', `
  INSERT INTO souk.orders (tenant_id, order_id, status, currency, subtotal_minor, total_minor,
    customer_reference, allocations, reservation_expires_at, version, placed_at, placed_event_id,
    placed_by, placed_request_id)
  VALUES ($1, $2, 'placed', $3, $4, $4, $5, $6, $7, 1, $8, $9, $10, $11)`);
const insertLines = statement('lines', `
  INSERT INTO souk.order_lines (tenant_id, order_id, line_number, sku, quantity, unit_price_minor,
    line_total_minor)
  SELECT $1, $2, l.* FROM unnest($3::smallint[], $4::text[], $5::int[], $6::bigint[], $7::bigint[])
    AS l`);
const insertEvent = statement('event', `
  INSERT INTO souk.outbox_events (event_id, tenant_id, lane, aggregate_id, sequence, event_type,
    body, created_at)
  VALUES ($1, $2, $3, $4, 1, 'order.placed.v1', $5, $6)`);
const finishKey = statement('finish', `
  UPDATE souk.idempotency_keys
  SET response_status = $5, response_headers = $6, response_body = $7, resource_id = $8,
    finished_at = $4, recovery_point = 'finished'
  WHERE tenant_id = $1 AND principal = $2 AND key = $3
    AND created_on = ($4::timestamptz AT TIME ZONE 'UTC')::date`);

function price(body, rows) {
  const prices = new Map(rows.map((row) => [row.sku, row.unit_price_minor]));
  const { currency } = body;
  let total = 0;
  const lines = body.lines.map(({ sku, quantity }, index) => {
    const unit = prices.get(sku);
    if (unit === undefined) throw new Refusal(422, 'sku_not_sold', `${sku} is not sold in ${currency}`);
    total += unit * quantity;
    return {
      line_number: index + 1,
      sku,
      quantity,
      unit_price: { amount_minor: unit, currency },
      line_total: { amount_minor: unit * quantity, currency },
    };
  });
  return { lines, total: { amount_minor: total, currency } };
}

function unitsBySku(lines) {
  const units = new Map();
  for (const { sku, quantity } of lines) units.set(sku, (units.get(sku) ?? 0) + quantity);
  const skus = [...units.keys()].sort();
  return [skus, skus.map((sku) => units.get(sku))];
}

async function placeOrder(client, { tenant, principal, requestId, key, fingerprint, body }) {
  const now = Date.now();
  const at = new Date(now);
  const claimed = await client.query(
    claimKey([tenant, principal, key, at, OPERATION, fingerprint, new Date(now + KEY_TTL_MS)]));
  if (claimed.rowCount === 0) {
    const { rows: [first] } = await client.query(findKey([tenant, principal, key, at]));
    if (!first.fingerprint.equals(fingerprint)) {
      throw new Refusal(422, 'idempotency_key_reused', 'the key belongs to another request');
    }
    return {
      replayed: true,
      status: first.response_status,
      headers: first.response_headers,
      body: first.response_body,
    };
  }
  const [skus, units] = unitsBySku(body.lines);
  const { rows } = await client.query(loadPrices([tenant, body.currency, skus, at]));
  const { lines, total } = price(body, rows);
  const { rows: [stock] } = await client.query(reserveStock([tenant, skus, units]));
  if (stock.short.length > 0) {
    throw new Refusal(409, 'insufficient_stock', `too few units of ${stock.short.join(', ')}`);
  }

  const orderId = uuidv7(now);
  const eventId = uuidv7(now);
  const id = `ord_${simple(orderId)}`;
  const reservationExpiresAt = new Date(now + RESERVATION_TTL_MS);
  await client.query(insertOrder([tenant, orderId, body.currency, total.amount_minor,
    body.customer_reference, JSON.stringify(stock.allocations), reservationExpiresAt, at, eventId,
    principal, requestId]));
  await client.query(insertLines([tenant, orderId, lines.map((line) => line.line_number),
    lines.map((line) => line.sku), lines.map((line) => line.quantity),
    lines.map((line) => line.unit_price.amount_minor),
    lines.map((line) => line.line_total.amount_minor)]));
  const event = JSON.stringify({
    specversion: '1.0',
    id: `evt_${simple(eventId)}`,
    source: 'souk/orders',
    type: 'order.placed.v1',
    subject: id,
    time: at,
    datacontenttype: 'application/json',
    tenant_id: `ten_${simple(tenant)}`,
    sequence: 1,
    correlation_id: `req_${simple(requestId)}`,
    data: {
      order_id: id,
      currency: body.currency,
      total,
      lines,
      customer_reference: body.customer_reference,
      placed_at: at,
    },
  });
  await client.query(insertEvent([eventId, tenant, laneOf(orderId), orderId, event, at]));

  const answer = Buffer.from(JSON.stringify({
    id,
    status: 'placed',
    payment_status: 'unpaid',
    version: 1,
    total,
    lines,
    customer_reference: body.customer_reference,
    placed_at: at,
    reservation_expires_at: reservationExpiresAt,
  }));
  const headers = {
    'content-type': 'application/json',
    etag: '"1"',
    location: `/v1/orders/${id}`,
  };
  await client.query(
    finishKey([tenant, principal, key, at, 201, JSON.stringify(headers), answer, id]));
  return { replayed: false, status: 201, headers, body: answer };
}

/** Runs `work` in a transaction of `tenant`, whose form has been checked. */
async function inTransaction(tenant, work) {
  const client = await pool.connect();
  let broken;
  try {
    // Both statements travel together.
    await client.query(`BEGIN; SELECT souk.enter_to_write('${tenant}')`);
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch((failure) => { broken = failure; });
    throw error;
  } finally {
    client.release(broken);
  }
}

function idOf(headers, name, prefix) {
  const found = new RegExp(`^${prefix}_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$`)
    .exec(headers[name] ?? '');
  if (!found) throw new Refusal(401, 'unauthorized', `${name} is missing`);
  return found.slice(1).join('-');
}

const schema = {
  headers: {
    type: 'object',
    required: ['idempotency-key'],
    properties: { 'idempotency-key': { type: 'string', minLength: 1, maxLength: 255 } },
  },
  body: {
    type: 'object',
    additionalProperties: false,
    required: ['currency', 'lines'],
    properties: {
      currency: { type: 'string', pattern: '^[A-Z]{3}$' },
      customer_reference: { type: 'string', minLength: 1, maxLength: 128 },
      lines: {
        type: 'array',
        minItems: 1,
        maxItems: 64,
        items: {
          type: 'object',
          additionalProperties: false,
          required: ['sku', 'quantity'],
          properties: {
            sku: { type: 'string', pattern: '^[A-Za-z0-9._-]{1,64}$' },
            quantity: { type: 'integer', minimum: 1, maximum: 1000000 },
          },
        },
      },
    },
  },
};

/** The request as one text, members in one order whatever order they came in. */
function fingerprintOf({ currency, customer_reference, lines }) {
  const canonical = JSON.stringify({
    currency,
    customer_reference,
    lines: lines.map(({ sku, quantity }) => ({ quantity, sku })),
  });
  return createHash('sha256').update(OPERATION).update('\n').update(canonical).digest();
}

const app = Fastify({ logger: false, bodyLimit: 64 * 1024 });

app.setErrorHandler((error, request, reply) => {
  const status = error.status ?? error.statusCode ?? 500;
  if (status >= 500) console.error(error);
  reply.code(status).type('application/problem+json').send({
    type: 'about:blank',
    title: error.name,
    status,
    code: error.code,
    detail: status < 500 ? error.message : undefined,
  });
});

app.post('/v1/orders', { schema }, async (request, reply) => {
  const { headers, body } = request;
  const tenant = idOf(headers, 'souk-tenant', 'ten');
  const requestId = idOf(headers, 'souk-request-id', 'req');
  const answer = await inTransaction(tenant, (client) => placeOrder(client, {
    tenant,
    requestId,
    principal: headers['souk-principal'],
    key: headers['idempotency-key'],
    fingerprint: fingerprintOf(body),
    body,
  }));
  reply.code(answer.status).headers(answer.headers);
  if (answer.replayed) reply.header('idempotent-replayed', 'true');
  return reply.send(answer.body);
});

await app.listen({ host: '127.0.0.1', port: 0 });
console.log(`listening on 127.0.0.1:${app.server.address().port}`);

// Whoever started this has gone.
process.stdin.on('end', () => process.exit(0)).resume();
