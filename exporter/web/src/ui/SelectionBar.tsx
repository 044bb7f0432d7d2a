// What is looked at: service, type, labels, grouping, range. One line; it wraps on a phone.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { catalog, go, goService, labels, live, service, stale, state } from '../state';
import { parse, suggest } from '../pure/matchers';
import { explain } from '../pure/names';
import { lately, moves } from '../pure/time';
import { ranges } from '../pure/url';
import { Icon } from './icons';
import { Field, Segmented } from './parts';

const fresh = { zoom: '', fn: '' };

export function SelectionBar() {
  const s = state.value,
    all = catalog.value?.services ?? [],
    types = service.value?.types ?? [];
  const profiles = [...new Set(types.map((t) => t.type.split(':')[0]!))];
  // A link may name what is not there: it is shown, and so is that nothing came of it.
  const names = all.map((x) => x.service),
    known = (list: string[], x: string) => list.includes(x);
  return (
    <section class="selection" aria-label="Selection">
      <div class="fields">
        <Field label="Service">
          <select value={s.service} onChange={(e) => goService(e.currentTarget.value)}>
            {!known(names, s.service) && <option>{s.service}</option>}
            {names.map((x) => (
              <option key={x}>{x}</option>
            ))}
          </select>
        </Field>
        <Field label="Type">
          <select
            value={s.type}
            aria-describedby="type-hint"
            onChange={(e) => go({ ...fresh, type: e.currentTarget.value })}
          >
            {!known(
              types.map((t) => t.type),
              s.type,
            ) && <option>{s.type}</option>}
            {profiles.map((p) => (
              <optgroup key={p} label={p}>
                {types
                  .filter((t) => t.type.startsWith(p + ':'))
                  .map((t) => (
                    <option key={t.type}>{t.type}</option>
                  ))}
              </optgroup>
            ))}
          </select>
        </Field>
        <Matchers />
        <Field label="Group by">
          <select value={s.by} onChange={(e) => go({ by: e.currentTarget.value })}>
            <option value="">nothing</option>
            {s.by &&
              !known(
                labels.value.map((l) => l.name),
                s.by,
              ) && <option>{s.by}</option>}
            {labels.value.map((l) => (
              <option key={l.name}>{l.name}</option>
            ))}
          </select>
        </Field>
        <div class="when">
          <Segmented
            label="Time range"
            now={lately(s.from, s.to)}
            options={ranges.map((r) => ({ value: r as string, text: r }))}
            pick={(r) => go({ from: 'now-' + r, to: '' })}
          />
          {moves(s.from, s.to) && <Live />}
        </div>
      </div>
      <div class="under">
        <p class="hint" id="type-hint">
          {s.type && explain(s.type)}
        </p>
        {stale.value && (
          <p class="hint warn" role="status">
            Not refreshed: {stale.value}
          </p>
        )}
      </div>
    </section>
  );
}

function Live() {
  const on = live.value;
  return (
    <button
      class="ghost live"
      type="button"
      aria-pressed={on}
      onClick={() => (live.value = !on)}
      title={on ? 'Refreshes every 10 s; click to pause' : 'Paused; click to refresh every 10 s'}
    >
      <Icon name={on ? 'pause' : 'play'} />
      <span>Live</span>
    </button>
  );
}

function Matchers() {
  const s = state.value,
    text = useSignal(s.l);
  useEffect(() => {
    text.value = s.l;
  }, [s.l]);
  const bad = parse(text.value),
    error = Array.isArray(bad) ? '' : bad.error;
  const commit = () => {
    if (!error) go({ l: text.value.trim() });
  };
  return (
    <Field label="Labels" wide bad={!!error}>
      <input
        class="mono"
        type="text"
        placeholder={'pod=~"web-.*", zone="a"'}
        list="labels"
        spellcheck={false}
        autocomplete="off"
        value={text.value}
        aria-invalid={!!error}
        aria-describedby={error ? 'label-error' : undefined}
        onInput={(e) => (text.value = e.currentTarget.value)}
        onBlur={commit}
        onKeyDown={(e) => e.key === 'Enter' && commit()}
      />
      <datalist id="labels">
        {suggest(text.value, labels.value).map((x) => (
          <option key={x} value={x} />
        ))}
      </datalist>
      {error && (
        <span id="label-error" class="error" role="alert">
          {error}
        </span>
      )}
    </Field>
  );
}
