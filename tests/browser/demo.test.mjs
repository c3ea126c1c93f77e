/** The demo page in Chromium. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startServer } from "../js/support.mjs";
import { launch, visit } from "./support.mjs";

const PHONE = { viewport: { width: 360, height: 640 }, isMobile: true, hasTouch: true };

let server;
let browser;

before(async () => {
  [server, browser] = await Promise.all([startServer(), launch()]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** A visitor of the chat who is connected. */
async function open(context, name, { host = "localhost", port = server.port, room = "", ...options } = {}) {
  const hash = room && `#${encodeURIComponent(room)}`;
  const page = await visit(context, browser, `http://${host}:${port}/${hash}`, { name, ...options });
  await page.waitForSelector('#status[data-state="open"]');
  return page;
}

async function say(page, text) {
  await page.fill("#message", text);
  await page.press("#message", "Enter");
}

/** Resolves when a message with this text is on the page. */
const sees = (page, text) => page.locator(".bubble").filter({ hasText: text }).first().waitFor();

const people = (page) => page.locator("#people bdi").allTextContents();

for (const host of ["localhost", "127.0.0.1", "[::1]"]) {
  test(`two windows chat, at ${host}`, async (context) => {
    if (host === "[::1]") {
      const answers = await fetch(`http://[::1]:${server.port}/`).then(Boolean, () => false);
      if (!answers) {
        context.diagnostic("no IPv6 on this machine");
        return;
      }
    }
    const room = `Room at ${host}`;
    const ada = await open(context, "Ada", { host, room });
    const grace = await open(context, "Grace", { host, room });
    await say(ada, "Good morning");
    await sees(ada, "Good morning");
    await sees(grace, "Good morning");
    await say(grace, "Morning, Ada");
    await sees(ada, "Morning, Ada");
    assert.equal(await ada.locator(".mine .bubble").innerText(), "Good morning");
    assert.equal(await ada.locator(".message:not(.mine) .who").innerText(), "Grace");
    assert.deepEqual(await people(ada), ["Ada", "Grace"]);
    assert.deepEqual(await people(grace), ["Grace", "Ada"]);
    assert.deepEqual([...ada.problems, ...grace.problems], []);
    await Promise.all([ada.context().close(), grace.context().close()]);
  });
}

test("who comes, goes and changes name", async (context) => {
  const ada = await open(context, "Ada", { room: "Names" });
  const grace = await open(context, "Grace", { room: "Names" });
  await ada.locator(".note", { hasText: "Grace has come in" }).waitFor();
  await grace.click("#me");
  await grace.fill("#name", "ada");
  await grace.click('#name-form [type="submit"]');
  await grace.locator("#name-error", { hasText: "Somebody else is called ada." }).waitFor();
  await grace.fill("#name", "Hopper");
  await grace.press("#name", "Enter");
  await ada.locator(".note", { hasText: "Grace is now Hopper" }).waitFor();
  await grace.locator("#me-name", { hasText: "Hopper" }).waitFor();
  await grace.reload();
  await ada.locator(".note", { hasText: "Hopper has come in" }).waitFor();
  await grace.context().close();
  await ada.locator(".note", { hasText: "Hopper has left" }).last().waitFor();
  assert.deepEqual(await people(ada), ["Ada"]);
});

test("a new room, seen by others, and back", async (context) => {
  const ada = await open(context, "Ada");
  const grace = await open(context, "Grace");
  await say(grace, "in the lobby");
  await sees(ada, "in the lobby");
  await ada.fill("#new-room-title", "Engine  room #1");
  await ada.press("#new-room-title", "Enter");
  await ada.locator("#room", { hasText: "Engine room #1" }).waitFor();
  await say(ada, "anybody here?");
  await sees(ada, "anybody here?");
  assert.equal(await ada.locator(".bubble").count(), 1);
  await grace.locator(".room-link", { hasText: "Engine room #1" }).click();
  await sees(grace, "anybody here?"); // said before she came
  await grace.goBack();
  await grace.locator("#room", { hasText: "Lobby" }).waitFor();
  await sees(grace, "in the lobby");
  await ada.locator('.room-link:has-text("Lobby")').click();
  await grace.locator(".room-link", { hasText: "Engine room" }).waitFor({ state: "detached" });
  assert.deepEqual([...ada.problems, ...grace.problems], []);
});

test("what people send is text, nothing else", async (context) => {
  const evil = '<img src=x onerror="document.title=1"><b>bold</b>';
  const ada = await open(context, "<i>Ada</i>", { room: "<u>Room</u>" });
  const grace = await open(context, "Grace", { room: "<u>Room</u>" });
  await say(ada, evil);
  await sees(grace, evil);
  await grace.locator("#room", { hasText: "<u>Room</u>" }).waitFor();
  assert.equal(await grace.locator(".stream img, .stream b, #people i, .rooms u").count(), 0);
  assert.deepEqual(await people(grace), ["Grace", "<i>Ada</i>"]);
  assert.deepEqual(grace.problems, []);
});

test("back again after a restart of the server", async (context) => {
  const first = await startServer();
  const ada = await open(context, "Ada", { port: first.port, room: "Phoenix" });
  const grace = await open(context, "Grace", { port: first.port, room: "Phoenix" });
  await say(ada, "before");
  await sees(grace, "before");
  // Ada's time stands still, so that nothing but her click brings her back; Grace's goes on.
  await ada.clock.install();
  await ada.clock.pauseAt(Date.now() + 1000);
  await first.stop();
  await ada.locator("#banner", { hasText: "Connection lost" }).waitFor();
  await ada.locator("#message:disabled").waitFor();
  const second = await startServer(first.port);
  context.after(() => second.stop());
  await ada.click("#retry");
  await ada.waitForSelector('#status[data-state="open"]');
  await grace.waitForSelector('#status[data-state="open"]');
  assert.equal(await ada.locator("#banner").isVisible(), false);
  await say(ada, "after");
  await sees(grace, "after");
  await sees(grace, "before");
  assert.deepEqual((await people(grace)).sort(), ["Ada", "Grace"]);
  assert.equal(await grace.locator("#me-name").innerText(), "Grace");
});

test("on a phone: nothing is wider than the screen, and the drawers work", async (context) => {
  const page = await open(context, "Somebody with a long na", { ...PHONE, room: "Phone" });
  const fits = () =>
    page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
  await say(page, "verylongword".repeat(30));
  await sees(page, "verylongword");
  assert.ok(await fits());
  assert.equal(await page.locator("#rooms-side").isVisible(), false);
  await page.click('[data-drawer="rooms-side"]');
  await page.locator("#rooms-side").waitFor();
  assert.ok(await fits());
  await page.keyboard.press("Escape");
  await page.locator("#rooms-side").waitFor({ state: "hidden" });
  await page.click('[data-drawer="people-side"]');
  await page.locator("#people-side .you").waitFor();
  await page.locator("#people-side [data-close]").click();
  await page.locator("#people-side").waitFor({ state: "hidden" });
  await page.click('[data-drawer="rooms-side"]');
  await page.locator(".room-link", { hasText: "Lobby" }).click();
  await page.locator("#room", { hasText: "Lobby" }).waitFor();
  await page.locator("#rooms-side").waitFor({ state: "hidden" });
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
  assert.ok(await fits());
  assert.deepEqual(page.problems, []);
});

test("with the keyboard alone", async (context) => {
  const page = await open(context, "Ada", { room: "Keys" });
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.keyboard.press("Enter");
  await page.keyboard.type("no mouse");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("at all");
  await page.keyboard.press("Enter");
  await sees(page, "no mouse");
  assert.equal(await page.locator(".bubble").innerText(), "no mouse\nat all");
});

test("messages are announced, and controls have names", async (context) => {
  const page = await open(context, "Ada", { room: "Names of things" });
  assert.equal(await page.locator("#stream").getAttribute("role"), "log");
  const nameless = await page.evaluate(() =>
    [...document.querySelectorAll("button, input, textarea")]
      .filter((control) => {
        const label = control.labels?.[0]?.textContent ?? "";
        const own = control.getAttribute("aria-label") ?? control.textContent;
        return !`${label}${own}`.trim();
      })
      .map((control) => control.outerHTML),
  );
  assert.deepEqual(nameless, []);
});

test("light and dark: the system's, until one is chosen", async (context) => {
  const page = await open(context, "Ada", { colorScheme: "dark", room: "Themes" });
  const paper = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const dark = await paper();
  await page.click("#theme");
  const light = await paper();
  assert.notEqual(light, dark);
  await page.reload();
  assert.equal(await paper(), light);
  await page.emulateMedia({ colorScheme: "light" });
  await page.evaluate(() => localStorage.removeItem("theme"));
  await page.reload();
  assert.equal(await paper(), light);
  await page.emulateMedia({ colorScheme: "dark" });
  assert.equal(await paper(), dark);
});

test("the pub/sub panel shows the wire", async (context) => {
  const page = await open(context, "Ada");
  const other = await open(context, "Grace");
  const log = (visitor) => visitor.locator("#pubsub-log .wire-text");
  for (const visitor of [page, other]) {
    await visitor.click("#subscribe button:not(:disabled)");
    await log(visitor).filter({ hasText: '[5,"news"]' }).waitFor();
  }
  await page.check("#exclude-me");
  await page.click("#publish button:not(:disabled)");
  await log(page).filter({ hasText: '[7,"news","Hello, world",true]' }).waitFor();
  await log(other).filter({ hasText: '[8,"news","Hello, world"]' }).waitFor();
  await other.click("#topics .chip");
  await log(other).filter({ hasText: '[6,"news"]' }).waitFor();
  assert.deepEqual([...page.problems, ...other.problems], []);
});

test("the echo panel gets back what it sends", async (context) => {
  const page = await open(context, "Ada");
  await page.fill("#echo-text", "is there an echo?");
  await page.click("#echo button");
  await page.locator("#echo-log .in", { hasText: "is there an echo?" }).waitFor();
  await page.locator("#echo-log .in .extra", { hasText: "ms" }).waitFor();
  assert.deepEqual(page.problems, []);
});

test("ratchet.js as a page would use it", async (context) => {
  const page = await open(context, "Ada");
  const got = await page.evaluate(async () => {
    const { connect } = await import("/ratchet.js");
    const session = await connect("/test");
    const event = new Promise((resolve) => {
      session.subscribe("t", (topic, data) => resolve([topic, data]));
    });
    await session.publish("t", { n: 1 });
    const result = [await event, await session.call("params", 1, 2)];
    await session.close();
    return result;
  });
  assert.deepEqual(got, [["t", { n: 1 }], { params: [1, 2], uri: "params" }]);
});
