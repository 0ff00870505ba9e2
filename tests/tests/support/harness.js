// Runs the policy's decision vectors in workerd, against the policy as it is built: what a host would fetch
// comes from the vectors. Answers what became of each, as the vectors say it, and under which id.
import * as policy from "./policy.js";

const DAY_MS = 86_400_000;
/** Things that a request waits for at most (TURNS_MAX in `isolate.rs`), and its body. */
const STEPS_MAX = 20;
const ORIGIN = "http://origin";
const CANARY = "http://canary";
const CLIENT_ADDRESS = "cf-connecting-ip";
const encoder = new TextEncoder();

export default {
  async fetch(request) {
    const vectors = await request.json();
    const { id, secret } = vectors.signing_key;
    const settings = [
      `ORIGIN_URL=${ORIGIN}`,
      `CANARY_ORIGIN_URL=${CANARY}`,
      `REGION=${vectors.served_region}`,
      `SIGNING_KEY_ID=${id}`,
      `SIGNING_KEY=${secret}`,
    ];
    const wrong = policy.configure(settings.join("\n"));
    if (wrong !== "") {
      return new Response(wrong, { status: 500 });
    }
    const told = [];
    for (const one of vectors.cases) {
      told.push(await run(vectors, one));
    }
    return Response.json(told);
  },
};

let requests = 0;

async function run(vectors, one) {
  const nowMs = vectors.now_unix_s * 1_000;
  // What was learned a day ago is not used: each vector looks for its own settings.
  policy.learn("edge:settings", undefined, nowMs - DAY_MS);
  const known = Object.entries(one.limiter?.knows ?? {});
  const states = new Map(known.map(([name, aheadUs]) => [name, nowMs * 1_000 + aheadUs]));
  const place = { vectors, one, nowMs, states };
  for (const address of one.after ?? []) {
    await ask(place, address);
  }
  return await ask(place, undefined);
}

async function ask(place, address) {
  const { one, nowMs } = place;
  const asked = one.request;
  const query = asked.query === null || asked.query === undefined ? "" : `?${text(asked.query)}`;
  const headers = asked.headers.map(([name, value]) => {
    const told = name === CLIENT_ADDRESS && address !== undefined ? address : text(value);
    return `\n${name}:${told}`;
  });
  requests += 1;
  const random = requests.toString(16).padStart(20, "0");
  const url = `http://${asked.host}${text(asked.path)}${query}`;
  let step = policy.begin(`${nowMs}\n${random}\n${asked.method}\n${url}${headers.join("")}`);
  let readsBody = false;
  for (let count = 0; count < STEPS_MAX; count += 1) {
    const [kind, ...lines] = step.split("\n");
    switch (kind[0]) {
      case "A":
        return answered(step, lines);
      case "F":
        // Nobody waits for it.
        policy.landed_unshared(lines[3], nowMs);
        return forwarded(lines, readsBody);
      case "B":
        readsBody = true;
        step = policy.sealed(Number(lines[0]), encoder.encode(text(asked.body ?? "")), nowMs);
        break;
      case "X":
        // What was asked is no URL.
        return { id: "", outcome: "not understood" };
      default:
        step = await wait(kind[0], lines, place);
    }
  }
  return { outcome: "does not end" };
}

/** Does what a step waits for, and returns the next one. */
async function wait(kind, [handle, ...lines], { vectors, one, nowMs, states }) {
  const own = Number(handle);
  switch (kind) {
    case "K":
      learn(vectors, one, lines[0], nowMs);
      return policy.resume(own, nowMs);
    case "S":
      policy.learn_stored_keys(lines[0], undefined, nowMs);
      return policy.resume(own, nowMs);
    case "J":
      learnKeys(vectors, lines[0], nowMs);
      return policy.resume(own, nowMs);
    case "V":
      return policy.proved(own, await holds(lines), nowMs);
    case "L":
      return policy.limited(own, limited(one, states, lines, nowMs), nowMs);
    default:
      throw new Error(`no vector says what to do for ${kind}`);
  }
}

/** What the store holds under a key, unless it does not answer. */
function learn(vectors, one, key, nowMs) {
  if (vectors.unanswered.includes(key)) {
    policy.unlearned(key, nowMs);
    return;
  }
  const isSettings = key === "edge:settings";
  const stored = isSettings ? vectors.settings[one.settings] : vectors.records[vectors.store[key]];
  policy.learn(key, stored === undefined ? undefined : storedText(stored), nowMs);
}

function learnKeys(vectors, url, nowMs) {
  const jwks = vectors.jwks[url];
  if (jwks === undefined) {
    policy.keys_failed(url);
  } else {
    policy.learn_keys(url, encoder.encode(JSON.stringify(jwks)), undefined, nowMs);
  }
}

/** The object's answer, from the states that the vector names; undefined where it gives none. */
function limited(one, states, [limiter, ...question], nowMs) {
  const charges = question.slice(1).map((line) => `${limiter}/${line.split(" ").slice(2).join(" ")}`);
  if (charges.some((name) => one.limiter?.silent?.includes(name))) {
    return undefined;
  }
  const known = charges.map((name) => states.get(name) ?? "").join("\n");
  const told = policy.limit(question.join("\n"), known, nowMs);
  told.split("\n").forEach((line, at) => states.set(charges[at], Number(line.split(" ")[1])));
  return told;
}

/** As `worker.js` does it. The vectors' tokens are of this algorithm. */
async function holds([, algorithm, jwk, signed, signature]) {
  if (algorithm !== "ES256") {
    throw new Error(`a token of ${algorithm}`);
  }
  const parameters = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("jwk", JSON.parse(jwk), parameters, false, ["verify"]);
  const bytes = Uint8Array.fromBase64(signature, { alphabet: "base64url" });
  return await crypto.subtle.verify(parameters, key, bytes, encoder.encode(signed));
}

function answered(step, [status, , ...lines]) {
  const headers = named(lines.slice(0, lines.indexOf("")));
  const body = step.slice(step.indexOf("\n\n") + 2);
  const id = headers["souk-request-id"];
  if (headers["content-type"] === "application/problem+json") {
    return { id, outcome: { refused: { status: Number(status), code: JSON.parse(body).code, headers } } };
  }
  return { id, outcome: { answered: { status: Number(status), body, headers } } };
}

function forwarded([url, , flags, cacheKey, names, log, ...lines], readsBody) {
  const end = lines.indexOf("");
  const headers = named(lines.slice(0, end));
  // The host puts the rest of the line behind it.
  const logged = JSON.parse(`${log}}`);
  const isCanary = url.startsWith(`${CANARY}/`);
  const outcome = {
    target: url.slice(isCanary ? CANARY.length : ORIGIN.length),
    reads_body: readsBody,
    stripped: names === "" ? [] : names.split(" "),
    headers,
    operation: logged.operation,
    repeatable: flags.includes("r"),
    cacheable: cacheKey !== "",
    answer: named(lines.slice(end + 1).filter((line) => line !== "")),
    canary: isCanary,
    over_limit: logged.over_limit,
  };
  return { id: headers["souk-request-id"], outcome: { forwarded: outcome } };
}

function named(lines) {
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]));
}

function storedText(stored) {
  const isText = typeof stored === "string" || Array.isArray(stored.text);
  return isText ? text(stored) : JSON.stringify(stored);
}

function text(one) {
  if (typeof one === "string") {
    return one;
  }
  return one.text.map((part) => (typeof part === "string" ? part : part.repeat.repeat(part.times))).join("");
}
