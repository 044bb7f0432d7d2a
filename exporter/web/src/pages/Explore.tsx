import { useSignal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import {
  busy,
  catalog,
  failed,
  flameRow,
  gauge,
  go,
  narrow,
  notes,
  state,
  topRows,
  tree,
  unknown,
  zoom,
} from '../state';
import { FlameGraph } from '../flame/FlameGraph';
import { sandwich } from '../flame/sandwich';
import { ancestors, build, find, isMore, label, type Tree } from '../flame/tree';
import { value } from '../pure/format';
import { ROOT } from '../pure/hash';
import { split } from '../pure/names';
import { Chart } from '../ui/Chart';
import { Details } from '../ui/Details';
import { Empty, Next, Unknown, Waiting } from '../ui/Empty';
import { Icon } from '../ui/icons';
import { Legend } from '../ui/Legend';
import { Symbol } from '../ui/parts';
import { SelectionBar } from '../ui/SelectionBar';
import { Toolbar } from '../ui/Toolbar';
import { TopTable } from '../ui/TopTable';

export function Explore() {
  useEffect(() => {
    const key = (e: KeyboardEvent) => {
      if (e.key !== 'Escape' || e.defaultPrevented) return;
      if (!document.querySelector('dialog[open]')) go({ zoom: '', fn: '', q: '' });
    };
    addEventListener('keydown', key);
    return () => removeEventListener('keydown', key);
  }, []);
  const waiting = catalog.value?.services.length === 0;
  return (
    <main class="explore" aria-busy={busy.value}>
      <h1 class="sr">Explore</h1>
      {waiting ? (
        <Waiting />
      ) : (
        <>
          <SelectionBar />
          {!unknown.value && <Chart />}
          <Result />
        </>
      )}
      <p id="flame-keys" class="sr">
        Arrow keys move between frames, Enter zooms, Escape zooms out, s shows callers and callees.
        The table holds the same functions.
      </p>
    </main>
  );
}

function Result() {
  const t = tree.value;
  if (failed.value)
    return (
      <section class="empty" role="alert">
        <h2>{catalog.value ? 'This selection could not be loaded' : 'Nothing could be loaded'}</h2>
        <p>{failed.value}</p>
        <Next />
      </section>
    );
  if (unknown.value) return <Unknown />;
  if (!t || !topRows.value) return null;
  return t.size[0] === 0 ? (
    <Empty />
  ) : (
    <>
      <Toolbar />
      <Notes />
      <Details />
      <Panes t={t} />
    </>
  );
}

/** What the numbers leave out, where anybody would else take them for all there is. */
function Notes() {
  if (!notes.value.length) return null;
  return (
    <ul class="notes" role="status">
      {notes.value.map((note) => (
        <li key={note}>{note[0]!.toUpperCase() + note.slice(1).replaceAll('`', '')}</li>
      ))}
    </ul>
  );
}

function Panes({ t }: { t: Tree }) {
  const { view } = state.value;
  const table = <TopTable key="t" />;
  return (
    <div class={'panes ' + view}>
      {view !== 'flame' && (view !== 'sandwich' || !narrow.value) && table}
      {(view === 'both' || view === 'flame') && <Flame t={t} />}
      {view === 'sandwich' && <Sandwich t={t} />}
    </div>
  );
}

function Flame({ t }: { t: Tree }) {
  return (
    <section class="pane" aria-label="Flame graph">
      <div class={'pane-head' + (zoom.value ? ' zoomed' : '')}>
        <Crumbs t={t} at={zoom.value} />
        <Legend />
      </div>
      <FlameGraph
        tree={t}
        root={zoom.value}
        flip={state.value.flip}
        name="Flame graph"
        dim
        onZoom={(i) => zoomTo(t, i)}
      />
    </section>
  );
}

const zoomTo = (t: Tree, i: number) => go({ zoom: i > 0 ? t.path[i]! : '' });

/** The way from the root to the zoomed frame; the middle of a long one folds. */
function Crumbs({ t, at }: { t: Tree; at: number }) {
  const path = ancestors(t, at);
  const shown = path.length > 4 ? [path[0]!, ...path.slice(-2)] : path;
  const kind = { mean: 'Average', last: 'Last', max: 'Max' }[state.value.gauge];
  const all = `${gauge.value ? kind : 'All of'} ${value(t.total[0]!, t.unit)}`;
  return (
    <nav class="crumbs" aria-label="Zoom">
      {shown.map((i, k) => [
        k > 0 && <Icon name="chevron" />,
        k === 1 && path.length > 4 && (
          <>
            <span class="muted">{path.length - 3} more</span>
            <Icon name="chevron" />
          </>
        ),
        i === at ? (
          <span key={i} class="here" aria-current="true">
            {i === 0 ? all : <Symbol name={label(t, i)} />}
          </span>
        ) : (
          <button
            key={i}
            type="button"
            class="ghost"
            title={label(t, i)}
            onClick={() => zoomTo(t, i)}
          >
            {i === 0 ? all : split(label(t, i)).join('')}
          </button>
        ),
      ])}
    </nav>
  );
}

function Sandwich({ t }: { t: Tree }) {
  const { fn } = state.value,
    rows = topRows.value!.rows;
  // Without a choice: the function that costs most by itself.
  const pivot = fn || rows.reduce((a, b) => (b.flat > a.flat ? b : a), rows[0]!).function;
  const halves = useMemo(() => {
    const x = sandwich(t, pivot);
    return x && { callers: build(x.callers), callees: build(x.callees) };
  }, [t, pivot]);
  if (!halves)
    return (
      <section class="pane">
        <p class="none">Every frame of {split(pivot).join('')} is too small to draw here.</p>
      </section>
    );
  return (
    <section class="pane" aria-label={`Callers and callees of ${pivot}`}>
      <Half key={'up' + pivot} title="Callers" tree={halves.callers} flip />
      <Half key={'down' + pivot} title="Callees" tree={halves.callees} />
    </section>
  );
}

function Half({ title, tree: t, flip }: { title: string; tree: Tree; flip?: boolean }) {
  const at = useSignal(ROOT),
    root = Math.max(0, find(t, at.value));
  const direct = t.level.filter((l, i) => l === 1 && !isMore(t, i)).length;
  return (
    <div
      class={'half' + (flip ? ' up' : '')}
      style={{ '--tall': (t.depth + 1) * flameRow.value + 'px' }}
    >
      <div class="pane-head">
        <h2>{title}</h2>
        <span class="muted">{direct === 0 ? 'none' : direct + ' direct'}</span>
        {root > 0 && (
          <button class="chip" type="button" onClick={() => (at.value = ROOT)}>
            <span class="clip">{split(label(t, root)).join('')}</span>
            <Icon name="close" />
            <span class="sr">zoom out</span>
          </button>
        )}
        {flip && <Legend />}
      </div>
      <FlameGraph
        tree={t}
        root={root}
        flip={flip}
        name={title}
        onZoom={(i) => (at.value = t.path[i] || ROOT)}
      />
    </div>
  );
}
