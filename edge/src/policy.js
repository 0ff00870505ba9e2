// The policy, in WASM. The bundle has it beside itself, as a module of its own.
import module from "./index_bg.wasm";
import { initSync } from "./souk_edge.js";

initSync({ module });
export * from "./souk_edge.js";
