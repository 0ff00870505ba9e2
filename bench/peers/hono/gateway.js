// The peer of the benchmark `edge`: the gateway that a user would write with Hono and jose, written as well as
// we can, with the checks, limits, signature and headers of ours.
import { DurableObject } from "cloudflare:workers";
import { Hono } from "hono";
import { createLocalJWKSet, jwtVerify } from "jose";
import { cached, keep } from "../../../edge/src/cache.js";

const encoder = new TextEncoder();
const BODY_BYTES_MAX = 256 * 1024;
const PATH = /^\/[A-Za-z0-9\-._~!$&'()*+,;=:@/]*$/;
const QUERY = /^\?(?:[A-Za-z0-9\-._~!$&()*+,;=:@/?]|%[0-9A-Fa-f]{2})*$/;
const STRIPPED_PREFIXES = ["souk-", "cf-", "proxy-", "x-amz-", "x-amzn-", "x-apigateway-", "x-forwarded-", "x-original-"];
const STRIPPED = new Set([
  "authorization", "cdn-loop", "connection", "content-digest", "content-length", "cookie", "expect", "forwarded",
  "host", "http2-settings", "keep-alive", "repr-digest", "signature", "signature-input", "te", "trailer",
  "transfer-encoding", "true-client-ip", "upgrade", "via", "x-client-ip", "x-http-method-override", "x-real-ip",
  "x-rewrite-url",
]);
const SECURITY = [
  ["content-security-policy", "default-src 'none'; frame-ancestors 'none'"],
  ["referrer-policy", "no-referrer"],
  ["strict-transport-security", "max-age=31536000; includeSubDomains"],
  ["x-content-type-options", "nosniff"],
];
const records = new Map();
const keySets = new Map();
let signingKey;

const app = new Hono();
app.use(async (c, next) => {
  const startedMs = Date.now();
  const id = requestId(startedMs);
  c.set("id", id);
  await next();
  c.res.headers.set("souk-request-id", id);
  for (const [name, value] of SECURITY) {
    c.res.headers.set(name, value);
  }
  const dur = Date.now() - startedMs;
  c.res.headers.append("server-timing", `edge;dur=${dur}`);
  const { tenant, operation } = c.var;
  console.log(JSON.stringify({ event: "edge.request", request_id: id, tenant, operation, status: c.res.status, duration_ms: dur }));
});
app.get("/v1/products/:code", (c) => handle(c, "get_product", undefined));
app.get("/v1/orders/:id", (c) => handle(c, "get_order", "orders:read"));
app.post("/v1/orders", (c) => handle(c, "place_order", "orders:write"));
export default app;

async function handle(c, operation, scope) {
  c.set("operation", operation);
  const request = c.req.raw;
  const url = new URL(request.url);
  if (url.pathname.length > 2048 || !PATH.test(url.pathname) || url.pathname.includes("//")) {
    return problem(c, 400, "path_invalid");
  }
  if (url.search.length > 2048 || (url.search !== "" && !QUERY.test(url.search))) {
    return problem(c, 400, "query_invalid");
  }
  const key = request.headers.get("idempotency-key");
  if (key !== null && !/^[\x21-\x7e]{1,255}$/.test(key)) {
    return problem(c, 400, "idempotency_key_invalid");
  }
  const record = await recordOf(url.hostname.toLowerCase(), c.env);
  if (record === null) {
    return problem(c, 404, "tenant_not_found");
  }
  if (record.status !== "active") {
    return problem(c, 403, "tenant_suspended");
  }
  c.set("tenant", record.tenant_id);
  const caller = await callerOf(request.headers.get("authorization"), record, scope);
  if (typeof caller === "string") {
    return problem(c, 401, caller);
  }
  if (scope !== undefined && !caller.scopes.includes(scope)) {
    return problem(c, 403, "scope_missing");
  }
  if (Number(request.headers.get("content-length") ?? 0) > BODY_BYTES_MAX) {
    return problem(c, 413, "body_too_large");
  }
  const limits = record.policy?.limits;
  let told = [];
  if (limits !== undefined) {
    told = await limited(limits, record, caller, c.env);
    if (told === undefined) {
      return problem(c, 429, "rate_limited");
    }
  }
  if (request.method === "POST" && key === null) {
    return problem(c, 400, "idempotency_key_missing");
  }
  if (record.region !== c.env.REGION) {
    return problem(c, 503, "region_not_served");
  }
  return forward(c, request, url, record, caller, key, told);
}

async function recordOf(host, env) {
  const nowMs = Date.now();
  const known = records.get(host);
  if (known !== undefined && nowMs < known.untilMs) {
    return known.record;
  }
  const record = await env.ROUTES.get(`host:${host}`, { type: "json", cacheTtl: 60 });
  records.set(host, { record, untilMs: nowMs + 10_000 });
  return record;
}

async function callerOf(authorization, record, scope) {
  if (authorization === null) {
    return scope === undefined ? { principal: "anonymous", scopes: [] } : "credential_missing";
  }
  const token = /^bearer +(\S+)$/i.exec(authorization)?.[1];
  if (token === undefined) {
    return "credential_invalid";
  }
  if (token.startsWith("souk_sk_")) {
    return byKey(token, record);
  }
  return byToken(token, record);
}

async function byKey(token, record) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(token)));
  let found;
  for (const key of record.keys) {
    key.bytes ??= Uint8Array.fromHex(key.sha256);
    if (crypto.subtle.timingSafeEqual(key.bytes, digest)) {
      found = key;
    }
  }
  if (found === undefined) {
    return "credential_invalid";
  }
  if (found.expires_at !== null && Date.now() / 1000 >= found.expires_at) {
    return "credential_expired";
  }
  return { principal: found.principal, scopes: found.scopes };
}

async function byToken(token, record) {
  for (const issuer of record.policy.issuers) {
    try {
      const { payload, protectedHeader } = await jwtVerify(token, await keySet(issuer), {
        algorithms: [issuer.algorithm],
        issuer: issuer.issuer,
        audience: issuer.audience,
        clockTolerance: 60,
        requiredClaims: ["exp", "sub"],
      });
      const typ = protectedHeader.typ?.toLowerCase();
      if ((typ !== undefined && typ !== "jwt" && typ !== "at+jwt") || payload[issuer.tenant_claim] !== record.tenant_id) {
        return "credential_invalid";
      }
      const scopes = (payload.scope ?? "").split(" ").filter((one) => issuer.grants.includes(one));
      return { principal: `${issuer.name}|${payload.sub}`, scopes: scopes.sort() };
    } catch (error) {
      if (error.code !== "ERR_JWT_CLAIM_VALIDATION_FAILED" || error.claim !== "iss") {
        return "credential_invalid";
      }
    }
  }
  return "credential_invalid";
}

async function keySet(issuer) {
  let set = keySets.get(issuer.jwks_url);
  if (set === undefined) {
    const response = await fetch(issuer.jwks_url);
    set = createLocalJWKSet(await response.json());
    keySets.set(issuer.jwks_url, set);
  }
  return set;
}

async function limited(limits, record, caller, env) {
  const object = env.LIMITER.get(env.LIMITER.idFromName(record.tenant_id));
  const charges = [];
  if (limits.tenant !== undefined) {
    charges.push({ name: "tenant", key: "tenant", ...limits.tenant });
  }
  if (limits.key !== undefined) {
    charges.push({ name: "key", key: `key:${caller.principal}`, ...limits.key });
  }
  const verdicts = await object.limit(charges);
  if (verdicts.some((verdict) => !verdict.allowed)) {
    return undefined;
  }
  const seconds = (us) => Math.ceil(us / 1e6);
  return [
    ["ratelimit-policy", charges.map((one) => `"${one.name}";q=${one.burst};w=${seconds(one.burst * one.emission_interval_us)}`).join(", ")],
    ["ratelimit", charges.map((one, at) => `"${one.name}";r=${verdicts[at].remaining};t=${seconds(verdicts[at].reset)}`).join(", ")],
  ];
}

async function forward(c, request, url, record, caller, key, told) {
  const isRead = request.method === "GET" || request.method === "HEAD";
  const target = `${url.pathname}${url.search}`;
  const cacheKey = isRead && caller.principal === "anonymous" ? `${record.tenant_id}${target}` : "";
  const hit = cacheKey === "" ? undefined : cached(cacheKey, Date.now());
  if (hit !== undefined) {
    const response = new Response(hit.body, hit);
    response.headers.set("age", "0");
    response.headers.set("cache-status", "edge; hit");
    return response;
  }
  const body = isRead ? undefined : new Uint8Array(await request.arrayBuffer());
  if ((body?.byteLength ?? 0) > BODY_BYTES_MAX) {
    return problem(c, 413, "body_too_large");
  }
  const headers = new Headers(request.headers);
  for (const name of [...headers.keys()]) {
    if (STRIPPED.has(name) || STRIPPED_PREFIXES.some((prefix) => name.startsWith(prefix))) {
      headers.delete(name);
    }
  }
  const identity = [
    ["souk-tenant", record.tenant_id],
    ["souk-principal", caller.principal],
    ["souk-scopes", caller.scopes.join(" ") || "none"],
    ["souk-region", record.region],
    ["souk-request-id", c.var.id],
  ];
  for (const [name, value] of identity) {
    headers.set(name, value);
  }
  await sign(headers, request.method, url, identity, key, body, c.env);
  const origin = await fetch(`${c.env.ORIGIN_URL}${target}`, {
    method: request.method, headers, body, redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(10_000),
  });
  const response = new Response(origin.body, origin);
  for (const name of [...response.headers.keys()]) {
    if (/^(?:souk-(?!consistency)|x-amzn?-|apigw-)/.test(name)) {
      response.headers.delete(name);
    }
  }
  for (const [name, value] of told) {
    response.headers.set(name, value);
  }
  return cacheKey === "" ? response : keep(cacheKey, response, undefined, Date.now());
}

async function sign(headers, method, url, identity, key, body, env) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", body ?? new Uint8Array(0)));
  const contentDigest = `sha-256=:${digest.toBase64()}:`;
  const covered = [
    ["@method", method], ["@path", url.pathname], ["@query", url.search === "" ? "?" : url.search],
    ["content-digest", contentDigest], ...identity, ...(key === null ? [] : [["idempotency-key", key]]),
  ];
  const created = Math.floor(Date.now() / 1000);
  const names = covered.map(([name]) => `"${name}"`).join(" ");
  const parameters = `(${names});created=${created};expires=${created + 30};keyid="${env.SIGNING_KEY_ID}";alg="hmac-sha256"`;
  const base = `${covered.map(([name, value]) => `"${name}": ${value}`).join("\n")}\n"@signature-params": ${parameters}`;
  signingKey ??= await crypto.subtle.importKey(
    "raw", Uint8Array.fromBase64(env.SIGNING_KEY), { name: "HMAC", hash: "SHA-256" }, false, ["sign"],
  );
  const mac = new Uint8Array(await crypto.subtle.sign("HMAC", signingKey, encoder.encode(base)));
  headers.set("content-digest", contentDigest);
  headers.set("signature-input", `souk=${parameters}`);
  headers.set("signature", `souk=:${mac.toBase64()}:`);
  const trace = /^00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})$/.exec(headers.get("traceparent") ?? "");
  const own = headers.get("souk-request-id").slice(4);
  headers.set("traceparent", `00-${trace?.[1] ?? own}-${own.slice(16)}-${trace?.[2] ?? "01"}`);
}

function requestId(nowMs) {
  const random = crypto.randomUUID();
  return `req_${nowMs.toString(16).padStart(12, "0")}7${random.slice(15, 18)}${random.slice(19, 23)}${random.slice(24)}`;
}

function problem(c, status, code) {
  const document = { type: `/problems/${code.replaceAll("_", "-")}`, title: code, status, code, request_id: c.var.id };
  return c.body(JSON.stringify(document), status, { "content-type": "application/problem+json", "cache-control": "no-store" });
}

export class Limiter extends DurableObject {
  #states = new Map();
  #isWriting = false;

  limit(charges) {
    const nowUs = Date.now() * 1_000;
    const verdicts = charges.map(({ key, emission_interval_us: interval, burst }) => {
      const ahead = nowUs + interval * burst;
      const tat = Math.min(Math.max(this.#states.get(key) ?? nowUs, nowUs), ahead);
      const wanted = tat + interval;
      const allowed = wanted <= ahead;
      const kept = allowed ? wanted : tat;
      return { allowed, tat, kept, remaining: Math.floor((ahead - kept) / interval), reset: kept - nowUs };
    });
    if (verdicts.every((verdict) => verdict.allowed)) {
      charges.forEach(({ key }, at) => this.#states.set(key, verdicts[at].kept));
    }
    if (!this.#isWriting) {
      this.#isWriting = true;
      setTimeout(() => {
        this.#isWriting = false;
        this.ctx.storage.put("states", [...this.#states]);
      }, 5_000);
    }
    return verdicts;
  }
}
