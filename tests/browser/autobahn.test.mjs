/** AutobahnJS 0.8.2 in a page, and ratchet_py; RATCHET_AUTOBAHN_JS names its file. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startServer } from "../js/support.mjs";
import { launch, visit } from "./support.mjs";

let server;
let browser;

before(async () => {
  [server, browser] = await Promise.all([startServer(), launch()]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

test("connect, subscribe, publish, call, prefix", async (context) => {
  const page = await visit(context, browser, `http://localhost:${server.port}/`, {
    bypassCSP: true,
  });
  await page.addScriptTag({ path: process.env.RATCHET_AUTOBAHN_JS });
  const got = await page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const url = `ws://${location.host}/test`;
        window.ab.connect(
          url,
          async (session) => {
            session.prefix("ex", "http://example.com/");
            const event = new Promise((done) => {
              session.subscribe("ex:news", (...args) => done(args));
            });
            session.publish("ex:news", { n: 1 });
            const failed = await session.call("refuse").then(
              () => null,
              ({ uri, desc, detail }) => ({ uri, desc, detail }),
            );
            resolve({
              event: await event,
              params: await session.call("params", 1, "two"),
              me: (await session.call("whoami")) === session.sessionid(),
              failed,
            });
            session.close();
          },
          (code, reason) => reject(new Error(`${code}: ${reason}`)),
          { maxRetries: 0 },
        );
      }),
  );
  assert.deepEqual(got, {
    event: ["http://example.com/news", { n: 1 }],
    params: { params: [1, "two"], uri: "params" },
    me: true,
    failed: {
      uri: "http://example.com/error#refused",
      desc: "not today",
      detail: { params: [] },
    },
  });
});
