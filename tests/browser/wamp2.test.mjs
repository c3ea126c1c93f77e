/** autobahn-browser, AutobahnJS as pages load it, and ratchet_py; beside it ratchet.js. */

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";

import { startServer } from "../js/support.mjs";
import { launch, visit } from "./support.mjs";

const SCRIPT = createRequire(new URL("../js/", import.meta.url)).resolve("autobahn-browser");

let server;
let browser;

before(async () => {
  [server, browser] = await Promise.all([startServer(), launch()]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

for (const serializer of ["JSON", "Msgpack"]) {
  test(`${serializer}: subscribe, publish, call, and a client of version 1`, async (context) => {
    const page = await visit(context, browser, `http://localhost:${server.port}/`, {
      bypassCSP: true,
    });
    await page.addScriptTag({ path: SCRIPT });
    const got = await page.evaluate(async (serializer) => {
      const { autobahn } = window;
      const url = `ws://${location.host}/test`;
      const { connect } = await import("/ratchet.js");
      const old = await connect(url);
      const connection = new autobahn.Connection({
        url,
        realm: "realm1",
        max_retries: 0,
        serializers: [new autobahn.serializer[`${serializer}Serializer`]()],
      });
      const session = await new Promise((resolve, reject) => {
        connection.onopen = resolve;
        connection.onclose = (reason, details) => reject(new Error(`${reason} ${details.message}`));
        connection.open();
      });
      const toOld = new Promise((resolve) => {
        old.subscribe("com.example.t", (topic, event) => resolve(event));
      });
      await old.call("nothing");
      await session.publish("com.example.t", [1], { two: 2 }, { acknowledge: true });
      const toNew = new Promise((resolve) => {
        session.subscribe("com.example.t", (args, kwargs) => resolve([args, kwargs]));
      });
      await session.call("nothing");
      await old.publish("com.example.t", { from: 1 });
      const result = {
        toOld: await toOld,
        toNew: await toNew,
        params: await session.call("params", [1, "two"]),
        me: (await session.call("whoami")) === String(session.id),
        refused: await session.call("refuse").catch(({ error, args }) => [error, args]),
      };
      const closed = new Promise((resolve) => {
        connection.onclose = (reason) => resolve(reason);
      });
      connection.close();
      result.closed = await closed;
      await old.close();
      return result;
    }, serializer);
    assert.deepEqual(got, {
      toOld: { args: [1], kwargs: { two: 2 } },
      toNew: [[{ from: 1 }], {}],
      params: { params: [1, "two"], uri: "params" },
      me: true,
      refused: ["http://example.com/error#refused", ["not today", { params: [] }]],
      closed: "closed",
    });
  });
}
