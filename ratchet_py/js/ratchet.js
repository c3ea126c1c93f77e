/**
 * ratchet.js: a WAMP 1 client for browsers and Node, without dependencies.
 *
 * WAMP 1 is the WebSocket subprotocol `wamp`: JSON lists in text messages, for publish and
 * subscribe and for remote calls. It is what Ratchet and ratchet_py speak. This module ships with
 * ratchet_py and works with any server of that protocol.
 *
 *     import { connect } from "/ratchet.js";
 *
 *     const session = await connect("/pubsub");
 *     await session.subscribe("news", (topic, event) => console.log(topic, event));
 *     await session.publish("news", { headline: "hello" }, { excludeMe: true });
 *     const sum = await session.call("add", 2, 3);
 *
 * A lost connection is made again, with growing pauses, and the session goes on: prefixes and
 * subscriptions are there again, only `sessionId` is another one. Calls that were under way reject
 * with a `ConnectionError`, because nobody can know whether the server has run them.
 *
 * The types, with a description of every option, are in `ratchet.d.ts`.
 *
 * @license MIT
 */

const WELCOME = 0;
const PREFIX = 1;
const CALL = 2;
const CALLRESULT = 3;
const CALLERROR = 4;
const SUBSCRIBE = 5;
const UNSUBSCRIBE = 6;
const PUBLISH = 7;
const EVENT = 8;

const SUBPROTOCOL = "wamp";
const VERSION = 1;

/** Close codes that mean "do not come back": a farewell, or a policy that we break. */
const FINAL_CODES = new Set([1000, 1008]);

/** Bases that end like this are joined to the rest as they are, all others with a `#`. */
const ENDS_IN_SEPARATOR = /[#/:?=]$/;

const RECONNECT = {
  initialDelay: 500,
  maxDelay: 30_000,
  factor: 2,
  jitter: 0.5,
  maxAttempts: Infinity,
  stableAfter: 5_000,
  shouldReconnect: ({ code }) => !FINAL_CODES.has(code),
};

/** The server has answered a call with an error. */
export class CallError extends Error {
  constructor(uri, desc = "", details = undefined) {
    super(desc ? `${uri}: ${desc}` : uri);
    this.name = "CallError";
    this.uri = uri;
    this.desc = desc;
    this.details = details;
  }
}

/** There is no connection: it could not be made, it was lost, or it has been closed. */
export class ConnectionError extends Error {
  constructor(message, code = 1006, reason = "") {
    super(message);
    this.name = "ConnectionError";
    this.code = code;
    this.reason = reason;
  }
}

/** The server has sent something that is not WAMP 1. */
export class ProtocolError extends Error {
  constructor(message, data = undefined) {
    super(message);
    this.name = "ProtocolError";
    this.data = data;
  }
}

/** A call was not answered in time; the server may still run it. */
export class TimeoutError extends Error {
  constructor(message) {
    super(message);
    this.name = "TimeoutError";
  }
}

/**
 * Connect to a WAMP 1 server.
 *
 * Resolves when the server has sent its welcome (and `options.prepare`, if there is one, is
 * done). Rejects if this first connection fails; only a connection that has stood once is made
 * again by itself.
 */
export async function connect(url, options = {}) {
  const session = new Session(url, options);
  await session._open();
  return session;
}

/** The whole policy, or null for none. */
function reconnectPolicy(option) {
  if (option === false) {
    return null;
  }
  return { ...RECONNECT, ...(typeof option === "object" ? option : {}) };
}

/** Make `/chat` or `https://example.com/chat` an address that every WebSocket class takes. */
function socketUrl(url) {
  const absolute = new URL(url, globalThis.location?.href);
  absolute.protocol = absolute.protocol.replace(/^http/, "ws");
  absolute.hash = "";
  return absolute.href;
}

function requireString(value, what) {
  if (typeof value !== "string") {
    throw new TypeError(`${what} must be a string, not ${value === null ? "null" : typeof value}`);
  }
}

/** The list that a message is; an empty one if it is none, which is not WAMP either. */
function parse(data) {
  try {
    const message = typeof data === "string" ? JSON.parse(data) : [];
    return Array.isArray(message) ? message : [];
  } catch {
    return [];
  }
}

/** One handler of one topic. */
class Subscription {
  #session;

  constructor(session, topic, handler) {
    this.#session = session;
    this.topic = topic;
    this.handler = handler;
  }

  /** Let go of this handler; the server hears of it when it was the last one of its topic. */
  async unsubscribe() {
    this.#session._release(this);
  }
}

/** A WAMP 1 session that outlives its connections. Made by `connect`. */
export class Session {
  #url;
  #WebSocket;
  #policy;
  #connectTimeout;
  #callTimeout;
  #curie;
  #prepare;

  #state = "connecting";
  #sessionId = null;
  #server = null;
  #socket = null;
  #attempt = 0;
  #retryTimer = null;
  #stableTimer = null;
  #onOnline = null;
  #closed = null;

  #prefixes = new Map(); // declared by us: declared again after a reconnect
  #serverPrefixes = new Map(); // declared by the server, for this connection
  #subscriptions = new Map(); // full URI of the topic => list of Subscription
  #given = new Map(); // full URI of the topic => the name that it was subscribed by
  #calls = new Map(); // call id => {resolve, reject, timer}
  #lastCall = 0;
  #listeners = new Map();

  constructor(url, options = {}) {
    this.#url = socketUrl(url);
    this.#WebSocket = options.WebSocket ?? globalThis.WebSocket;
    if (typeof this.#WebSocket !== "function") {
      throw new TypeError("no WebSocket here: pass one as options.WebSocket");
    }
    this.#policy = reconnectPolicy(options.reconnect);
    this.#connectTimeout = options.connectTimeout ?? 10_000;
    this.#callTimeout = options.callTimeout ?? 0;
    this.#curie = options.curie ?? "auto";
    if (!["auto", "spec", "ratchet"].includes(this.#curie)) {
      throw new TypeError(`curie must be "auto", "spec" or "ratchet", not ${this.#curie}`);
    }
    this.#prepare = options.prepare ?? null;
  }

  /** Where the session connects to. */
  get url() {
    return this.#url;
  }

  /** "connecting", "open", "reconnecting" or "closed". */
  get state() {
    return this.#state;
  }

  /** What the server calls us; null while there is no connection, another one after each loss. */
  get sessionId() {
    return this.#sessionId;
  }

  /** What the server calls itself, null before its first welcome. */
  get server() {
    return this.#server;
  }

  // ------------------------------------------------------------------ what people call

  /** Hear of "close", "reconnecting", "reconnect" and "error". Returns a function that stops it. */
  on(name, listener) {
    if (!this.#listeners.has(name)) {
      this.#listeners.set(name, new Set());
    }
    this.#listeners.get(name).add(listener);
    return () => this.off(name, listener);
  }

  /** Stop hearing of what `on` asked for. */
  off(name, listener) {
    this.#listeners.get(name)?.delete(listener);
  }

  /**
   * Receive the events of a topic: `handler(topic, event)`, topic being the full URI.
   *
   * WAMP 1 does not acknowledge subscriptions: this resolves when the request is on its way, or
   * noted for the next connection. A topic may have several handlers; the server sees one
   * subscription.
   */
  async subscribe(topic, handler) {
    requireString(topic, "a topic");
    if (typeof handler !== "function") {
      throw new TypeError("a handler must be a function");
    }
    this.#refuseWhenClosed();
    const uri = this.resolve(topic);
    const subscription = new Subscription(this, uri, handler);
    const handlers = this.#subscriptions.get(uri);
    if (handlers) {
      handlers.push(subscription);
    } else {
      this.#subscriptions.set(uri, [subscription]);
      this.#given.set(uri, topic);
      if (this.#state === "open") {
        this.#send([SUBSCRIBE, this.#topicOnWire(uri)]);
      }
    }
    return subscription;
  }

  /** Let go of one handler of a topic, or of all of them. Unknown ones are no error. */
  async unsubscribe(topic, handler = undefined) {
    requireString(topic, "a topic");
    const uri = this.resolve(topic);
    for (const subscription of [...(this.#subscriptions.get(uri) ?? [])]) {
      if (handler === undefined || subscription.handler === handler) {
        this._release(subscription);
      }
    }
  }

  /**
   * Publish an event. Resolves when it is handed to the connection, which WAMP 1 does not
   * acknowledge; rejects with a `ConnectionError` when there is none: nothing is kept for later.
   */
  async publish(topic, event, { excludeMe = false, exclude, eligible } = {}) {
    requireString(topic, "a topic");
    this.#requireConnection();
    const message = [PUBLISH, this.#wire(topic), event === undefined ? null : event];
    if (exclude !== undefined || eligible !== undefined) {
      const others = exclude === undefined ? [] : [...exclude];
      message.push(excludeMe ? [this.#sessionId, ...others] : others);
      if (eligible !== undefined) {
        message.push([...eligible]);
      }
    } else if (excludeMe) {
      message.push(true);
    }
    this.#send(message);
  }

  /**
   * Call a procedure. Resolves with its result; rejects with a `CallError` that the server has
   * answered, a `ConnectionError` or a `TimeoutError`.
   */
  call(procedure, ...args) {
    return new Promise((resolve, reject) => {
      requireString(procedure, "a procedure");
      this.#requireConnection();
      const id = (++this.#lastCall).toString(36);
      this.#send([CALL, id, this.#wire(procedure), ...args]);
      const pending = { resolve, reject, timer: null };
      if (this.#callTimeout > 0) {
        pending.timer = setTimeout(() => {
          this.#calls.delete(id);
          const wait = `${this.#callTimeout} ms`;
          reject(new TimeoutError(`${procedure} was not answered within ${wait}`));
        }, this.#callTimeout);
      }
      this.#calls.set(id, pending);
    });
  }

  /**
   * Declare a prefix: afterwards `name:rest` means `uri` and `rest`, here and on the server.
   * Declare prefixes before they are used; they are declared again after a reconnect.
   */
  async prefix(name, uri) {
    requireString(name, "a prefix");
    requireString(uri, "a prefix's URI");
    this.#refuseWhenClosed();
    this.#prefixes.set(name, uri);
    this.#serverPrefixes.delete(name);
    if (this.#socket !== null && this.#sessionId !== null) {
      this.#send([PREFIX, name, uri]);
    }
  }

  /** The full URI of a CURIE (`name:rest`); anything else comes back as it is. */
  resolve(curie) {
    if (this.#curie === "ratchet" && /https?:\/\//.test(curie)) {
      return curie;
    }
    const colon = curie.indexOf(":");
    if (colon < 0) {
      return curie;
    }
    const name = curie.slice(0, colon);
    // The last word counts: a declaration of ours takes the server's away.
    const base = this.#serverPrefixes.get(name) ?? this.#prefixes.get(name);
    if (base === undefined) {
      return curie;
    }
    let rest = curie.slice(colon + 1);
    if (this.#curie === "ratchet") {
      rest = rest.split(":", 1)[0];
      return `${base}#${rest}`;
    }
    if (this.#curie === "spec" || ENDS_IN_SEPARATOR.test(base)) {
      return base + rest;
    }
    return `${base}#${rest}`;
  }

  /** While waiting to connect again: try now. Otherwise nothing. */
  reconnect() {
    if (this.#state === "reconnecting" && this.#retryTimer !== null) {
      this.#stopWaiting();
      this.#retry();
    }
  }

  /** Close the session for good; resolves when the connection is gone. */
  async close(code = 1000, reason = "") {
    if (code !== 1000 && !(code >= 3000 && code <= 4999)) {
      throw new RangeError(`a close code is 1000, or 3000 to 4999, not ${code}`);
    }
    if (new TextEncoder().encode(reason).length > 123) {
      throw new RangeError("a close reason has at most 123 bytes");
    }
    if (this.#closed === null) {
      const socket = this.#socket;
      if (socket === null || socket.readyState === 3) {
        this.#closed = Promise.resolve();
        this.#finish({ code, reason, wasClean: true });
      } else {
        this.#closed = new Promise((resolve) => {
          const stop = this.on("close", ({ reconnecting }) => {
            if (!reconnecting) {
              stop();
              resolve();
            }
          });
        });
        socket.close(code, reason);
      }
    }
    await this.#closed;
  }

  // ------------------------------------------------------------------ one connection

  /** Make one connection: resolves after the welcome and `prepare`. For `connect` only. */
  _open() {
    return new Promise((resolve, reject) => {
      let socket;
      try {
        socket = new this.#WebSocket(this.#url, [SUBPROTOCOL]);
      } catch (error) {
        reject(error);
        return;
      }
      this.#socket = socket;
      let phase = "handshake"; // then "preparing", "ready", "over"
      let timer = null;

      const fail = (error, close) => {
        if (phase === "over") {
          return;
        }
        const wasReady = phase === "ready";
        phase = "over";
        clearTimeout(timer);
        this.#dropped(error);
        if (wasReady) {
          this.#lost(close);
        } else {
          // Nobody is to hear of this socket any more, whatever it still does.
          socket.onclose = null;
          socket.onmessage = null;
          socket.onerror = () => {};
          socket.close();
          if (this.#closed !== null || this.#state === "connecting") {
            this.#finish(close ?? { code: 1000, reason: "", wasClean: true });
          }
          reject(error);
        }
      };

      if (this.#connectTimeout > 0) {
        timer = setTimeout(() => {
          fail(new ConnectionError(`no welcome within ${this.#connectTimeout} ms`));
        }, this.#connectTimeout);
      }

      socket.onerror = () => {
        // The close event follows and says more.
      };
      socket.onclose = ({ code = 1006, reason = "", wasClean = false }) => {
        const words = reason ? `${code}: ${reason}` : `${code}`;
        const what = phase === "ready" ? "connection lost" : "cannot connect";
        const error = new ConnectionError(`${what} (${words})`, code, reason);
        fail(error, { code, reason, wasClean });
      };
      socket.onmessage = ({ data }) => {
        if (this.#socket !== socket) {
          return;
        }
        const message = parse(data);
        if (phase !== "handshake") {
          this.#dispatch(message, data);
          return;
        }
        if (
          message[0] !== WELCOME ||
          typeof message[1] !== "string" ||
          message[2] !== VERSION
        ) {
          fail(new ProtocolError("the server's first message is no welcome of WAMP 1", data));
          return;
        }
        phase = "preparing";
        this.#sessionId = message[1];
        this.#server = typeof message[3] === "string" ? message[3] : "";
        this.#restore()
          .then(() => {
            if (phase === "preparing") {
              phase = "ready";
              clearTimeout(timer);
              this.#ready();
              resolve();
            }
          })
          .catch((error) => fail(error));
      };
    });
  }

  /** After a welcome: prefixes, then `prepare`. Subscriptions follow in `#ready`. */
  async #restore() {
    for (const [name, uri] of this.#prefixes) {
      this.#send([PREFIX, name, uri]);
    }
    if (this.#prepare !== null) {
      await this.#prepare(this);
    }
  }

  #ready() {
    this.#state = "open";
    for (const uri of this.#subscriptions.keys()) {
      this.#send([SUBSCRIBE, this.#topicOnWire(uri)]);
    }
    if (this.#attempt > 0) {
      // A server that welcomes us and drops us at once must not make us hurry.
      this.#stableTimer = setTimeout(() => {
        this.#attempt = 0;
      }, this.#policy.stableAfter);
      this.#stableTimer.unref?.();
      this.#emit("reconnect", { sessionId: this.#sessionId });
    }
  }

  /** The connection is gone: nothing that waited for it will come. */
  #dropped(error) {
    clearTimeout(this.#stableTimer);
    this.#socket = null;
    this.#sessionId = null;
    this.#serverPrefixes.clear();
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const { reject, timer } of calls) {
      clearTimeout(timer);
      reject(error);
    }
  }

  #lost(close) {
    if (this.#closed !== null || this.#policy === null || !this.#wantsBack(close)) {
      this.#finish(close);
      return;
    }
    this.#state = "reconnecting";
    const delay = this.#delay();
    this.#emit("close", { ...close, reconnecting: true });
    this.#wait(delay);
  }

  #wantsBack(close) {
    return this.#attempt < this.#policy.maxAttempts && this.#policy.shouldReconnect(close);
  }

  #delay() {
    const { initialDelay, maxDelay, factor, jitter } = this.#policy;
    const delay = Math.min(maxDelay, initialDelay * factor ** this.#attempt);
    // Thousands of clients that lost the same server must not come back in the same moment.
    return Math.round(delay * (1 - jitter * Math.random()));
  }

  #wait(delay) {
    if (this.#state !== "reconnecting") {
      return; // closed by a listener
    }
    this.#retryTimer = setTimeout(() => {
      this.#stopWaiting();
      this.#retry();
    }, delay);
    if (typeof globalThis.addEventListener === "function") {
      this.#onOnline = () => this.reconnect();
      globalThis.addEventListener("online", this.#onOnline);
    }
    this.#emit("reconnecting", { attempt: this.#attempt + 1, delay });
  }

  #stopWaiting() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
    if (this.#onOnline !== null) {
      globalThis.removeEventListener("online", this.#onOnline);
      this.#onOnline = null;
    }
  }

  #retry() {
    this.#attempt += 1;
    this._open().catch((error) => {
      if (this.#state !== "reconnecting") {
        return;
      }
      const code = error instanceof ConnectionError ? error.code : 1006;
      const close = { code, reason: error.message, wasClean: false };
      if (!(error instanceof ConnectionError)) {
        this.#emit("error", error);
      }
      if (this.#closed === null && this.#wantsBack(close)) {
        this.#wait(this.#delay());
      } else {
        this.#finish(close);
      }
    });
  }

  #finish(close) {
    if (this.#state === "closed") {
      return;
    }
    this.#stopWaiting();
    this.#state = "closed";
    this.#closed ??= Promise.resolve();
    this.#subscriptions.clear();
    this.#given.clear();
    this.#emit("close", { ...close, reconnecting: false });
  }

  // ------------------------------------------------------------------ messages

  #dispatch(message, data) {
    const [type, first, second] = message;
    if (type === EVENT && typeof first === "string" && message.length >= 3) {
      this.#deliver(first, second);
    } else if (type === CALLRESULT && typeof first === "string" && message.length >= 3) {
      this.#take(first)?.resolve(second);
    } else if (type === CALLERROR && typeof first === "string" && typeof second === "string") {
      const desc = typeof message[3] === "string" ? message[3] : "";
      this.#take(first)?.reject(new CallError(second, desc, message[4]));
    } else if (type === PREFIX && typeof first === "string" && typeof second === "string") {
      this.#serverPrefixes.set(first, second);
    } else {
      this.#emit("error", new ProtocolError("a message that is not WAMP 1", data));
    }
  }

  #deliver(topic, event) {
    for (const { handler } of [...(this.#subscriptions.get(topic) ?? [])]) {
      try {
        handler(topic, event);
      } catch (error) {
        this.#emit("error", error);
      }
    }
  }

  /** The call of this id, which is answered now; undefined for one that has timed out. */
  #take(id) {
    const pending = this.#calls.get(id);
    if (pending) {
      this.#calls.delete(id);
      clearTimeout(pending.timer);
    }
    return pending;
  }

  /** Drop one handler. For `Subscription.unsubscribe` and `unsubscribe`. */
  _release(subscription) {
    const { topic } = subscription;
    const handlers = this.#subscriptions.get(topic);
    const index = handlers ? handlers.indexOf(subscription) : -1;
    if (index < 0) {
      return;
    }
    handlers.splice(index, 1);
    if (handlers.length === 0) {
      if (this.#state === "open") {
        this.#send([UNSUBSCRIBE, this.#topicOnWire(topic)]);
      }
      this.#subscriptions.delete(topic);
      this.#given.delete(topic);
    }
  }

  /** How we write a name: as we got it. Not every server expands what it has declared itself. */
  #wire(name) {
    const prefix = name.slice(0, Math.max(0, name.indexOf(":")));
    return this.#serverPrefixes.has(prefix) ? this.resolve(name) : name;
  }

  /** A subscribed topic: its full URI, unless a prefix is called as that URI begins (`http:`). */
  #topicOnWire(uri) {
    return this.resolve(uri) === uri ? uri : this.#given.get(uri);
  }

  #send(message) {
    const text = JSON.stringify(message);
    // Between the loss and its close event a socket is closing: what is sent now is lost with it,
    // and the close event rejects what waits for an answer.
    this.#socket?.send(text);
  }

  #refuseWhenClosed() {
    if (this.#state === "closed" || this.#closed !== null) {
      throw new ConnectionError("the session is closed", 1000);
    }
  }

  #requireConnection() {
    this.#refuseWhenClosed();
    if (this.#sessionId === null || this.#socket?.readyState !== 1) {
      throw new ConnectionError("not connected");
    }
  }

  #emit(name, detail) {
    const listeners = [...(this.#listeners.get(name) ?? [])];
    if (name === "error" && listeners.length === 0) {
      console.error(detail);
    }
    for (const listener of listeners) {
      try {
        listener(detail);
      } catch (error) {
        console.error(error);
      }
    }
  }
}
