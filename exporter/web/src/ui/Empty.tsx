// An empty result says why, and what to do next.
import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { targets } from '../api';
import {
  catalog,
  go,
  goService,
  held,
  notes,
  series,
  service,
  state,
  topRows,
  tree,
} from '../state';
import { clock, span } from '../pure/format';
import { lately } from '../pure/time';
import { cancels } from '../pure/top';
import type { Target } from '../types';
import { Link } from './parts';

export const rangeText = (from: number, to: number) =>
  `${clock(from, true)} – ${clock(to, to - from >= 86400)} UTC`;

export function Empty() {
  const s = state.value,
    q = held.value,
    has = service.value;
  const other = has?.types.filter((t) => t.type !== s.type) ?? [];
  const said = notes.value.length > 0;
  const filtered =
    s.l !== '' && (said || !series.value?.series.some((x) => x.v.some((v) => v !== null)));
  const seen = series.value?.t.filter((_, i) => series.value!.series.some((x) => x.v[i] !== null));
  const ago = lately(s.from, s.to);
  const when = ago ? `the last ${ago}` : q ? rangeText(q.from, q.to) : 'this range';
  const zero = !!tree.value && !!topRows.value && cancels(tree.value, topRows.value);
  const older = has && q && (has.last < q.from || has.first >= q.to);
  return (
    <section class="empty" aria-labelledby="empty-title">
      <h2 id="empty-title">
        {zero
          ? `${s.type} adds up to 0`
          : filtered
            ? 'No profile has these labels'
            : `No ${s.type} samples`}
      </h2>
      {zero ? (
        <p>
          The profiles of <b>{s.service}</b> in {when} hold values, and the positive and the
          negative ones cancel out. A part of the time, or of the labels, may show them.
        </p>
      ) : filtered && said ? null : filtered ? (
        <p>
          Nothing from <b>{s.service}</b> matches <code>{s.l}</code> in {when}.
        </p>
      ) : older ? (
        <p>
          The newest profile of <b>{s.service}</b> is of {clock(has.last, true)} UTC.
        </p>
      ) : !seen?.length ? (
        <p>
          No {s.type} profile of <b>{s.service}</b> arrived in {when}.
        </p>
      ) : s.type.startsWith('cpu:') ? (
        <>
          <p>
            Profiles of <b>{s.service}</b> arrived in {when}, and every one was empty.
          </p>
          <p>
            CPU is sampled 100 times a second: a process that uses less than 10 ms of CPU in a
            window leaves no sample. It is idle, or it waits.
          </p>
        </>
      ) : (
        <p>
          The profiles of <b>{s.service}</b> in {when} hold no sample of this type.
        </p>
      )}
      {notes.value.map((note) => (
        <p key={note}>
          {/* The server quotes with backticks, as in a terminal. */}
          {(note[0]!.toUpperCase() + note.slice(1)).split('`').map((part, i) => (i % 2 ? <code key={i}>{part}</code> : part))}
        </p>
      ))}
      <div class="actions">
        {filtered && !zero && (
          <button type="button" class="solid" onClick={() => go({ l: '' })}>
            Clear labels
          </button>
        )}
        {older && !zero && (
          <button
            type="button"
            class="solid"
            onClick={() =>
              go({
                from: String(Math.floor(has.last) - 3600),
                to: String(Math.ceil(has.last) + 60),
              })
            }
          >
            Show its last hour
          </button>
        )}
        {!filtered &&
          !older &&
          other.slice(0, 8).map((t) => (
            <button key={t.type} type="button" onClick={() => go({ type: t.type })}>
              Show {t.type}
            </button>
          ))}
        {ago !== '24h' && (
          <button type="button" onClick={() => go({ from: 'now-24h', to: '' })}>
            Look at 24h
          </button>
        )}
        <Link class="button" to={{ page: 'targets' }}>
          Check the targets
        </Link>
      </div>
    </section>
  );
}

/** A service that is named but has nothing; it is looked at as soon as it has. */
export function Unknown() {
  const { service: name } = state.value;
  return (
    <section class="empty" aria-labelledby="empty-title" role="status">
      <h2 id="empty-title">No profiles of {name}</h2>
      <p>
        No service of this name has sent a profile in the last 24 h. It may be spelt otherwise, not
        be scraped, or have stopped before.
      </p>
      <Next>
        <button
          type="button"
          onClick={() => go({ type: 'cpu:cpu', from: 'now-7d', to: '' })}
        >
          Look for its CPU in 7d
        </button>
      </Next>
    </section>
  );
}

/** The services that there are, where the one that is named is not among them, and the targets. */
export function Next({ children }: { children?: ComponentChildren }) {
  const all = catalog.value?.services ?? [];
  return (
    <div class="actions">
      {!service.value &&
        all.slice(0, 8).map((s) => (
          <button key={s.service} type="button" onClick={() => goService(s.service)}>
            Show {s.service}
          </button>
        ))}
      {children}
      <Link class="button" to={{ page: 'targets' }}>
        Check the targets
      </Link>
    </div>
  );
}

/** Nothing has arrived at all: the list of services is asked for every 2 s (load.ts). */
export function Waiting() {
  const list = useSignal<Target[]>([]);
  useEffect(() => {
    const ask = () =>
      targets().then(
        (r) => (list.value = r.targets),
        () => undefined,
      );
    void ask();
    const id = setInterval(() => void ask(), 2000);
    return () => clearInterval(id);
  }, []);
  const ill = (['down', 'degraded'] as const).flatMap((h) =>
    list.value.filter((t) => t.health === h),
  );
  const next = Math.min(...list.value.map((t) => t.interval_s).filter((s) => s > 0));
  return (
    <section class="empty" aria-labelledby="empty-title">
      <h2 id="empty-title">Waiting for the first profiles</h2>
      <p role="status">
        They arrive within 10 to 20 s of the start.{' '}
        {Number.isFinite(next) && next > 20 && `The targets are scraped every ${span(next)}. `}
        This page looks again every 2 s.
      </p>
      {ill.length > 0 && (
        <p class="bad">
          {ill.length} of {list.value.length} targets have errors
          {ill[0]!.last_error && (
            <>
              : <code>{ill[0]!.last_error}</code>
            </>
          )}
        </p>
      )}
      <div class="actions">
        <Link class="button" to={{ page: 'targets' }}>
          {ill.length ? 'See what is wrong' : 'Check the targets'}
        </Link>
      </div>
    </section>
  );
}
