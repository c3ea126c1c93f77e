/**
 * Types of ratchet.js, a WAMP 1 client for browsers and Node.
 */

/** Receives the events of a topic; `topic` is the full URI, also if subscribed by a CURIE. */
export type EventHandler<T = any> = (topic: string, event: T) => void;

/** A class with the interface of the browsers' `WebSocket`, such as that of the package `ws`. */
export type WebSocketClass = new (url: string, protocols?: string | string[]) => WebSocketLike;

/** What ratchet.js uses of a WebSocket. */
export interface WebSocketLike {
  readonly readyState: number;
  onopen: ((event: any) => any) | null;
  onmessage: ((event: any) => any) | null;
  onclose: ((event: any) => any) | null;
  onerror: ((event: any) => any) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

/** How a connection ended. */
export interface CloseInfo {
  /** The WebSocket close code; 1006 when there was no close frame. */
  code: number;
  reason: string;
  wasClean: boolean;
}

/** How to come back after a loss. Times are in milliseconds. */
export interface ReconnectOptions {
  /** The first pause. Default 500. */
  initialDelay?: number;
  /** The longest pause. Default 30000. */
  maxDelay?: number;
  /** How many times longer each pause is than the one before. Default 2. */
  factor?: number;
  /** The part of each pause that is random, 0 to 1. Default 0.5. */
  jitter?: number;
  /** Give up after so many attempts in a row. Default Infinity. */
  maxAttempts?: number;
  /** A connection that has stood for so long ends the row. Default 5000. */
  stableAfter?: number;
  /** Whether to come back after this close. Default: yes, unless the code is 1000 or 1008. */
  shouldReconnect?: (close: CloseInfo) => boolean;
}

/** Options of `connect`. Times are in milliseconds. */
export interface ConnectOptions {
  /** The WebSocket class. Default `globalThis.WebSocket`; Node before version 22 needs one. */
  WebSocket?: WebSocketClass;
  /** Whether and how to come back after a loss. Default true; false switches it off. */
  reconnect?: boolean | ReconnectOptions;
  /** How long a connection, its welcome and `prepare` may take; 0 for ever. Default 10000. */
  connectTimeout?: number;
  /** How long a call may take before it rejects with a `TimeoutError`; 0 for ever. Default 0. */
  callTimeout?: number;
  /**
   * How `name:rest` is expanded. It must be the rule of the server.
   * "auto" (default, ratchet_py): a base that ends in one of `# / : ? =` is joined as it is, any
   * other with a `#`. "spec": always as it is. "ratchet": as PHP Ratchet, always with a `#`, names
   * with `http://` or `https://` left alone, and what follows a second colon lost.
   */
  curie?: "auto" | "spec" | "ratchet";
  /**
   * Runs after every welcome, the first one and those after a loss, before any subscription is
   * sent: the place to authenticate or to say one's name. It may call, publish and declare
   * prefixes. If it rejects, this connection has failed. Subscribe elsewhere, once.
   */
  prepare?: (session: Session) => unknown;
}

/** One handler of one topic. */
export interface Subscription<T = any> {
  /** The full URI. */
  readonly topic: string;
  readonly handler: EventHandler<T>;
  /** Let go of this handler; the server hears of it when it was the last one of its topic. */
  unsubscribe(): Promise<void>;
}

/** Who is to get an event. Session ids are those of the other clients' `sessionId`. */
export interface PublishOptions {
  /** Do not send it back to this session. */
  excludeMe?: boolean;
  /** Session ids that are not to get it. */
  exclude?: Iterable<string>;
  /** The only session ids that are to get it. By the protocol an empty list means everybody. */
  eligible?: Iterable<string>;
}

/** The events of a session, for `on`. */
export interface SessionEvents {
  /** A connection is gone. `reconnecting` tells whether the session goes on. */
  close: CloseInfo & { reconnecting: boolean };
  /** The session waits `delay` milliseconds before attempt number `attempt`. */
  reconnecting: { attempt: number; delay: number };
  /** There is a connection again; prefixes and subscriptions have been sent. */
  reconnect: { sessionId: string };
  /** A handler has thrown, `prepare` has failed, or the server sent something malformed. */
  error: unknown;
}

/** A WAMP 1 session that outlives its connections. Made by `connect`. */
export class Session {
  private constructor();

  /** Where the session connects to. */
  readonly url: string;
  readonly state: "connecting" | "open" | "reconnecting" | "closed";
  /** What the server calls us; null while there is no connection, another one after each loss. */
  readonly sessionId: string | null;
  /** What the server calls itself; null before its first welcome. */
  readonly server: string | null;

  /**
   * Receive the events of a topic.
   *
   * WAMP 1 does not acknowledge subscriptions: this resolves when the request is on its way or,
   * without a connection, noted for the next one. The handler may be called before that.
   */
  subscribe<T = any>(topic: string, handler: EventHandler<T>): Promise<Subscription<T>>;

  /** Let go of one handler of a topic or, without `handler`, of all. Unknown ones are no error. */
  unsubscribe(topic: string, handler?: EventHandler): Promise<void>;

  /**
   * Publish an event, any JSON value; undefined is sent as null.
   *
   * Resolves when the event is handed to the connection, without acknowledgement. Rejects with a
   * `ConnectionError` when there is no connection: nothing is kept for later.
   */
  publish(topic: string, event: unknown, options?: PublishOptions): Promise<void>;

  /**
   * Call a procedure.
   *
   * Rejects with a `CallError` (the server's answer), a `ConnectionError` (no connection, or lost
   * before the answer) or a `TimeoutError`.
   */
  call<T = any>(procedure: string, ...args: unknown[]): Promise<T>;

  /**
   * Declare a prefix, here and on the server: afterwards `name:rest` stands for a full URI.
   * Declare prefixes before they are used; after a reconnect they are declared again.
   */
  prefix(name: string, uri: string): Promise<void>;

  /** The full URI of a CURIE (`name:rest`); anything else comes back as it is. */
  resolve(curie: string): string;

  /** While waiting to connect again: try now. Otherwise nothing. */
  reconnect(): void;

  /**
   * Close the session for good; resolves when the connection is gone.
   *
   * @param code 1000 (default), or 3000 to 4999.
   * @param reason At most 123 bytes of UTF-8.
   */
  close(code?: number, reason?: string): Promise<void>;

  /** Hear of an event of the session. Returns a function that stops it. */
  on<K extends keyof SessionEvents>(
    name: K,
    listener: (detail: SessionEvents[K]) => void,
  ): () => void;

  /** Stop hearing of what `on` asked for. */
  off<K extends keyof SessionEvents>(name: K, listener: (detail: SessionEvents[K]) => void): void;
}

/**
 * Connect to a WAMP 1 server.
 *
 * @param url `ws:`, `wss:`, `http:` or `https:`; in a page also relative to the page (`/chat`).
 * @returns A session, when the server has sent its welcome and `prepare` is done. Rejects if this
 *   first connection fails; only a connection that has stood once is made again by itself.
 */
export function connect(url: string | URL, options?: ConnectOptions): Promise<Session>;

/** The server has answered a call with an error. */
export class CallError extends Error {
  constructor(uri: string, desc?: string, details?: unknown);
  readonly name: "CallError";
  /** The error's URI. */
  readonly uri: string;
  /** A description for people, may be empty. */
  readonly desc: string;
  /** Any JSON value, or undefined. */
  readonly details: any;
}

/** There is no connection: it could not be made, it was lost, or it has been closed. */
export class ConnectionError extends Error {
  constructor(message: string, code?: number, reason?: string);
  readonly name: "ConnectionError";
  /** The WebSocket close code; 1006 when there was no close frame. */
  readonly code: number;
  readonly reason: string;
}

/** The server has sent something that is not WAMP 1. */
export class ProtocolError extends Error {
  constructor(message: string, data?: unknown);
  readonly name: "ProtocolError";
  /** What it sent. */
  readonly data: unknown;
}

/** A call was not answered in time; the server may still run it. */
export class TimeoutError extends Error {
  constructor(message: string);
  readonly name: "TimeoutError";
}
