// Times as a link carries them: "now-1h", Unix seconds or RFC 3339. To: '' is now.

export interface Span {
  from: number;
  to: number;
}

const units: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };

/** Unix seconds, or null where it is no time. */
export function instant(s: string, now: number): number | null {
  const m = /^now(?:-(\d+)([smhdw]))?$/.exec(s);
  if (m) return now - (m[1] ? Number(m[1]) * units[m[2]!]! : 0);
  if (/^\d+(\.\d+)?$/.test(s)) return Number(s);
  const t = /^\d{4}-\d\d-\d\dT/.test(s) ? Date.parse(s) / 1000 : NaN;
  return Number.isNaN(t) ? null : t;
}

/** Whole seconds, so that one answer serves several questions. */
export function resolve(from: string, to: string, now: number): Span | null {
  const a = instant(from, now),
    b = instant(to || 'now', now);
  return a === null || b === null || a >= b ? null : { from: Math.floor(a), to: Math.ceil(b) };
}

/** Whether the range moves with the clock. */
export const moves = (from: string, to: string) => from.startsWith('now') && !to;

/** "now-1h" → "1h"; '' for absolute times. */
export const lately = (from: string, to: string) => (moves(from, to) ? from.slice(4) : '');

/** A dragged range, widened to whole steps: what the picture adds is what the chart shows. */
export function snap(a: number, b: number, start: number, step: number): Span {
  const down = (t: number) => start + Math.floor((t - start) / step) * step;
  const from = down(Math.min(a, b)),
    last = down(Math.max(a, b));
  return { from: Math.floor(from), to: Math.ceil(last + step) };
}
