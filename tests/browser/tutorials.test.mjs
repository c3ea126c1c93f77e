/** What the tutorials tell their readers to do in a browser. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch } from "./support.mjs";

const facts = JSON.parse(process.env.RATCHET_TUTORIALS);

let browser;

before(async () => {
  browser = await launch();
});

after(async () => {
  await browser?.close();
});

/** A window, as a reader opens it. */
async function open(url) {
  const page = await browser.newPage();
  page.setDefaultTimeout(15_000);
  await page.goto(url);
  return page;
}

/** Type into the console; what is declared there stays. */
async function type(page, text) {
  const client = await page.context().newCDPSession(page);
  const { exceptionDetails } = await client.send("Runtime.evaluate", {
    expression: text,
    replMode: true,
    userGesture: true,
  });
  assert.equal(exceptionDetails, undefined);
  await client.detach();
}

function logged(page, text) {
  return page.waitForEvent("console", (message) => message.text() === text);
}

test("two consoles", async () => {
  const { port, code } = facts.consoles;
  const [connect, say] = code;
  const url = `http://localhost:${port}/`;
  const pages = [await open(url), await open(url)];
  for (const page of pages) {
    const connected = logged(page, "connected");
    await type(page, connect);
    await connected;
  }
  const heard = logged(pages[1], "Hello World!");
  await type(pages[0], say);
  await heard;
});

test("two windows", async () => {
  const { port } = facts.windows;
  const url = `http://localhost:${port}/`;
  const [one, two] = [await open(url), await open(url)];
  for (const page of [one, two]) {
    await page.getByText("You are in.").waitFor();
  }
  await one.getByRole("textbox").fill("<b>Hello</b>");
  await one.getByRole("button").click();
  await two.getByText("<b>Hello</b>", { exact: true }).waitFor();
  await one.getByText("You: <b>Hello</b>").waitFor();
});

test("a push", async () => {
  const { port, site, article, token } = facts.push;
  const page = await open(`http://localhost:${site}/`);
  const { topic, event } = JSON.parse(article);
  const shown = page.getByText(`New in ${topic}: ${event.title}`).first();
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  // Nothing tells when the page has subscribed, so the site has the news until it is seen.
  do {
    await fetch(`http://localhost:${port}/publish`, { method: "POST", headers, body: article });
  } while ((await shown.count()) === 0);
});
