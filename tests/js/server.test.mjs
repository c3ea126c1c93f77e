/** ratchet.js and ratchet_py, over a real socket. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import WebSocket from "ws";

import { CallError, ConnectionError, connect } from "../../ratchet_py/js/ratchet.js";
import { recorder, startServer } from "./support.mjs";

let server;

before(async () => {
  server = await startServer();
});

after(() => server.stop());

/** A session that is closed when the test is over. */
async function open(context, options = {}) {
  const session = await connect(`${server.url}/test`, {
    WebSocket,
    reconnect: { initialDelay: 10, jitter: 0 },
    ...options,
  });
  context.after(() => session.close());
  return session;
}

/** Resolves when the server has dealt with all that the session has sent. */
const settled = (session) => session.call("nothing");

test("welcome", async (context) => {
  const session = await open(context);
  assert.match(session.server, /^Ratchet_py\//);
  assert.equal(await session.call("whoami"), session.sessionId);
});

test("publish reaches every subscriber, the publisher too", async (context) => {
  const [one, two] = [await open(context), await open(context)];
  const [first, second] = [recorder(), recorder()];
  await one.subscribe("t", first);
  await two.subscribe("t", second);
  await Promise.all([settled(one), settled(two)]);
  const event = { text: "ü 🎉", list: [1, 1.5, null, true, {}], empty: {} };
  await one.publish("t", event);
  assert.deepEqual(await first.next(), ["t", event]);
  assert.deepEqual(await second.next(), ["t", event]);
});

test("excludeMe, exclude and eligible choose who gets it", async (context) => {
  const sessions = [await open(context), await open(context), await open(context)];
  const handlers = sessions.map(() => recorder());
  for (const [i, session] of sessions.entries()) {
    await session.subscribe("choice", handlers[i]);
    await settled(session);
  }
  const [one, two, three] = sessions;
  await one.publish("choice", "all but me", { excludeMe: true });
  await one.publish("choice", "all but two", { exclude: [two.sessionId] });
  await one.publish("choice", "three", { exclude: [two.sessionId], excludeMe: true });
  await one.publish("choice", "two", { eligible: [two.sessionId] });
  await one.publish("choice", "nobody", { eligible: [one.sessionId], excludeMe: true });
  await Promise.all(sessions.map(settled));
  const got = handlers.map(({ calls }) => calls.map(([, event]) => event));
  assert.deepEqual(got, [
    ["all but two"],
    ["all but me", "two"],
    ["all but me", "all but two", "three"],
  ]);
});

test("unsubscribe ends it", async (context) => {
  const session = await open(context);
  const handler = recorder();
  const subscription = await session.subscribe("t", handler);
  await session.publish("t", 1);
  assert.deepEqual(await handler.next(), ["t", 1]);
  await subscription.unsubscribe();
  await session.publish("t", 2);
  // The server has let go, too, not only this end.
  assert.deepEqual(await session.call("subscriptions"), []);
  assert.equal(handler.calls.length, 0);
});

test("call with arguments as the server reads them", async (context) => {
  const session = await open(context);
  const params = async (...args) => (await session.call("params", ...args)).params;
  assert.deepEqual(await params(), []);
  assert.deepEqual(await params(1, "two", null), [1, "two", null]);
  assert.deepEqual(await params("alone"), ["alone"]);
  assert.deepEqual(await params([1, 2]), [1, 2]);
  assert.deepEqual(await params({ a: 1 }), { a: 1 });
  assert.equal(await session.call("nothing"), null);
});

test("call that fails", async (context) => {
  const session = await open(context);
  await assert.rejects(session.call("refuse", 1), (error) => {
    assert.ok(error instanceof CallError);
    assert.equal(error.uri, "http://example.com/error#refused");
    assert.equal(error.desc, "not today");
    assert.deepEqual(error.details, { params: [1] });
    return true;
  });
});

for (const base of ["http://example.com/", "http://example.com/#", "http://example.com/topic"]) {
  test(`client and server expand alike: ${base}`, async (context) => {
    const session = await open(context);
    await session.prefix("ex", base);
    assert.equal((await session.call("ex:a/params")).uri, session.resolve("ex:a/params"));
    const handler = recorder();
    await session.subscribe("ex:news:today", handler);
    await session.publish("ex:news:today", 1);
    assert.deepEqual(await handler.next(), [session.resolve("ex:news:today"), 1]);
    assert.deepEqual(await session.call("subscriptions"), [session.resolve("ex:news:today")]);
    await session.unsubscribe("ex:news:today");
    assert.deepEqual(await session.call("subscriptions"), []);
  });
}

test("a prefix that the server announces", async (context) => {
  const session = await open(context);
  await session.call("announce", "srv", "http://server.example/");
  assert.equal(session.resolve("srv:x"), "http://server.example/x");
  assert.equal((await session.call("srv:params")).uri, "http://server.example/params");
});

test("a dropped connection is made again, with its subscriptions", async (context) => {
  const session = await open(context);
  const other = await open(context);
  const handler = recorder();
  await session.prefix("ex", "http://example.com/");
  await session.subscribe("ex:t", handler);
  const before = session.sessionId;
  const back = new Promise((resolve) => session.on("reconnect", resolve));
  await assert.rejects(session.call("drop"), ConnectionError);
  await back;
  assert.notEqual(session.sessionId, before);
  assert.equal((await session.call("ex:params")).uri, "http://example.com/params");
  await other.publish("http://example.com/t", "again");
  assert.deepEqual(await handler.next(), ["http://example.com/t", "again"]);
});

test("a close by the application", async (context) => {
  const session = await open(context);
  const closed = recorder();
  session.on("close", closed);
  await assert.rejects(session.call("bye", 4005), ConnectionError);
  const [info] = await closed.next();
  assert.equal(info.code, 4005);
  assert.equal(info.reason, "bye");
});

test("a message that the server refuses: 1007, and back again", async (context) => {
  const session = await open(context);
  const closed = recorder();
  const back = new Promise((resolve) => session.on("reconnect", resolve));
  session.on("close", closed);
  await session.publish("t".repeat(2000), 1);
  assert.equal((await closed.next())[0].code, 1007);
  await back;
  await settled(session);
});

test("a server that is started anew: 1001, and back again", async (context) => {
  const own = await startServer();
  const session = await connect(`${own.url}/test`, {
    WebSocket,
    reconnect: { initialDelay: 10, maxDelay: 50, jitter: 0 },
  });
  context.after(() => session.close());
  const handler = recorder();
  const closed = recorder();
  session.on("close", closed);
  await session.subscribe("t", handler);
  const back = new Promise((resolve) => session.on("reconnect", resolve));
  await own.stop();
  assert.equal((await closed.next())[0].code, 1001);
  const next = await startServer(own.port);
  context.after(() => next.stop());
  await back;
  await session.publish("t", "still here");
  assert.deepEqual(await handler.next(), ["t", "still here"]);
});

test("a path that does not exist, and one without WAMP", async () => {
  for (const path of ["/nowhere", "/echo"]) {
    await assert.rejects(connect(server.url + path, { WebSocket }), ConnectionError);
  }
});
