// The only file that knows where data comes from: the HTTP API below /api/v1.
import type { Catalog, Flame, LabelValues, Series, Status, Target, Top } from './types';

/** A selection with its range frozen, so that all answers to it tell of the same profiles. */
export interface Query {
  service: string;
  type: string;
  from: number;
  to: number;
  l: string;
  gauge: string;
  diff: boolean;
  width: number;
}

type Params = Record<string, string | number>;

const wait = (s: number, signal?: AbortSignal) =>
  new Promise<void>((ok, no) => {
    const id = setTimeout(ok, s * 1000);
    signal?.addEventListener('abort', () => (clearTimeout(id), no(signal.reason)));
  });

const url = (path: string, params: Params) => {
  const p = new URLSearchParams();
  for (const [k, v] of Object.entries(params)) if (v !== '') p.set(k, String(v));
  return `/api/v1/${path}?${p}`;
};

/** Waits where the server says so, twice at most. */
async function get<T>(path: string, params: Params = {}, signal?: AbortSignal): Promise<T> {
  for (let left = 2; ; left--) {
    const r = await fetch(url(path, params), { signal: signal ?? null }).catch((e: unknown) => {
      throw e instanceof TypeError ? new Error('profpipe does not answer') : e;
    });
    const later = Number(r.headers.get('retry-after'));
    if ((r.status === 429 || r.status === 503) && left > 0) {
      await wait(Math.min(5, later || 1), signal);
      continue;
    }
    const json = r.headers.get('content-type')?.includes('json');
    if (r.ok && json) return (await r.json()) as T;
    const e = json ? ((await r.json()) as { error?: string; field?: string }) : {};
    throw new Error((e.field ? e.field + ': ' : '') + (e.error ?? `${r.status} for ${path}`));
  }
}

const select = ({ service, type, from, to, l, gauge }: Query): Params => ({
  service,
  type,
  from,
  to,
  l,
  gauge: gauge === 'mean' ? '' : gauge,
});

const compare = (q: Query): Params => ({
  ...select(q),
  width: q.width,
  base_from: q.from - (q.to - q.from),
  base_to: q.from,
  base_l: q.l,
});

export const catalog = (s?: AbortSignal) => get<Catalog>('services', {}, s);
export const targets = () => get<{ now: number; targets: Target[] }>('targets');
export const status = () => get<Status>('status');
export const labels = ({ service, from, to }: Query, s?: AbortSignal) =>
  get<{ labels: LabelValues[] }>('labels', { service, from, to }, s).then((r) => r.labels);
export const series = (q: Query, by: string, s?: AbortSignal) =>
  get<Series>('series', { ...select(q), gauge: '', by }, s);

type Wire = Flame & { scale?: number; matched?: number; top?: Top };

/** Values past 2^53 come divided by a scale. */
function unscale(f: Wire): Flame {
  const k = f.scale ?? 1;
  if (k === 1) return f;
  const by = (a?: number[]) => a?.map((x) => x * k);
  const [total_b, self_b] = [by(f.total_b), by(f.self_b)];
  return {
    ...f,
    total: by(f.total)!,
    self: by(f.self)!,
    ...(total_b && self_b ? { total_b, self_b } : {}),
  };
}

/** The flame graph and the table of all functions. */
export async function picture(q: Query, s?: AbortSignal): Promise<{ flame: Flame; top: Top }> {
  if (q.diff) {
    const r = await get<Wire>('diff', compare(q), s);
    return { flame: unscale(r), top: r.top! };
  }
  const [f, top] = await Promise.all([
    get<Wire>('flame', { ...select(q), width: q.width }, s),
    get<Top>('top', { ...select(q), n: 0 }, s),
  ]);
  return { flame: unscale(f), top };
}

/** More of one frame than the whole picture has room for. */
export const detail = (q: Query, root: string, s?: AbortSignal): Promise<Flame> =>
  get<Wire>(
    q.diff ? 'diff' : 'flame',
    {
      ...(q.diff ? compare(q) : { ...select(q), width: q.width }),
      root,
    },
    s,
  ).then(unscale);

/** The value of all stacks in which a function matches; the picture itself is not wanted. */
export const matched = (q: Query, re: string, s?: AbortSignal) =>
  get<Wire>('flame', { ...select(q), q: re, width: 1 }, s).then(
    (r) => (r.matched ?? 0) * (r.scale ?? 1),
  );

/** What `go tool pprof` opens. */
export const pprofUrl = (q: Query) => url('pprof', select(q));
