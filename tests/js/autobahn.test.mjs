/**
 * AutobahnJS 0.8.2, the last one that spoke WAMP 1, and ratchet_py.
 *
 * It is in no package registry: RATCHET_AUTOBAHN_JS names the file `autobahn.js` of that release,
 * which is made for browsers and is given here what it wants of one.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import vm from "node:vm";
import WebSocket from "ws";

import { recorder, startServer } from "./support.mjs";

let ab;
let server;

before(async () => {
  server = await startServer();
  const window = {
    Array, // lists are made here and tested with instanceof there
    WebSocket,
    console,
    setTimeout,
    clearTimeout,
    navigator: { userAgent: "Chrome/100" },
    location: { protocol: "http:" },
  };
  window.window = window;
  vm.runInNewContext(readFileSync(process.env.RATCHET_AUTOBAHN_JS, "utf8"), window);
  ({ ab } = window);
});

after(() => server.stop());

function open(context) {
  return new Promise((resolve, reject) => {
    ab.connect(
      `${server.url}/test`,
      (session) => {
        context.after(() => session.close());
        resolve(session);
      },
      (code, reason) => reject(new Error(`${code}: ${reason}`)),
      { maxRetries: 0, skipSubprotocolCheck: false, skipSubprotocolAnnounce: false },
    );
  });
}

/** What comes from another context has other prototypes. */
const plain = (value) => JSON.parse(JSON.stringify(value));

test("welcome", async (context) => {
  const session = await open(context);
  assert.equal(await session.call("whoami"), session.sessionid());
});

test("subscribe, publish, unsubscribe", async (context) => {
  const [session, other] = [await open(context), await open(context)];
  const handler = recorder();
  session.subscribe("t", handler);
  await session.call("nothing");
  other.publish("t", { n: 1 });
  assert.deepEqual(plain(await handler.next()), ["t", { n: 1 }]);
  session.publish("t", "not to me", true);
  session.publish("t", "not to me", [session.sessionid()]);
  session.publish("t", "to me", [], [session.sessionid()]);
  assert.deepEqual(await handler.next(), ["t", "to me"]);
  session.unsubscribe("t", handler);
  session.publish("t", "too late");
  await session.call("nothing");
  assert.equal(handler.calls.length, 0);
});

test("call, and a call that fails", async (context) => {
  const session = await open(context);
  assert.deepEqual(plain(await session.call("params", 1, [2])).params, [1, [2]]);
  await assert.rejects(Promise.resolve(session.call("refuse")), (error) => {
    assert.equal(error.uri, "http://example.com/error#refused");
    assert.equal(error.desc, "not today");
    assert.deepEqual(plain(error.detail), { params: [] });
    return true;
  });
});

for (const base of ["http://example.com/", "http://example.com/app#"]) {
  test(`prefix ${base}`, async (context) => {
    const session = await open(context);
    const handler = recorder();
    session.prefix("ex", base);
    session.subscribe("ex:news", handler);
    session.publish("ex:news", 1);
    assert.deepEqual(await handler.next(), [`${base}news`, 1]);
    assert.equal((await session.call("ex:x/params")).uri, `${base}x/params`);
  });
}
