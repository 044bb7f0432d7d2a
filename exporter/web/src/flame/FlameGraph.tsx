// The canvas: as high as its window, however deep the tree; a second one on top for outlines.
import { effect } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { dark, flameRow, go, hits, hover, hoverFn, state } from '../state';
import { says } from '../ui/Details';
import { outline, paint, prepare, type Paint } from './draw';
import {
  find,
  height,
  hit,
  isMore,
  label,
  layout,
  move,
  type Box,
  type Tree,
  type View,
} from './tree';

interface Props {
  tree: Tree;
  root: number;
  onZoom: (i: number) => void;
  name: string; // for screen readers
  flip?: boolean; // the root at the bottom
  dim?: boolean; // fade all but the selected function
}

interface Drawn {
  p: Paint;
  boxes: Box[];
  w: number;
  h: number;
}

export function FlameGraph({ tree, root, onZoom, name, flip = false, dim = false }: Props) {
  const ROW = flameRow.value,
    tall = height(tree, { root, width: 0, row: ROW, flip });
  const box = useRef<HTMLDivElement>(null),
    live = useRef<HTMLParagraphElement>(null);
  const base = useRef<HTMLCanvasElement>(null),
    over = useRef<HTMLCanvasElement>(null);
  const now = useRef<Drawn>(undefined);
  const cursor = useRef(root),
    shown = useRef(tree);
  const touched = useRef(false);
  const seen = useRef({ tall, top: 0, flip: !flip }); // the scroll position that was drawn last

  // The same picture with new numbers: what the pointer and the keyboard were on stays.
  if (shown.current !== tree) {
    const was = shown.current,
      same = (i: number) => find(tree, was.path[i] ?? '');
    const on = hover.peek();
    cursor.current = Math.max(0, same(cursor.current));
    if (on?.tree === was) {
      const i = same(on.i);
      queueMicrotask(() => (hover.value = i < 0 ? null : { tree, i }));
    }
    shown.current = tree;
  }

  useLayoutEffect(() => {
    const el = box.current!,
      was = seen.current;
    let frame = 0;
    const draw = () => {
      const w = el.clientWidth,
        h = el.clientHeight;
      if (!w || !h) return;
      const view: View = { root, width: w, row: ROW, flip };
      const p: Paint = {
        tree,
        view,
        dark: dark.peek(),
        hits: hits.peek(),
        fn: dim ? state.peek().fn : '',
      };
      const boxes = layout(tree, view, el.scrollTop, el.scrollTop + h);
      const t0 = performance.now();
      paint(prepare(base.current!, w, h), p, boxes, el.scrollTop);
      now.current = { p, boxes, w, h };
      seen.current = { tall, top: el.scrollTop, flip };
      lines();
      // For tests: what is on the screen, without looking at pixels.
      const paintMs = performance.now() - t0,
        frames = boxes.length,
        total = tree.total[0]!;
      Object.assign(window, {
        __flame: { frames, total, tree, root, boxes, paintMs, zoom: onZoom },
      });
    };
    const lines = () => {
      const n = now.current;
      if (!n) return;
      const { value: on } = hover,
        mine = on?.tree === tree ? on.i : -1;
      const fn = mine < 0 ? (on ? '' : hoverFn.value) : isMore(tree, mine) ? '' : label(tree, mine);
      outline(prepare(over.current!, n.w, n.h), n.p, n.boxes, el.scrollTop, mine, fn);
    };
    const soon = () => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(draw);
    };
    // Upside down the root is at the bottom, and that is where one begins; new levels grow at the
    // top, so the distance to the bottom is what is kept.
    const bottom = () => (el.scrollTop = el.scrollHeight);
    if (was.flip !== flip) {
      touched.current = false;
      if (flip) bottom();
      else el.scrollTop = 0;
    } else if (flip && was.tall !== tall) el.scrollTop = was.top + tall - was.tall;
    const stop = [
      effect(() => {
        void [dark.value, hits.value, state.value.fn];
        draw();
      }),
      effect(lines),
    ];
    const watch = new ResizeObserver(() => {
      if (flip && !touched.current) bottom();
      draw();
    });
    watch.observe(el);
    el.addEventListener('scroll', soon);
    return () => {
      stop.forEach((f) => f());
      watch.disconnect();
      el.removeEventListener('scroll', soon);
      cancelAnimationFrame(frame);
    };
  }, [tree, root, flip, dim, ROW]);

  // A zoom shows its frame with the next callers above it.
  useEffect(() => {
    const el = box.current!,
      l = tree.level[root]!;
    cursor.current = root;
    if (!flip) el.scrollTop = Math.min(el.scrollTop, Math.max(0, (l - 2) * ROW));
    else el.scrollTop = Math.max(el.scrollTop, (tree.depth - l + 3) * ROW - el.clientHeight);
  }, [tree.path[root]]);

  const at = (e: MouseEvent) => {
    const el = box.current!,
      r = el.getBoundingClientRect(),
      n = now.current;
    return n ? hit(tree, n.p.view, e.clientX - r.left, e.clientY - r.top + el.scrollTop) : -1;
  };
  const real = (i: number) => (isMore(tree, i) ? tree.parent[i]! : i);
  const sandwich = (i: number) => {
    if (i > 0 && !isMore(tree, i)) go({ view: 'sandwich', fn: label(tree, i) });
  };
  const point = (i: number) => {
    if (hover.peek()?.i === i && hover.peek()?.tree === tree) return;
    hover.value = i < 0 ? null : { tree, i };
    hoverFn.value = i < 0 || isMore(tree, i) ? '' : label(tree, i);
  };
  const click = (e: MouseEvent) => {
    const i = at(e);
    if (i < 0) return;
    cursor.current = real(i);
    onZoom(real(i));
  };
  const key = (e: KeyboardEvent) => {
    const [up, down] = flip ? (['child', 'parent'] as const) : (['parent', 'child'] as const);
    const arrows = { ArrowUp: up, ArrowDown: down, ArrowLeft: 'prev', ArrowRight: 'next' } as const;
    const to = arrows[e.key as keyof typeof arrows];
    if (to) {
      e.preventDefault();
      touched.current = true;
      cursor.current = move(tree, cursor.current, to);
      point(cursor.current);
      const el = box.current!,
        l = tree.level[cursor.current]!;
      const y = (flip ? tree.depth - l : l) * ROW;
      if (y < el.scrollTop || y + ROW > el.scrollTop + el.clientHeight) {
        el.scrollTop = y - el.clientHeight / 2;
      }
      live.current!.textContent = says();
    } else if (e.key === 'Enter') onZoom(real(cursor.current));
    else if (e.key === 's') sandwich(cursor.current);
    else if (e.key === 'Escape' && root > 0) {
      e.stopPropagation();
      onZoom(0);
    }
  };
  const touch = () => (touched.current = true);

  return (
    <div
      class={'canvas' + (flip ? ' up' : '')}
      ref={box}
      tabIndex={0}
      role="application"
      aria-roledescription="flame graph"
      aria-label={name}
      aria-describedby="flame-keys"
      style={{ '--tall': tall + 'px' }}
      onPointerMove={(e) => point(at(e))}
      onPointerLeave={() => point(-1)}
      onPointerDown={touch}
      onWheel={touch}
      onClick={click}
      onContextMenu={(e) => {
        e.preventDefault();
        sandwich(at(e));
      }}
      onFocus={() => !hover.peek() && point(cursor.current)}
      onBlur={() => point(-1)}
      onKeyDown={key}
    >
      <div class="stick">
        <canvas ref={base} aria-hidden="true" />
        <canvas ref={over} aria-hidden="true" />
      </div>
      <div class="tall" style={{ height: tall + 'px' }} />
      <p class="sr" aria-live="polite" ref={live} />
    </div>
  );
}
