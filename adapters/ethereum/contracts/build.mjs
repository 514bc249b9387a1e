// Compiles: standard JSON input on stdin, standard JSON output on stdout; `node build.mjs <folder of npm's solc>`.
// Every source is in the input, so the compiler reads no file and needs no network.
import { readFileSync, writeSync } from "node:fs";
import { createRequire } from "node:module";

const solc = createRequire(import.meta.url)(process.argv[2]);
const output = Buffer.from(
  JSON.stringify({ version: solc.version(), output: JSON.parse(solc.compile(readFileSync(0, "utf8"))) }),
);
// A pipe takes what it can; writeSync says how much that was.
for (let at = 0; at < output.length; ) at += writeSync(1, output, at);
