// Pictures of every state, for looking at: BASE=http://… OUT=out node tools/shots.mjs [only]
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';

const base = process.env.BASE ?? 'http://127.0.0.1:5190',
  out = process.env.OUT ?? 'out';
const only = process.argv[2] ?? '',
  wide = { width: 1440, height: 900 },
  phone = { width: 390, height: 844 };
mkdirSync(out, { recursive: true });
const hover = async (page) => {
  const b = await page.locator('.canvas').first().boundingBox();
  await page.mouse.move(b.x + b.width * 0.3, b.y + 210);
};
const zoom = async (page) => {
  await page.evaluate(() => {
    const { tree: t, zoom } = window.__flame;
    zoom(t.level.findIndex((l, i) => l > 12 && t.total[i] < t.total[0] / 30 && t.end[i] - i > 4));
  });
  await page.waitForTimeout(500);
};
const list = [
  ['explore', '/', wide, hover],
  ['zoom-search', '/explore?q=json&view=flame&by=pod', wide, zoom],
  ['flip', '/explore?flip=1', wide, hover],
  ['diff', '/explore?diff=1&sort=-dtotal', wide, hover],
  ['groups', '/explore?by=instance&service=cart&type=heap:inuse_space', wide, hover],
  ['sandwich', '/explore?view=sandwich&fn=runtime.mallocgc', wide],
  ['table', '/explore?view=table', wide],
  ['empty', '/explore?l=pod%3D%22gone%22', wide],
  ['notes', '/explore?service=cart&type=heap:inuse_space&l=zone%3D%22eu-1%22', wide],
  [
    'absolute',
    `/explore?from=${Math.floor(Date.now() / 1000) - 1500}&to=${Math.floor(Date.now() / 1000) - 600}`,
    wide,
  ],
  ['medium', '/explore', { width: 1024, height: 768 }, hover],
  ['targets', '/targets', wide],
  ['explore', '/', phone],
  ['sandwich', '/explore?view=sandwich&fn=runtime.mallocgc', phone],
  ['targets', '/targets', phone],
];
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'],
});
for (const [name, path, size, act] of list)
  for (const scheme of ['light', 'dark']) {
    const file = `${name}-${size.width}-${scheme}`,
      mobile = size === phone;
    if (only && !file.includes(only)) continue;
    const ctx = await browser.newContext({
      viewport: size,
      colorScheme: scheme,
      hasTouch: mobile,
      isMobile: mobile,
      deviceScaleFactor: mobile ? 2 : 1,
    });
    const page = await ctx.newPage();
    page.on('pageerror', (e) => console.log(file, e.message));
    await page.goto(base + path);
    await page.waitForSelector('.canvas, .top table, .empty, .targets');
    await page.waitForTimeout(500);
    await act?.(page);
    await page.waitForTimeout(200);
    await page.screenshot({ path: `${out}/${file}.png`, fullPage: mobile });
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (over > 0) console.log(file, `scrolls sideways by ${over}px`);
    await ctx.close();
  }
await browser.close();
