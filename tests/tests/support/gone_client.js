// The packaged worker, and clients that go away: a request with `x-gone` ends, with all that belongs to it, as soon
// as something is fetched for it. What is to go on must have been said to (`waitUntil`).
import worker from "./index.js";
export { Limiter } from "./index.js";

const usual = globalThis.fetch;
let tellFetching = () => {};
globalThis.fetch = (...all) => {
  const fetched = usual(...all);
  tellFetching();
  return fetched;
};

export default {
  async fetch(request, env, context) {
    if (!request.headers.has("x-gone")) {
      return worker.fetch(request, env, context);
    }
    const fetching = new Promise((resolve) => {
      tellFetching = resolve;
    });
    await Promise.race([fetching, worker.fetch(request, env, context)]);
    return new Response("gone");
  },
};
