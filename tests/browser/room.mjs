/** A guest of a room that is AutobahnJS in a browser; see ../js/room.mjs. */

import assert from "node:assert/strict";
import { createRequire } from "node:module";

import { launch, visit } from "./support.mjs";

const SCRIPT = createRequire(new URL("../js/", import.meta.url)).resolve("autobahn-browser");

const [url, size] = [process.argv[2], Number(process.argv[3])];
const name = "autobahn-browser";
const numbers = [1, -1.5, 3_000_000_000, null];

const browser = await launch();
const home = url.replace(/^ws/, "http").replace(/room$/, "");
const page = await visit({ after() {} }, browser, home, { bypassCSP: true });
await page.addScriptTag({ path: SCRIPT });
const { events, answer } = await page.evaluate(
  async ({ url, size, name, numbers }) => {
    const topic = `com.example.room.${size}`;
    const connection = new window.autobahn.Connection({ url, realm: "realm1", max_retries: 0 });
    const session = await new Promise((resolve, reject) => {
      connection.onopen = resolve;
      connection.onclose = (reason, details) => reject(new Error(`${reason} ${details.message}`));
      connection.open();
    });
    const events = [];
    let go;
    const started = new Promise((resolve) => (go = resolve));
    let all;
    const complete = new Promise((resolve) => (all = resolve));
    await session.subscribe(topic, ([event]) => {
      if (event.go) {
        go();
      } else if (events.push(event) === size - 1) {
        all();
      }
    });
    await started;
    await session.publish(topic, [{ from: name, numbers }], {}, { acknowledge: true });
    await complete;
    const answer = await session.call("com.example.echo", [{ i: "am", name }]);
    const closed = new Promise((resolve) => (connection.onclose = resolve));
    connection.close();
    await closed;
    return { events, answer };
  },
  { url, size, name, numbers },
);
await browser.close();

for (const event of events) {
  assert.deepEqual(event, { from: event.from, numbers });
}
assert.deepEqual(answer, { i: "am", name });
console.log(JSON.stringify({ name, heard: events.map(({ from }) => from).sort() }));
