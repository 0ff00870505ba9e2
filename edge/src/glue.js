// What the worker does for souk-policy, one call across the border each. No decision is made here.

/** The request in one text: time (Unix ms), 10 random bytes (hex), method, URL, then `name:value` lines. */
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

/** The tenant route record of a key, or null. */
export function route_record(env, key) {
  return env.ROUTES.get(key, { type: "text", cacheTtl: 60 });
}

function headersOf(lines) {
  return lines.split("\n").map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1)];
  });
}

/** An answer of the edge's own. `headers` is `name:value` lines. */
export function respond(status, headers, body) {
  return new Response(body, { status, headers: headersOf(headers) });
}
