// Functions by what they cost. The equal of the picture: every function is reached from here.
import { useSignal } from '@preact/signals';
import { useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import type { Top, TopRow } from '../types';
import { dark, go, hover, hoverFn, narrow, state, tableRow, topRows } from '../state';
import { change, diff as tint, frameOf, hex } from '../pure/color';
import { integer, points, share, tone, value } from '../pure/format';
import { regexp } from '../pure/matchers';
import { shortFile } from '../pure/names';
import { delta, order, slice, type Column } from '../pure/top';
import { Icon } from './icons';
import { Symbol } from './parts';

const titles: Record<Column, string> = {
  name: 'Function',
  file: 'File',
  self: 'Self',
  total: 'Total',
  dself: 'Δ self',
  dtotal: 'Δ total',
};

function test(q: string): ((s: string) => boolean) | null {
  if (!q) return null;
  const re = regexp(q, 'i');
  return re ? (s) => re.test(s) : (s) => s.toLowerCase().includes(q.toLowerCase());
}

export function TopTable() {
  const ROW = tableRow.value,
    top = topRows.value!,
    { q, sort, fn, diff, view } = state.value;
  const compared = diff && top.total_b !== undefined;
  const rows = useMemo(() => order(top, sort, test(q), compared), [top, sort, q, compared]);
  const box = useRef<HTMLDivElement>(null),
    y = useSignal(0),
    h = useSignal(600),
    active = useSignal(0);
  useLayoutEffect(() => {
    const watch = new ResizeObserver(() => (h.value = box.current!.clientHeight));
    watch.observe(box.current!);
    return () => watch.disconnect();
  }, []);
  // Another question begins at the top; a refresh of the same one stays where it is.
  const asked = [state.value.service, state.value.type, q, sort, compared].join('\0');
  useLayoutEffect(() => {
    box.current!.scrollTop = 0;
    active.value = 0;
  }, [asked]);

  const columns: Column[] = compared
    ? narrow.value
      ? ['name', 'total', 'dtotal']
      : ['name', 'dself', 'total', 'dtotal']
    : ['name', 'self', 'total'];
  if (view === 'table' && !narrow.value) columns.splice(1, 0, 'file');
  const [first, last] = slice(rows.length, ROW, y.value, h.value);
  // Where Tab enters: the row that was last on, or the first one in the window.
  const stop =
    active.value >= first && active.value < last ? active.value : Math.min(last, first + 6);
  const step = (e: KeyboardEvent, i: number) => {
    const to = ({ ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20 } as Record<string, number>)[
      e.key
    ];
    if (e.key === 's') go({ view: 'sandwich', fn: rows[i]!.function });
    if (!to) return;
    e.preventDefault();
    const next = Math.min(rows.length - 1, Math.max(0, i + to));
    active.value = next;
    const top = next * ROW,
      room = box.current!.clientHeight - ROW * 2;
    if (top < box.current!.scrollTop) box.current!.scrollTop = top;
    else if (top > box.current!.scrollTop + room) box.current!.scrollTop = top - room;
    requestAnimationFrame(() =>
      requestAnimationFrame(() =>
        box.current?.querySelector<HTMLElement>(`[data-i="${next}"]`)?.focus(),
      ),
    );
  };
  return (
    <div
      class={'top' + (compared ? ' compared' : '')}
      ref={box}
      style={{ '--row': ROW + 'px' }}
      onScroll={(e) => (y.value = e.currentTarget.scrollTop)}
      onPointerLeave={() => (hoverFn.value = '')}
    >
      <table aria-label="Functions" aria-rowcount={rows.length + 1}>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map((c) => (
              <Head key={c} column={c} sort={sort} count={rows.length} />
            ))}
          </tr>
        </thead>
        <tbody>
          {first > 0 && <tr aria-hidden="true" style={{ height: first * ROW + 'px' }} />}
          {rows.slice(first, last).map((r, k) => (
            <Row
              key={r.function + r.file}
              r={r}
              i={first + k}
              top={top}
              columns={columns}
              on={fn === r.function}
              tab={stop === first + k}
              step={step}
            />
          ))}
          {last < rows.length && (
            <tr aria-hidden="true" style={{ height: (rows.length - last) * ROW + 'px' }} />
          )}
        </tbody>
      </table>
      {!rows.length && <p class="none">No function matches “{q}”.</p>}
    </div>
  );
}

function Head({ column, sort, count }: { column: Column; sort: string; count: number }) {
  const on = sort.replace('-', '') === column,
    down = sort.startsWith('-');
  const next = on
    ? down
      ? column
      : '-' + column
    : column === 'name' || column === 'file'
      ? column
      : '-' + column;
  return (
    <th class={column} scope="col" aria-sort={on ? (down ? 'descending' : 'ascending') : undefined}>
      <button type="button" onClick={() => go({ sort: next }, true)}>
        {titles[column]}
        {column === 'name' && <span class="count">{integer(count)}</span>}
        <span class="arrow" aria-hidden="true">
          {on ? (down ? '↓' : '↑') : ''}
        </span>
      </button>
    </th>
  );
}

interface RowProps {
  r: TopRow;
  i: number;
  top: Top;
  columns: Column[];
  on: boolean;
  tab: boolean;
  step: (e: KeyboardEvent, i: number) => void;
}

function Row({ r, i, top, columns, on, tab, step }: RowProps) {
  const point = () => {
    hover.value = null;
    hoverFn.value = r.function;
  };
  const pick = () => go({ fn: on && state.value.view !== 'sandwich' ? '' : r.function });
  const cell = (c: Column) => {
    if (c === 'name')
      return (
        <td key={c} class="name">
          <i
            class="swatch"
            style={{
              background: columns.includes('dtotal')
                ? hex(
                    tint(
                      top.total_b
                        ? change((r.cum_b ?? 0) / top.total_b, r.cum / (top.total || 1))
                        : 0,
                      dark.value,
                    ),
                  )
                : frameOf(r.function, dark.value),
            }}
          />
          <button
            type="button"
            class="pick"
            data-i={i}
            tabIndex={tab ? 0 : -1}
            aria-pressed={on}
            title={r.function}
            onClick={pick}
            onKeyDown={(e) => step(e, i)}
            onFocus={point}
          >
            <Symbol name={r.function} />
          </button>
          <button
            type="button"
            class="ghost go"
            tabIndex={tab ? 0 : -1}
            title="Callers and callees (s)"
            aria-label={`Callers and callees of ${r.function}`}
            onClick={() => go({ view: 'sandwich', fn: r.function })}
          >
            <Icon name="sandwich" />
          </button>
        </td>
      );
    if (c === 'file')
      return (
        <td key={c} class="file" title={r.file}>
          {shortFile(r.file)}
        </td>
      );
    if (c === 'self' || c === 'total') {
      const v = c === 'self' ? r.flat : r.cum,
        s = v / (top.total || 1);
      return (
        <td key={c} class="num">
          {s >= 0.02 && (
            <span class="bar" style={{ width: `calc((100% - 8px) * ${Math.min(1, s)})` }} />
          )}
          <span class="v">{value(v, top.unit)}</span>
          <span class="pct">{share(s)}</span>
        </td>
      );
    }
    if (!top.total_b)
      return (
        <td key={c} class="num muted">
          –
        </td>
      );
    const d = c === 'dself' ? delta(top, r.flat, r.flat_b) : delta(top, r.cum, r.cum_b);
    const base = c === 'dself' ? r.flat_b : r.cum_b,
      v = c === 'dself' ? r.flat : r.cum;
    const word = !base && v ? 'new' : base && !v ? 'gone' : '';
    return (
      <td key={c} class={'num ' + tone(d)}>
        {word && c === 'dtotal' && <span class="tag">{word}</span>}
        {points(d)}
      </td>
    );
  };
  return (
    <tr
      aria-rowindex={i + 2}
      class={(on ? 'on' : '') + (hoverFn.value === r.function ? ' hover' : '')}
      onPointerEnter={point}
    >
      {columns.map(cell)}
    </tr>
  );
}
