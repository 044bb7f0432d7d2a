// Detail that was fetched for a zoomed frame, put into the tree that is held. The detail begins
// with the way from the root to the frame, so that a frame can be placed that was too small.
import type { Flame } from '../types';
import { ROOT } from '../pure/hash';
import { ancestors, find, type Tree } from './tree';

/** The root to fetch for a zoom, or '': what is held is fine enough. */
export function lacks(t: Tree, zoom: string, fetched: ReadonlySet<string>): string {
  if (!zoom || zoom === ROOT || fetched.has(zoom)) return '';
  const i = find(t, zoom);
  if (i < 0) return zoom;
  if (!t.name.slice(i, t.end[i]).some((n) => n < 0)) return '';
  let from = i;
  while (from > 0 && !fetched.has(t.path[from]!)) from = t.parent[from]!;
  return t.size[i]! < t.size[from]! / 4 ? zoom : '';
}

/** Null where the detail cannot be placed. Values stay conserved, also where new data came in. */
export function graft(base: Tree, detail: Tree, root: string): Flame | null {
  const r = find(detail, root);
  if (r < 0) return null;
  const way = ancestors(detail, r);
  let k = way.length - 1,
    at = -1;
  while (k >= 0 && (at = find(base, detail.path[way[k]!]!)) < 0) k--;
  if (k < 0) return null;

  const out: Required<Omit<Flame, 'unit' | 'notes'>> = {
    names: [...base.names],
    files: [...base.files],
    level: [],
    name: [],
    total: [],
    self: [],
    path: [],
    total_b: [],
    self_b: [],
  };
  const key = (name: string, file: string) => name + '\0' + file;
  const index = new Map(out.names.map((n, i) => [key(n, out.files[i]!), i]));
  const nameOf = (t: Tree, i: number) => {
    const n = t.name[i]!;
    if (n < 0 || t === base) return n;
    const id = key(t.names[n]!, t.files[n]!);
    const held = index.get(id) ?? out.names.length;
    if (held === out.names.length) {
      index.set(id, held);
      out.names.push(t.names[n]!);
      out.files.push(t.files[n]!);
    }
    return held;
  };
  const b = (t: Tree, i: number) => t.total_b?.[i] ?? 0;
  const row = (
    level: number,
    name: number,
    path: string,
    values: [number, number, number, number],
  ) => {
    out.level.push(level);
    out.name.push(name);
    out.path.push(path);
    (['total', 'self', 'total_b', 'self_b'] as const).forEach((c, j) => out[c].push(values[j]!));
  };
  const put = (t: Tree, i: number, level: number, d = 0, db = 0) =>
    row(level, nameOf(t, i), t.path[i]!, [
      t.total[i]! + d,
      t.self[i]!,
      b(t, i) + db,
      t.self_b?.[i] ?? 0,
    ]);

  // What is replaced: the frame itself, or room for the way to it among its siblings.
  const held = k === way.length - 1;
  const chain = held ? [r] : way.slice(k + 1);
  const first = chain[0]!,
    level = base.level[at]! + (held ? 0 : 1);
  let cut = at,
    end = base.end[at]!,
    more = -1;
  let d = detail.total[first]! - base.total[at]!,
    db = b(detail, first) - b(base, at);
  if (!held) {
    for (cut = at + 1; cut < end; cut = base.end[cut]!) {
      if (base.name[cut]! < 0 || base.size[cut]! < detail.size[first]!) break;
    }
    for (let c = cut; c < end; c = base.end[c]!) if (base.name[c]! < 0) more = c;
    end = cut;
    d = Math.max(0, detail.total[first]! - (more < 0 ? 0 : base.total[more]!));
    db = Math.max(0, b(detail, first) - (more < 0 ? 0 : b(base, more)));
  }
  const above = new Set(ancestors(base, held ? base.parent[at]! : at));

  const insert = () => {
    const last = chain.length - 1;
    chain.slice(0, last).forEach((i, j) => put(detail, i, level + j));
    for (let i = r; i < detail.end[r]!; i++) {
      put(detail, i, detail.level[i]! - detail.level[r]! + level + last);
    }
    // The siblings on the way were not sent: one placeholder each.
    for (let j = last - 1; j >= 0; j--) {
      const i = chain[j]!,
        c = chain[j + 1]!;
      const rest = detail.total[i]! - detail.self[i]! - detail.total[c]!;
      const restB = b(detail, i) - (detail.self_b?.[i] ?? 0) - b(detail, c);
      if (rest > 0 || restB > 0) row(level + j + 1, -1, '', [rest, 0, restB, 0]);
    }
  };
  for (let i = 0; i < base.level.length; i++) {
    if (i === cut) insert();
    if (i >= cut && i < end) continue;
    if (i !== more) put(base, i, base.level[i]!, above.has(i) ? d : 0, above.has(i) ? db : 0);
    else {
      const left = Math.max(0, base.total[i]! - detail.total[first]!);
      const leftB = Math.max(0, b(base, i) - b(detail, first));
      if (left || leftB) row(level, Math.min(-1, base.name[i]! + 1), '', [left, 0, leftB, 0]);
    }
  }
  if (cut === base.level.length) insert();
  const { total_b, self_b, ...rest } = out;
  const notes = base.notes ? { notes: base.notes } : {};
  return { unit: base.unit, ...rest, ...notes, ...(base.total_b ? { total_b, self_b } : {}) };
}
