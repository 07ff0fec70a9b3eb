// Tells the day of standard input by Segment's unmodified client for Node: server.mjs URL. The key is in KEY.
// Prints when it began, by its own clock, in microseconds since 1970.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

// The packages are in a folder of their own, which `run` names.
const { Analytics } = createRequire(`${process.env.CLIENTS}/package.json`)("@segment/analytics-node");

// Few messages a request, so that the day is many of them.
const told = new Analytics({ writeKey: process.env.KEY, host: process.argv[2], flushAt: 5 });
const failed = [];
told.on("error", (error) => failed.push(error));

const began = Date.now();
for (const { shopper: userId, steps } of JSON.parse(readFileSync(0, "utf8"))) {
  for (const { call, ago_s, ...step } of steps) {
    told[call]({ userId, timestamp: new Date(began - ago_s * 1000), ...step });
  }
  await told.flush();
}
await told.closeAndFlush();
if (failed.length > 0) {
  console.error(failed);
  process.exit(1);
}
console.log(began * 1000);
