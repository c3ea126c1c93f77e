/** AutobahnJS and Wampy, clients of WAMP 2, and ratchet_py; beside them a client of WAMP 1. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import autobahn from "autobahn";

import { CLIENTS } from "./clients.mjs";
import { recorder, startServer } from "./support.mjs";

const VERSION_2 = Object.keys(CLIENTS).filter((name) => /^(autobahn|wampy)/.test(name));
const AUTOBAHN = VERSION_2.filter((name) => name.startsWith("autobahn"));

let server;

before(async () => {
  server = await startServer();
});

after(() => server.stop());

async function open(context, name) {
  const client = await CLIENTS[name](`${server.url}/test`);
  context.after(() => client.close().catch(() => {}));
  return client;
}

for (const name of VERSION_2) {
  test(`${name}: welcome`, async (context) => {
    const { details } = await open(context, name);
    assert.equal(details.realm, "realm1");
    assert.equal(details.authrole, "anonymous");
    assert.ok(details.roles.broker.features.publisher_exclusion);
    assert.ok(details.roles.dealer.features.call_canceling);
  });

  test(`${name}: events, with keywords and without, to and from version 1`, async (context) => {
    const client = await open(context, name);
    const other = await open(context, "autobahn json");
    const old = await open(context, "ratchet.js");
    const [mine, others, olds] = [recorder(), recorder(), recorder()];
    await client.subscribe("com.example.t", mine);
    await other.subscribe("com.example.t", others);
    await old.subscribe("com.example.t", olds);
    await old.call("nothing", []);

    await client.publish("com.example.t", [{ n: 1 }]);
    assert.deepEqual(await others.next(), [[{ n: 1 }], {}]);
    assert.deepEqual((await olds.next())[0], [{ n: 1 }]);

    await client.publish("com.example.t", [1, "two"], { three: 3 });
    assert.deepEqual(await others.next(), [[1, "two"], { three: 3 }]);
    assert.deepEqual((await olds.next())[0], [{ args: [1, "two"], kwargs: { three: 3 } }]);

    await old.publish("com.example.t", ["from version 1"]);
    // Nobody has heard what it has published itself, in version 2.
    assert.deepEqual((await mine.next())[0], ["from version 1"]);
    assert.deepEqual((await others.next())[0], ["from version 1"]);
  });

  test(`${name}: call`, async (context) => {
    const client = await open(context, name);
    assert.deepEqual(await client.call("params", [1, "two"]), { params: [1, "two"], uri: "params" });
    assert.deepEqual(await client.call("params", [{ a: 1 }]), { params: { a: 1 }, uri: "params" });
    assert.equal(await client.call("nothing", []), null);
    assert.equal(
      await client.call("whoami", []),
      String(client.session?.id ?? client.wampy.getSessionId()),
    );
  });

  test(`${name}: a call that fails`, async (context) => {
    const client = await open(context, name);
    await assert.rejects(client.call("refuse", [7]), (error) => {
      assert.equal(error.error ?? error.errorUri, "http://example.com/error#refused");
      assert.deepEqual(error.args ?? error.argsList, ["not today", { params: [7] }]);
      return true;
    });
    assert.equal(await client.call("nothing", []), null);
  });

  test(`${name}: goodbye`, async () => {
    const client = await CLIENTS[name](`${server.url}/test`);
    await client.close();
  });
}

for (const name of AUTOBAHN) {
  test(`${name}: acknowledge, exclusion, eligible`, async (context) => {
    const [one, two] = [await open(context, name), await open(context, name)];
    const [first, second] = [recorder(), recorder()];
    await one.subscribe("com.example.choice", first);
    await two.subscribe("com.example.choice", second);
    const publish = (event, options) =>
      one.publish("com.example.choice", [event], {}, { acknowledge: true, ...options });
    assert.ok((await publish("not to me", {})).id > 0);
    await publish("to both", { exclude_me: false });
    await publish("not to two", { exclude_me: false, exclude: [two.session.id] });
    await publish("to two", { eligible: [one.session.id, two.session.id] });
    const heard = async (handler, count) => {
      const events = [];
      while (events.length < count) {
        events.push((await handler.next())[0][0]);
      }
      return events;
    };
    assert.deepEqual(await heard(first, 2), ["to both", "not to two"]);
    assert.deepEqual(await heard(second, 3), ["not to me", "to both", "to two"]);
    assert.equal(first.calls.length + second.calls.length, 0);
  });

  test(`${name}: unsubscribe, and what is not served`, async (context) => {
    const client = await open(context, name);
    const handler = recorder();
    const { session } = client;
    const subscription = await session.subscribe("com.example.u", handler);
    await session.unsubscribe(subscription);
    await session.publish("com.example.u", ["x"], {}, { acknowledge: true, exclude_me: false });
    assert.equal(handler.calls.length, 0);
    await assert.rejects(
      session.subscribe("com.example", handler, { match: "prefix" }),
      ({ error }) => error === "wamp.error.option_not_allowed",
    );
    await assert.rejects(
      session.register("com.example.p", () => 1),
      ({ error }) => error === "wamp.error.not_authorized",
    );
    assert.equal(await client.call("nothing", []), null);
  });

  test(`${name}: a canceled call`, async (context) => {
    const { session } = await open(context, name);
    for (const options of [undefined, {}, { mode: "skip" }, { mode: "killnowait" }]) {
      const forgotten = session.call("never");
      forgotten.cancel(options);
      await assert.rejects(forgotten, ({ error }) => error === "Cancelled");
    }
    const killed = session.call("never");
    killed.cancel({ mode: "kill" });
    await assert.rejects(killed, ({ error }) => error === "wamp.error.canceled");
    assert.equal(await session.call("nothing"), null);
  });

  test(`${name}: the server says goodbye`, async (context) => {
    const { session, closed } = await open(context, name);
    session.call("bye", [4000]).then(assert.fail, () => {});
    const { reason, message } = await closed;
    assert.equal(reason, "wamp.close.normal");
    assert.equal(message, "bye");
  });
}

for (const name of VERSION_2.filter((name) => name.startsWith("wampy"))) {
  test(`${name}: a canceled call`, async (context) => {
    const { wampy } = await open(context, name);
    for (const options of [undefined, { mode: "skip" }, { mode: "kill" }, { mode: "killnowait" }]) {
      const canceled = wampy.call("never");
      wampy.cancel(wampy.getOpStatus().reqId, options);
      await assert.rejects(canceled, ({ errorUri }) => errorUri === "wamp.error.canceled");
    }
    await wampy.call("nothing");
  });
}

for (const name of VERSION_2.filter((name) => !name.endsWith("json"))) {
  test(`${name}: bytes, which reach JSON as text`, async (context) => {
    const [json, binary] = [await open(context, "autobahn json"), await open(context, name)];
    const [texts, bytes] = [recorder(), recorder()];
    await json.subscribe("com.example.bytes", texts);
    await binary.subscribe("com.example.bytes", bytes);
    await binary.publish("com.example.bytes", [new Uint8Array([1, 2])]);
    assert.deepEqual((await texts.next())[0], ["\u0000AQI="]);
    await json.publish("com.example.bytes", ["\u0000AQI="]);
    assert.deepEqual([...(await bytes.next())[0][0]], [1, 2]);
  });
}

test("what the documentation shows of AutobahnJS", async (context) => {
  const page = new URL("../../docs/howto/wamp_versions.rst", import.meta.url);
  const [, code] = readFileSync(page, "utf8").match(
    /^\.\. code-block:: javascript\n\n((?: {4}.*\n|\n)+)/m,
  );
  const log = recorder();
  const shown = code.replace("ws://localhost:8080/pubsub", `${server.url}/test`);
  assert.notEqual(shown, code);
  const connection = new Function("autobahn", "console", `${shown}; return connection;`)(autobahn, {
    log,
  });
  context.after(() => connection.close());
  assert.deepEqual(await log.next(), [5]);
  const other = await open(context, "autobahn json");
  await other.publish("com.example.news", [{ title: "rain" }]);
  assert.deepEqual(await log.next(), [{ title: "rain" }]);
});
