// The strip of faults, against a running profpipe whose config is broken and mended meanwhile.
//   BASE=http://127.0.0.1:8989 CONFIG=config.yaml OUT=out node tools/faults.mjs
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { base, clean, open, out, problems, until, walk } from './browser.mjs';

const file = process.env.CONFIG,
  good = readFileSync(file, 'utf8');
const broken = good + 'nosuchkey: 1\nnorthiskey: 2\nnorthat: 3\n';

/** Puts a config in place and has it read; the status of the answer. */
async function reload(text) {
  writeFileSync(file, text);
  return (await fetch(base + '/-/reload', { method: 'POST' })).status;
}

const said = (page) => page.locator('.faults').innerText();
const COMES = 25e3; // the app asks every 10 s

let page,
  asked = 0,
  since = 0;
const steps = {
  'nothing is said while the config of the file runs': async () => {
    page = await open('/targets');
    page.on('request', (r) => (asked += r.url().includes('/api/v1/status') ? 1 : 0));
    await page.waitForLoadState('networkidle');
    assert.equal(await said(page), '');
    assert.equal(await page.locator('.faults[role=status]').count(), 1);
    since = Date.now();
  },
  'a broken config is told of on a page that is open': async () => {
    assert.equal(await reload(broken), 500);
    const text = await until(
      () => said(page),
      (t) => t !== '',
      'the strip',
      COMES,
    );
    assert.match(text, /^The config was not taken over at \d\d:\d\d UTC: \S*config\.yaml:\d+:\d+: /);
    assert.match(text, /nosuchkey.* The one of \d\d:\d\d UTC runs\./);
  },
  'it is asked for no more often than the page is': async () => {
    const most = (Date.now() - since) / 10e3 + 1;
    assert.ok(asked >= 1 && asked <= most, `${asked} times, ${most} at most`);
  },
  'the other problems unfold': async () => {
    const other = page.locator('.fault li').first();
    assert.equal(await other.isVisible(), false);
    await page.getByText('2 more problems').click();
    assert.ok(await other.isVisible());
    assert.match(await other.innerText(), /northiskey/);
    await clean(page, 'unfolded');
    await page.screenshot({ path: join(out, 'fault-open.png') });
  },
  'it stays on the way to another page': async () => {
    await page.getByRole('link', { name: 'Explore' }).click();
    await page.waitForSelector('main.explore');
    assert.match(await said(page), /not taken over/);
  },
  'it goes after a good reload, without one of the page': async () => {
    assert.equal(await reload(good), 200);
    await until(
      () => said(page),
      (t) => t === '',
      'no strip',
      COMES,
    );
    await page.context().close();
    assert.equal(await reload(broken), 500);
  },
};
for (const colorScheme of ['light', 'dark'])
  for (const size of ['wide', 'phone']) {
    const name = `fault-${size}-${colorScheme}`;
    const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
    steps[`it is there on load, clean and not too wide: ${name}`] = async () => {
      // A range that does not move: nothing but the first question tells.
      page = await open('/?from=1000&to=2000', {
        colorScheme,
        ...(size === 'phone' ? phone : {}),
      });
      await until(
        () => said(page),
        (t) => /not taken over/.test(t),
        'the strip',
      );
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(over <= 0, `${over} px too wide`);
      await clean(page, name);
      await page.screenshot({ path: join(out, name + '.png') });
      await page.context().close();
    };
  }
steps['a spool that cannot be written is told of beside it'] = async () => {
  page = await open('/targets', {}, async (page) => {
    await page.route('**/api/v1/status*', async (route) => {
      const answer = await route.fetch(),
        status = await answer.json();
      for (const p of status.pipelines) p.spool.writable = false;
      await route.fulfill({ response: answer, json: status });
    });
  });
  await page.waitForSelector('.fault + .fault');
  assert.match(await said(page), /New profiles are not stored\. The spool of \S+ cannot be/);
  await clean(page, 'spool');
  await page.screenshot({ path: join(out, 'fault-spool.png') });
};
steps['no errors, nothing off origin'] = () => assert.deepEqual(problems, []);

await walk('faults', steps, () => page);
writeFileSync(file, good);
