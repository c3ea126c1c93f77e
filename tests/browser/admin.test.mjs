/** The admin page in Chromium. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { connect } from "../../ratchet_py/js/ratchet.js";
import { launch, visit } from "./support.mjs";

const { WebSocket } = createRequire(new URL("../js/", import.meta.url))("ws");
const SERVE = fileURLToPath(new URL("serve_admin.py", import.meta.url));
const PHONE = { viewport: { width: 360, height: 640 }, isMobile: true, hasTouch: true };

let server;
let browser;

async function start(adminPort = 0) {
  const python = process.env.RATCHET_PYTHON ?? "python3";
  const child = spawn(python, [SERVE, String(adminPort)], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  const ports = [];
  for await (const line of createInterface({ input: child.stdout })) {
    ports.push(Number(line));
    if (ports.length === 2) {
      break;
    }
  }
  const [port, admin] = ports;
  assert.ok(admin, "serve_admin.py has not started");
  return {
    port,
    admin,
    async stop() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

before(async () => {
  [server, browser] = await Promise.all([start(), launch()]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** A client of the server that is looked at. */
async function client(context) {
  const session = await connect(`ws://127.0.0.1:${server.port}/market`, { WebSocket });
  context.after(() => session.close());
  return session;
}

async function open(context, { host = "localhost", ...options } = {}) {
  const page = await visit(context, browser, `http://${host}:${server.admin}/`, options);
  await page.waitForSelector('#status[data-state="open"]');
  return page;
}

const text = (page, selector) => page.locator(selector).innerText();
const line = (page, list, words) => page.locator(`${list} li`).filter({ hasText: words });

for (const host of ["localhost", "127.0.0.1"]) {
  test(`what goes on is on the page, at ${host}`, async (context) => {
    const page = await open(context, { host });
    await page.locator("#health-text", { hasText: "ok" }).waitFor();
    const sessions = [await client(context), await client(context), await client(context)];
    for (const session of sessions) {
      await session.subscribe("<b>news</b>", () => {});
    }
    await sessions[0].subscribe("sport", () => {});
    await sessions[0].publish("<b>news</b>", 1);
    await sessions[0].call("block");
    await line(page, "#topics", "<b>news</b>").locator(".number", { hasText: "3" }).waitFor();
    await line(page, "#topics", "sport").locator(".number", { hasText: "1" }).waitFor();
    // The name of a topic is whatever a client says: text, and nothing else.
    assert.equal(await page.locator("#topics b").count(), 0);
    await page.locator("#connections", { hasText: "3" }).waitFor();
    const blocking = line(page, "#slowest", "Market.onCall block");
    await blocking.waitFor();
    assert.match(await blocking.getAttribute("class"), /bad/);
    assert.match(await blocking.locator(".number").innerText(), /^1\d\d ms$/);
    await page.locator("#routes tr", { hasText: "/market" }).waitFor();
    // Both charts have lines once two seconds have been.
    await page.locator("#connections-chart polyline").waitFor({ state: "attached" });
    await page.locator("#messages-chart polyline.in").waitFor({ state: "attached" });
    await page.locator("#messages-chart polyline.out").waitFor({ state: "attached" });
    await page.hover("#connections-chart");
    assert.match(await text(page, "#connections-reading"), /: \d/);
    await Promise.all(sessions.map((session) => session.close()));
    await page.locator("#connections", { hasText: "0" }).waitFor();
    await page.locator("#topics-empty").waitFor();
    await page.locator("#closed .chip", { hasText: "1000 by client" }).waitFor();
    assert.deepEqual(page.problems, []);
  });
}

test("who comes later sees what was before", async (context) => {
  const first = await open(context);
  await first.locator("#connections-chart polyline").waitFor({ state: "attached" });
  const second = await open(context);
  await second.locator("#connections-chart polyline").waitFor({ state: "attached" });
  const points = await second.locator("#connections-chart polyline").getAttribute("points");
  assert.ok(points.split(" ").length > 2);
});

test("drain and resume", async (context) => {
  const page = await open(context);
  await page.click("#drain:enabled");
  await page.fill("#token", "a guess");
  await page.click("#drain-submit");
  await page.locator("#drain-error", { hasText: "not the token" }).waitFor();
  const answer = await fetch(`http://127.0.0.1:${server.admin}/healthz`);
  assert.equal(answer.status, 200);
  await page.fill("#token", "the-token");
  await page.click("#drain-submit");
  await page.locator('#health[data-state="unwell"]', { hasText: "draining" }).waitFor();
  assert.equal((await fetch(`http://127.0.0.1:${server.admin}/healthz`)).status, 503);
  await page.locator("#drain", { hasText: "Resume" }).click();
  await page.click("#drain-submit");
  await page.locator('#health[data-state="well"]').waitFor();
  assert.equal((await fetch(`http://127.0.0.1:${server.admin}/healthz`)).status, 200);
  // The browser itself notes the refused guess, and nothing else.
  assert.equal(page.problems.filter((problem) => !problem.includes("401")).length, 0);
});

test("the server goes and comes back", async (context) => {
  const mine = await start();
  const page = await visit(context, browser, `http://127.0.0.1:${mine.admin}/`);
  await page.waitForSelector('#status[data-state="open"]');
  await mine.stop();
  await page.waitForSelector('#status[data-state="lost"]');
  assert.equal(await page.getAttribute("#figures", "data-fresh"), "no");
  assert.ok(await page.isDisabled("#drain"));
  const again = await start(mine.admin);
  context.after(() => again.stop());
  await page.waitForSelector('#status[data-state="open"]');
  await page.waitForSelector('#health[data-state="well"]');
});

test("light and dark, and a phone", async (context) => {
  const dark = await open(context, { colorScheme: "dark" });
  const paint = (page) => page.evaluate(() => getComputedStyle(document.querySelector(".card")).backgroundColor);
  const night = await paint(dark);
  await dark.click("#theme");
  assert.notEqual(await paint(dark), night);
  assert.deepEqual(dark.problems, []);
  const phone = await open(context, PHONE);
  const overflow = await phone.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  assert.equal(overflow, 0);
  assert.deepEqual(phone.problems, []);
});

test("a page of another site cannot connect", async (context) => {
  const page = await open(context);
  const outcome = await page.evaluate(
    (url) =>
      new Promise((resolve) => {
        const socket = new WebSocket(url, "wamp");
        socket.onopen = () => resolve("open");
        socket.onerror = () => resolve("refused");
      }),
    `ws://127.0.0.1:${server.admin}/live`,
  );
  // The page is localhost's, and another name of the same machine is another site.
  assert.equal(outcome, "refused");
});

test("what the broker counts is on the page where there is one", async (context) => {
  const page = await open(context);
  await page.locator("#health-text", { hasText: "ok" }).waitFor();
  assert.equal(await page.locator("#broker-part").isVisible(), false);
  const session = await client(context);
  await session.call("broker");
  await page.locator("#broker .chip", { hasText: "lost 1,234" }).waitFor();
  await page.locator("#broker .chip", { hasText: "outages 1" }).waitFor();
  assert.equal(await page.locator("#broker .chip").count(), 2);
  assert.equal(await text(page, "#broker-state"), "connected");
});
