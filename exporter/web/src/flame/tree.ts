// The columnar tree with what drawing and moving need. All pure.
import type { Flame } from '../types';
import { paths } from '../pure/hash';
import { regexp } from '../pure/matchers';

export interface Tree extends Flame {
  /**
   * What the width stands for: total, or where values are negative the sum of magnitudes, plus the
   * base in a diff, scaled to the same sum.
   */
  size: Float64Array;
  start: Float64Array; // left edge, in the same measure
  end: Int32Array; // one past the last descendant
  parent: Int32Array;
  depth: number;
  path: string[]; // '' for placeholders
}

/** Totals; where something is negative, the sums of the magnitudes, which a width can show. */
function weights(f: Flame, total: number[], self: number[]): ArrayLike<number> {
  if (self.every((v) => v >= 0)) return total;
  const sums = Float64Array.from(self, Math.abs),
    above: number[] = [], // the last frame of each level
    parents = f.level.map((l, i) => ((above[l] = i), l ? above[l - 1]! : -1));
  for (let i = parents.length - 1; i > 0; i--) sums[parents[i]!]! += sums[i]!;
  return sums;
}

export function build(f: Flame): Tree {
  const n = f.level.length;
  const size = new Float64Array(n),
    start = new Float64Array(n);
  const end = new Int32Array(n),
    parent = new Int32Array(n).fill(-1);
  // Per level: the open frame, and where its next child begins.
  const open: number[] = [],
    next: number[] = [];
  const [a, b] = [weights(f, f.total, f.self), f.total_b && weights(f, f.total_b, f.self_b!)];
  const scale = b?.[0] && a[0] ? a[0] / b[0] : 1;
  let depth = 0;
  for (let i = 0; i < n; i++) {
    const l = f.level[i]!;
    size[i] = a[i]! + (b?.[i] ?? 0) * scale;
    while (open.length > l) end[open.pop()!] = i;
    if (l > 0) {
      parent[i] = open[l - 1]!;
      start[i] = next[l - 1]!;
      next[l - 1] = start[i]! + size[i]!;
    }
    open[l] = i;
    next[l] = start[i]!;
    if (l > depth) depth = l;
  }
  while (open.length) end[open.pop()!] = n;
  const path = f.path ?? paths(f.names, f.level, f.name);
  return { ...f, size, start, end, parent, depth, path };
}

export const isMore = (t: Tree, i: number) => t.name[i]! < 0;
export const label = (t: Tree, i: number) =>
  isMore(t, i) ? `(${-t.name[i]!} smaller)` : t.names[t.name[i]!]!;

/** Root first, i last. */
export function ancestors(t: Tree, i: number): number[] {
  const out: number[] = [];
  for (let j = i; j >= 0; j = t.parent[j]!) out.unshift(j);
  return out;
}

export interface View {
  root: number;
  width: number;
  row: number;
  flip: boolean;
}
export interface Box {
  i: number;
  x: number;
  y: number;
  w: number;
}

export const height = (t: Tree, v: View) => (t.depth + 1) * v.row;
const top = (t: Tree, v: View, level: number) => (v.flip ? t.depth - level : level) * v.row;

/** What to draw between y0 and y1, nothing below `min` pixels. Ancestors of the root span all. */
export function layout(t: Tree, v: View, y0: number, y1: number, min = 0.5): Box[] {
  const out: Box[] = [];
  const k = t.size[v.root]! > 0 ? v.width / t.size[v.root]! : 0;
  const x0 = t.start[v.root]!;
  const seen = (y: number) => y + v.row > y0 && y < y1;
  for (let j = t.parent[v.root]!; j >= 0; j = t.parent[j]!) {
    const y = top(t, v, t.level[j]!);
    if (seen(y)) out.push({ i: j, x: 0, y, w: v.width });
  }
  for (let i = v.root; i < t.end[v.root]!;) {
    const w = t.size[i]! * k,
      y = top(t, v, t.level[i]!);
    if (w < min) {
      i = t.end[i]!;
      continue;
    }
    if (seen(y)) out.push({ i, x: (t.start[i]! - x0) * k, y, w });
    i = (v.flip ? y < y0 : y > y1) ? t.end[i]! : i + 1;
  }
  return out;
}

/** The frame at a point of the whole picture (not of the window onto it), or −1. */
export function hit(t: Tree, v: View, x: number, y: number): number {
  const row = Math.floor(y / v.row),
    level = v.flip ? t.depth - row : row;
  if (level < 0 || level > t.depth || x < 0 || x >= v.width || !t.size[v.root]) return -1;
  if (level < t.level[v.root]!) return ancestors(t, v.root)[level] ?? -1;
  const at = t.start[v.root]! + (x / v.width) * t.size[v.root]!;
  let i = v.root;
  while (t.level[i]! < level) {
    let c = i + 1;
    while (c < t.end[i]! && at >= t.start[c]! + t.size[c]!) c = t.end[c]!;
    if (c >= t.end[i]!) return -1;
    i = c;
  }
  return i;
}

export type Move = 'parent' | 'child' | 'next' | 'prev';

/** Where an arrow key leads; stays put at an edge. */
export function move(t: Tree, i: number, to: Move): number {
  const p = t.parent[i]!;
  if (to === 'parent') return p < 0 ? i : p;
  if (to === 'child') return i + 1 < t.end[i]! ? i + 1 : i; // the first child is the largest
  if (p < 0) return i;
  if (to === 'next') return t.end[i]! < t.end[p]! ? t.end[i]! : i;
  let c = p + 1;
  while (c < i && t.end[c]! < i) c = t.end[c]!;
  return c < i && t.end[c] === i ? c : i;
}

/** Which names match: a regular expression, or text where that does not parse. Null: no search. */
export function search(names: string[], q: string): Uint8Array | null {
  if (!q) return null;
  const re = regexp(q, 'i'),
    low = q.toLowerCase();
  return Uint8Array.from(names, (n) => (re ? +re.test(n) : +n.toLowerCase().includes(low)));
}

/** Sum of what matches, each stack once: only the outermost match of a path counts. */
export function matched(t: Tree, hits: Uint8Array): { total: number; frames: number } {
  let total = 0,
    frames = 0;
  for (let i = 0, skip = 0; i < t.level.length; i++) {
    if (isMore(t, i) || !hits[t.name[i]!]) continue;
    frames++;
    if (i >= skip) {
      total += t.total[i]!;
      skip = t.end[i]!;
    }
  }
  return { total, frames };
}

/** The frame of a path, or −1. */
export const find = (t: Tree, path: string) => (path ? t.path.indexOf(path) : -1);
