// What is shown where the link does not say.
import type { Service } from '../types';

/** The service with the newest data; our own profiles only where there is nothing else. */
export function chooseService(list: Service[]): string {
  const others = list.filter((s) => s.service !== 'profpipe');
  const [first] = [...(others.length ? others : list)].sort(
    (a, b) => b.last - a.last || (a.service < b.service ? -1 : 1),
  );
  return first?.service ?? '';
}

export function chooseType(s: Service | undefined, wish = ''): string {
  const has = s?.types.map((t) => t.type) ?? [];
  return [wish, 'cpu:cpu'].find((t) => has.includes(t)) ?? has[0] ?? '';
}

/** The last hour; less of a service that is new, whose few minutes would be a dot at the edge. */
export const chooseFrom = (s: Service | undefined, now: number, wish: string): string =>
  wish === 'now-1h' && s && now - s.first < 900 ? 'now-15m' : wish;
