// What is fetched, and when: on a new selection, on zoom, on search, and every 10 s while live.
import { batch, computed, effect, signal, untracked } from '@preact/signals';
import * as api from './api';
import { graft, lacks } from './flame/graft';
import { build } from './flame/tree';
import { choose, chooseFrom } from './pure/choose';
import { REFRESH } from './pure/due';
import { ROOT } from './pure/hash';
import { regexp } from './pure/matchers';
import { moves, resolve } from './pure/time';
import {
  busy,
  catalog,
  chosen,
  exact,
  failed,
  go,
  held,
  labels,
  live,
  series,
  stale,
  state,
  topRows,
  tree,
} from './state';
import type { Flame } from './types';

const FIRST = 2; // seconds

let skew = 0; // of this machine's clock to the server's
let last = 0,
  took = 0; // when the last load ended, how long it lasted (ms)
let running: AbortController | undefined;
let fetched = new Set<string>(); // roots whose detail is in the tree
const details = signal(0); // counts changes of `fetched`

const message = (e: unknown) => (e instanceof Error ? e.message : String(e));

function query(): api.Query | null {
  const { service, type, from, to, l, gauge, diff } = state.peek();
  const span = resolve(from, to, Date.now() / 1000 + skew);
  // The whole window whatever the view, in steps: switching views asks nothing anew.
  const width = Math.min(16384, Math.max(600, Math.ceil(innerWidth / 200) * 200));
  return span && { service, type, ...span, l, gauge, diff, width };
}

/** Puts detail into a tree, as far as it can be placed. */
function withDetail(f: Flame, extra: { root: string; flame: Flame }[]): void {
  let t = build(f);
  for (const { root, flame } of extra) {
    const d = build(flame),
      i = t.path.indexOf(root);
    const grafted = graft(t, d, root);
    // What was fetched below is replaced; a root that cannot be placed is not asked for again.
    if (grafted && i >= 0) for (let k = i; k < t.end[i]!; k++) fetched.delete(t.path[k]!);
    if (grafted) t = build(grafted);
    fetched.add(root);
  }
  tree.value = t;
  details.value++;
}

/** The fetched root that the zoomed frame is in, or '' for the whole picture. */
function detailed(): string {
  const t = tree.peek();
  if (!t) return '';
  let i = Math.max(0, t.path.indexOf(state.peek().zoom));
  while (i > 0 && !fetched.has(t.path[i]!)) i = t.parent[i]!;
  return i > 0 ? t.path[i]! : '';
}

async function load(quiet: boolean): Promise<void> {
  const q = query();
  if (!q) return;
  running?.abort();
  const ctl = (running = new AbortController()),
    s = ctl.signal,
    start = performance.now();
  // A refresh asks at once for the detail that the picture has now.
  const root = quiet ? detailed() : '';
  batch(() => {
    busy.value = !quiet;
    failed.value = '';
    if (!quiet) exact.value = null;
  });
  const picture = async () => {
    const [p, d] = await Promise.all([api.picture(q, s), root ? api.detail(q, root, s) : null]);
    if (s.aborted) return;
    batch(() => {
      fetched = new Set([ROOT]);
      busy.value = false;
      held.value = q;
      topRows.value = p.top;
      withDetail(p.flame, d ? [{ root, flame: d }] : []);
    });
  };
  const chart = async (): Promise<void> => {
    const { by } = state.peek(),
      r = await api.series(q, by, s);
    if (s.aborted) return;
    if (state.peek().by !== by) return chart();
    series.value = { ...r, from: q.from, to: q.to };
  };
  try {
    await Promise.all([picture(), chart()]);
    if (!quiet)
      void api.labels(q, s).then(
        (l) => (labels.value = l),
        () => undefined,
      );
    stale.value = '';
  } catch (e) {
    if (s.aborted) return;
    ctl.abort(); // of two questions that fail, the first speaks
    if (quiet && tree.value) stale.value = message(e);
    else
      batch(() => {
        tree.value = topRows.value = series.value = held.value = null;
        failed.value = message(e);
      });
  } finally {
    if (running === ctl) {
      running = undefined;
      busy.value = false;
      last = performance.now();
      took = last - start;
    }
  }
}

/** The list of services; fills in what the link leaves open. */
async function list(): Promise<void> {
  const c = await api.catalog();
  skew = c.now - Date.now() / 1000;
  catalog.value = c;
}

async function refresh(): Promise<void> {
  try {
    await list();
    if (!wanted.peek()) failed.value = '';
    else if (!running) await load(!!tree.peek());
  } catch (e) {
    if (tree.peek()) stale.value = message(e);
    else failed.value = message(e);
  } finally {
    last = performance.now();
  }
}

const wanted = computed(() => {
  const { page, service, type, from, to, l, gauge, diff } = state.value;
  const known = page === 'explore' && catalog.value && service && type;
  return known ? JSON.stringify([service, type, from, to, l, gauge, diff]) : '';
});

// The link is completed first, so that the selection is asked for once; a stopgap is exchanged.
effect(() => {
  const at = state.value,
    c = catalog.value;
  if (at.page !== 'explore' || !c) return;
  const next = (chosen.value = choose(c.services, at, chosen.peek())),
    { service, type } = next;
  if (!service || (service === at.service && type === at.type)) return;
  const known = c.services.find((s) => s.service === service),
    from = service === at.service ? at.from : chooseFrom(known, c.now, at.from);
  untracked(() => go({ service, type, from }, true));
});

effect(() => {
  if (wanted.value) untracked(() => void load(false));
});

// Grouping changes the chart alone.
const by = computed(() => state.value.by);
effect(() => {
  const label = by.value,
    q = held.peek();
  if (!q || running) return;
  const ctl = new AbortController();
  void api.series(q, label, ctl.signal).then(
    (r) => (series.value = { ...r, from: q.from, to: q.to }),
    (e: unknown) => ctl.signal.aborted || (stale.value = message(e)),
  );
  return () => ctl.abort();
});

// A frame that was less than a quarter of what was fetched: its own picture has more in it.
const lacking = computed(() => {
  void details.value;
  return tree.value && state.value.page === 'explore'
    ? lacks(tree.value, state.value.zoom, fetched)
    : '';
});
effect(() => {
  const root = lacking.value,
    q = held.peek();
  if (!root || !q) return;
  const ctl = new AbortController();
  void api.detail(q, root, ctl.signal).then(
    (flame) => {
      const t = tree.peek();
      if (t && held.peek() === q && !ctl.signal.aborted) {
        batch(() => withDetail(t, [{ root, flame }]));
      }
    },
    () => ctl.signal.aborted || fetched.add(root), // the picture stays as it is
  );
  return () => ctl.abort();
});

// The server searches all stacks, also those too small to be sent.
const searched = computed(() => state.value.q);
effect(() => {
  const q = searched.value,
    of = held.value;
  if (!q || !of) return;
  const ctl = new AbortController();
  const re = '(?i)' + (regexp(q) ? q : q.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  const id = setTimeout(() => {
    void api.matched(of, re, ctl.signal).then(
      (total) => (exact.value = { q, total }),
      () => undefined, // not one for the server: the held tree's sum stays
    );
  }, 250);
  return () => (clearTimeout(id), ctl.abort());
});

setInterval(() => {
  const { page, from, to } = state.peek(),
    c = catalog.peek();
  if (document.hidden || page !== 'explore' || running) return;
  const idle = (performance.now() - last) / 1000;
  if (!c?.services.length) {
    if (idle >= FIRST) void refresh();
  } else if (live.peek() && moves(from, to) && idle >= Math.max(REFRESH, took / 200)) {
    void refresh();
  }
}, 500);

void refresh();
