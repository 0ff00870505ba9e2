// What only the runtime can do, for the policy in WASM. No decision is made here: each step is a text that
// says what to do, and each answer to it leads to the next one (`step.rs`).
import { DurableObject } from "cloudflare:workers";
import * as policy from "./policy.js";
import { cached, forget, keep, onKept, stale } from "./cache.js";

/** Milliseconds for a fetch of an issuer's keys. */
const KEYS_TIMEOUT_MS = 2_000;
/** Milliseconds that the limiter may take (LIMITER_BUDGET_MS in souk-policy). */
const LIMITER_BUDGET_MS = 25;
/** Seconds for which a location keeps a value of the store. */
const STORE_CACHE_TTL_S = 60;
/** Bytes of a body at most (BODY_BYTES_MAX in souk-policy). */
const BODY_BYTES_MAX = 256 * 1024;
/** Bytes of a key set at most (JWKS_BYTES_MAX in souk-policy), and one that shows that there are more. */
const KEYS_BYTES_MAX = 64 * 1024 + 1;
/** A second try begins within this many milliseconds of the first one, or not at all. */
const RETRY_WITHIN_MS = 3_000;
/** Milliseconds for which one waits for another's fetch at most (WAIT_MS_MAX in souk-policy). */
const WAIT_MS = 8_000;
/** Seconds for which the store has an issuer's keys: fresh for a day at most, and then in use for another. */
const KEYS_STORED_S = 2 * 24 * 60 * 60;
const SETTINGS = ["ORIGIN_URL", "CANARY_ORIGIN_URL", "REGION", "SIGNING_KEY_ID", "SIGNING_KEY", "HEDGE_AFTER_MS"];
const encoder = new TextEncoder();
const imported = new Map();
/** Fetches of keys, by their address. */
const flights = new Map();
/** Fetches of public answers that others wait for, by the key under which they may be kept. */
const landings = new Map();
const stripped = policy.response_stripped().split("\n");
const keptNames = new Set(stripped.filter((one) => one[0] === "!").map((one) => one.slice(1)));
const strippedPrefixes = stripped.filter((one) => one.endsWith("*")).map((one) => one.slice(0, -1));
const strippedNames = new Set(stripped.filter((one) => one[0] !== "!" && !one.endsWith("*")));
onKept(policy.keeps);
let isConfigured = false;
let isTroubled = false;

export default {
  async fetch(request, env, context) {
    if (!isConfigured) {
      configure(env);
    }
    const startedMs = Date.now();
    let step = policy.begin(facts(request, startedMs));
    for (;;) {
      if (step[1] === "+") {
        context.waitUntil(chores(env, context));
      }
      const lines = step.slice(step.indexOf("\n") + 1);
      switch (step[0]) {
        case "A":
          return answer(lines, request.method, startedMs);
        case "F":
          return forwardOnce(lines, request, startedMs, context);
        case "C": {
          const given = kept(lines, request, startedMs);
          if (given !== undefined) {
            return given;
          }
          step = policy.begin(facts(request, startedMs));
          break;
        }
        case "B": {
          const body = await readBody(request);
          if (!(body instanceof Uint8Array)) {
            step = policy.unread(Number(lines), body === "too large");
            break;
          }
          step = policy.sealed(Number(lines), body, Date.now());
          if (step[0] === "F") {
            return forward(step.slice(step.indexOf("\n") + 1), request, body, startedMs, context);
          }
          break;
        }
        default:
          step = await wait(step[0], lines, env, context);
      }
    }
  },
};

function configure(env) {
  const settings = SETTINGS.filter((name) => env[name]).map((name) => `${name}=${env[name]}`);
  let wrong = policy.configure(settings.join("\n"));
  if (wrong === "" && !(env.ROUTES && env.LIMITER)) {
    wrong = "ROUTES and LIMITER: are not bound";
  }
  if (wrong !== "") {
    console.error(`edge.problem code=edge_misconfigured cause=${JSON.stringify(wrong)}`);
  }
  isConfigured = wrong === "";
}

/** The request in one text: Unix ms, 10 random bytes in hex, method, URL, then `name:value` lines. */
function facts(request, nowMs) {
  const id = crypto.randomUUID();
  // Twenty of its digits that are random all through.
  let text = `${nowMs}\n${id.slice(0, 8)}${id.slice(9, 13)}${id.slice(24, 32)}\n${request.method}\n${request.url}`;
  // An iterator would make an array of each, on the other side of the runtime's border.
  request.headers.forEach((value, name) => {
    text += `\n${name}:${value}`;
  });
  return text;
}

/** Does what a step waits for, and returns the next one. */
async function wait(kind, lines, env, context) {
  const end = lines.indexOf("\n");
  const handle = Number(lines.slice(0, end));
  const rest = lines.slice(end + 1);
  switch (kind) {
    case "K":
      await learn(rest, env);
      return policy.resume(handle, Date.now());
    case "J":
      await learnKeys(rest, () => fetchKeys(rest, env, context), context);
      return policy.resume(handle, Date.now());
    case "S": {
      const [url, key] = rest.split("\n");
      await learnKeys(url, () => readKeys(url, key, env), context);
      return policy.resume(handle, Date.now());
    }
    case "W":
      await Promise.race([landings.get(rest), pause(WAIT_MS)]);
      return policy.resume(handle, Date.now());
    case "V":
      return policy.proved(handle, await holds(rest.split("\n")), Date.now());
    case "L": {
      const cut = rest.indexOf("\n");
      const told = await limited(rest.slice(0, cut), rest.slice(cut + 1), env);
      return policy.limited(handle, told, Date.now());
    }
    default:
      throw new Error("the policy has lost a request");
  }
}

async function chores(env, context) {
  const names = policy.take_chores().split("\n").filter((name) => name !== "");
  await Promise.all(
    names.map((name) => {
      const rest = name.slice(1);
      return name[0] === "K" ? learn(rest, env) : learnKeys(rest, () => fetchKeys(rest, env, context), context);
    }),
  );
}

async function learn(key, env) {
  try {
    const value = await env.ROUTES.get(key, { type: "text", cacheTtl: STORE_CACHE_TTL_S });
    report("routing_unavailable", policy.learn(key, value ?? undefined, Date.now()));
  } catch (error) {
    policy.unlearned(key, Date.now());
    report("routing_unavailable", `${key}: ${error.message}`);
  }
}

/** One fetch of an address at a time: who comes meanwhile waits for the same, but not for ever. */
async function learnKeys(url, get, context) {
  let flight = flights.get(url);
  if (flight === undefined) {
    flight = get().finally(() => flights.delete(url));
    flights.set(url, flight);
    // Also where its own client goes away meanwhile: the others would wait for nothing.
    context.waitUntil(flight);
  }
  await Promise.race([flight, pause(KEYS_TIMEOUT_MS + 500)]);
}

/** What another isolate has fetched, where it was kept. */
async function readKeys(url, key, env) {
  try {
    const read = env.ROUTES.get(key, { type: "text", cacheTtl: STORE_CACHE_TTL_S });
    const value = await Promise.race([read, pause(KEYS_TIMEOUT_MS)]);
    policy.learn_stored_keys(url, value ?? undefined, Date.now());
  } catch (error) {
    policy.learn_stored_keys(url, undefined, Date.now());
    report("keys_not_stored", `${url}: ${error.message}`);
  }
}

/** For the isolates that start while the issuer is down. */
async function storeKeys(url, bytes, cacheControl, env) {
  const value = policy.keys_to_store(bytes, cacheControl, Date.now());
  try {
    if (value !== undefined) {
      await env.ROUTES.put(policy.keys_store_key(url), value, { expirationTtl: KEYS_STORED_S });
    }
  } catch (error) {
    report("keys_not_stored", `${url}: ${error.message}`);
  }
}

async function fetchKeys(url, env, context) {
  try {
    const signal = AbortSignal.timeout(KEYS_TIMEOUT_MS);
    const headers = { accept: "application/json" };
    const response = await fetch(url, { headers, redirect: "manual", signal });
    if (response.status !== 200) {
      throw new Error(`status ${response.status}`);
    }
    const body = await readStream(response.body, KEYS_BYTES_MAX);
    const cacheControl = response.headers.get("cache-control") ?? undefined;
    const bytes = body ?? new Uint8Array(KEYS_BYTES_MAX);
    const refused = policy.learn_keys(url, bytes, cacheControl, Date.now());
    report("keys_unavailable", refused);
    if (refused === undefined) {
      context.waitUntil(storeKeys(url, bytes, cacheControl, env));
    }
  } catch (error) {
    policy.keys_failed(url);
    report("keys_unavailable", `${url}: ${error.message}`);
  }
}

/** Whether a signature holds. A key that cannot be imported has signed nothing. */
async function holds([thumbprint, algorithm, jwk, signed, signature]) {
  const bytes = Uint8Array.fromBase64(signature, { alphabet: "base64url" });
  const parameters = {
    ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
    EdDSA: { name: "Ed25519" },
    RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  }[algorithm];
  try {
    let key = imported.get(thumbprint);
    if (key === undefined) {
      if (imported.size >= 256) {
        imported.clear();
      }
      key = await crypto.subtle.importKey("jwk", JSON.parse(jwk), parameters, false, ["verify"]);
      imported.set(thumbprint, key);
    }
    return await crypto.subtle.verify(parameters, key, bytes, encoder.encode(signed));
  } catch {
    return false;
  }
}

async function limited(name, question, env) {
  try {
    const limiter = env.LIMITER.get(env.LIMITER.idFromName(name));
    return await Promise.race([limiter.limit(question), pause(LIMITER_BUDGET_MS)]);
  } catch (error) {
    report("limiter_unavailable", error.message);
    return undefined;
  }
}

/** The body, or `too large` as soon as more have arrived, or `broken off`. */
async function readBody(request) {
  try {
    return (await readStream(request.body, BODY_BYTES_MAX)) ?? "too large";
  } catch {
    return "broken off";
  }
}

/** All bytes, or undefined as soon as there are more than `bytesMax`. */
async function readStream(stream, bytesMax) {
  const chunks = [];
  let length = 0;
  // Leaving the loop early cancels the stream.
  for await (const chunk of stream ?? []) {
    length += chunk.byteLength;
    if (length > bytesMax) {
      return undefined;
    }
    chunks.push(chunk);
  }
  if (chunks.length === 1) {
    return chunks[0];
  }
  const all = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    all.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return all;
}

/** The same for all who ask meanwhile, where the policy lets others wait for this one. */
function forwardOnce(text, request, startedMs, context) {
  const forwarded = forward(text, request, undefined, startedMs, context);
  const flagsAt = text.indexOf("\n", text.indexOf("\n") + 1) + 1;
  const flagsEnd = text.indexOf("\n", flagsAt);
  if (text.slice(flagsAt, flagsEnd).includes("w")) {
    const key = text.slice(flagsEnd + 1, text.indexOf("\n", flagsEnd + 1));
    const land = () => {
      if (landings.get(key) === landing) {
        landings.delete(key);
      }
      // The policy was told of what is kept.
      if (cached(key, Date.now()) === undefined) {
        policy.landed_unshared(key, Date.now());
      }
    };
    const landing = forwarded.then(land, land);
    landings.set(key, landing);
    // Also where its own client goes away meanwhile.
    context.waitUntil(landing);
  }
  return forwarded;
}

/** Sends a signed request to the origin, and what it answers to the client. */
async function forward(text, request, body, startedMs, context) {
  const [url, times, flags, cacheKey, names, log, ...headers] = text.split("\n");
  const [timeoutMs, hedgeAfterMs] = times.split(" ").map(Number);
  const end = headers.indexOf("");
  const answer = headers.slice(end + 1);
  const plan = { url, flags, hedgeAfterMs, body, request, startedMs, log, cacheKey, answer };
  const sent = new Headers(request.headers);
  for (const name of names === "" ? [] : names.split(" ")) {
    sent.delete(name);
  }
  setAll(sent, headers, end);
  const origin = await tried(plan, sent, timeoutMs);
  const failed = typeof origin === "string" || origin.status >= 500;
  const fallback = failed && cacheKey !== "" ? stale(cacheKey, startedMs) : undefined;
  if (fallback !== undefined) {
    return fromCache(fallback, plan, "fwd=stale");
  }
  if (typeof origin === "string") {
    return unanswered(origin, plan);
  }
  const response = new Response(origin.body, origin);
  finish(response.headers, plan);
  const kept = flags.includes("k") ? await keep(cacheKey, response, context, startedMs) : response;
  written(plan.log, response.status, startedMs);
  return kept;
}

/** The origin's answer, or why there is none: after a failure once more, where that does no harm. */
async function tried(plan, headers, timeoutMs) {
  const isCanary = plan.flags.includes("c");
  const mayRepeat = plan.flags.includes("r");
  for (let attempt = 0; ; attempt += 1) {
    const leftMs = timeoutMs - (Date.now() - plan.startedMs);
    const origin = await sentOrHedged(plan, headers, Math.max(leftMs, 1));
    const isDown = typeof origin === "string" || (origin.status >= 502 && origin.status <= 504);
    if (!isDown || (typeof origin !== "string" && origin.headers.has("retry-after"))) {
      if (isTroubled) {
        isTroubled = false;
        policy.origin_succeeded(isCanary);
      }
      return origin;
    }
    isTroubled = true;
    policy.origin_failed(isCanary, Date.now());
    const isEarly = Date.now() - plan.startedMs < RETRY_WITHIN_MS;
    if (attempt > 0 || !mayRepeat || !isEarly || origin === "timeout") {
      if (typeof origin === "string") {
        report(origin === "timeout" ? "origin_timeout" : "origin_unreachable", origin);
      }
      return origin;
    }
    await pause(20 + Math.random() * 60);
  }
}

/** What comes first and is an answer, of one request or of two. */
async function sentOrHedged(plan, headers, timeoutMs) {
  const first = sentOnce(plan, headers, timeoutMs);
  if (plan.hedgeAfterMs === 0) {
    return first;
  }
  const early = await Promise.race([first, pause(plan.hedgeAfterMs)]);
  if (early !== undefined || !policy.may_hedge()) {
    return first;
  }
  const second = sentOnce(plan, headers, Math.max(timeoutMs - plan.hedgeAfterMs, 1));
  const [winner, other] = await Promise.race([
    first.then((origin) => [origin, second]),
    second.then((origin) => [origin, first]),
  ]);
  const isDown = typeof winner === "string" || winner.status >= 500;
  const loser = isDown ? Promise.resolve(winner) : other;
  const chosen = isDown ? await other : winner;
  // Nobody reads it.
  loser.then((origin) => (typeof origin === "string" ? undefined : origin.body?.cancel())).catch(() => {});
  return chosen;
}

async function sentOnce(plan, headers, timeoutMs) {
  try {
    return await fetch(plan.url, {
      method: plan.request.method,
      headers,
      body: plan.body,
      redirect: "manual",
      // All tenants share the origin's URLs: nothing of one may be kept for another.
      cache: "no-store",
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch (error) {
    return error.name === "TimeoutError" ? "timeout" : `${error.name}: ${error.message}`;
  }
}

/** What is kept of an earlier answer; undefined where it is not kept any more. */
function kept(text, request, startedMs) {
  const [key, log, ...answer] = text.split("\n");
  const plan = { request, startedMs, log, answer };
  const hit = cached(key, startedMs);
  if (hit !== undefined) {
    return fromCache(hit, plan, "hit");
  }
  const old = stale(key, startedMs);
  if (old !== undefined) {
    return fromCache(old, plan, "fwd=stale");
  }
  forget(key);
  return undefined;
}

/** Takes out of an answer what is not for clients, and puts in what is the edge's. */
function finish(headers, plan) {
  const gone = [];
  headers.forEach((_, name) => {
    const isStripped = strippedNames.has(name) || strippedPrefixes.some((one) => name.startsWith(one));
    if (isStripped && !keptNames.has(name)) {
      gone.push(name);
    }
  });
  for (const name of gone) {
    headers.delete(name);
  }
  putAnswerHeaders(headers, plan, plan.answer);
}

function putAnswerHeaders(headers, plan, lines) {
  setAll(headers, lines, lines.length);
  headers.append("server-timing", `edge;dur=${Date.now() - plan.startedMs}`);
}

function fromCache(hit, plan, how) {
  const response = new Response(plan.request.method === "HEAD" ? null : hit.body, hit);
  // What all answers say is in what was kept.
  putAnswerHeaders(response.headers, plan, plan.answer.filter((line) => !hit.says.has(line)));
  response.headers.set("age", String(Math.max(0, Math.floor((plan.startedMs - hit.atMs) / 1000))));
  response.headers.set("cache-status", `souk-edge; ${how}`);
  written(plan.log, response.status, plan.startedMs);
  return response;
}

function unanswered(origin, plan) {
  const kind = origin === "timeout" ? origin : "unreachable";
  const id = plan.answer.find((line) => line.startsWith("souk-request-id:")).slice(16);
  const step = policy.unanswered(kind, id);
  const response = answer(step.slice(step.indexOf("\n") + 1), plan.request.method, plan.startedMs);
  setAll(response.headers, plan.answer, plan.answer.length);
  return response;
}

/** An answer of the edge's own. */
function answer(text, method, startedMs) {
  const cut = text.indexOf("\n\n");
  const [status, log, ...headers] = text.slice(0, cut).split("\n");
  const body = text.slice(cut + 2);
  written(log, Number(status), startedMs);
  const isEmpty = method === "HEAD" || status === "204";
  return new Response(isEmpty ? null : body, { status: Number(status), headers: pairs(headers) });
}

function written(log, status, startedMs) {
  console.log(`${log},"status":${status},"duration_ms":${Date.now() - startedMs}}`);
}

/** What is not the caller's fault goes to the log and not into the answer. */
function report(code, cause) {
  if (cause !== undefined) {
    console.error(`edge.problem code=${code} cause=${JSON.stringify(cause)}`);
  }
}

/** Sets what the first `end` lines name; what an answer varies by is added to what is there. */
function setAll(headers, lines, end) {
  for (let at = 0; at < end; at += 1) {
    const line = lines[at];
    const colon = line.indexOf(":");
    if (colon === 4 && line.startsWith("vary")) {
      headers.append("vary", line.slice(5));
    } else if (colon > 0) {
      headers.set(line.slice(0, colon), line.slice(colon + 1));
    }
  }
}

function pairs(lines) {
  return lines
    .filter((line) => line !== "")
    .map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1)];
    });
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * The limits of one tenant and its callers: an object each. The states lie in memory and are written
 * behind, so that a request never waits for storage; what is lost with it makes the limits milder for a
 * moment (docs/adr/0019).
 */
export class Limiter extends DurableObject {
  static WRITE_BEHIND_MS = 5_000;
  static STATES_MAX = 5_000;
  #states = new Map();
  #isWriting = false;

  constructor(state, env) {
    super(state, env);
    state.blockConcurrencyWhile(async () => {
      this.#states = new Map((await state.storage.get("states")) ?? []);
    });
  }

  /** Question and answer as in `limiter.rs`. */
  limit(question) {
    const keys = question.split("\n").slice(1).map((line) => line.split(" ").slice(2).join(" "));
    const states = keys.map((key) => this.#states.get(key) ?? "").join("\n");
    const told = policy.limit(question, states, Date.now());
    if (told === "") {
      throw new Error("the question has another form");
    }
    if (this.#states.size > Limiter.STATES_MAX) {
      this.#forget();
    }
    told.split("\n").forEach((line, at) => this.#states.set(keys[at], line.split(" ")[1]));
    this.#writeBehind();
    return told;
  }

  /** Those at rest mean nothing. */
  #forget() {
    const nowUs = Date.now() * 1_000;
    for (const [key, state] of this.#states) {
      if (Number(state) <= nowUs) {
        this.#states.delete(key);
      }
    }
    if (this.#states.size > Limiter.STATES_MAX) {
      this.#states.clear();
    }
  }

  #writeBehind() {
    if (this.#isWriting) {
      return;
    }
    this.#isWriting = true;
    setTimeout(() => {
      this.#isWriting = false;
      this.#forget();
      this.ctx.storage.put("states", [...this.#states]);
    }, Limiter.WRITE_BEHIND_MS);
  }
}
