/** Browsers of this machine, each in a fresh profile. */

import { chromium as playwright } from "playwright-core";
import puppeteer from "puppeteer-core";

/** Headless, quiet, and without a process that needs more than a container gives. */
const CHROMIUM_FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Chromium, through Playwright. */
export function chromium(executablePath, ...flags) {
  const args = [...CHROMIUM_FLAGS, ...flags];
  return playwright.launch({ executablePath, headless: true, args });
}

/** Firefox, through Puppeteer: Playwright wants a Firefox of its own. */
export function firefox(executablePath) {
  return puppeteer.launch({
    browser: "firefox",
    protocol: "webDriverBiDi",
    executablePath,
    headless: true,
    // One call may open all vectors, or measure for minutes.
    protocolTimeout: 3_600_000,
  });
}
