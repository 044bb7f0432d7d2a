// Rows of the top table: filter, sort, sums by family.
import type { Flame, Top, TopRow } from '../types';
import { family, type Family } from './names';

export type Column = 'name' | 'file' | 'self' | 'total' | 'dself' | 'dtotal';

/** Change of share, in points. */
export const delta = (t: Top, now: number, base = 0) =>
  now / (t.total || 1) - base / (t.total_b || 1);

const key: Record<Column, (r: TopRow, t: Top) => number | string> = {
  name: (r) => r.function,
  file: (r) => r.file,
  self: (r) => r.flat,
  total: (r) => r.cum,
  dself: (r, t) => Math.abs(delta(t, r.flat, r.flat_b)),
  dtotal: (r, t) => Math.abs(delta(t, r.cum, r.cum_b)),
};

export function order(
  t: Top,
  sort: string,
  hit: ((name: string) => boolean) | null,
  compared: boolean,
): TopRow[] {
  const down = sort.startsWith('-'),
    col = key[sort.replace('-', '') as Column] ?? key.self;
  const rows = t.rows.filter(
    (r) => (!hit || hit(r.function)) && (r.flat || r.cum || (compared && r.cum_b)),
  );
  const keyed = rows.map((r) => [col(r, t), r] as const);
  keyed.sort(
    ([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : y.cum - x.cum) * (down && a !== b ? -1 : 1),
  );
  return keyed.map(([, r]) => r);
}

/** Whether there are values though their sum is nothing: a difference has negative ones, too. */
export const cancels = (f: Flame, top: Top): boolean =>
  f.total[0] === 0 && (f.total.some((v) => v !== 0) || top.rows.some((r) => r.flat || r.cum));

/** Shares of self by whose code it is: they add up to one. */
export function families(t: Top): Record<Family, number> {
  const out: Record<Family, number> = { own: 0, third: 0, std: 0, runtime: 0, none: 0 };
  for (const r of t.rows) out[family(r.function)] += r.flat / (t.total || 1);
  return out;
}

/** The rows that a window needs, with a few more above and below. */
export function slice(
  count: number,
  row: number,
  scroll: number,
  height: number,
): [number, number] {
  const first = Math.max(0, Math.min(count, Math.floor(scroll / row)) - 6);
  return [first, Math.min(count, first + Math.ceil(height / row) + 12)];
}
