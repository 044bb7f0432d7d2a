// A browser for walks through the pages, which remembers what must not happen in any of them.
//   BASE=http://127.0.0.1:8989 OUT=out CHROMIUM=/usr/bin/chromium
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

export const base = (process.env.BASE ?? 'http://127.0.0.1:8989').replace(/\/$/, '');
export const out = process.env.OUT ?? 'out';
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
if (!existsSync(executablePath)) {
  console.error(`No browser at ${executablePath}: set CHROMIUM to one.`);
  process.exit(1);
}
mkdirSync(out, { recursive: true });
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const browser = await chromium.launch({
  executablePath,
  args: [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});
const wide = { width: 1440, height: 900 };
export const problems = [];

/** A page that remembers what must not happen; `before` is done to it before it goes there. */
export async function open(path, options = {}, before = async () => undefined) {
  const context = await browser.newContext({ viewport: wide, colorScheme: 'light', ...options });
  const page = await context.newPage();
  page.on('pageerror', (e) => problems.push(`error on ${path}: ${e.message}`));
  page.on('console', (m) => {
    if (m.type() === 'error') problems.push(`console on ${path}: ${m.text()}`);
  });
  page.on('request', (r) => {
    const { protocol, origin } = new URL(r.url());
    if (protocol !== 'data:' && origin !== new URL(base).origin)
      problems.push(`off origin: ${r.url()}`);
  });
  await before(page);
  await page.goto(base + path);
  return page;
}

/** Waits for a condition on what `read` gives; the message says what it was instead. */
export async function until(read, good, what, within = 10e3) {
  let last;
  for (
    const end = Date.now() + within;
    Date.now() < end;
    await new Promise((ok) => setTimeout(ok, 50))
  ) {
    if (good((last = await read()))) return last;
  }
  assert.fail(`${what}: got ${JSON.stringify(last)}`);
}

/** What axe finds on a page is nothing. */
export async function clean(page, name) {
  await page.evaluate(axe); // by the debugger, so that the page's own policy stays in force
  const { violations } = await page.evaluate(() =>
    window.axe.run({ runOnly: ['wcag2a', 'wcag2aa'] }),
  );
  assert.deepEqual(
    violations.map((v) => `${v.id} × ${v.nodes.length}: ${v.nodes[0].target}`),
    [],
    name,
  );
}

/** Takes the steps in turn, up to the first that fails; `page` gives the page they are on. */
export async function walk(what, steps, page) {
  let failed = '';
  for (const [name, run] of Object.entries(steps)) {
    try {
      await run();
      console.log('ok    ' + name);
    } catch (e) {
      failed = name;
      console.error(`FAIL  ${name}\n      ${e.message}\n      at ${page()?.url()}`);
      for (const p of problems) console.error('      ' + p);
      await page()?.screenshot({ path: join(out, `failure-${what}.png`) }).catch(() => undefined);
      break;
    }
  }
  await browser.close();
  console.log(failed ? `${what} failed: ${failed}` : `${what} ok`);
  process.exitCode = failed ? 1 : 0;
}
