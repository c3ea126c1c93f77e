/** A browser for the tests, with no traffic but theirs. */

import { createRequire } from "node:module";

const { chromium } = createRequire(new URL("../js/", import.meta.url))("playwright-core");

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export function launch() {
  return chromium.launch({ executablePath: process.env.RATCHET_CHROMIUM, args: ARGUMENTS });
}

/**
 * A page of its own, as another visitor would have it.
 *
 * `page.problems` gathers what the page logs as an error or warning, uncaught exceptions, and
 * requests to other hosts.
 */
export async function visit(context, browser, url, { name, ...options } = {}) {
  const visitor = await browser.newContext({ colorScheme: "light", ...options });
  context.after(() => visitor.close());
  const page = await visitor.newPage();
  page.setDefaultTimeout(15_000);
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(String(error)));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) {
      page.problems.push(message.text());
    }
  });
  page.on("request", (request) => {
    if (new URL(request.url()).host !== new URL(url).host) {
      page.problems.push(`request to ${request.url()}`);
    }
  });
  if (name) {
    await page.addInitScript((chosen) => {
      if (localStorage.getItem("name") === null) {
        localStorage.setItem("name", chosen);
      }
    }, name);
  }
  await page.goto(url);
  return page;
}
