// Callers and callees of one function, from the tree that is held: what was too small to be sent is
// not in them, and neither is its value. Good enough to look around; the table has the exact sums.
import type { Flame } from '../types';
import { isMore, type Tree } from './tree';

interface Node {
  total: number;
  self: number;
  totalB: number;
  selfB: number;
  more: number;
  kids: Map<number, Node>;
}
const node = (): Node => ({ total: 0, self: 0, totalB: 0, selfB: 0, more: 0, kids: new Map() });

export function sandwich(t: Tree, fn: string): { callers: Flame; callees: Flame } | null {
  const id = t.names.indexOf(fn);
  if (id < 0) return null;
  const up = node(),
    down = node();
  const b = (i: number) => t.total_b?.[i] ?? 0;
  const kid = (n: Node, k: number) => n.kids.get(k) ?? n.kids.set(k, node()).get(k)!;
  const add = (n: Node, i: number) => {
    n.total += t.total[i]!;
    n.totalB += b(i);
  };
  for (let i = 0, skip = 0; i < t.level.length; i++) {
    if (t.name[i] !== id || i < skip) continue; // recursion counts once, from the outermost frame
    skip = t.end[i]!;
    let u = up;
    add(u, i);
    for (let p = t.parent[i]!; p > 0; p = t.parent[p]!) add((u = kid(u, t.name[p]!)), i);
    const path = [down];
    for (let j = i; j < skip; j++) {
      const l = t.level[j]! - t.level[i]!;
      // All placeholders of a parent become one; their counts add up.
      const n = l === 0 ? down : kid(path[l - 1]!, isMore(t, j) ? -1 : t.name[j]!);
      add(n, j);
      n.self += t.self[j]!;
      n.selfB += t.self_b?.[j] ?? 0;
      if (isMore(t, j)) n.more -= t.name[j]!;
      path[l] = n;
    }
  }
  up.self = down.self;
  up.selfB = down.selfB;
  return { callers: columns(t, id, up), callees: columns(t, id, down) };
}

function columns(t: Tree, id: number, root: Node): Flame {
  const f: Flame = {
    unit: t.unit,
    names: t.names,
    files: t.files,
    level: [],
    name: [],
    total: [],
    self: [],
  };
  if (t.total_b) {
    f.total_b = [];
    f.self_b = [];
  }
  const walk = (n: Node, name: number, l: number) => {
    f.level.push(l);
    f.name.push(n.more ? -n.more : name);
    f.total.push(n.total);
    f.self.push(n.self);
    f.total_b?.push(n.totalB);
    f.self_b?.push(n.selfB);
    for (const [k, c] of [...n.kids].sort(
      (a, b) => b[1].total + b[1].totalB - a[1].total - a[1].totalB,
    ))
      walk(c, k, l + 1);
  };
  walk(root, id, 0);
  return f;
}
