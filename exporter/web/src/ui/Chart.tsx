// The value over time. Drag, or Shift with the arrows and Enter, picks a range for everything.
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { dark, go, narrow, series, service, state } from '../state';
import { clock, span } from '../pure/format';
import { gaps } from '../pure/series';
import { lately, snap } from '../pure/time';
import { color, make, show, type Held } from './plot';
import { rangeText } from './Empty';
import { Icon } from './icons';

export function Chart() {
  const s = series.value,
    { by, type, from, to } = state.value;
  const box = useRef<HTMLDivElement>(null),
    plot = useRef<uPlot>(undefined);
  const held = useRef<Held>(undefined),
    anchor = useRef(-1);
  const at = useSignal<number | null>(null);
  const missing = s ? gaps(s, service.value?.first ?? 0) : [];
  if (s) held.current = { s, missing, type };

  const select = (a: number, b: number) => {
    const { s } = held.current!,
      r = snap(a, b, s.t[0] ?? a, s.step);
    go({ from: String(r.from), to: String(r.to) });
  };

  // A refresh changes the data of the same plot: the cursor and a drag outlive it.
  const shape = s && JSON.stringify([s.unit, s.temporality, s.series.map((x) => x.labels)]);
  useEffect(() => {
    if (!shape || !box.current) return;
    const el = box.current;
    const u = make(() => held.current!, el, {
      cursor: (i) => (at.value = i),
      select,
      narrow: narrow.value,
    });
    plot.current = u;
    const watch = new ResizeObserver(([e]) => {
      u.setSize({ width: e!.contentRect.width, height: e!.contentRect.height });
    });
    watch.observe(el);
    return () => {
      watch.disconnect();
      u.destroy();
      plot.current = undefined;
      at.value = null;
      anchor.current = -1;
    };
  }, [shape, dark.value, narrow.value]);
  useEffect(() => {
    if (s) plot.current?.setData([s.t, ...s.series.map((x) => x.v)]);
  }, [s, shape]);

  const key = (e: KeyboardEvent) => {
    const u = plot.current,
      t = s?.t ?? [];
    if (!u || !t.length) return;
    const step = e.key === 'ArrowRight' ? 1 : e.key === 'ArrowLeft' ? -1 : 0;
    const idx = u.cursor.idx ?? t.length - 1;
    const drop = () => {
      anchor.current = -1;
      u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    };
    if (step) {
      e.preventDefault();
      const next = Math.min(t.length - 1, Math.max(0, idx + step));
      if (!e.shiftKey) drop();
      else if (anchor.current < 0) anchor.current = idx;
      const x = u.valToPos(t[next]!, 'x');
      u.setCursor({ left: x, top: 10 });
      if (anchor.current < 0) return;
      const a = u.valToPos(t[anchor.current]!, 'x');
      u.setSelect(
        {
          left: Math.min(a, x),
          width: Math.abs(x - a),
          top: 0,
          height: u.over.clientHeight,
        },
        false,
      );
    } else if (e.key === 'Enter' && anchor.current >= 0) {
      select(t[anchor.current]!, t[idx]!);
      drop();
    } else if (e.key === 'Escape' && anchor.current >= 0) {
      e.stopPropagation();
      drop();
    }
  };

  if (!s) return <section class="chart" aria-busy="true" />;
  const i = at.value,
    ago = lately(from, to),
    n = missing.filter(Boolean).length;
  const what = s.temporality === 'delta' && type.startsWith('cpu') ? 'CPU in use' : type;
  const range = ago ? `the last ${ago}` : rangeText(s.from, s.to);
  const many = s.series.length > 1;
  return (
    <section class="chart" aria-label="Over time">
      <div class="chart-head">
        <span class="what">{what}</span>
        {!many && <Keys i={i} />}
        <span class="muted when">
          {i === null ? `mean of ${range}` : clock(s.t[i]!, true) + ' UTC'}
        </span>
        {n > 0 && i === null && (
          <span class="muted gaps">
            <i class="hatch" />
            {n} of {s.t.length} windows missing
          </span>
        )}
        {!ago && (
          <button class="chip" type="button" onClick={() => go({ from: 'now-1h', to: '' })}>
            <span class="long">{span(s.to - s.from)} selected ·</span>Reset to last 1h
            <Icon name="close" />
          </button>
        )}
      </div>
      {many && <Keys i={i} />}
      <div
        class="plot"
        ref={box}
        tabIndex={0}
        role="img"
        onKeyDown={key}
        aria-label={`${type} over ${range}: ${s.series
          .map((x) => `${by ? x.labels[by] + ' ' : ''}mean ${show(s, type, x.mean)}`)
          .join(', ')}; ${n} windows missing. Shift with arrows and Enter picks a range.`}
      />
    </section>
  );
}

/** The legend is the result, too: what is under the cursor, else the means. */
function Keys({ i }: { i: number | null }) {
  const s = series.value!,
    { by, type } = state.value,
    many = s.series.length > 1;
  return (
    <ul
      class={'keys' + (many ? ' many' : '')}
      tabIndex={many ? 0 : undefined}
      aria-label={many ? 'Groups' : undefined}
    >
      {s.series.map((x, k) => {
        const v = i === null ? x.mean : x.v[i];
        return (
          <li key={k}>
            {by && (
              <>
                <i style={{ background: color(k) }} />
                {x.labels[by] || '(none)'}{' '}
              </>
            )}
            <b>{v == null ? 'no data' : show(s, type, v)}</b>
          </li>
        );
      })}
    </ul>
  );
}
