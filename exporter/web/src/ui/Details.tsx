// One line, always there: what is under the pointer, else what is selected, else everything.
import { hover, hoverFn, state, topRows, tree, zoom } from '../state';
import { points, share, tone, value } from '../pure/format';
import { shortFile } from '../pure/names';
import { isMore, label } from '../flame/tree';
import { Symbol } from './parts';

interface Facts {
  kind: string;
  name: string;
  file: string;
  self: number;
  total: number;
  selfB: number;
  totalB: number;
}

function facts(): Facts | null {
  const t = tree.value,
    rows = topRows.value;
  if (!t || !rows) return null;
  const on = hover.value,
    fn = on ? '' : hoverFn.value || state.value.fn;
  const row = fn ? rows.rows.find((r) => r.function === fn) : undefined;
  if (row)
    return {
      kind: 'function',
      name: fn,
      file: row.file,
      self: row.flat,
      total: row.cum,
      selfB: row.flat_b ?? 0,
      totalB: row.cum_b ?? 0,
    };
  const { tree: at, i } = on ?? { tree: t, i: zoom.value };
  return {
    kind: isMore(at, i) ? 'too small to draw' : i === 0 && at === t ? 'everything' : 'frame',
    name: label(at, i),
    file: isMore(at, i) ? '' : at.files[at.name[i]!]!,
    self: at.self[i]!,
    total: at.total[i]!,
    selfB: at.self_b?.[i] ?? 0,
    totalB: at.total_b?.[i] ?? 0,
  };
}

/** The same line for a screen reader. */
export function says(): string {
  const f = facts(),
    unit = topRows.peek()?.unit ?? '',
    all = topRows.peek()?.total || 1;
  if (!f) return '';
  const [total, self] = [value(f.total, unit), value(f.self, unit)];
  return `${f.name}, total ${total}, ${share(f.total / all)}, self ${self}`;
}

export function Details() {
  const f = facts(),
    top = topRows.value;
  if (!f || !top) return <div class="details" />;
  const { unit, total: all } = top,
    allB = top.total_b || 1,
    compared = !!tree.value?.total_b && !!top.total_b;
  const num = (what: string, v: number, b: number) => (
    <span class="num">
      <span class="muted">{what}</span> <b>{value(v, unit)}</b>
      <span class="pct">{share(v / (all || 1))}</span>
      {compared && (
        <span class={'by ' + tone(v / all - b / allB)}>{points(v / all - b / allB)}</span>
      )}
    </span>
  );
  return (
    <div class="details" aria-label="Details">
      <span class="kind">{f.kind}</span>
      <span class="name" title={f.name}>
        <Symbol name={f.name} />
      </span>
      <span class="file" title={f.file}>
        {shortFile(f.file)}
      </span>
      {num('self', f.self, f.selfB)}
      {num('total', f.total, f.totalB)}
    </div>
  );
}
