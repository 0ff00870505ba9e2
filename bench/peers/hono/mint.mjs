// Mints the tokens of core/policy/testdata/tokens.json: with `jose`, and by hand what no library would
// mint. Keys are new each time, and only their public parts are written.
//
//   edge/node_modules/.bin/node bench/peers/hono/mint.mjs > core/policy/testdata/tokens.json
import { KeyObject, createHmac } from "node:crypto";
import { CompactEncrypt, EncryptJWT, SignJWT, UnsecuredJWT, exportJWK, generateKeyPair } from "jose";

const FAR = 4102444800; // 2100-01-01: the same verdict whatever the clock of the host.
const PAST = 1500000000;
const TENANT = "ten_0197c0de8f2b7c3a9d4e5f6071829304";
const OTHER_TENANT = "ten_0197c0de8f2b7c3a9d4e5f6071829305";
const AUDIENCE = "https://api.souk.example";

const keys = {};
for (const alg of ["ES256", "EdDSA", "RS256", "ES384", "ES512", "RS384", "RS512", "PS256", "PS384", "PS512"]) {
  keys[alg] = await generateKeyPair(alg, { extractable: true });
}
const stranger = await generateKeyPair("ES256", { extractable: true });
const nodeKey = (alg) => keys[alg].privateKey;

const issuer = (name, algorithm) => ({
  name,
  issuer: `https://${name}.id.example`,
  jwks_url: `https://keys.example/${name}.json`,
  algorithm,
  audience: AUDIENCE,
  tenant_claim: "souk_tenant",
  grants: ["orders:read", "orders:write", "quotes:write"],
  roles: { clerk: ["orders:read", "orders:write"], root: ["catalog:write", "orders:read"] },
});
const issuers = [
  issuer("es", "ES256"),
  issuer("ed", "EdDSA"),
  issuer("rs", "RS256"),
  { ...issuer("typed", "ES256"), token_type: "at+jwt" },
];
const publicJwk = async (alg, kid) => ({ ...(await exportJWK(keys[alg].publicKey)), kid, alg, use: "sig" });
const es = await publicJwk("ES256", "es-1");
const jwks = {
  "https://keys.example/es.json": { keys: [es, { ...(await publicJwk("ES384", "es-384")) }] },
  "https://keys.example/ed.json": { keys: [await publicJwk("EdDSA", "ed-1")] },
  "https://keys.example/rs.json": { keys: [await publicJwk("RS256", "rs-1")] },
  "https://keys.example/typed.json": { keys: [es] },
};

const cases = [];
const add = (name, token, expect) => cases.push({ name, token, expect });
const accepted = (name, token, principal, scopes) => add(name, token, { accepted: { principal, scopes } });
const refused = (name, token, error) => add(name, token, { refused: error });

const claims = (name = "es", more = {}) => ({
  iss: `https://${name}.id.example`, aud: AUDIENCE, sub: "user-1", exp: FAR, iat: PAST,
  souk_tenant: TENANT, scope: "openid orders:read", ...more,
});
const header = (more = {}) => ({ alg: "ES256", kid: "es-1", typ: "JWT", ...more });
const minted = (payload, head = header(), key = keys.ES256.privateKey) =>
  new SignJWT(payload).setProtectedHeader(head).sign(key);

const b64 = (data) => Buffer.from(data).toString("base64url");
const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));
const rsaPem = keys.RS256.publicKey;
const es256 = (input, key = nodeKey("ES256")) =>
  crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key, Buffer.from(input)).then((s) => Buffer.from(s));
/** Any header and payload, as texts or bytes, under a good signature of ES256. */
const raw = async (head, payload, key) => {
  const input = `${b64(head instanceof Uint8Array ? head : text(head))}.${b64(payload instanceof Uint8Array ? payload : text(payload))}`;
  return `${input}.${b64(await es256(input, key))}`;
};
const hmac = (hash, secret, head, payload) => {
  const input = `${b64(text(head))}.${b64(text(payload))}`;
  return `${input}.${createHmac(hash, secret).update(input).digest("base64url")}`;
};

// What is accepted.
accepted("ES256", await minted(claims()), "es|user-1", "orders:read");
accepted("EdDSA", await minted(claims("ed"), { alg: "EdDSA", kid: "ed-1" }, keys.EdDSA.privateKey), "ed|user-1", "orders:read");
accepted("Ed25519, as RFC 9864 names it", await minted(claims("ed"), { alg: "Ed25519", kid: "ed-1" }, keys.EdDSA.privateKey), "ed|user-1", "orders:read");
accepted("RS256", await minted(claims("rs"), { alg: "RS256", kid: "rs-1" }, keys.RS256.privateKey), "rs|user-1", "orders:read");
accepted("no key id, and one key", await minted(claims(), { alg: "ES256" }), "es|user-1", "orders:read");
accepted("several audiences", await minted(claims("es", { aud: ["https://other.example", AUDIENCE] })), "es|user-1", "orders:read");
accepted("an access token of RFC 9068", await minted(claims(), header({ typ: "at+jwt" })), "es|user-1", "orders:read");
accepted("the full name of its type", await minted(claims(), header({ typ: "application/AT+JWT" })), "es|user-1", "orders:read");
accepted("the pinned type", await minted(claims("typed"), header({ typ: "at+jwt" })), "typed|user-1", "orders:read");
accepted("a role", await minted(claims("es", { scope: undefined, roles: ["clerk", "unheard-of"] })), "es|user-1", "orders:read orders:write");
accepted("no scope at all", await minted(claims("es", { scope: undefined })), "es|user-1", "");
accepted("a role that stands for more than is granted", await minted(claims("es", { scope: "", roles: ["root"] })), "es|user-1", "orders:read");
accepted("a scope beyond what is granted is left out", await minted(claims("es", { scope: "orders:read catalog:write payments:write orders:read" })), "es|user-1", "orders:read");
accepted("times with fractions", await raw(header(), JSON.stringify(claims()).replace(`"exp":${FAR}`, `"exp":${FAR}.5`)), "es|user-1", "orders:read");
accepted("a subject with the signs that subjects have", await minted(claims("es", { sub: "auth0|user@example" })), "es|auth0|user@example", "orders:read");
accepted("a thumbprint beside the key id", await minted(claims(), header({ "x5t#S256": "abc" })), "es|user-1", "orders:read");

// Algorithms.
for (const [alg, hash] of [["HS256", "sha256"], ["HS384", "sha384"], ["HS512", "sha512"]]) {
  const secret = new TextEncoder().encode("s".repeat(64));
  refused(`${alg}`, await new SignJWT(claims()).setProtectedHeader({ alg, kid: "es-1" }).sign(secret), "algorithm");
  const jwk = JSON.stringify(jwks["https://keys.example/rs.json"].keys[0]);
  refused(`${alg} keyed with the public key as JWK`, hmac(hash, jwk, { alg, kid: "rs-1" }, claims("rs")), "algorithm");
}
{
  const pem = KeyObject.from(rsaPem).export({ type: "spki", format: "pem" });
  refused("HS256 keyed with the public key as PEM", hmac("sha256", pem, { alg: "HS256", kid: "rs-1" }, claims("rs")), "algorithm");
  refused("RS256 in the header over an HMAC of the public key", hmac("sha256", pem, { alg: "RS256", kid: "rs-1" }, claims("rs")), "signature_form");
}
for (const alg of ["RS384", "RS512", "PS256", "PS384", "PS512"]) {
  refused(alg, await minted(claims("rs"), { alg, kid: "rs-1" }, keys[alg].privateKey), "algorithm");
}
for (const alg of ["ES384", "ES512"]) {
  refused(alg, await minted(claims(), { alg, kid: "es-1" }, keys[alg].privateKey), "algorithm");
}
refused("none, without a signature", new UnsecuredJWT(claims()).encode(), "algorithm");
for (const alg of ["none", "None", "nOnE", "NONE", "es256", "ES256 ", "ES256K", "RSA1_5", ""]) {
  refused(`the algorithm ${JSON.stringify(alg)} over a good signature`, await raw(header({ alg }), claims()), "algorithm");
}
refused("no algorithm", await raw({ kid: "es-1" }, claims()), "header");
refused("an algorithm that is a list", await raw(header({ alg: ["ES256"] }), claims()), "header");
refused("an algorithm that is null", await raw(header({ alg: null }), claims()), "header");
refused("RS256 of an issuer of ES256", await minted(claims("es"), { alg: "RS256", kid: "rs-1" }, keys.RS256.privateKey), "not_pinned");
refused("ES256 of an issuer of RS256", await minted(claims("rs")), "not_pinned");
refused("EdDSA of an issuer of ES256", await minted(claims("es"), { alg: "EdDSA", kid: "ed-1" }, keys.EdDSA.privateKey), "not_pinned");

// Headers.
refused("a critical header that nobody knows", await raw(header({ crit: ["exp"], exp: FAR }), claims()), "critical");
refused("an empty list of critical headers", await raw(header({ crit: [] }), claims()), "critical");
refused("a payload that is not encoded", await raw(header({ crit: ["b64"], b64: false }), claims()), "critical");
refused("b64 that is not declared critical", await raw(header({ b64: false }), claims()), "critical");
refused("compressed", await raw(header({ zip: "DEF" }), claims()), "nested");
refused("a token in a token", await raw(header({ cty: "JWT" }), await minted(claims())), "nested");
refused("encrypted", await new EncryptJWT(claims()).setProtectedHeader({ alg: "dir", enc: "A256GCM" }).encrypt(new Uint8Array(32)), "form");
refused("signed and then encrypted", await new CompactEncrypt(new TextEncoder().encode(await minted(claims()))).setProtectedHeader({ alg: "dir", enc: "A256GCM", cty: "JWT" }).encrypt(new Uint8Array(32)), "form");
const strangerJwk = await exportJWK(stranger.publicKey);
refused("a key in the token", await raw(header({ jwk: strangerJwk, kid: "mine" }), claims(), stranger.privateKey), "key_in_token");
refused("an address of keys in the token", await raw(header({ jku: "https://evil.example/keys.json" }), claims(), stranger.privateKey), "key_in_token");
refused("an address of certificates in the token", await raw(header({ x5u: "https://evil.example/cert" }), claims(), stranger.privateKey), "key_in_token");
refused("certificates in the token", await raw(header({ x5c: ["MIIB"] }), claims(), stranger.privateKey), "key_in_token");
refused("the algorithm twice", await raw('{"alg":"none","kid":"es-1","alg":"ES256"}', claims()), "header");
refused("the algorithm twice, once escaped", await raw('{"alg":"ES256","kid":"es-1","\\u0061lg":"ES256"}', claims()), "header");
refused("the key id twice", await raw('{"alg":"ES256","kid":"mine","kid":"es-1"}', claims()), "header");
refused("a header that is a list", await raw("[]", claims()), "header");
refused("a header that is a text", await raw('"ES256"', claims()), "header");
refused("a header with a tail", await raw('{"alg":"ES256","kid":"es-1"}{}', claims()), "header");
refused("a header that is not UTF-8", await raw(Buffer.from([0x7b, 0xff, 0x7d]), claims()), "header");
refused("a header of a kibibyte and more", await raw(header({ pad: "a".repeat(800) }), claims()), "too_large");
for (const kid of ["../../../../../../dev/null", "' UNION SELECT 'key';--", "es-1\u0000", "ES-1", "|| whoami", "https://evil.example/k", "rs-1", "es-384"]) {
  refused(`the key id ${JSON.stringify(kid)}`, await raw(header({ kid }), claims()), "unknown_key");
}
refused("an empty key id", await raw(header({ kid: "" }), claims()), "header");
refused("a key id that is a number", await raw(header({ kid: 1 }), claims()), "header");
refused("a key id of 129 bytes", await raw(header({ kid: "k".repeat(129) }), claims()), "header");
for (const typ of ["logout+jwt", "secevent+jwt", "dpop+jwt", "JWE", "id_token"]) {
  refused(`the type ${typ}`, await raw(header({ typ }), claims()), "type");
}
refused("a type that is a number", await raw(header({ typ: 1 }), claims()), "header");
refused("no type where one is pinned", await minted(claims("typed"), { alg: "ES256", kid: "es-1" }), "type");
refused("another type than the pinned one", await minted(claims("typed"), header({ typ: "JWT" })), "type");

// Signatures.
const good = await minted(claims());
const [head, payload, signature] = good.split(".");
const bytes = Buffer.from(signature, "base64url");
const flipped = (at) => { const copy = Buffer.from(bytes); copy[at] ^= 1; return `${head}.${payload}.${b64(copy)}`; };
refused("a bit of r flipped", flipped(0), "signature");
refused("a bit of s flipped", flipped(63), "signature");
refused("a signature of zeros", `${head}.${payload}.${b64(Buffer.alloc(64))}`, "signature");
refused("a signature whose r is zero", `${head}.${payload}.${b64(Buffer.concat([Buffer.alloc(32), bytes.subarray(32)]))}`, "signature");
refused("a signature whose s is zero", `${head}.${payload}.${b64(Buffer.concat([bytes.subarray(0, 32), Buffer.alloc(32)]))}`, "signature");
const order = Buffer.from("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", "hex");
refused("a signature of the order of the curve", `${head}.${payload}.${b64(Buffer.concat([order, order]))}`, "signature");
refused("no signature", `${head}.${payload}.`, "signature_form");
refused("a signature cut short", `${head}.${payload}.${b64(bytes.subarray(0, 63))}`, "signature_form");
refused("a signature with a byte more", `${head}.${payload}.${b64(Buffer.concat([bytes, Buffer.from([0])]))}`, "signature_form");
const der = (half) => { let v = Buffer.from(half); while (v.length > 1 && v[0] === 0) v = v.subarray(1); if (v[0] & 0x80) v = Buffer.concat([Buffer.from([0]), v]); return Buffer.concat([Buffer.from([2, v.length]), v]); };
const derBody = Buffer.concat([der(bytes.subarray(0, 32)), der(bytes.subarray(32))]);
refused("a signature in DER", `${head}.${payload}.${b64(Buffer.concat([Buffer.from([0x30, derBody.length]), derBody]))}`, "signature_form");
refused("another's signature over the same", await minted(claims(), header(), stranger.privateKey), "signature");
refused("the signature of another token", `${head}.${b64(text(claims("es", { sub: "admin" })))}.${signature}`, "signature");
refused("another header under the signature", `${b64(text({ ...header(), extra: 1 }))}.${payload}.${signature}`, "signature");
const edToken = await minted(claims("ed"), { alg: "EdDSA", kid: "ed-1" }, keys.EdDSA.privateKey);
{
  const [edHead, edPayload, edSignature] = edToken.split(".");
  const own = Buffer.from(edSignature, "base64url");
  const L = (1n << 252n) + 27742317777372353535851937790883648493n;
  let s = BigInt(`0x${Buffer.from(own.subarray(32)).reverse().toString("hex")}`) + L;
  const again = Buffer.alloc(32);
  for (let i = 0; i < 32; i += 1) { again[i] = Number(s & 255n); s >>= 8n; }
  refused("an Ed25519 signature that was made another one", `${edHead}.${edPayload}.${b64(Buffer.concat([own.subarray(0, 32), again]))}`, "signature");
  refused("an Ed25519 signature of zeros", `${edHead}.${edPayload}.${b64(Buffer.alloc(64))}`, "signature");
}
{
  const rs = await minted(claims("rs"), { alg: "RS256", kid: "rs-1" }, keys.RS256.privateKey);
  const [rsHead, rsPayload, rsSignature] = rs.split(".");
  const own = Buffer.from(rsSignature, "base64url");
  refused("an RSA signature of ones", `${rsHead}.${rsPayload}.${b64(Buffer.alloc(own.length, 0xff))}`, "signature");
  refused("an RSA signature of zeros", `${rsHead}.${rsPayload}.${b64(Buffer.alloc(own.length))}`, "signature");
  refused("an RSA signature that says 1", `${rsHead}.${rsPayload}.${b64(Buffer.concat([Buffer.alloc(own.length - 1), Buffer.from([1])]))}`, "signature");
  refused("an RSA signature with a zero before it", `${rsHead}.${rsPayload}.${b64(Buffer.concat([Buffer.from([0]), own]))}`, "signature_form");
}

// Form.
refused("two parts", `${head}.${payload}`, "form");
refused("four parts", `${good}.`, "form");
refused("only dots", "..", "header");
refused("padding", `${head}.${payload}.${signature}==`, "form");
refused("the other alphabet", `${head}.${payload}.${signature.slice(0, -2)}+/`, "form");
refused("stray bits", `${head}.${payload}.${signature.slice(0, -1)}${signature.endsWith("B") ? "C" : "B"}`, "form");
refused("a tail of another token", `${good}${good}`, "form");
refused("more than 4 KiB", await minted(claims("es", { pad: "a".repeat(3200) })), "too_large");
refused("JSON in place of base64", `{"alg":"ES256"}.{}.x`, "form");

// Claims.
refused("claims that are a list", await raw(header(), "[]"), "claims");
refused("claims that are a text", await raw(header(), '"a"'), "claims");
refused("claims that are none", await raw(header(), ""), "claims");
refused("claims that are not UTF-8", await raw(header(), Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])), "claims");
refused("claims with a tail", await raw(header(), `${text(claims())}{}`), "claims");
refused("an expiry twice", await raw(header(), text(claims()).replace("{", `{"exp":${PAST},`)), "claims");
refused("a tenant twice, once escaped", await raw(header(), text(claims()).replace("{", `{"souk\\u005ftenant":"${OTHER_TENANT}",`)), "claims");
refused("claims of 200 levels", await raw(header(), `{"a":${"[".repeat(200)}${"]".repeat(200)}}`), "claims");
refused("an unknown issuer", await minted(claims("es", { iss: "https://evil.example" })), "issuer");
refused("no issuer", await minted(claims("es", { iss: undefined })), "issuer");
refused("an issuer that is a list", await raw(header(), claims("es", { iss: ["https://es.id.example"] })), "issuer");
refused("an issuer with a slash more", await minted(claims("es", { iss: "https://es.id.example/" })), "issuer");
refused("an issuer in upper case", await minted(claims("es", { iss: "https://ES.id.example" })), "issuer");
refused("another audience", await minted(claims("es", { aud: "https://other.example" })), "audience");
refused("an audience that begins like ours", await minted(claims("es", { aud: `${AUDIENCE}.evil.example` })), "audience");
refused("no audience", await minted(claims("es", { aud: undefined })), "audience");
refused("no audience in the list", await minted(claims("es", { aud: [] })), "audience");
refused("an audience that is a number", await raw(header(), claims("es", { aud: 1 })), "claims");
refused("a number among audiences", await raw(header(), claims("es", { aud: [AUDIENCE, 1] })), "claims");
refused("33 audiences", await minted(claims("es", { aud: [...Array(32).fill("x"), AUDIENCE] })), "claims");
refused("expired", await minted(claims("es", { exp: PAST })), "expired");
refused("expired at the beginning", await raw(header(), claims("es", { exp: 0 })), "expired");
refused("no expiry", await minted(claims("es", { exp: undefined })), "claims");
refused("an expiry that is a text", await raw(header(), claims("es", { exp: `${FAR}` })), "claims");
refused("an expiry that is null", await raw(header(), claims("es", { exp: null })), "claims");
refused("a negative expiry", await raw(header(), claims("es", { exp: -1 })), "claims");
refused("an expiry beyond all numbers", await raw(header(), text(claims()).replace(`${FAR}`, "1e300")), "claims");
refused("not valid yet", await minted(claims("es", { nbf: FAR - 1 })), "not_yet");
refused("a beginning that is a text", await raw(header(), claims("es", { nbf: "0" })), "claims");
refused("issued in the future", await minted(claims("es", { iat: FAR - 1 })), "issued_in_future");
refused("another tenant", await minted(claims("es", { souk_tenant: OTHER_TENANT })), "tenant");
refused("no tenant", await minted(claims("es", { souk_tenant: undefined })), "tenant");
refused("a list of tenants", await raw(header(), claims("es", { souk_tenant: [TENANT] })), "tenant");
refused("the tenant under another claim", await minted(claims("es", { souk_tenant: undefined, tenant: TENANT })), "tenant");
refused("no subject", await minted(claims("es", { sub: undefined })), "subject");
refused("an empty subject", await raw(header(), claims("es", { sub: "" })), "subject");
refused("a subject that is a number", await raw(header(), claims("es", { sub: 1 })), "subject");
refused("a subject with a line break", await minted(claims("es", { sub: "a\r\nsouk-scopes: all" })), "subject");
refused("a subject outside of ASCII", await minted(claims("es", { sub: "\u00fcser" })), "subject");
refused("a subject of 130 bytes", await minted(claims("es", { sub: "s".repeat(130) })), "subject");
refused("scopes that are a list", await raw(header(), claims("es", { scope: ["orders:read"] })), "claims");
refused("roles that are a text", await raw(header(), claims("es", { roles: "clerk" })), "claims");
refused("a role that is a number", await raw(header(), claims("es", { roles: [1] })), "claims");

const opening = JSON.stringify({ now_unix_s: 1763700000, tenant: TENANT, issuers, jwks }, null, 1).slice(0, -2);
const lines = cases.map((one) => `  ${JSON.stringify(one)}`).join(",\n");
process.stdout.write(`${opening},\n "cases": [\n${lines}\n ]\n}\n`);
