/** What the tests share: a real server in a process of its own, a scripted one, and waiting. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";

const SERVE = fileURLToPath(new URL("serve.py", import.meta.url));

/** Start `serve.py`; resolves when it listens. */
export async function startServer(port = 0) {
  const python = process.env.RATCHET_PYTHON ?? "python3";
  const child = spawn(python, [SERVE, String(port)], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  const line = await Promise.race([
    once(child.stdout, "data").then(([data]) => String(data)),
    ended.then(([code]) => {
      throw new Error(`serve.py ended with ${code}`);
    }),
  ]);
  return {
    port: Number(line),
    url: `ws://127.0.0.1:${Number(line)}`,
    async stop() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

/** A WAMP server that says only what the test has it say. */
export class Script {
  static async start({ welcome = true, port = 0 } = {}) {
    const script = new Script();
    script.welcome = welcome;
    script.server = new WebSocketServer({
      host: "127.0.0.1",
      port,
      handleProtocols: () => "wamp",
    });
    script.server.on("connection", (socket) => script.connected(socket));
    await once(script.server, "listening");
    script.port = script.server.address().port;
    script.url = `ws://127.0.0.1:${script.port}/`;
    return script;
  }

  sockets = [];
  received = []; // what clients have sent, oldest first
  waiting = [];

  connected(socket) {
    this.sockets.push(socket);
    socket.on("message", (data) => {
      this.received.push(JSON.parse(data));
      this.wake();
    });
    if (this.welcome) {
      this.say([0, `session-${this.sockets.length}`, 1, "script"]);
    }
    this.wake();
  }

  wake() {
    for (const check of [...this.waiting]) {
      check();
    }
  }

  /** The newest connection. */
  get socket() {
    return this.sockets.at(-1);
  }

  /** Send a message, or text that is none. */
  say(message) {
    this.socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  /** Resolves when there are so many connections. */
  connections(count) {
    return this.until(() => this.sockets.length >= count);
  }

  /** The next message of a client, in order. */
  async next() {
    await this.until(() => this.received.length > 0);
    return this.received.shift();
  }

  until(condition) {
    return new Promise((resolve) => {
      const check = () => {
        if (condition()) {
          this.waiting = this.waiting.filter((other) => other !== check);
          resolve();
        }
      };
      this.waiting.push(check);
      check();
    });
  }

  async stop() {
    for (const socket of this.sockets) {
      socket.terminate();
    }
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** A handler that remembers, and lets one wait for, its calls. */
export function recorder() {
  const calls = [];
  const waiting = [];
  const handler = (...args) => {
    const waiter = waiting.shift();
    if (waiter) {
      waiter(args);
    } else {
      calls.push(args);
    }
  };
  /** The arguments of the next call, or of one that has been. */
  handler.next = () =>
    calls.length > 0
      ? Promise.resolve(calls.shift())
      : new Promise((resolve) => waiting.push(resolve));
  handler.calls = calls;
  return handler;
}
