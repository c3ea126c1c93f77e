/** ratchet.js against a scripted server: every message it sends, and whatever a server may do. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import WebSocket from "ws";

import {
  CallError,
  ConnectionError,
  ProtocolError,
  TimeoutError,
  connect,
} from "../../ratchet_py/js/ratchet.js";
import { Script, recorder } from "./support.mjs";

const QUICK = { initialDelay: 1, maxDelay: 5, jitter: 0 };

let script;
let session;

beforeEach(async () => {
  script = await Script.start();
  session = null;
});

afterEach(async () => {
  await session?.close();
  await script.stop();
});

async function open(options = {}) {
  session = await connect(script.url, { WebSocket, reconnect: QUICK, ...options });
  return session;
}

describe("connect", () => {
  test("resolves on the welcome", async () => {
    await open();
    assert.equal(session.sessionId, "session-1");
    assert.equal(session.server, "script");
    assert.equal(session.state, "open");
    assert.equal(script.socket.protocol, "wamp");
    assert.equal(session.url, script.url);
  });

  test("takes an http address", async () => {
    session = await connect(script.url.replace("ws:", "http:"), { WebSocket });
    assert.equal(session.url, script.url);
  });

  test("rejects when nobody listens", async () => {
    const { url } = script;
    await script.stop();
    await assert.rejects(connect(url, { WebSocket }), ConnectionError);
    script = await Script.start();
  });

  test("rejects when the server closes instead of a welcome", async () => {
    script.welcome = false;
    const opening = open();
    await script.connections(1);
    script.socket.close(4001, "full");
    await assert.rejects(opening, (error) => {
      assert.ok(error instanceof ConnectionError);
      assert.equal(error.code, 4001);
      assert.equal(error.reason, "full");
      return true;
    });
  });

  test("rejects when the welcome does not come", async () => {
    script.welcome = false;
    await assert.rejects(open({ connectTimeout: 20 }), /no welcome within 20 ms/);
  });

  for (const first of ["[0]", "[0,5,1,1]", '[0,"id",2,"x"]', "[8,1,2]", "{}", "no JSON", "[]"]) {
    test(`rejects when the first message is ${first}`, async () => {
      script.welcome = false;
      const opening = open({ reconnect: false });
      opening.catch(() => {});
      await script.connections(1);
      script.say(first);
      await assert.rejects(opening, ProtocolError);
    });
  }

  test("wants a WebSocket class", async () => {
    const { WebSocket: own } = globalThis;
    delete globalThis.WebSocket;
    try {
      await assert.rejects(connect(script.url), /pass one as options.WebSocket/);
    } finally {
      if (own) {
        globalThis.WebSocket = own;
      }
    }
  });

  test("refuses a rule that is none", async () => {
    await assert.rejects(connect(script.url, { WebSocket, curie: "php" }), TypeError);
  });
});

describe("prepare", () => {
  test("runs before connect resolves, and may call", async () => {
    const opening = open({ prepare: (early) => early.call("hello") });
    const [, id] = await script.next();
    script.say([3, id, "welcome"]);
    await opening;
    assert.equal(session.state, "open");
  });

  test("that fails fails the connection", async () => {
    const opening = open({ prepare: (early) => early.call("hello") });
    const [, id] = await script.next();
    script.say([4, id, "no", "not you"]);
    await assert.rejects(opening, CallError);
  });

  test("runs again before subscriptions are sent again", async () => {
    let runs = 0;
    await open({ prepare: async (early) => early.publish("run", (runs += 1)) });
    await session.subscribe("t", () => {});
    assert.deepEqual(await script.next(), [7, "run", 1]);
    assert.deepEqual(await script.next(), [5, "t"]);
    script.socket.terminate();
    assert.deepEqual(await script.next(), [7, "run", 2]);
    assert.deepEqual(await script.next(), [5, "t"]);
  });
});

describe("subscribe", () => {
  test("gets the events of its topic", async () => {
    await open();
    const handler = recorder();
    const subscription = await session.subscribe("news", handler);
    assert.equal(subscription.topic, "news");
    assert.deepEqual(await script.next(), [5, "news"]);
    script.say([8, "other", 0]);
    script.say([8, "news", { a: [1, null] }]);
    assert.deepEqual(await handler.next(), ["news", { a: [1, null] }]);
    assert.equal(handler.calls.length, 0);
  });

  test("tells the server once, whatever the number of handlers", async () => {
    await open();
    const [first, second] = [recorder(), recorder()];
    const one = await session.subscribe("t", first);
    await session.subscribe("t", second);
    assert.deepEqual(await script.next(), [5, "t"]);
    script.say([8, "t", 1]);
    await Promise.all([first.next(), second.next()]);
    await one.unsubscribe();
    await one.unsubscribe();
    script.say([8, "t", 2]);
    await second.next();
    assert.equal(first.calls.length, 0);
    await session.unsubscribe("t", second);
    assert.deepEqual(await script.next(), [6, "t"]);
  });

  test("unsubscribe drops all handlers of a topic", async () => {
    await open();
    await session.subscribe("t", () => {});
    await session.subscribe("t", () => {});
    await session.unsubscribe("t");
    await session.unsubscribe("t");
    await session.unsubscribe("unknown");
    await session.publish("mark", 1);
    assert.deepEqual(await script.next(), [5, "t"]);
    assert.deepEqual(await script.next(), [6, "t"]);
    assert.deepEqual(await script.next(), [7, "mark", 1]);
  });

  test("a handler that throws harms nobody", async () => {
    await open();
    const errors = recorder();
    const handler = recorder();
    session.on("error", errors);
    const boom = new Error("boom");
    await session.subscribe("t", () => {
      throw boom;
    });
    await session.subscribe("t", handler);
    script.say([8, "t", 1]);
    assert.deepEqual(await handler.next(), ["t", 1]);
    assert.deepEqual(await errors.next(), [boom]);
  });

  test("refuses what is no topic and no function", async () => {
    await open();
    await assert.rejects(session.subscribe(5, () => {}), TypeError);
    await assert.rejects(session.subscribe("t"), TypeError);
    await assert.rejects(session.unsubscribe(null), TypeError);
  });
});

describe("publish", () => {
  const cases = [
    [undefined, [7, "t", "e"]],
    [{}, [7, "t", "e"]],
    [{ excludeMe: false }, [7, "t", "e"]],
    [{ excludeMe: true }, [7, "t", "e", true]],
    [{ exclude: ["a"] }, [7, "t", "e", ["a"]]],
    [{ exclude: new Set(["a"]), excludeMe: true }, [7, "t", "e", ["session-1", "a"]]],
    [{ eligible: ["b"] }, [7, "t", "e", [], ["b"]]],
    [{ eligible: ["b"], excludeMe: true }, [7, "t", "e", ["session-1"], ["b"]]],
    [{ exclude: ["a"], eligible: ["b"] }, [7, "t", "e", ["a"], ["b"]]],
  ];
  for (const [options, message] of cases) {
    test(`with ${options && JSON.stringify(Object.keys(options))}`, async () => {
      await open();
      await session.publish("t", "e", options);
      assert.deepEqual(await script.next(), message);
    });
  }

  test("undefined is null", async () => {
    await open();
    await session.publish("t");
    assert.deepEqual(await script.next(), [7, "t", null]);
  });

  test("what has no JSON rejects", async () => {
    await open();
    await assert.rejects(session.publish("t", 1n), TypeError);
    await assert.rejects(session.publish({}, 1), TypeError);
  });
});

describe("call", () => {
  test("resolves with the result, whatever the order of the answers", async () => {
    await open();
    const first = session.call("a");
    const second = session.call("b", 1, [2], { three: 3 });
    const [, idOfFirst] = await script.next();
    const [type, idOfSecond, ...rest] = await script.next();
    assert.equal(type, 2);
    assert.deepEqual(rest, ["b", 1, [2], { three: 3 }]);
    assert.notEqual(idOfFirst, idOfSecond);
    script.say([3, idOfSecond, { x: 1 }]);
    script.say([3, idOfFirst, null]);
    assert.deepEqual(await second, { x: 1 });
    assert.equal(await first, null);
  });

  for (const [answer, desc, details] of [
    [["http://e#x", "words", { a: 1 }], "words", { a: 1 }],
    [["http://e#x", ""], "", undefined],
    [["http://e#x"], "", undefined],
  ]) {
    test(`rejects with the error ${JSON.stringify(answer)}`, async () => {
      await open();
      const calling = session.call("a");
      const [, id] = await script.next();
      script.say([4, id, ...answer]);
      await assert.rejects(calling, (error) => {
        assert.ok(error instanceof CallError);
        assert.equal(error.name, "CallError");
        assert.equal(error.uri, "http://e#x");
        assert.equal(error.desc, desc);
        assert.deepEqual(error.details, details);
        return true;
      });
    });
  }

  test("rejects in time, and takes no notice of a late answer", async () => {
    await open({ callTimeout: 10 });
    const errors = recorder();
    session.on("error", errors);
    const calling = session.call("slow");
    const [, id] = await script.next();
    await assert.rejects(calling, TimeoutError);
    script.say([3, id, "late"]);
    const handler = recorder();
    await session.subscribe("t", handler);
    script.say([8, "t", 1]);
    await handler.next();
    assert.equal(errors.calls.length, 0);
  });

  test("rejects when the connection is lost", async () => {
    await open();
    const calling = session.call("a");
    await script.next();
    script.socket.close(1011, "broken");
    await assert.rejects(calling, (error) => {
      assert.ok(error instanceof ConnectionError);
      assert.equal(error.code, 1011);
      return true;
    });
  });

  test("refuses what is no procedure, and what has no JSON", async () => {
    await open();
    await assert.rejects(session.call(undefined), TypeError);
    await assert.rejects(session.call("a", 1n), TypeError);
  });
});

describe("prefix", () => {
  const cases = [
    ["auto", "http://e/#", "p:a", "http://e/#a"],
    ["auto", "http://e/", "p:a:b", "http://e/a:b"],
    ["auto", "urn:x:", "p:a", "urn:x:a"],
    ["auto", "http://e?", "p:a", "http://e?a"],
    ["auto", "http://e?q=", "p:a", "http://e?q=a"],
    ["auto", "http://e", "p:a", "http://e#a"],
    ["auto", "http://e", "p:a:b", "http://e#a:b"],
    ["auto", "http://e", "p:", "http://e#"],
    ["auto", "http://e", "q:a", "q:a"],
    ["auto", "http://e", "p", "p"],
    ["auto", "http://e", "http://p:a", "http://p:a"],
    ["spec", "http://e", "p:a:b", "http://ea:b"],
    ["ratchet", "http://e/", "p:a:b", "http://e/#a"],
    ["ratchet", "http://e", "p:http://x", "p:http://x"],
    ["spec", "http://e/", "p:http://x", "http://e/http://x"],
  ];
  for (const [curie, base, name, uri] of cases) {
    test(`${name} with ${base} by the rule ${curie}`, async () => {
      await open({ curie });
      await session.prefix("p", base);
      assert.deepEqual(await script.next(), [1, "p", base]);
      assert.equal(session.resolve(name), uri);
    });
  }

  test("an empty prefix is a prefix", async () => {
    await open();
    await session.prefix("", "http://e/");
    assert.equal(session.resolve(":a"), "http://e/a");
  });

  test("a handler that subscribed by CURIE gets the events of the URI", async () => {
    await open();
    await session.prefix("p", "http://e/");
    const handler = recorder();
    const { topic } = await session.subscribe("p:news", handler);
    assert.equal(topic, "http://e/news");
    script.say([8, "http://e/news", 1]);
    assert.deepEqual(await handler.next(), ["http://e/news", 1]);
    await session.unsubscribe("p:news");
    await session.publish("p:news", 2);
    const sent = [];
    for (let i = 0; i < 4; i += 1) {
      sent.push(await script.next());
    }
    assert.deepEqual(sent, [
      [1, "p", "http://e/"],
      [5, "http://e/news"],
      [6, "http://e/news"],
      [7, "p:news", 2],
    ]);
  });

  test("a prefix that is called like a scheme", async () => {
    await open();
    await session.prefix("http", "http://e/");
    await session.subscribe("http:a", () => {});
    await session.unsubscribe("http:a");
    await script.next();
    assert.deepEqual(await script.next(), [5, "http:a"]);
    assert.deepEqual(await script.next(), [6, "http:a"]);
  });

  test("one of the server's is known here, and written out", async () => {
    await open();
    const handler = recorder();
    await session.subscribe("mark", handler);
    script.say([1, "s", "http://s/"]);
    script.say([8, "mark", 1]);
    await handler.next();
    assert.equal(session.resolve("s:a"), "http://s/a");
    await session.publish("s:a", 1);
    await script.next();
    assert.deepEqual(await script.next(), [7, "http://s/a", 1]);
  });
});

describe("a loss", () => {
  test("is made good: prefixes and subscriptions are there again", async () => {
    await open();
    const reconnected = recorder();
    const closed = recorder();
    const attempts = recorder();
    session.on("reconnect", reconnected);
    session.on("close", closed);
    session.on("reconnecting", attempts);
    const handler = recorder();
    await session.prefix("p", "http://e/");
    await session.subscribe("p:news", handler);
    await script.next();
    await script.next();
    script.socket.terminate();
    const [loss] = await closed.next();
    assert.equal(loss.reconnecting, true);
    assert.equal(loss.code, 1006);
    assert.equal(session.state, "reconnecting");
    assert.equal(session.sessionId, null);
    assert.deepEqual(await attempts.next(), [{ attempt: 1, delay: 1 }]);
    assert.deepEqual(await reconnected.next(), [{ sessionId: "session-2" }]);
    assert.equal(session.sessionId, "session-2");
    assert.deepEqual(await script.next(), [1, "p", "http://e/"]);
    assert.deepEqual(await script.next(), [5, "http://e/news"]);
    script.say([8, "http://e/news", "again"]);
    assert.deepEqual(await handler.next(), ["http://e/news", "again"]);
  });

  test("what is asked for meanwhile: subscriptions wait, the rest rejects", async () => {
    await open({ reconnect: { ...QUICK, initialDelay: 60_000, maxDelay: 60_000 } });
    await session.subscribe("old", () => {});
    await script.next();
    const attempts = recorder();
    session.on("reconnecting", attempts);
    script.socket.terminate();
    await attempts.next();
    await assert.rejects(session.publish("t", 1), ConnectionError);
    await assert.rejects(session.call("a"), ConnectionError);
    await session.subscribe("new", () => {});
    await session.unsubscribe("old");
    await session.prefix("p", "http://e/");
    session.reconnect();
    assert.deepEqual(await script.next(), [1, "p", "http://e/"]);
    assert.deepEqual(await script.next(), [5, "new"]);
    await session.publish("mark", 1);
    assert.deepEqual(await script.next(), [7, "mark", 1]);
  });

  test("pauses grow, up to a bound", async () => {
    await open({ reconnect: { initialDelay: 1, maxDelay: 4, jitter: 0 } });
    const attempts = recorder();
    const errors = recorder();
    session.on("reconnecting", attempts);
    session.on("error", errors);
    await script.stop();
    const delays = [];
    for (let i = 0; i < 4; i += 1) {
      const [{ attempt, delay }] = await attempts.next();
      assert.equal(attempt, i + 1);
      delays.push(delay);
    }
    assert.deepEqual(delays, [1, 2, 4, 4]);
    assert.equal(errors.calls.length, 0);
    await session.close();
    script = await Script.start();
  });

  test("pauses grow also when the server welcomes and drops", async () => {
    await open();
    const attempts = recorder();
    session.on("reconnecting", attempts);
    for (const expected of [1, 2, 3]) {
      await script.connections(expected);
      // Only a session that has seen its welcome takes this as another loss.
      if (expected > 1) {
        await new Promise((resolve) => session.on("reconnect", resolve));
      }
      script.socket.terminate();
      assert.equal((await attempts.next())[0].attempt, expected);
    }
  });

  test("a connection that stands ends the row", async () => {
    await open({ reconnect: { ...QUICK, stableAfter: 0 } });
    const attempts = recorder();
    const reconnected = recorder();
    session.on("reconnecting", attempts);
    session.on("reconnect", reconnected);
    for (let i = 0; i < 2; i += 1) {
      script.socket.terminate();
      assert.equal((await attempts.next())[0].attempt, 1);
      await reconnected.next();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  });

  test("pauses have a random part", async () => {
    const delays = new Set();
    await open({ reconnect: { initialDelay: 10_000, jitter: 1 } });
    const attempts = recorder();
    session.on("reconnecting", attempts);
    for (let i = 1; i <= 4; i += 1) {
      script.socket.terminate();
      delays.add((await attempts.next())[0].delay);
      const back = new Promise((resolve) => session.on("reconnect", resolve));
      session.reconnect();
      await back;
    }
    assert.ok(delays.size > 1);
  });

  test("an end after so many attempts", async () => {
    await open({ reconnect: { ...QUICK, maxAttempts: 2 } });
    const closed = recorder();
    session.on("close", closed);
    await script.stop();
    assert.equal((await closed.next())[0].reconnecting, true);
    assert.equal((await closed.next())[0].reconnecting, false);
    assert.equal(session.state, "closed");
    script = await Script.start();
  });

  test("is the end when reconnect is off", async () => {
    await open({ reconnect: false });
    const closed = recorder();
    session.on("close", closed);
    script.socket.terminate();
    assert.deepEqual(await closed.next(), [
      { code: 1006, reason: "", wasClean: false, reconnecting: false },
    ]);
    await assert.rejects(session.subscribe("t", () => {}), ConnectionError);
  });

  for (const [code, reconnecting] of [
    [1000, false],
    [1008, false],
    [1001, true],
    [1011, true],
    [1013, true],
    [4000, true],
  ]) {
    test(`by close code ${code} ${reconnecting ? "is made good" : "is a farewell"}`, async () => {
      await open();
      const closed = recorder();
      session.on("close", closed);
      script.socket.close(code, "why");
      const [info] = await closed.next();
      assert.equal(info.code, code);
      assert.equal(info.reason, "why");
      assert.equal(info.reconnecting, reconnecting);
    });
  }

  test("one's own rule for coming back", async () => {
    await open({ reconnect: { ...QUICK, shouldReconnect: ({ code }) => code === 1000 } });
    const closed = recorder();
    session.on("close", closed);
    script.socket.close(1000);
    assert.equal((await closed.next())[0].reconnecting, true);
  });

  test("a prepare that fails then is reported, and tried again", async () => {
    let runs = 0;
    await open({
      prepare: () => {
        runs += 1;
        if (runs === 2) {
          throw new Error("not now");
        }
      },
    });
    const errors = recorder();
    const reconnected = recorder();
    session.on("error", errors);
    session.on("reconnect", reconnected);
    script.socket.terminate();
    assert.equal((await errors.next())[0].message, "not now");
    await reconnected.next();
    assert.equal(runs, 3);
  });
});

describe("close", () => {
  test("says goodbye and resolves when it is over", async () => {
    await open();
    const closed = recorder();
    session.on("close", closed);
    const ended = new Promise((resolve) =>
      script.socket.on("close", (...args) => resolve(args.map(String))),
    );
    await session.close(4002, "enough");
    assert.deepEqual(await ended, ["4002", "enough"]);
    assert.equal(session.state, "closed");
    assert.deepEqual(await closed.next(), [
      { code: 4002, reason: "enough", wasClean: true, reconnecting: false },
    ]);
    await session.close();
    assert.equal(closed.calls.length, 0);
    await assert.rejects(session.publish("t", 1), ConnectionError);
    await assert.rejects(session.call("a"), ConnectionError);
    await assert.rejects(session.prefix("p", "u"), ConnectionError);
  });

  test("rejects calls that wait", async () => {
    await open();
    const calling = session.call("a");
    calling.catch(() => {});
    await session.close();
    await assert.rejects(calling, ConnectionError);
  });

  test("while waiting to come back", async () => {
    await open({ reconnect: { initialDelay: 60_000 } });
    const attempts = recorder();
    session.on("reconnecting", attempts);
    script.socket.terminate();
    await attempts.next();
    await session.close();
    assert.equal(session.state, "closed");
    session.reconnect();
    assert.equal(script.sockets.length, 1);
  });

  test("in the middle of coming back", async () => {
    await open();
    script.welcome = false;
    script.socket.terminate();
    await script.connections(2);
    await session.close();
    assert.equal(session.state, "closed");
  });

  test("from a listener of the loss", async () => {
    await open();
    const closed = new Promise((resolve) => {
      session.on("close", ({ reconnecting }) => {
        if (reconnecting) {
          session.close();
        } else {
          resolve();
        }
      });
    });
    script.socket.terminate();
    await closed;
    assert.equal(session.state, "closed");
  });

  test("with what may not be sent changes nothing", async () => {
    await open();
    await assert.rejects(session.close(1005), RangeError);
    await assert.rejects(session.close(1000, "ä".repeat(62)), RangeError);
    await session.publish("t", 1);
    assert.deepEqual(await script.next(), [7, "t", 1]);
  });
});

describe("a server that talks nonsense", () => {
  const nonsense = [
    "",
    "nonsense",
    "{}",
    "null",
    "[]",
    '["8","t",1]',
    "[true]",
    "[8]",
    "[8,5,1]",
    '[8,"t"]',
    "[3]",
    '[3,"1"]',
    "[3,1,2]",
    '[4,"1"]',
    '[4,"1",5]',
    '[1,"p"]',
    '[1,"p",5]',
    "[99]",
    '[0,"again",1,"x"]',
    '[5,"t"]',
  ];
  test("is not listened to, and the session goes on", async () => {
    await open();
    const errors = recorder();
    const handler = recorder();
    session.on("error", errors);
    await session.subscribe("t", handler);
    for (const text of nonsense) {
      script.say(text);
      const [error] = await errors.next();
      assert.ok(error instanceof ProtocolError, text);
      assert.equal(error.data, text);
    }
    script.socket.send(Buffer.from('[8,"t",1]'), { binary: true });
    assert.ok((await errors.next())[0] instanceof ProtocolError);
    script.say('[3,"unknown",1]');
    script.say('[8,"t",1,"more"]');
    assert.deepEqual(await handler.next(), ["t", 1]);
    assert.equal(session.sessionId, "session-1");
    assert.equal(errors.calls.length, 0);
  });

  test("with names that JavaScript knows", async () => {
    await open();
    const handler = recorder();
    await session.subscribe("__proto__", handler);
    script.say('[8,"constructor",1]');
    script.say('[3,"__proto__",1]');
    script.say('[1,"__proto__","http://e/"]');
    script.say('[8,"__proto__",{"__proto__":{"polluted":true}}]');
    await handler.next();
    assert.equal({}.polluted, undefined);
  });
});

describe("listeners", () => {
  test("can be taken off", async () => {
    await open();
    const errors = recorder();
    const off = session.on("error", () => assert.fail("taken off"));
    const second = () => assert.fail("taken off");
    session.on("error", second);
    session.on("error", errors);
    off();
    session.off("error", second);
    session.off("unknown", second);
    script.say("nonsense");
    await errors.next();
  });

  test("that throw harm nobody", async (context) => {
    const logged = context.mock.method(console, "error", () => {});
    await open();
    const errors = recorder();
    session.on("error", () => {
      throw new Error("in a listener");
    });
    session.on("error", errors);
    script.say("nonsense");
    await errors.next();
    assert.equal(logged.mock.callCount(), 1);
  });

  test("an error that nobody listens to is logged", async (context) => {
    const logged = context.mock.method(console, "error", () => {});
    await open();
    const handler = recorder();
    await session.subscribe("t", handler);
    script.say("nonsense");
    script.say([8, "t", 1]);
    await handler.next();
    assert.equal(logged.mock.callCount(), 1);
  });
});
