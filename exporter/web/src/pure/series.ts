// What a time series tells besides its values.
import type { Series } from '../types';

type Values = (number | null)[];

const nothing = (s: Series, i: number) => s.series.every((x) => x.v[i] === null);

/**
 * Where nothing was scraped though the service was known by then. The last two windows may still
 * be on their way. Where there is nothing at all, the page says so.
 */
export function gaps(s: Series, first: number): boolean[] {
  if (s.t.every((_, i) => nothing(s, i))) return [];
  return s.t.map((t, i) => t >= first && i < s.t.length - 2 && nothing(s, i));
}

/** Values with nothing on either side: a line would not show them. */
export function lonely(v: Values): number[] {
  return v.flatMap((x, i) => (x !== null && v[i - 1] == null && v[i + 1] == null ? [i] : []));
}
