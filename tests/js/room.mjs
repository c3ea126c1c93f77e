/**
 * Guests of a room from this process: each publishes, hears everybody else, and calls.
 *
 * `node room.mjs URL SIZE`: SIZE is how many there are in all, those of other processes included.
 * The server says "go" when all of them are there.
 */

import assert from "node:assert/strict";

import { CLIENTS } from "./clients.mjs";

const [url, size] = [process.argv[2], Number(process.argv[3])];
const TOPIC = `com.example.room.${size}`;

async function visit(name, open) {
  const client = await open(url);
  const heard = new Set();
  let go;
  const started = new Promise((resolve) => (go = resolve));
  let all;
  const complete = new Promise((resolve) => (all = resolve));
  await client.subscribe(TOPIC, ([event]) => {
    if (event.go) {
      go();
    } else if (event.from !== name) {
      assert.deepEqual(event, { from: event.from, numbers: [1, -1.5, 3_000_000_000, null] });
      assert.ok(!heard.has(event.from), `${name} has heard ${event.from} twice`);
      heard.add(event.from);
      if (heard.size === size - 1) {
        all();
      }
    }
  });
  await started;
  await client.publish(TOPIC, [{ from: name, numbers: [1, -1.5, 3_000_000_000, null] }]);
  await complete;
  assert.deepEqual(await client.call("com.example.echo", [{ i: "am", name }]), { i: "am", name });
  console.log(JSON.stringify({ name, heard: [...heard].sort() }));
  await client.close();
}

await Promise.all(Object.entries(CLIENTS).map(([name, open]) => visit(name, open)));
process.exit(0);
