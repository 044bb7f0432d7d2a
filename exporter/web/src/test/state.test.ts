import { describe, expect, it } from 'vitest';
import tokens from '../css/tokens.css?raw';
import { change, contrast, diff, frame, hex, ink, oklch, shade } from '../pure/color';
import { cancels, families, order, slice } from '../pure/top';
import {
  choose,
  chooseFrom,
  chooseService,
  chooseType,
  pick,
  recall,
  type Choice,
} from '../pure/choose';
import { fnv1a } from '../pure/hash';
import { gaps, lonely } from '../pure/series';
import { instant, lately, moves, resolve, snap } from '../pure/time';
import { decode, encode, gauges, initial, pages, ranges, views, type State } from '../pure/url';

describe('url', () => {
  it('decode ∘ encode = id', () => {
    let seed = 1;
    const r = (n: number) => (seed = (seed * 48271) % 2147483647) % n;
    const word = () => ['', 'a', 'ü&=+ %', 'pod=~"x.*", y="1"', '(*T).F', '日本'][r(6)]!;
    for (let k = 0; k < 300; k++) {
      const t = 1000 + r(1000),
        moving = r(2);
      const s: State = {
        page: pages[r(pages.length)]!,
        service: word(),
        type: word(),
        from: moving ? 'now-' + ranges[r(ranges.length)] : String(t),
        to: moving ? '' : [String(t + 1 + r(99)), '2026-11-22T10:00:00Z'][r(2)]!,
        l: word(),
        by: word(),
        gauge: gauges[r(3)]!,
        view: views[r(views.length)]!,
        flip: !!r(2),
        q: word(),
        fn: word(),
        zoom: r(2) ? fnv1a(word()) : '',
        diff: !!r(2),
        sort: word(),
        only: word(),
      };
      const u = new URL(encode(s), 'http://x');
      expect(decode(u.pathname, u.search)).toEqual(s);
    }
  });
  it('leaves defaults out and survives nonsense', () => {
    expect(encode(initial)).toBe('/explore');
    expect(decode('/explore', '?view=x&from=9&to=3&diff=yes&zoom=%3Cb%3E')).toEqual(initial);
    expect(decode('/', '?from=yesterday')).toEqual(initial);
    for (const path of ['/nosuch', '/explore/x', '/ui']) {
      expect(decode(path, '').page).toBe('lost');
    }
    expect(decode('/explore', '?from=now-1h&to=now')).toEqual(initial);
    for (const path of ['/', '/explore', '/explore/', '/ui/dashboard'])
      expect(decode(path, '').page).toBe('explore');
    expect(decode('/targets', '').page).toBe('targets');
  });
});

describe('time', () => {
  const now = 1_795_363_200;
  it('is relative, Unix seconds or RFC 3339', () => {
    expect(instant('now', now)).toBe(now);
    expect(instant('now-15m', now)).toBe(now - 900);
    expect(instant('now-2w', now)).toBe(now - 1_209_600);
    expect(instant('1795363200.5', now)).toBe(now + 0.5);
    expect(instant('2026-11-22T16:00:00Z', 0)).toBe(now);
    for (const bad of ['', 'now-', 'now-1y', 'tomorrow', '1e9'])
      expect(instant(bad, now)).toBeNull();
  });
  it('resolves to whole seconds, and never backwards', () => {
    expect(resolve('now-1h', '', now + 0.4)).toEqual({ from: now - 3600, to: now + 1 });
    expect(resolve('now', 'now-1h', now)).toBeNull();
  });
  it('moves with the clock or stands', () => {
    expect([moves('now-1h', ''), moves('now-2h', 'now-1h'), moves('5', '')]).toEqual([
      true,
      false,
      false,
    ]);
    expect([lately('now-1h', ''), lately('5', '9')]).toEqual(['1h', '']);
  });
  it('is dragged in whole steps', () => {
    expect(snap(1012, 1041, 1000, 15)).toEqual({ from: 1000, to: 1045 });
    expect(snap(1041, 1012, 1000, 15)).toEqual({ from: 1000, to: 1045 });
    expect(snap(990, 990, 1000, 15)).toEqual({ from: 985, to: 1000 });
  });
});

describe('series', () => {
  const s = {
    unit: 'count',
    temporality: 'delta' as const,
    step: 10,
    t: [0, 10, 20, 30, 40, 50],
    series: [
      { labels: {}, v: [null, 1, null, 3, null, null], mean: 2 },
      { labels: {}, v: [null, null, null, 3, null, null], mean: 3 },
    ],
  };
  it('misses what was not scraped once the service was there', () => {
    expect(gaps(s, 5)).toEqual([false, false, true, false, false, false]);
    expect(gaps({ ...s, series: [] }, 0)).toEqual([]);
  });
  it('has lonely points', () => {
    expect(lonely([1, null, 2, 3, null, 4])).toEqual([0, 5]);
  });
});

describe('choice', () => {
  const type = (t: string) => ({ type: t, unit: 'count', temporality: 'delta' as const });
  const of = (service: string, last: number, types: string[]) => ({
    service,
    types: types.map(type),
    first: 0,
    last,
  });
  const list = [
    of('a', 5, ['heap:x']),
    of('profpipe', 9, ['cpu:cpu']),
    of('b', 7, ['heap:x', 'cpu:cpu']),
  ];
  it('is the newest service that is not our own', () => {
    expect(chooseService(list)).toBe('b');
    expect(chooseService([list[1]!])).toBe('profpipe');
    expect(chooseService([])).toBe('');
  });
  it('is cpu, or what was chosen, or what there is', () => {
    const young = { ...list[2]!, first: 100 };
    expect(chooseFrom(young, 999, 'now-1h')).toBe('now-15m');
    expect(chooseFrom(young, 1000, 'now-1h')).toBe('now-1h');
    expect(chooseFrom(young, 999, 'now-6h')).toBe('now-6h');
    expect(chooseType(list[2], 'cpu:cpu')).toBe('cpu:cpu');
    expect(chooseType(list[2], 'heap:x', 'cpu:cpu')).toBe('heap:x');
    expect(chooseType(list[0], 'gone:gone')).toBe('heap:x');
    expect(chooseType(undefined)).toBe('');
  });

  const bare = { service: '', type: '', zoom: '', fn: '' };
  const own = (...types: string[]) => of('profpipe', 1, types),
    shop = (...types: string[]) => of('shop', 1, types);
  /** A page that stays open while the list grows; what it is at after each. */
  const seen = (lists: (typeof list)[], link: Partial<typeof bare> = {}) => {
    let at = { ...bare, ...link },
      last: Choice | null = null;
    return lists.map((l) => {
      at = { ...at, ...(last = choose(l, at, last)) };
      return at.service + ' ' + at.type;
    });
  };
  const grows = [
    [own('goroutine:g')],
    [own('block:b', 'goroutine:g')],
    [own('block:b', 'cpu:cpu', 'goroutine:g')],
    [own('cpu:cpu'), shop('goroutine:g')],
    [own('cpu:cpu'), shop('block:b', 'goroutine:g')],
    [own('cpu:cpu'), shop('cpu:cpu', 'goroutine:g'), of('new', 9, ['cpu:cpu'])],
  ];
  it('exchanges a stopgap as soon as there is better', () => {
    expect(seen(grows)).toEqual([
      'profpipe goroutine:g',
      'profpipe goroutine:g',
      'profpipe cpu:cpu',
      'shop goroutine:g',
      'shop goroutine:g',
      'shop cpu:cpu',
    ]);
    expect(seen(grows, { service: 'shop' })).toEqual([
      ...['shop ', 'shop ', 'shop '],
      ...['shop goroutine:g', 'shop goroutine:g', 'shop cpu:cpu'],
    ]);
  });
  it('leaves what stood in the link', () => {
    const said = { service: 'profpipe', type: 'goroutine:g' };
    expect(new Set(seen(grows, said))).toEqual(new Set(['profpipe goroutine:g']));
    expect(seen(grows, { service: 'profpipe' }).slice(1)).toEqual([
      'profpipe goroutine:g',
      ...Array<string>(4).fill('profpipe cpu:cpu'),
    ]);
    expect(seen(grows, { type: 'goroutine:g' }).slice(2)).toEqual([
      'profpipe goroutine:g',
      ...Array<string>(3).fill('shop goroutine:g'),
    ]);
  });
  it('leaves what the user chose, also where they came back to it or are at work in it', () => {
    const [young, , , all] = grows as [typeof list, typeof list, typeof list, typeof list];
    const first = choose(young, bare, null),
      at = { ...bare, service: first.service, type: first.type };
    expect(first).toMatchObject({ ownOnly: true, noCpu: true });
    const away = choose(all, { ...at, type: 'heap:x' }, first);
    expect(away).toMatchObject({ service: 'profpipe', type: 'heap:x' });
    expect(choose(all, at, away)).toMatchObject({ service: 'profpipe', type: 'goroutine:g' });
    for (const work of [{ zoom: 'f00d' }, { fn: 'main.main' }])
      expect(choose(all, { ...at, ...work }, first).type).toBe('goroutine:g');
  });
  it('is still a stopgap after the page was loaded again, and a choice is not', () => {
    const [young, , , all] = grows as [typeof list, typeof list, typeof list, typeof list],
      first = choose(young, bare, null),
      at = { ...bare, service: first.service, type: first.type };
    expect(choose(all, at, recall(JSON.stringify(first))).service).toBe('shop');
    const picked = { ...first, ownOnly: false, noCpu: false };
    for (const noted of [JSON.stringify(picked), 'null', '{', null])
      expect(choose(all, at, recall(noted))).toMatchObject({ service: 'profpipe' });
  });
  it('keeps the type in another service, or takes a stopgap there', () => {
    const [young, full] = [[shop('goroutine:g')], [shop('cpu:cpu', 'goroutine:g')]];
    expect(pick(full, 'shop', 'goroutine:g')).toMatchObject({ type: 'goroutine:g', noCpu: false });
    expect(pick(full, 'shop', 'heap:x')).toMatchObject({ type: 'cpu:cpu', noCpu: false });
    const picked = pick(young, 'shop', 'cpu:cpu');
    expect(picked).toMatchObject({ type: 'goroutine:g', noCpu: true });
    expect(choose(full, { ...bare, ...picked }, picked)).toMatchObject({ type: 'cpu:cpu' });
  });
});

describe('colour', () => {
  it('text on every frame has a contrast of 4.5 or more', () => {
    for (const dark of [false, true]) {
      for (const fam of ['own', 'third', 'std', 'runtime', 'none'] as const)
        for (let k = 0; k < 200; k++)
          expect(contrast(frame('p' + k, fam, dark), ink(dark))).toBeGreaterThanOrEqual(4.5);
      for (let x = -1; x <= 1; x += 0.05)
        expect(contrast(diff(x, dark), ink(dark))).toBeGreaterThanOrEqual(4.5);
    }
  });
  it('is one colour a package', () =>
    expect(frame('a/b', 'third', true)).toEqual(frame('a/b', 'third', true)));
  it('the legend has the middle shades', () => {
    for (const fam of ['own', 'third', 'std', 'runtime'] as const)
      expect(tokens).toContain(
        `--${fam}: light-dark(${hex(shade(fam, 0, false))}, ${hex(shade(fam, 0, true))});`,
      );
  });
  it('converts', () => expect(oklch(1, 0, 0)).toEqual([255, 255, 255]));
  it('measures change by the larger side', () =>
    expect([change(0, 1), change(1, 0), change(2, 1), change(0, 0)]).toEqual([1, -1, -0.5, 0]));
});

describe('top', () => {
  const row = (fn: string, flat: number, cum: number, flat_b = 0, cum_b = 0) => ({
    function: fn,
    file: '',
    flat,
    cum,
    flat_b,
    cum_b,
  });
  const top = {
    unit: 'count',
    total: 10,
    total_b: 10,
    rows: [row('main.a', 5, 10, 5, 10), row('net/http.b', 5, 5, 1, 1), row('c/d.gone', 0, 0, 4, 4)],
  };
  const names = (sort: string, compared = false) =>
    order(top, sort, null, compared).map((r) => r.function);
  it('sorts', () => {
    expect(names('-total')).toEqual(['main.a', 'net/http.b']);
    expect(names('name')).toEqual(['main.a', 'net/http.b']);
    expect(names('-dtotal', true).at(-1)).toBe('main.a');
    expect(names('nonsense')).toHaveLength(2);
  });
  it('filters', () =>
    expect(order(top, '-self', (s) => s.includes('http'), false)).toHaveLength(1));
  it('sums by family to one', () =>
    expect(Object.values(families(top)).reduce((a, b) => a + b)).toBeCloseTo(1));
  it('tells values that cancel out from none at all', () => {
    const flat = (total: number[]) => ({
      ...{ unit: 'bytes', names: [], files: [], level: [], name: [], self: [] },
      total,
    });
    const none = { ...top, rows: [] };
    expect(cancels(flat([0]), none)).toBe(false);
    expect(cancels(flat([0, 5, -5]), none)).toBe(true);
    expect(cancels(flat([0]), { ...top, rows: [row('a', 5, 5), row('b', -5, -5)] })).toBe(true);
    expect(cancels(flat([3, 5, -2]), none)).toBe(false);
  });
  it('cuts the rows of a window', () => {
    expect(slice(1000, 24, 2400, 240)).toEqual([94, 116]);
    expect(slice(3, 24, 0, 600)).toEqual([0, 3]);
  });
});
