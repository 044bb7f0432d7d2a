// Numbers with units, shares and times. Three significant digits, never a bare number.

const scales: Record<string, [number, string][]> = {
  nanoseconds: [
    [1e9, 's'],
    [1e6, 'ms'],
    [1e3, 'µs'],
    [1, 'ns'],
  ],
  bytes: [
    [2 ** 40, 'TiB'],
    [2 ** 30, 'GiB'],
    [2 ** 20, 'MiB'],
    [2 ** 10, 'KiB'],
    [1, 'B'],
  ],
  count: [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
    [1, ''],
  ],
};

function digits(x: number): string {
  const a = Math.abs(x);
  if (a < 1) return String(Number(x.toPrecision(2)));
  if (a >= 10000) return integer(Math.round(x));
  return x.toFixed(a >= 100 || Number.isInteger(x) ? 0 : a >= 10 ? 1 : 2);
}

/** 1234567, 'bytes' → "1.18 MiB" */
export function value(v: number, unit: string): string {
  if (v === 0) return '0';
  const list = scales[unit];
  if (!list) return `${digits(v)} ${unit}`;
  const [by, name] =
    list.find(([s]) => Math.abs(v) >= s * (unit === 'bytes' ? 0.9765 : 0.9995)) ??
    list[list.length - 1]!;
  return digits(v / by) + (name && ' ' + name);
}

/** A share of 0…1 → "34.1%"; what is there but tiny stays visible as "<0.01%". */
export function share(x: number): string {
  if (!Number.isFinite(x) || x === 0) return '0%';
  const p = x * 100;
  if (Math.abs(p) < 0.01) return '<0.01%';
  return (
    (Math.abs(p) >= 99.95 ? p.toFixed(0) : Math.abs(p) >= 10 ? p.toFixed(1) : p.toFixed(2)) + '%'
  );
}

/** A difference of shares → "+2.1 pp": points, so that it is not read as a ratio. */
export function points(x: number): string {
  const p = x * 100;
  if (Math.abs(p) < 0.005) return '±0 pp';
  return (p > 0 ? '+' : '−') + Math.abs(p).toFixed(Math.abs(p) >= 10 ? 1 : 2) + ' pp';
}

/** The class of a difference: noise is neither. */
export const tone = (x: number) => (Math.abs(x) < 5e-5 ? 'muted' : x > 0 ? 'more' : 'less');

export function integer(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

const two = (n: number) => String(n).padStart(2, '0');
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Unix seconds → "16:08:19", with the day when `day`. UTC, as everything stored is. */
export function clock(t: number, day = false): string {
  const d = new Date(t * 1000);
  const s = `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;
  return day ? `${d.getUTCDate()} ${months[d.getUTCMonth()]} ${s}` : s;
}

/** The marks of a time axis: as fine as their step, the day where it changes. */
export function times(marks: number[], step: number): string[] {
  const day = (t: number) => Math.floor(t / 86400);
  return marks.map((t, i) => {
    const [date, time] = [clock(t, true).slice(0, -9), clock(t).slice(0, step < 60 ? 8 : 5)];
    if (step >= 86400 || t % 86400 === 0) return date;
    return i > 0 && day(t) !== day(marks[i - 1]!) ? `${date} ${time}` : time;
  });
}

/** The minute of an event: "14:03 UTC", with the day where that is not today's. */
export function minute(t: number, now: number): string {
  const day = Math.floor(t / 86400) !== Math.floor(now / 86400);
  return clock(t, day).slice(0, -3) + ' UTC';
}

/** Seconds → "12 s", "3 min", "2 h", "5 d". */
export function span(s: number): string {
  const a = Math.abs(s);
  if (a < 1) return `${Math.round(a * 1000)} ms`;
  if (a < 10 && !Number.isInteger(a)) return `${a.toFixed(1)} s`;
  return a < 100
    ? `${Math.round(a)} s`
    : a < 5400
      ? `${Math.round(a / 60)} min`
      : a < 129600
        ? `${Math.round(a / 3600)} h`
        : `${Math.round(a / 86400)} d`;
}

/** What was added per step → per second; CPU time per second is cores. */
export function rate(v: number, unit: string, step: number, type: string): string {
  if (v === 0) return '0';
  if (type.startsWith('cpu:') && unit === 'nanoseconds') return `${digits(v / step / 1e9)} cores`;
  const s = value(v / step, unit);
  return s + '/s';
}

/** Round marks from 0 to the first that is not below max, about four, round in the unit that is shown. `per`: as for rate. */
export function ticks(max: number, unit: string, per = 1): number[] {
  if (!(max > 0)) return [0];
  const list = scales[unit] ?? [[1, '']],
    by = (list.find(([s]) => max / per >= s) ?? list[list.length - 1]!)[0];
  const raw = max / per / by / 3.4,
    pow = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find((k) => k * pow >= raw)! * pow * by * per;
  return Array.from({ length: Math.ceil(max / step) + 1 }, (_, k) => k * step);
}
