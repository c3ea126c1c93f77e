/** The npm package wamp1, a WAMP 1 client of others, and ratchet_py. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import Wamp from "wamp1";
import WebSocket from "ws";

import { recorder, startServer } from "./support.mjs";

let server;

before(async () => {
  server = await startServer();
});

after(() => server.stop());

async function open(context) {
  const socket = new WebSocket(`${server.url}/test`, "wamp");
  context.after(() => socket.terminate());
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    const wamp = new Wamp(socket, (welcome) => resolve({ wamp, welcome }));
    wamp.on("error", reject);
  });
}

const call = (wamp, ...args) =>
  new Promise((resolve, reject) => {
    wamp.call(...args, (error, result) => (error ? reject(error) : resolve(result)));
  });

test("welcome", async (context) => {
  const { wamp, welcome } = await open(context);
  assert.equal(welcome.version, 1);
  assert.match(welcome.server, /^Ratchet_py\//);
  assert.equal(await call(wamp, "whoami"), wamp.sessionId);
});

test("subscribe, publish, unsubscribe", async (context) => {
  const { wamp } = await open(context);
  const { wamp: other } = await open(context);
  const handler = recorder();
  wamp.subscribe("t", handler);
  await call(wamp, "nothing");
  other.publish("t", { n: 1 });
  assert.deepEqual(await handler.next(), [{ n: 1 }]);
  wamp.publish("t", "not to me", true);
  wamp.publish("t", "not to me", [wamp.sessionId]);
  wamp.publish("t", "to me", [], [wamp.sessionId]);
  assert.deepEqual(await handler.next(), ["to me"]);
  wamp.unsubscribe("t", handler);
  wamp.publish("t", "too late");
  await call(wamp, "nothing");
  assert.equal(handler.calls.length, 0);
});

test("call, and a call that fails", async (context) => {
  const { wamp } = await open(context);
  assert.deepEqual(await call(wamp, "params", 1, [2]), { params: [1, [2]], uri: "params" });
  await assert.rejects(call(wamp, "refuse"), (error) => {
    assert.equal(error.uri, "http://example.com/error#refused");
    assert.equal(error.message, "not today");
    assert.deepEqual(error.details, { params: [] });
    return true;
  });
});

test("prefix", async (context) => {
  const { wamp } = await open(context);
  const handler = recorder();
  wamp.prefix("ex", "http://example.com/");
  assert.equal((await call(wamp, "ex:params")).uri, "http://example.com/params");
  wamp.subscribe("ex:t", handler);
  wamp.publish("ex:t", 1);
  assert.deepEqual(await handler.next(), [1]);
});
