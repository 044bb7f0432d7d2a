// What a user does, against a running profpipe that has data. No pixels are compared: the details
// line, the URL and window.__flame tell what is on the screen.
//   BASE=http://127.0.0.1:8989 OUT=out CHROMIUM=/usr/bin/chromium node tools/e2e.mjs
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { clean, open, out, problems, until, walk } from './browser.mjs';

const flame = (page) =>
  page.evaluate(() => {
    const f = window.__flame;
    return f && { frames: f.frames, total: f.total, root: f.root, path: f.tree.path[f.root] };
  });
const drawn = (page) =>
  page.waitForFunction(
    () => window.__flame?.frames > 1 && document.querySelector('main[aria-busy="false"]'),
    null,
    { timeout: 60e3 },
  );
const param = (page, name) => new URL(page.url()).searchParams.get(name);
const details = (page) => page.locator('.details .name').innerText();
/** The middle of a frame that is worth a zoom: on the screen, deep, and narrow where one is. */
const target = (page) =>
  page.evaluate(() => {
    const { tree: t, boxes, root } = window.__flame;
    const el = document.querySelector('.canvas'),
      r = el.getBoundingClientRect();
    const seen = (b) =>
      t.name[b.i] >= 0 && b.i !== root && b.w > 8 && b.y - el.scrollTop + 30 < r.height;
    const all = boxes.filter(seen),
      narrow = all.filter((b) => b.w < r.width * 0.6);
    const b = (narrow.length ? narrow : all).reduce((x, y) => (x && x.y >= y.y ? x : y), null);
    return b && { x: r.x + b.x + b.w / 2, y: r.y + b.y - el.scrollTop + 8, path: t.path[b.i] };
  });
/** A frame of less than a quarter of the whole, below which the picture leaves something out. */
const coarse = (page) =>
  page.evaluate(() => {
    const t = window.__flame.tree;
    const lacks = (i) => t.name.slice(i, t.end[i]).some((n) => n < 0);
    const fits = (i) => t.name[i] >= 0 && t.parent[i] > 0 && t.size[i] < t.size[0] / 4;
    const all = t.path.map((_, i) => i).filter((i) => fits(i) && lacks(i));
    return all.length ? t.path[all.reduce((a, b) => (t.size[a] >= t.size[b] ? a : b))] : '';
  });
/** Frames with a name at and below a path. */
const named = (page, path) =>
  page.evaluate((path) => {
    const t = window.__flame.tree,
      i = t.path.indexOf(path);
    return t.name.slice(i, t.end[i]).filter((n) => n >= 0).length;
  }, path);
const key = async (page, k) => {
  await page.mouse.move(5, 5);
  await page.keyboard.press(k);
};

let page,
  zoomed = '';
const steps = {
  'the page has its title, chooses a service and draws': async () => {
    page = await open('/');
    await drawn(page);
    assert.match(await page.title(), /profpipe/);
    assert.ok(await page.locator('.fields select').first().inputValue(), 'no service is selected');
    assert.ok(param(page, 'service') && param(page, 'type'), 'the link names service and type');
    const f = await flame(page);
    assert.ok(f.frames > 1 && f.total > 0, `nothing drawn: ${JSON.stringify(f)}`);
    assert.ok((await page.locator('.top tbody tr .pick').count()) > 0, 'the table is empty');
    assert.ok(await page.locator('.plot canvas').count(), 'no chart');
    await page.locator('.live').click(); // numbers stand still from here on
    await page.screenshot({ path: join(out, 'explore-light.png') });
  },
  'cpu is shown once it is there, where the link did not name a type': async () => {
    let young = true;
    const start = async (p) =>
      p.route('**/api/v1/services*', async (route) => {
        const answer = await route.fetch(),
          json = await answer.json();
        for (const s of json.services)
          if (young) s.types = s.types.filter((t) => t.type !== 'cpu:cpu');
        await route.fulfill({ response: answer, json });
      });
    const fresh = await open('/', {}, start);
    await drawn(fresh);
    assert.notEqual(param(fresh, 'type'), 'cpu:cpu');
    young = false;
    await until(
      () => param(fresh, 'type'),
      (t) => t === 'cpu:cpu',
      'type in the link after a refresh',
      30e3,
    );
    await drawn(fresh);
    assert.equal(await fresh.locator('.fields select').nth(1).inputValue(), 'cpu:cpu');
    await fresh.context().close();
  },
  'a service that has nothing is told of, with those that there are': async () => {
    const none = await open('/explore?service=nope');
    await until(
      () => none.locator('.empty h2').allInnerTexts(),
      ([h]) => h === 'No profiles of nope',
      'why the page is empty',
    );
    await clean(none, 'explore-unknown');
    await none.screenshot({ path: join(out, 'unknown-light.png') });
    await none.getByRole('button', { name: /^Show / }).first().click();
    await drawn(none);
    assert.ok(param(none, 'type') && param(none, 'service') !== 'nope', none.url());
    await none.goBack();
    await none.waitForSelector('.empty');
    assert.equal(await none.locator('.canvas').count(), 0, 'a picture of another service');
    await none.context().close();
  },
  'a click zooms: link, details and picture follow': async () => {
    const before = await details(page),
      at = await target(page);
    assert.ok(at, 'no frame to click on');
    await page.mouse.click(at.x, at.y);
    await until(
      () => param(page, 'zoom'),
      (z) => z === at.path,
      'zoom in the link',
    );
    await until(
      () => flame(page),
      (f) => f.path === at.path,
      'zoomed frame',
    );
    await page.mouse.move(5, 5);
    assert.notEqual(await details(page), before);
    zoomed = page.url();
    await page.waitForTimeout(500); // detail may come
    assert.equal((await flame(page)).path, at.path);
    await page.screenshot({ path: join(out, 'zoom-light.png') });
  },
  'Esc goes back to the whole': async () => {
    await key(page, 'Escape');
    await until(
      () => flame(page),
      (f) => f.root === 0,
      'root after Esc',
    );
    assert.equal(param(page, 'zoom'), null);
  },
  'a link to a zoom opens there, and stays over a reload': async () => {
    const want = new URL(zoomed).searchParams.get('zoom');
    await page.goto(zoomed);
    await drawn(page);
    await until(
      () => flame(page),
      (f) => f.path === want,
      'zoom of the link',
    );
    await page.reload();
    await drawn(page);
    await until(
      () => flame(page),
      (f) => f.path === want,
      'zoom after the reload',
    );
    await page.locator('.live').click();
    await key(page, 'Escape');
    await until(
      () => flame(page),
      (f) => f.root === 0,
      'root after Esc',
    );
  },
  'a zoom into a small frame fetches what the whole has no room for': async () => {
    const small = await open('/?service=wide&type=cpu:cpu');
    await drawn(small);
    await small.locator('.live').click();
    const path = await coarse(small);
    assert.ok(path, 'no frame that lacks something');
    const before = await named(small, path),
      ask = (r) => new URL(r.url()).searchParams.get('root') === path;
    const asked = small.waitForResponse((r) => ask(r) && /\/flame$/.test(new URL(r.url()).pathname));
    const link = new URL(small.url());
    link.searchParams.set('zoom', path);
    await small.evaluate((url) => {
      history.pushState(null, '', url);
      dispatchEvent(new PopStateEvent('popstate'));
    }, link.href);
    assert.equal((await asked).status(), 200);
    await until(
      () => named(small, path),
      (n) => n > before,
      `more than ${before} frames below the zoomed one`,
    );
    assert.equal((await flame(small)).path, path);
    await small.context().close();
  },
  'search tells a share and fades the rest': async () => {
    const name = await page.locator('.top .pick').first().getAttribute('title');
    await page.keyboard.press('/');
    await page.keyboard.type(name.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
    const share = page.locator('#share');
    await until(
      () => share.innerText(),
      (s) => /\d%/.test(s),
      'share of the search',
    );
    await page.waitForTimeout(700); // the server's sum
    assert.match(await share.innerText(), /\d%.* in .*frames?$/);
    await key(page, 'Escape');
    await until(
      () => param(page, 'q'),
      (q) => q === null,
      'search after Esc',
    );
  },
  'the table sorts, and reaches what is far below': async () => {
    const head = page.locator('.top th.total');
    await head.locator('button').click();
    assert.equal(await head.getAttribute('aria-sort'), 'descending');
    await page.locator('.top th.name button').click();
    const names = await page.locator('.top .pick').evaluateAll((l) => l.map((x) => x.title));
    assert.deepEqual(
      names,
      [...names].sort((a, b) => (a < b ? -1 : 1)),
      'by name',
    );
    await page.locator('.top').evaluate((e) => (e.scrollTop = e.scrollHeight));
    const rows = Number(await page.locator('.top table').getAttribute('aria-rowcount')) - 1;
    await until(
      () => page.locator('.top .pick').last().getAttribute('data-i'),
      (i) => Number(i) === rows - 1,
      `the last of ${rows} rows`,
    );
  },
  'the keyboard walks the frames; s shows callers and callees': async () => {
    await page.locator('.canvas').focus();
    await page.keyboard.press('ArrowDown');
    await until(
      () => page.locator('.details .kind').innerText(),
      (k) => k === 'frame',
      'details',
    );
    await page.keyboard.press('s');
    await until(
      () => page.locator('.canvas').count(),
      (n) => n === 2,
      'two halves',
    );
    await page.screenshot({ path: join(out, 'sandwich-light.png') });
    await page.goBack();
  },
  'the diff has a base; drag over the chart picks a range': async () => {
    await page.locator('.check input').check();
    await until(
      () => page.locator('.top th.dtotal').count(),
      (n) => n === 1,
      'a Δ column',
    );
    await page.screenshot({ path: join(out, 'diff-light.png') });
    await page.locator('.check input').uncheck();
    await until(
      () => page.locator('.top th.self').count(),
      (n) => n === 1,
      'no Δ column',
    );
    const b = await page.locator('.plot .u-over').boundingBox();
    await page.mouse.move(b.x + b.width * 0.5, b.y + 30);
    await page.mouse.down();
    await page.mouse.move(b.x + b.width - 2, b.y + 30, { steps: 5 });
    await page.mouse.up();
    await until(
      () => param(page, 'from'),
      (f) => /^\d+$/.test(f),
      'from in the link',
    );
    assert.ok(Number(param(page, 'to')) > Number(param(page, 'from')));
    await page.getByRole('button', { name: /Reset to last 1h/ }).click();
    await until(
      () => param(page, 'from'),
      (f) => f === null,
      'the range after the reset',
    );
    const link = await page.locator('.links a').getAttribute('href');
    assert.match(link, /^\/api\/v1\/pprof\?service=.*from=\d+&to=\d+/);
  },
  'the theme is chosen and remembered': async () => {
    await page.getByRole('button', { name: 'Dark' }).click();
    await page.reload();
    const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
    assert.equal(await theme(), 'dark');
    await page.getByRole('button', { name: 'As the system' }).click();
    assert.equal(await theme(), undefined);
  },
  'targets are listed with their health': async () => {
    await page.getByRole('link', { name: 'Targets' }).click();
    await page.waitForSelector('.targets .health', { timeout: 10e3 });
    const health = await page.locator('.targets .health').allInnerTexts();
    for (const h of health) assert.match(h, /^(Up|Degraded|Down|Not yet)$/);
    await page.context().close();
  },
};
for (const colorScheme of ['light', 'dark'])
  for (const path of ['/', '/targets']) {
    const name = (path.slice(1) || 'explore') + '-' + colorScheme;
    steps[`axe finds nothing: ${name}`] = async () => {
      page = await open(path, { colorScheme });
      await (path === '/' ? drawn(page) : page.waitForSelector('.targets'));
      await page.waitForTimeout(300);
      await page.screenshot({ path: join(out, name + '.png') });
      await clean(page, name);
      await page.context().close();
    };
  }
steps['a phone does not scroll sideways'] = async () => {
  page = await open('/', {
    viewport: { width: 390, height: 844 },
    isMobile: true,
    hasTouch: true,
    colorScheme: 'dark',
  });
  await drawn(page);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(over <= 0, `${over} px too wide`);
  await page.screenshot({ path: join(out, 'phone-dark.png'), fullPage: true });
};
steps['no errors, nothing off origin'] = () => assert.deepEqual(problems, []);

await walk('e2e', steps, () => page);
