import { describe, expect, it } from 'vitest';
import { sandwich } from '../flame/sandwich';
import { graft, lacks } from '../flame/graft';
import {
  ancestors,
  build,
  find,
  hit,
  label,
  layout,
  matched,
  move,
  search,
  type View,
} from '../flame/tree';
import { fnv1a, ROOT } from '../pure/hash';
import type { Flame } from '../types';

// total 100 ─ a 60 ─ b 30, a 20 │ b 30 ─ c 30 │ (3 smaller) 10
const flame: Flame = {
  unit: 'count',
  names: ['total', 'p.a', 'p.b', 'p.c'],
  files: ['', '', '', ''],
  level: [0, 1, 2, 2, 1, 2, 1],
  name: [0, 1, 2, 1, 2, 3, -3],
  total: [100, 60, 30, 20, 30, 30, 10],
  self: [0, 10, 30, 20, 0, 30, 0],
};
const t = build(flame);
const view: View = { root: 0, width: 1000, row: 20, flip: false };

describe('build', () => {
  it('finds parents, ends and left edges', () => {
    expect([...t.parent]).toEqual([-1, 0, 1, 1, 0, 4, 0]);
    expect([...t.end]).toEqual([7, 4, 3, 4, 6, 6, 7]);
    expect([...t.start]).toEqual([0, 0, 0, 30, 60, 60, 90]);
  });
  it('conserves values: self and children add up', () => {
    for (let i = 0; i < t.level.length; i++) {
      if (t.name[i]! < 0) continue;
      let sum = t.self[i]!;
      for (let c = i + 1; c < t.end[i]!; c = t.end[c]!) sum += t.total[c]!;
      expect(sum).toBe(t.total[i]);
    }
  });
});

describe('negative values', () => {
  it('are as wide as their magnitude, below a total of anything', () => {
    const t = build({
      ...flame,
      level: [0, 1, 2, 2, 1],
      name: [0, 1, 2, 3, -2],
      total: [-25, -20, -80, 50, -5],
      self: [0, 10, -80, 50, -5],
    });
    expect([...t.size]).toEqual([145, 140, 80, 50, 5]);
    const boxes = layout(t, { ...view, width: 145 }, 0, 60);
    expect(boxes.map((b) => [b.i, b.x, b.w])).toEqual([
      [0, 0, 145],
      [1, 0, 140],
      [2, 0, 80],
      [3, 80, 50],
      [4, 140, 5],
    ]);
  });
});

describe('layout and hit', () => {
  it('agree at the middle of every frame, also zoomed and flipped', () => {
    for (const root of [0, 1, 4])
      for (const flip of [false, true]) {
        const v = { ...view, root, flip };
        for (const b of layout(t, v, 0, 60)) expect(hit(t, v, b.x + b.w / 2, b.y + 10)).toBe(b.i);
      }
  });
  it('leaves out what is too narrow or out of the window', () => {
    expect(layout(t, { ...view, width: 4 }, 0, 60).map((b) => b.i)).not.toContain(6);
    expect(layout(t, view, 45, 60).every((b) => b.y >= 40)).toBe(true);
  });
  it('misses beside the frames', () => {
    expect(hit(t, view, 550, 50)).toBe(-1);
    expect(hit(t, view, 10, 70)).toBe(-1);
    expect(hit(t, view, -1, 10)).toBe(-1);
  });
});

it('moves by arrows and stays at the edges', () => {
  expect(move(t, 0, 'child')).toBe(1);
  expect(move(t, 1, 'next')).toBe(4);
  expect(move(t, 6, 'prev')).toBe(4);
  expect(move(t, 4, 'prev')).toBe(1);
  expect(move(t, 1, 'prev')).toBe(1);
  expect(move(t, 6, 'next')).toBe(6);
  expect(move(t, 2, 'child')).toBe(2);
  expect(move(t, 0, 'parent')).toBe(0);
});

it('counts a stack once however often it matches', () => {
  expect(matched(t, search(t.names, 'p\\.a')!)).toEqual({ total: 60, frames: 2 });
  expect(matched(t, search(t.names, 'b')!)).toEqual({ total: 60, frames: 2 });
  expect(search(t.names, 'p.(')).not.toBeNull(); // not a regular expression: text
  expect(search(t.names, '')).toBeNull();
});

describe('path hash', () => {
  it('is FNV-1a 64', () => {
    expect(fnv1a('')).toBe('cbf29ce484222325');
    expect(fnv1a('a')).toBe('af63dc4c8601ec8c');
    expect(fnv1a('b')).toBe('af63df4c8601f1a5');
    expect(fnv1a('foobar')).toBe('85944171f73967e8');
  });
  it('is of the names from the first child on, each with a zero byte', () => {
    expect(ROOT).toBe('cbf29ce484222325');
    expect(t.path[0]).toBe(ROOT);
    expect(t.path[2]).toBe(fnv1a('p.a\0p.b\0'));
    expect(t.path[6]).toBe(''); // a placeholder
    expect(build({ ...flame, names: ['total', 'ü', '日本', 'c'] }).path[2]).toBe(
      fnv1a('ü\0日本\0'),
    );
  });
  it('finds a frame again', () => {
    for (let i = 0; i < 6; i++) expect(find(t, t.path[i]!)).toBe(i);
    expect(find(t, 'nonsense')).toBe(-1);
    expect(find(t, '')).toBe(-1);
    expect(ancestors(t, 5).map((i) => label(t, i))).toEqual(['total', 'p.b', 'p.c']);
  });
});

describe('detail', () => {
  const conserved = (x: ReturnType<typeof build>) => {
    for (let i = 0; i < x.level.length; i++) {
      if (x.name[i]! < 0) continue;
      let sum = x.self[i]!;
      for (let c = i + 1; c < x.end[i]!; c = x.end[c]!) sum += x.total[c]!;
      expect(sum).toBe(x.total[i]);
    }
  };
  const names = (x: ReturnType<typeof build>) => x.level.map((l, i) => l + label(x, i));
  const c = t.path[5]!; // total ─ p.b ─ p.c 30, of which more is known now: p.d 20, p.e 10
  const more: Flame = {
    unit: 'count',
    names: ['total', 'p.b', 'p.c', 'p.d', 'p.e'],
    files: ['', '', '', '', ''],
    level: [0, 1, 2, 3, 3],
    name: [0, 1, 2, 3, 4],
    total: [100, 30, 30, 20, 10],
    self: [0, 0, 0, 20, 10],
  };
  it('takes the place of the frame', () => {
    const x = build(graft(t, build(more), c)!);
    expect(names(x)).toEqual([
      '0total',
      '1p.a',
      '2p.b',
      '2p.a',
      '1p.b',
      '2p.c',
      '3p.d',
      '3p.e',
      '1(3 smaller)',
    ]);
    expect(x.total[0]).toBe(100);
    conserved(x);
  });
  it('comes without ancestors, too', () => {
    const path = [c, fnv1a('p.b\0p.c\0p.d\0')];
    const own = {
      unit: 'count',
      names: ['p.c', 'p.d'],
      files: ['', ''],
      level: [0, 1],
      name: [0, 1],
      total: [30, 30],
      self: [0, 30],
      path,
    };
    expect(names(build(graft(t, build(own), c)!))).toContain('3p.d');
  });
  it('passes new values on to the callers', () => {
    const x = build(
      graft(t, build({ ...more, total: [104, 34, 34, 24, 10], self: [0, 0, 0, 24, 10] }), c)!,
    );
    expect([x.total[0], x.total[4], x.total[5]]).toEqual([104, 34, 34]);
    conserved(x);
  });
  it('places a frame that was too small, with what is left beside it', () => {
    const tiny: Flame = {
      unit: 'count',
      names: ['total', 'p.x', 'p.y', 'p.z'],
      files: ['', '', '', ''],
      level: [0, 1, 2, 3],
      name: [0, 1, 2, 3],
      total: [100, 8, 5, 4],
      self: [0, 1, 1, 4],
    };
    const y = fnv1a('p.x\0p.y\0'),
      x = build(graft(t, build(tiny), y)!);
    expect(names(x).slice(6)).toEqual(['1p.x', '2p.y', '3p.z', '2(1 smaller)', '1(2 smaller)']);
    expect([x.total[9], x.total[10]]).toEqual([2, 2]);
    expect(x.path[find(x, y)]).toBe(y);
    conserved(x);
  });
  it('keeps both sides of a diff', () => {
    const d = build({
      ...flame,
      total_b: [50, 0, 0, 0, 50, 50, 0],
      self_b: [0, 0, 0, 0, 0, 50, 0],
    });
    const x = graft(
      d,
      build({ ...more, total_b: [50, 50, 50, 50, 0], self_b: [0, 0, 0, 50, 0] }),
      c,
    )!;
    expect(x.total_b).toEqual([50, 0, 0, 0, 50, 50, 50, 0, 0]);
  });
  it('that has no place is left out', () => {
    const path = [fnv1a('other\0')];
    const own = {
      unit: 'count',
      names: ['other'],
      files: [''],
      level: [0],
      name: [0],
      total: [1],
      self: [1],
      path,
    };
    expect(graft(t, build(own), path[0]!)).toBeNull();
    expect(graft(t, build(more), 'nonsense')).toBeNull();
  });
  it('is fetched where a frame is small and not all of it is there', () => {
    const base = build({
      ...flame,
      level: [0, 1, 2, 3, 1, 2, 1],
      name: [0, 1, 2, -4, 2, 3, -3],
      total: [100, 60, 20, 5, 30, 30, 10],
      self: [0, 40, 15, 0, 0, 30, 0],
    });
    expect(lacks(base, base.path[2]!, new Set([ROOT]))).toBe(base.path[2]);
    expect(lacks(base, base.path[1]!, new Set([ROOT]))).toBe(''); // large enough
    expect(lacks(base, base.path[5]!, new Set([ROOT]))).toBe(''); // nothing was left out
    expect(lacks(base, base.path[2]!, new Set([ROOT, base.path[1]!]))).toBe(''); // a third of that
    expect(lacks(base, fnv1a('gone'), new Set([ROOT]))).toBe(fnv1a('gone'));
    expect(lacks(base, '', new Set([ROOT]))).toBe('');
  });
});

it('makes a sandwich: recursion once, callers add up to the function', () => {
  const a = sandwich(t, 'p.a')!,
    b = sandwich(t, 'p.b')!;
  expect(a.callees.total[0]).toBe(60);
  expect(a.callees.self[0]).toBe(10);
  expect(b.callers.total[0]).toBe(60);
  expect(b.callers.name.map((n) => t.names[n])).toEqual(['p.b', 'p.a']);
  expect(sandwich(t, 'none')).toBeNull();
});

it('lays a diff out by the shares of both sides', () => {
  const d = build({ ...flame, total_b: [50, 0, 0, 0, 50, 50, 0], self_b: [0, 0, 0, 0, 0, 50, 0] });
  expect(d.size[0]).toBe(200);
  expect(d.size[5]).toBe(130);
  expect(d.start[4]).toBe(60);
});
