/**
 * WAMP clients of others, unmodified, behind one face.
 *
 * Each opens a session with `subscribe(topic, handler)`, whose handler gets positional arguments and
 * keywords, `publish(topic, args, kwargs, options)`, `call(procedure, args, kwargs)`, `close()`.
 */

import { createRequire } from "node:module";
import Wamp1 from "wamp1";
import { Wampy } from "wampy";
import { CborSerializer } from "wampy/CborSerializer.js";
import { JsonSerializer } from "wampy/JsonSerializer.js";
import { MsgpackSerializer } from "wampy/MsgpackSerializer.js";
import WebSocket from "ws";

import { connect } from "../../ratchet_py/js/ratchet.js";

// AutobahnJS takes the platform's, which Node has not before version 22.
globalThis.WebSocket ??= WebSocket;
const autobahn = createRequire(import.meta.url)("autobahn");

export const REALM = "realm1";

export function openAutobahn(url, Serializer, options = {}) {
  return new Promise((resolve, reject) => {
    const connection = new autobahn.Connection({
      url,
      realm: REALM,
      serializers: [new Serializer()],
      max_retries: 0,
      ...options,
    });
    const closed = new Promise((done) => {
      connection.onclose = (reason, details) => {
        done({ reason, ...details });
        reject(new Error(`${reason}: ${JSON.stringify(details)}`));
        return true;
      };
    });
    connection.onopen = (session, details) =>
      resolve({
        connection,
        session,
        details,
        closed,
        subscribe: (topic, handler) =>
          session.subscribe(topic, (args, kwargs) => handler(args, kwargs)),
        publish: (topic, args, kwargs, options) => session.publish(topic, args, kwargs, options),
        call: (procedure, args, kwargs) => session.call(procedure, args, kwargs),
        async close() {
          connection.close();
          await closed;
        },
      });
    connection.open();
  });
}

export async function openWampy(url, Serializer, options = {}) {
  const wampy = new Wampy(url, {
    realm: REALM,
    serializer: new Serializer(),
    ws: WebSocket,
    autoReconnect: false,
    ...options,
  });
  const details = await wampy.connect();
  return {
    wampy,
    details,
    subscribe: (topic, handler) =>
      wampy.subscribe(topic, ({ argsList, argsDict }) => handler(argsList ?? [], argsDict ?? {})),
    publish: (topic, argsList, argsDict, options) =>
      wampy.publish(topic, { argsList, argsDict }, options),
    call: async (procedure, argsList, argsDict) =>
      (await wampy.call(procedure, { argsList, argsDict })).argsList?.[0],
    close: () => wampy.disconnect(),
  };
}

export function openWamp1(url) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, "wamp");
    socket.on("error", reject);
    const wamp = new Wamp1(socket, () =>
      resolve({
        wamp,
        subscribe: async (topic, handler) => wamp.subscribe(topic, (event) => handler([event], {})),
        publish: async (topic, [event]) => wamp.publish(topic, event),
        call: (procedure, args) =>
          new Promise((done, fail) => {
            wamp.call(procedure, ...args, (error, result) => (error ? fail(error) : done(result)));
          }),
        close: async () => socket.close(),
      }),
    );
  });
}

export async function openRatchet(url) {
  const session = await connect(url, { WebSocket });
  return {
    session,
    subscribe: (topic, handler) => session.subscribe(topic, (_, event) => handler([event], {})),
    publish: (topic, [event]) => session.publish(topic, event),
    call: (procedure, args) => session.call(procedure, ...args),
    close: () => session.close(),
  };
}

/** All of them: a name, and how to open one. */
export const CLIENTS = {
  "autobahn json": (url) => openAutobahn(url, autobahn.serializer.JSONSerializer),
  "autobahn msgpack": (url) => openAutobahn(url, autobahn.serializer.MsgpackSerializer),
  "autobahn cbor": (url) => openAutobahn(url, autobahn.serializer.CBORSerializer),
  "wampy json": (url) => openWampy(url, JsonSerializer),
  "wampy msgpack": (url) => openWampy(url, MsgpackSerializer),
  "wampy cbor": (url) => openWampy(url, CborSerializer),
  wamp1: openWamp1,
  "ratchet.js": openRatchet,
};
