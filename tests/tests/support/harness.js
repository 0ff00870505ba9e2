// Runs the policy's decision vectors in workerd, against the policy as it is built: what a host would fetch
// comes from the vectors. Answers what became of each.
import * as policy from "./policy.js";

export default {
  async fetch(request) {
    const vectors = await request.json();
    return Response.json(vectors.cases.map((one, at) => run(vectors, one, at)));
  },
};

function run(vectors, one, at) {
  const { id, secret } = vectors.signing_key;
  policy.configure(
    `ORIGIN_URL=http://origin\nREGION=${vectors.served_region}\nSIGNING_KEY_ID=${id}\nSIGNING_KEY=${secret}`,
  );
  // An hour between two vectors: nothing that is remembered is used for the next one. The clock of the
  // policy is that of the vectors.
  const asked = one.request;
  const path = text(asked.path);
  const query = asked.query === null || asked.query === undefined ? "" : `?${text(asked.query)}`;
  const headers = asked.headers.map(([name, value]) => `\n${name}:${text(value)}`).join("");
  const nowMs = vectors.now_unix_s * 1_000;
  const id20 = at.toString(16).padStart(20, "0");
  forget(vectors, one, nowMs);
  let step = policy.begin(`${nowMs}\n${id20}\n${asked.method}\nhttp://${asked.host}${path}${query}${headers}`);
  for (let turn = 0; turn < 20; turn += 1) {
    const [kind, ...lines] = step.split("\n");
    switch (kind[0]) {
      case "A":
        return { status: Number(lines[0]), code: code(step) };
      case "F":
        // Nobody waits for it.
        policy.landed_unshared(lines[3], nowMs);
        return forwarded(lines);
      case "K":
        policy.learn(lines[1], value(vectors, one, lines[1]), nowMs);
        step = policy.resume(Number(lines[0]), nowMs);
        break;
      case "B":
        step = policy.sealed(Number(lines[0]), new TextEncoder().encode(text(asked.body ?? "")), nowMs);
        break;
      default:
        return { status: 0, code: step };
    }
  }
  return { status: 0, code: "does not end" };
}

/** What the store holds for this vector, so that no other's is remembered. */
function forget(vectors, one, nowMs) {
  policy.learn("edge:settings", undefined, nowMs);
  policy.learn("host:demo.localhost", value(vectors, one, "host:demo.localhost"), nowMs);
  const tenant = /^\/v1\/psp\/stripe\/(ten_[0-9a-f]{32})$/.exec(text(one.request.path));
  if (tenant !== null) {
    policy.learn(`tenant:${tenant[1]}`, value(vectors, one, `tenant:${tenant[1]}`), nowMs);
  }
}

function value(vectors, one, key) {
  const isOwn = key === "host:demo.localhost" || key.startsWith("tenant:");
  return isOwn && one.record ? JSON.stringify(vectors.records[one.record]) : undefined;
}

function code(step) {
  try {
    return JSON.parse(step.slice(step.indexOf("\n\n") + 2)).code;
  } catch {
    return null;
  }
}

function forwarded(lines) {
  const [, , , , names, , ...rest] = lines;
  const set = rest.slice(0, rest.indexOf(""));
  const headers = set.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]);
  return { headers: Object.fromEntries(headers), stripped: names === "" ? [] : names.split(" ") };
}

function text(one) {
  if (typeof one === "string") {
    return one;
  }
  return one.text.map((part) => (typeof part === "string" ? part : part.repeat.repeat(part.times))).join("");
}
