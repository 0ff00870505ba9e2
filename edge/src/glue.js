// What the worker does for souk-policy, one call across the border each. No decision is made here:
// names, limits and what is taken out come as arguments.

/** The request in one text: Unix ms, 10 random bytes in hex, method, URL, then `name:value` lines. */
export function facts(request) {
  let text = `${Date.now()}\n`;
  for (const byte of crypto.getRandomValues(new Uint8Array(10))) {
    text += (byte + 256).toString(16).slice(1);
  }
  text += `\n${request.method}\n${request.url}`;
  for (const [name, value] of request.headers) {
    text += `\n${name}:${value}`;
  }
  return text;
}

/** The text under `key`, or null. The edge keeps it for `cacheTtl` seconds. */
export async function route_record(env, key, cacheTtl) {
  return env.ROUTES.get(key, { type: "text", cacheTtl });
}

/** The body, or null as soon as more than `bytesMax` have arrived. */
export async function read_body(request, bytesMax) {
  if (request.body === null) {
    return new Uint8Array(0);
  }
  const chunks = [];
  let length = 0;
  // Leaving the loop early cancels the stream.
  for await (const chunk of request.body) {
    length += chunk.byteLength;
    if (length > bytesMax) {
      return null;
    }
    chunks.push(chunk);
  }
  if (chunks.length === 1) {
    return chunks[0];
  }
  const body = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    body.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return body;
}

/**
 * The origin's answer, or a text that says why there is none: `timeout`, or else the error.
 * `stripped` are names, one a line; `set` and `answer` are `name:value` lines; `answerStripped` are
 * names or, with an asterisk at the end, beginnings of names, or, after an exclamation mark, names to
 * keep. `body` is undefined where there is none.
 */
export async function forward(request, url, body, timeoutMs, stripped, set, answerStripped, answer) {
  const headers = new Headers(request.headers);
  for (const name of lines(stripped)) {
    headers.delete(name);
  }
  for (const [name, value] of pairs(set)) {
    headers.set(name, value);
  }
  let origin;
  try {
    origin = await fetch(url, {
      method: request.method,
      headers,
      body,
      redirect: "manual",
      // All tenants share the origin's URLs: nothing of one may be kept for another.
      cache: "no-store",
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch (error) {
    return error.name === "TimeoutError" ? "timeout" : `${error.name}: ${error.message}`;
  }
  const response = new Response(origin.body, origin);
  const patterns = lines(answerStripped);
  for (const name of [...response.headers.keys()]) {
    if (patterns.includes(`!${name}`)) {
      continue;
    }
    if (patterns.some((p) => (p.endsWith("*") ? name.startsWith(p.slice(0, -1)) : name === p))) {
      response.headers.delete(name);
    }
  }
  for (const [name, value] of pairs(answer)) {
    response.headers.set(name, value);
  }
  return response;
}

/** An answer of the edge's own. `headers` are `name:value` lines. */
export function respond(status, headers, body) {
  return new Response(body, { status, headers: pairs(headers) });
}

function lines(text) {
  return text === "" ? [] : text.split("\n");
}

function pairs(text) {
  return lines(text).map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1)];
  });
}
