// Signals: the URL is the state, everything else follows from it (load.ts fetches).
import { computed, effect, signal } from '@preact/signals';
import type { Query } from './api';
import type { Catalog, LabelValues, Series, Status, Top } from './types';
import { find, matched, search, type Tree } from './flame/tree';
import { pick, recall, type Choice } from './pure/choose';
import { decode, encode, initial, type State } from './pure/url';

export const state = signal<State>(decode(location.pathname, location.search));

/** A new place in the history; `typing` replaces the current one. */
export function go(patch: Partial<State>, typing = false): void {
  const next = { ...state.value, ...patch };
  const url = encode(next);
  if (url === location.pathname + location.search) return;
  history[typing ? 'replaceState' : 'pushState'](null, '', url);
  state.value = next;
}

addEventListener('popstate', () => (state.value = decode(location.pathname, location.search)));

export type Theme = 'auto' | 'light' | 'dark';
const stored = localStorage.getItem('theme');
export const theme = signal<Theme>(stored === 'light' || stored === 'dark' ? stored : 'auto');
const system = matchMedia('(prefers-color-scheme: dark)');
const systemDark = signal(system.matches);
system.addEventListener('change', () => (systemDark.value = system.matches));
export const dark = computed(() =>
  theme.value === 'auto' ? systemDark.value : theme.value === 'dark',
);
effect(() => {
  const t = theme.value;
  if (t === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = t;
  localStorage.setItem('theme', t);
});

const phone = matchMedia('(max-width: 720px)');
export const narrow = signal(phone.matches);
phone.addEventListener('change', () => (narrow.value = phone.matches));
/** Rows are higher where fingers are. */
export const tableRow = computed(() => (narrow.value ? 44 : 24));
export const flameRow = computed(() => (narrow.value ? 28 : 20));

export const catalog = signal<Catalog | null>(null);
/** What was chosen last where the link did not say. */
export const chosen = signal<Choice | null>(recall(sessionStorage.getItem('chosen')));
effect(() => sessionStorage.setItem('chosen', JSON.stringify(chosen.value)));
/** How the process itself is doing. */
export const status = signal<Status | null>(null);
export const labels = signal<LabelValues[]>([]);
/** The question that `tree` and `topRows` answer: times are frozen in it. */
export const held = signal<Query | null>(null);
export const tree = signal<Tree | null>(null);
export const topRows = signal<Top | null>(null);
export const series = signal<(Series & { from: number; to: number }) | null>(null);
/** What should be known about the picture beside its numbers, in the server's words. */
export const notes = computed(() => tree.value?.notes ?? []);
export const failed = signal('');
export const stale = signal(''); // why the last refresh failed
export const busy = signal(false);
export const live = signal(true); // refresh while the range moves with the clock

/** What the pointer or the keyboard is on: a frame of some tree, or a function of the table. */
export const hover = signal<{ tree: Tree; i: number } | null>(null);
export const hoverFn = signal('');

export const service = computed(() =>
  catalog.value?.services.find((s) => s.service === state.value.service),
);
/** Another service, with the same type where it has that. */
export function goService(name: string): void {
  const next = (chosen.value = pick(catalog.value?.services ?? [], name, state.value.type));
  const fresh = { zoom: '', fn: '', diff: false, sort: initial.sort };
  go({ ...fresh, service: name, type: next.type });
}
/** A service is named that has nothing, so that not even a type is known to ask for. */
export const unknown = computed(() => {
  const { service, type } = state.value;
  return !!catalog.value && !!service && !type;
});
/** Totals since the start of a process are shown like gauges: neither adds over time. */
export const gauge = computed(() => {
  const type = service.value?.types.find((t) => t.type === state.value.type);
  return !!type && type.temporality !== 'delta';
});
export const zoom = computed(() =>
  tree.value ? Math.max(0, find(tree.value, state.value.zoom)) : 0,
);
export const hits = computed(() => (tree.value ? search(tree.value.names, state.value.q) : null));

/** The sum of what matches, from the server, for the search it was asked for. */
export const exact = signal<{ q: string; total: number } | null>(null);
/** Until that is there: what the held tree knows, pruned frames left out. */
export const found = computed(() => {
  if (!tree.value || !hits.value) return null;
  const f = matched(tree.value, hits.value),
    e = exact.value;
  return e?.q === state.value.q ? { ...f, total: e.total } : f;
});
