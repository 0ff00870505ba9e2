// The packaged worker, but for the object that counts: it never answers.
import { DurableObject } from "cloudflare:workers";
export { default } from "./index.js";

export class Limiter extends DurableObject {
  limit() {
    return new Promise(() => {});
  }
}
