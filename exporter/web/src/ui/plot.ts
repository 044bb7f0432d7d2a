// uPlot, set up. Knows nothing of the page; reads the data through a function, as it changes.
import uPlot from 'uplot';
import type { Series } from '../types';
import { dark } from '../state';
import { hex, oklch } from '../pure/color';
import { rate, ticks, times, value } from '../pure/format';
import { lonely } from '../pure/series';

export interface Held {
  s: Series & { from: number; to: number };
  missing: boolean[];
  type: string;
}

const hues = [255, 50, 160, 325, 100, 205];

/** Six hues, then the same ones in another lightness. */
export function color(i: number): string {
  const turn = Math.floor(i / 6) % 3,
    h = hues[i % 6]!;
  return hex(dark.value ? oklch(0.74 - turn * 0.12, 0.12, h) : oklch(0.56 + turn * 0.1, 0.14, h));
}

export const show = (s: Series, type: string, v: number | null) =>
  v === null ? 'no data' : s.temporality === 'delta' ? rate(v, s.unit, 1, type) : value(v, s.unit);

interface Options {
  cursor: (i: number | null) => void;
  select: (a: number, b: number) => void;
  narrow: boolean;
}

export function make(get: () => Held, box: HTMLElement, o: Options): uPlot {
  const css = getComputedStyle(box),
    line = css.borderTopColor,
    text = css.color;
  const font = `11px ${css.fontFamily}`,
    { s } = get();
  const axis = {
    stroke: text,
    font,
    grid: { stroke: line, width: 1 },
    ticks: { show: false },
  };
  const peak = () => Math.max(0, ...get().s.series.flatMap((x) => x.v.map((v) => v ?? 0)));
  const marks = () => ticks(peak() * 1.02, s.unit); // the highest mark is above all values
  // As wide as the labels are: "10 000 cores" does not fit where "2 MiB/s" does.
  const room = (u: uPlot, labels: string[] | null) => {
    u.ctx.save();
    u.ctx.font = font;
    const widths = (labels ?? []).map((x) => u.ctx.measureText(x).width);
    u.ctx.restore();
    return Math.max(72, Math.ceil(Math.max(0, ...widths)) + 12);
  };
  return new uPlot(
    {
      width: box.clientWidth,
      height: box.clientHeight,
      padding: [8, 20, 0, 0],
      legend: { show: false },
      tzDate: (t) => uPlot.tzDate(new Date(t * 1e3), 'Etc/UTC'),
      cursor: { y: false, drag: { x: true, y: false, setScale: false }, points: { size: 5 } },
      scales: {
        x: { range: () => [get().s.from, get().s.to] },
        y: { range: () => [0, marks().at(-1) || 1] },
      },
      series: [
        {},
        ...s.series.map((_, k) => ({
          stroke: color(k),
          width: 1.5,
          spanGaps: false,
          points: {
            size: 5,
            fill: color(k),
            show: () => true,
            filter: (_u: uPlot, i: number) => lonely(get().s.series[i - 1]?.v ?? []),
          },
          ...(s.series.length === 1 ? { fill: color(k) + (dark.value ? '24' : '1a') } : {}),
        })),
      ],
      axes: [
        {
          ...axis,
          size: 24,
          gap: 4,
          space: o.narrow ? 64 : 88,
          grid: { show: false },
          values: (_u, v, _axis, _space, step) => times(v, step),
        },
        {
          ...axis,
          size: room,
          gap: 8,
          space: 24,
          splits: marks,
          values: (_u, v) => v.map((x) => show(s, get().type, x)),
        },
      ],
      hooks: {
        drawClear: [(u) => hatch(u, get(), line)],
        setCursor: [(u) => o.cursor(u.cursor.idx ?? null)],
        setSelect: [
          (u) => {
            const { left, width } = u.select;
            if (width >= 4) o.select(u.posToVal(left, 'x'), u.posToVal(left + width, 'x'));
            u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
          },
        ],
      },
    },
    [s.t, ...s.series.map((x) => x.v)],
    box,
  );
}

/** Diagonal lines where nothing at all was scraped. */
function hatch(u: uPlot, { s, missing }: Held, stroke: string): void {
  const { ctx: c, bbox: b } = u;
  c.save();
  c.beginPath();
  c.rect(b.left, b.top, b.width, b.height);
  c.clip();
  c.strokeStyle = stroke;
  c.lineWidth = devicePixelRatio;
  for (let i = 0; i < s.t.length; i++) {
    if (!missing[i]) continue;
    const first = i;
    while (missing[i + 1]) i++;
    const x0 = u.valToPos(s.t[Math.max(0, first - 1)]!, 'x', true);
    const x1 = u.valToPos(s.t[Math.min(s.t.length - 1, i + 1)]!, 'x', true);
    c.save();
    c.beginPath();
    c.rect(x0, b.top, x1 - x0, b.height);
    c.clip();
    c.beginPath();
    for (let x = x0 - b.height; x < x1; x += 6 * devicePixelRatio) {
      c.moveTo(x, b.top + b.height);
      c.lineTo(x + b.height, b.top);
    }
    c.stroke();
    c.restore();
  }
  c.restore();
}
