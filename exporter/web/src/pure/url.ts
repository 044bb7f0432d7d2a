// All state that a link must carry. encode ∘ decode = id; defaults are left out.
import { resolve } from './time';

export const pages = ['explore', 'targets'] as const;
export const views = ['both', 'flame', 'table', 'sandwich'] as const;
export const ranges = ['15m', '1h', '6h', '24h', '7d'] as const;
export const gauges = ['mean', 'last', 'max'] as const;

export interface State {
  page: (typeof pages)[number] | 'lost'; // lost: a path that is no page
  service: string; // '': the newest one, chosen when the list of services is there
  type: string; // '': cpu, or the first one
  from: string;
  to: string; // '': now
  l: string; // label matchers
  by: string; // label to group the chart by
  gauge: (typeof gauges)[number];
  view: (typeof views)[number];
  flip: boolean; // root at the bottom
  q: string; // search
  fn: string; // the selected function
  zoom: string; // path hash of the zoomed frame
  diff: boolean; // with the range before
  sort: string; // column, "-" in front for descending
  only: string; // targets page: health
}

export const initial: State = {
  page: 'explore',
  service: '',
  type: '',
  from: 'now-1h',
  to: '',
  l: '',
  by: '',
  gauge: 'mean',
  view: 'both',
  flip: false,
  q: '',
  fn: '',
  zoom: '',
  diff: false,
  sort: '-self',
  only: '',
};

const one = <T extends string>(list: readonly T[], v: string | null, or: T): T =>
  list.includes(v as T) ? (v as T) : or;

/** `ui/dashboard` is the page of rancher-profiling. */
const pageOf = (path: string): State['page'] =>
  path === '' || path === 'ui/dashboard' ? initial.page : one<State['page']>(pages, path, 'lost');

type Text = 'service' | 'type' | 'from' | 'to' | 'l' | 'by' | 'q' | 'fn' | 'zoom' | 'sort' | 'only';

export function decode(path: string, query: string): State {
  const p = new URLSearchParams(query);
  const text = (k: Text) => p.get(k) ?? initial[k];
  const from = text('from'),
    to = text('to') === 'now' ? '' : text('to');
  const ok = resolve(from, to, Date.now() / 1000) !== null;
  return {
    page: pageOf(path.replace(/^\/+|\/+$/g, '')),
    service: text('service'),
    type: text('type'),
    from: ok ? from : initial.from,
    to: ok ? to : initial.to,
    l: text('l'),
    by: text('by'),
    gauge: one(gauges, p.get('gauge'), initial.gauge),
    view: one(views, p.get('view'), initial.view),
    flip: p.get('flip') === '1',
    q: text('q'),
    fn: text('fn'),
    zoom: /^[0-9a-f]{16}$/.test(text('zoom')) ? text('zoom') : '',
    diff: p.get('diff') === '1',
    sort: text('sort'),
    only: text('only'),
  };
}

export function encode(s: State): string {
  const p = new URLSearchParams();
  for (const [k, v] of Object.entries(s)) {
    if (k === 'page' || v === initial[k as keyof State]) continue;
    p.set(k, v === true ? '1' : String(v));
  }
  const q = p.toString();
  return '/' + s.page + (q && '?' + q);
}
