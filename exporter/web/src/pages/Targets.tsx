// Prometheus-like: is everything scraped, and if not, why. Problems first within a job.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { targets } from '../api';
import { go, state } from '../state';
import type { Health, Target } from '../types';
import { errorsOf } from '../pure/errors';
import { span } from '../pure/format';
import { Segmented } from '../ui/parts';

const words: Record<Health, string> = {
  up: 'Up',
  degraded: 'Degraded',
  down: 'Down',
  unknown: 'Not yet',
};
const rank: Health[] = ['down', 'degraded', 'unknown', 'up'];
const seconds = (s: number) => (s < 0.5 ? '0 s' : span(Math.round(s)));

export function Targets() {
  const list = useSignal<Target[] | null>(null),
    now = useSignal(0),
    error = useSignal('');
  const { only } = state.value;
  useEffect(() => {
    let skew = 0,
      asked = 0;
    const ask = () => {
      asked = Date.now();
      targets().then(
        (r) => {
          skew = r.now - Date.now() / 1000;
          list.value = r.targets;
          now.value = r.now;
          error.value = '';
        },
        (e: Error) => (error.value = e.message),
      );
    };
    const id = setInterval(() => {
      if (document.hidden) return;
      now.value = Date.now() / 1000 + skew;
      if (Date.now() - asked >= 5000) ask();
    }, 1000);
    ask();
    return () => clearInterval(id);
  }, []);
  return (
    <main class="page">
      {list.value ? (
        <List list={list.value} now={now.value} only={only} />
      ) : (
        <div class="page-head">
          <h1>Targets</h1>
        </div>
      )}
      {error.value && (
        <p class="bad" role="alert">
          {list.value ? 'Not refreshed' : 'The targets could not be loaded'}: {error.value}
        </p>
      )}
    </main>
  );
}

const many = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;

function List({ list, now, only }: { list: Target[]; now: number; only: string }) {
  const count = (h: Health) => list.filter((t) => t.health === h).length;
  const shown = list.filter((t) => !only || t.health === only);
  const jobs = [...new Set(shown.map((t) => t.job))];
  return (
    <>
      <div class="page-head">
        <h1>Targets</h1>
        <p class="muted">
          {many(list.length, 'target')} in {many(new Set(list.map((t) => t.job)).size, 'job')},{' '}
          {count('up')} up
        </p>
        <Segmented<string>
          label="Health"
          now={only}
          pick={(o) => go({ only: o }, true)}
          options={[
            {
              value: '',
              text: (
                <>
                  All <b>{list.length}</b>
                </>
              ),
            },
            ...rank.map((h) => ({
              value: h,
              text: (
                <>
                  <i class={'dot ' + h} />
                  {words[h]} <b>{count(h)}</b>
                </>
              ),
            })),
          ]}
        />
      </div>
      {!list.length && (
        <p class="none">No target is known yet: none is configured, or none was discovered.</p>
      )}
      {list.length > 0 && !shown.length && (
        <p class="none">No target is {words[only as Health]?.toLowerCase() ?? only}.</p>
      )}
      {shown.length > 0 && (
        <div class="sheet">
          <table class="targets" aria-label="Targets">
            <thead>
              <tr>
                <th scope="col">Health</th>
                <th scope="col">Endpoint</th>
                <th scope="col">Types</th>
                <th scope="col" class="num">
                  Last scrape
                </th>
                <th scope="col" class="num">
                  Took
                </th>
                <th scope="col" class="num">
                  Next scrape
                </th>
              </tr>
            </thead>
            {jobs.map((j) => (
              <Job
                key={j}
                name={j}
                list={shown.filter((t) => t.job === j)}
                all={list.filter((t) => t.job === j)}
                now={now}
              />
            ))}
          </table>
        </div>
      )}
    </>
  );
}

function Job({
  name,
  list,
  all,
  now,
}: {
  name: string;
  list: Target[];
  all: Target[];
  now: number;
}) {
  const up = all.filter((t) => t.health === 'up').length;
  const sorted = [...list].sort((a, b) => rank.indexOf(a.health) - rank.indexOf(b.health));
  return (
    <tbody>
      <tr class="job">
        <th colSpan={6} scope="rowgroup">
          {name}{' '}
          <span class="muted">
            {up} of {all.length} up
          </span>
        </th>
      </tr>
      {sorted.map((t) => (
        <Row key={t.endpoint} t={t} now={now} />
      ))}
    </tbody>
  );
}

function Row({ t, now }: { t: Target; now: number }) {
  // Windows back to back take all of their interval, and a little more to be told.
  const used = t.last_duration_s / t.interval_s,
    late = now - t.next_scrape,
    told = errorsOf(t);
  return (
    <>
      <tr class={t.health}>
        <td class="health">
          <i class={'dot ' + t.health} />
          {words[t.health]}
        </td>
        <td class="endpoint">
          <span class="mono">{t.endpoint}</span>
          <span class="labels">
            {Object.entries(t.labels).map(([k, v]) => (
              <span key={k}>
                <span class="muted">{k}=</span>
                {v}
              </span>
            ))}
          </span>
        </td>
        <td class="types">
          {t.types.map((x) => (
            <span key={x} class={t.errors.some((e) => e.type === x) ? 'bad' : ''}>
              {x}{' '}
            </span>
          ))}
        </td>
        <td class="num" data-th="Last scrape">
          {t.last_scrape ? seconds(now - t.last_scrape) + ' ago' : 'never'}
        </td>
        <td class="num" data-th="Took">
          {t.last_scrape ? (
            <>
              <span class={used > 1.2 ? 'warn' : ''}>{span(t.last_duration_s)}</span>{' '}
              <span class="muted">of {span(t.interval_s)}</span>
            </>
          ) : (
            '–'
          )}
        </td>
        <td class="num" data-th="Next scrape">
          {!t.next_scrape ? '–' : late > 0 ? 'now' : `in ${seconds(t.next_scrape - now)}`}
        </td>
      </tr>
      {told.length > 0 && (
        <tr class="why">
          <td />
          <td colSpan={5}>
            {told.map((e) => (
              <div key={e.type}>
                <p class={e.over ? 'muted' : t.health === 'down' ? 'bad' : 'warn'}>
                  <span class="mono">
                    {e.type && `${e.type}: `}
                    {e.error}
                  </span>
                  {e.word && <span class="tag">{e.word}</span>}
                  <span class="muted"> {seconds(now - e.at)} ago</span>
                </p>
                {e.body && <pre>{e.body.trim()}</pre>}
                {e.hint && <p class="muted">{e.hint}</p>}
              </div>
            ))}
          </td>
        </tr>
      )}
    </>
  );
}
