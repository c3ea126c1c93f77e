/** Clients of others say who they are, in both versions of WAMP, each with its own arithmetic. */

import assert from "node:assert/strict";
import { createHmac, pbkdf2Sync } from "node:crypto";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { JsonSerializer } from "wampy/JsonSerializer.js";
import { sign as wampySign } from "wampy/wampcra.js";

import { openAutobahn, openRatchet, openWamp1, openWampy } from "./clients.mjs";
import { startServer } from "./support.mjs";

const autobahn = createRequire(import.meta.url)("autobahn");
const { JSONSerializer } = autobahn.serializer;

const PROCEDURE = "http://api.wamp.ws/procedure#";
const USERS = { joe: ["geheim", "member"], ann: ["her password", "admin"] };

let server;
let url;

before(async () => {
  server = await startServer();
  url = `${server.url}/secured`;
});

after(() => server.stop());

/** What a client of version 1 signs a challenge with, as the specification says it. */
function signV1(challenge, secret) {
  const { authextra } = JSON.parse(challenge);
  const { salt, iterations, keylen } = authextra ?? {};
  const key = authextra
    ? pbkdf2Sync(secret, salt, iterations, keylen, "sha256").toString("base64")
    : secret;
  return createHmac("sha256", key).update(challenge).digest("base64");
}

for (const [name, open] of Object.entries({ wamp1: openWamp1, "ratchet.js": openRatchet })) {
  for (const [user, [secret, role]] of Object.entries(USERS)) {
    test(`${name}: WAMP-CRA of ${user}`, async (context) => {
      const client = await open(url);
      context.after(() => client.close());
      await assert.rejects(client.call("whoami", []));
      const challenge = await client.call(`${PROCEDURE}authreq`, [user, {}]);
      const granted = await client.call(`${PROCEDURE}auth`, [signV1(challenge, secret)]);
      assert.deepEqual(granted, { pubsub: [], rpc: [] });
      assert.deepEqual(await client.call("whoami", []), [user, role, "wampcra"]);
      await assert.rejects(client.call("shutdown", []));
    });
  }

  test(`${name}: a wrong secret, and then the right one`, async (context) => {
    const client = await open(url);
    context.after(() => client.close());
    for (const user of ["joe", "nobody"]) {
      const challenge = await client.call(`${PROCEDURE}authreq`, [user, {}]);
      await assert.rejects(client.call(`${PROCEDURE}auth`, [signV1(challenge, "guessed")]));
    }
    const challenge = await client.call(`${PROCEDURE}authreq`, ["joe", {}]);
    await client.call(`${PROCEDURE}auth`, [signV1(challenge, "geheim")]);
    assert.equal((await client.call("whoami", []))[0], "joe");
  });
}

const { sign, derive_key: deriveKey } = autobahn.auth_cra;

const signAutobahn = (secret) => (session, method, extra) => {
  const { challenge, salt, iterations, keylen } = extra;
  return sign(salt ? deriveKey(secret, salt, iterations, keylen) : secret, challenge);
};

const CRA = {
  "autobahn 26": (user, secret) =>
    openAutobahn(url, JSONSerializer, {
      authid: user,
      authmethods: ["wampcra"],
      onchallenge: signAutobahn(secret),
    }),
  "wampy 8": (user, secret) =>
    openWampy(url, JsonSerializer, {
      authid: user,
      authmethods: ["wampcra"],
      onChallenge: wampySign(secret),
    }),
};

const TICKET = {
  "autobahn 26": (user, ticket) =>
    openAutobahn(url, JSONSerializer, {
      authid: user,
      authmethods: ["ticket"],
      onchallenge: () => ticket,
    }),
  "wampy 8": (user, ticket) =>
    openWampy(url, JsonSerializer, {
      authid: user,
      authmethods: ["ticket"],
      onChallenge: () => ticket,
    }),
};

for (const [name, open] of Object.entries(CRA)) {
  for (const [user, [secret, role]] of Object.entries(USERS)) {
    test(`${name}: WAMP-CRA of ${user}`, async (context) => {
      const client = await open(user, secret);
      context.after(() => client.close());
      const { authid, authrole, authmethod } = client.details;
      assert.deepEqual([authid, authrole, authmethod], [user, role, "wampcra"]);
      assert.deepEqual(await client.call("whoami", []), [user, role, "wampcra"]);
      await assert.rejects(client.call("shutdown", []));
    });
  }

  for (const user of ["joe", "ann", "nobody"]) {
    test(`${name}: WAMP-CRA of somebody who says that it is ${user}`, async () => {
      await assert.rejects(open(user, "guessed"));
    });
  }
}

for (const [name, open] of Object.entries(TICKET)) {
  test(`${name}: a ticket`, async (context) => {
    const client = await open("joe", "a ticket");
    context.after(() => client.close());
    assert.deepEqual(await client.call("whoami", []), ["joe", "member", "ticket"]);
  });

  test(`${name}: a ticket of somebody else`, async () => {
    await assert.rejects(open("ann", "a ticket"));
    await assert.rejects(open("nobody", "a ticket"));
  });
}

test("nobody comes in unnamed", async () => {
  await assert.rejects(openAutobahn(url, JSONSerializer), /no_auth_method/);
});
