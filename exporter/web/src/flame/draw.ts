// Canvas painting. Knows nothing of events or state.
import { change, diff, frameOf, hex, ink } from '../pure/color';
import { forms } from '../pure/names';
import { isMore, label, type Box, type Tree, type View } from './tree';

export interface Paint {
  tree: Tree;
  view: View;
  dark: boolean;
  hits: Uint8Array | null; // search; the rest fades
  fn: string; // selected function; the rest fades
}

export const FONT = 12;

// Widths depend on the font alone: measured once per text, for all trees.
const widths = new Map<string, number>();
function measure(c: CanvasRenderingContext2D, s: string): number {
  let w = widths.get(s);
  if (w === undefined) widths.set(s, (w = c.measureText(s).width));
  return w;
}

const allForms = new Map<string, string[]>();
const formsOf = (name: string) => allForms.get(name) ?? allForms.set(name, forms(name)).get(name)!;

/** The longest form of a name that fits, else the shortest one cut; '' where even that is noise. */
export function fit(name: string, w: number, measure: (s: string) => number): string {
  const list = formsOf(name);
  for (const s of list) if (measure(s) <= w) return s;
  const last = list[list.length - 1]!;
  let n = Math.floor(last.length * (w / measure(last)));
  while (n > 1 && measure(last.slice(0, n - 1) + '…') > w) n--;
  return n > 2 ? last.slice(0, n - 1) + '…' : '';
}

// Per list of names: one colour a name, for the theme they were made for.
const fills = new WeakMap<object, { dark: boolean; list: string[] }>();
function fillOf(p: Paint, i: number): string {
  const t = p.tree;
  if (isMore(t, i)) return hex(p.dark ? [44, 47, 53] : [236, 238, 241]);
  if (t.total_b) {
    const a = t.total_b[i]! / (t.total_b[0]! || 1),
      b = t.total[i]! / (t.total[0]! || 1);
    // Where the base is empty nothing is more than before.
    return hex(diff(t.total_b[0] ? change(a, b) : 0, p.dark));
  }
  let made = fills.get(t.names);
  if (made?.dark !== p.dark) fills.set(t.names, (made = { dark: p.dark, list: [] }));
  return (made.list[t.name[i]!] ??= frameOf(label(t, i), p.dark));
}

export function prepare(
  canvas: HTMLCanvasElement,
  width: number,
  height: number,
): CanvasRenderingContext2D {
  const ratio = devicePixelRatio || 1,
    w = Math.round(width * ratio),
    h = Math.round(height * ratio);
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = width + 'px';
    canvas.style.height = height + 'px';
  }
  const c = canvas.getContext('2d')!;
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
  c.clearRect(0, 0, width, height);
  c.font = `${FONT}px ${getComputedStyle(canvas).fontFamily}`;
  c.textBaseline = 'middle';
  return c;
}

export function paint(c: CanvasRenderingContext2D, p: Paint, boxes: Box[], scroll: number): void {
  const { tree: t, view: v } = p;
  const text = hex(ink(p.dark)),
    faint = p.dark ? '#9aa1ab' : '#5c6570';
  for (const { i, x, y, w } of boxes) {
    const above = t.level[i]! < t.level[v.root]!;
    const more = isMore(t, i);
    const off =
      !more && ((p.hits && !p.hits[t.name[i]!]) || (p.fn && t.names[t.name[i]!] !== p.fn));
    c.globalAlpha = off ? 0.28 : above ? 0.5 : 1;
    c.fillStyle = fillOf(p, i);
    c.fillRect(x, y - scroll, w > 3 ? w - 1 : w * 0.9, v.row - 1);
    // A narrow frame gets no text; one that begins left of the window is a root's child at most.
    if (w < 26) continue;
    const room = w - 10;
    const s = more
      ? measure(c, label(t, i)) <= room
        ? label(t, i)
        : ''
      : fit(label(t, i), room, (q) => measure(c, q));
    if (!s) continue;
    c.globalAlpha = off ? 0.8 : above ? 0.75 : 1;
    c.fillStyle = more || off ? faint : text;
    c.fillText(s, x + 5, y - scroll + v.row / 2);
  }
  c.globalAlpha = 1;
}

/** Hover and keyboard position, on a canvas of its own: the frames are not painted again. */
export function outline(
  c: CanvasRenderingContext2D,
  p: Paint,
  boxes: Box[],
  scroll: number,
  at: number,
  fn: string,
): void {
  const t = p.tree;
  for (const { i, x, y, w } of boxes) {
    const same = fn !== '' && !isMore(t, i) && t.names[t.name[i]!] === fn;
    if (i !== at && !same) continue;
    c.strokeStyle = p.dark ? '#f2f4f7' : '#171b21';
    c.globalAlpha = i === at || at < 0 ? 1 : 0.4; // the others of the same function, more quietly
    c.lineWidth = i === at ? 2 : 1;
    const in_ = i === at ? 1 : 0.5;
    c.strokeRect(x + in_, y - scroll + in_, Math.max(1, w - 1 - 2 * in_), p.view.row - 1 - 2 * in_);
  }
  c.globalAlpha = 1;
}
