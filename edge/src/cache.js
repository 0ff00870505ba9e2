// Public answers that an isolate keeps: as long as the origin says, and longer where the origin is down.

/** Bytes of a body at most, and entries. */
const BODY_BYTES_MAX = 64 * 1024;
const ENTRIES_MAX = 256;
/** Milliseconds for which an old answer is better than none. */
const STALE_MS = 60 * 60 * 1_000;
const entries = new Map();

let tellKept = () => {};

/** Who is told until when an answer is kept, and with 0 that it is not any more. */
export function onKept(tell) {
  tellKept = tell;
}

/** What may be given without asking the origin. */
export function cached(key, nowMs) {
  const entry = entries.get(key);
  return entry !== undefined && nowMs < entry.freshUntilMs ? entry : undefined;
}

/** It is not kept any more. */
export function forget(key) {
  entries.delete(key);
  tellKept(key, 0);
}

/** What may be given when the origin fails. */
export function stale(key, nowMs) {
  const entry = entries.get(key);
  return entry !== undefined && nowMs < entry.freshUntilMs + STALE_MS ? entry : undefined;
}

/** Keeps an answer where its origin allows that, and returns it. */
export async function keep(key, response, context, nowMs) {
  const seconds = maxAge(response.headers);
  const length = Number(response.headers.get("content-length") ?? Number.NaN);
  if (response.status !== 200 || seconds === 0 || !(length <= BODY_BYTES_MAX)) {
    return response;
  }
  const body = await response.arrayBuffer();
  if (entries.size >= ENTRIES_MAX) {
    const first = entries.keys().next().value;
    entries.delete(first);
    tellKept(first, 0);
  }
  // Built once: an answer from here copies them as they are.
  const own = [...response.headers].filter(([name]) => !OF_ONE_ANSWER.has(name));
  const headers = new Headers(own);
  const says = new Set(own.map(([name, value]) => `${name}:${value}`));
  const entry = { body, status: 200, headers, says, atMs: nowMs, freshUntilMs: nowMs + seconds * 1_000 };
  entries.delete(key);
  entries.set(key, entry);
  tellKept(key, entry.freshUntilMs);
  return new Response(body, response);
}

/** Headers that are each answer's own, and those that say who may read it. */
const OF_ONE_ANSWER = new Set([
  "access-control-allow-origin",
  "access-control-expose-headers",
  "date",
  "ratelimit",
  "ratelimit-policy",
  "server-timing",
  "souk-consistency",
  "souk-request-id",
  "vary",
]);

/** Seconds for which anyone may keep an answer (RFC 9111); 0 where that is not said. */
function maxAge(headers) {
  const control = headers.get("cache-control") ?? "";
  const isOfOne = headers.has("set-cookie") || headers.has("content-encoding") || isVarying(headers);
  if (/no-store|no-cache|private/i.test(control) || isOfOne) {
    return 0;
  }
  const shared = /(?:^|[\s,])s-maxage=(\d{1,9})/i.exec(control) ?? /(?:^|[\s,])max-age=(\d{1,9})/i.exec(control);
  return shared === null ? 0 : Number(shared[1]);
}

/** Nothing else of a request is part of the key. */
function isVarying(headers) {
  const vary = (headers.get("vary") ?? "").split(",").map((name) => name.trim().toLowerCase());
  return vary.some((name) => name !== "" && name !== "origin" && name !== "authorization");
}
