// The control of the benchmark `edge`: a worker that checks nothing and only hands on, by the same calls of the
// runtime as the others. What it costs is the platform's, and no gateway on it can cost less.
import { DurableObject } from "cloudflare:workers";

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const headers = new Headers(request.headers);
    headers.delete("authorization");
    const isRead = request.method === "GET" || request.method === "HEAD";
    const origin = await fetch(`${env.ORIGIN_URL}${url.pathname}${url.search}`, {
      method: request.method,
      headers,
      body: isRead ? undefined : await request.arrayBuffer(),
      redirect: "manual",
      cache: "no-store",
    });
    return new Response(origin.body, origin);
  },
};

/** Bound like those of the others, and never asked. */
export class Limiter extends DurableObject {}
