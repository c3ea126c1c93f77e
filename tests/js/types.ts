/** ratchet.d.ts as a user meets it: this file is compiled, strictly, and not run. */

import NodeWebSocket from "ws";

import {
  CallError,
  ConnectionError,
  ProtocolError,
  TimeoutError,
  connect,
  type ConnectOptions,
  Session,
  type Subscription,
} from "../../ratchet_py/js/ratchet.js";

interface News {
  title: string;
}

const options: ConnectOptions = {
  WebSocket: NodeWebSocket,
  reconnect: { maxAttempts: 3, shouldReconnect: ({ code }) => code !== 4000 },
  connectTimeout: 1000,
  callTimeout: 1000,
  curie: "spec",
  prepare: async (session) => {
    await session.call("hello");
  },
};

export async function use(): Promise<string> {
  const session: Session = await connect("ws://localhost/", options);
  await connect(new URL("ws://localhost/"), { WebSocket, reconnect: false });

  const subscription: Subscription<News> = await session.subscribe<News>("news", (topic, event) => {
    const words: string = topic + event.title;
    // @ts-expect-error an event has no such property
    event.words = words;
  });
  await subscription.unsubscribe();
  await session.unsubscribe("news");
  await session.publish("news", { title: "x" }, { excludeMe: true, eligible: new Set(["a"]) });
  // @ts-expect-error misspelt
  await session.publish("news", 1, { exludeMe: true });
  const sum: number = await session.call<number>("add", 1, 2);
  await session.prefix("ex", "http://example.com/");
  const off: () => void = session.on("close", ({ code, reconnecting }) => {
    const words: string = `${code.toFixed()} ${reconnecting ? "yes" : "no"}`;
    return words;
  });
  off();
  session.on("reconnecting", ({ attempt, delay }) => attempt + delay);
  // @ts-expect-error no such event
  session.on("open", () => {});
  // @ts-expect-error made by connect
  new Session("ws://localhost/");
  // @ts-expect-error read only
  session.sessionId = "x";
  const id: string = session.sessionId ?? "none";
  session.reconnect();
  try {
    await session.close(1000, "bye");
  } catch (error) {
    if (error instanceof CallError) {
      return error.uri + error.desc + String(error.details);
    }
    if (error instanceof ConnectionError) {
      return `${error.code} ${error.reason}`;
    }
    if (error instanceof ProtocolError || error instanceof TimeoutError) {
      return error.message;
    }
  }
  return `${sum} ${id} ${session.resolve("ex:a")} ${session.state}`;
}
