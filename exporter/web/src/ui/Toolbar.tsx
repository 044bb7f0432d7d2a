// How it is looked at: view, search with its share, selected function, gauge, diff.
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { pprofUrl } from '../api';
import { found, gauge, go, held, state, topRows, tree } from '../state';
import { integer, share, span, value } from '../pure/format';
import { split } from '../pure/names';
import { lately } from '../pure/time';
import { encode, initial, type State } from '../pure/url';
import { copyText } from './copy';
import { Icon } from './icons';
import { Segmented } from './parts';

export function Toolbar() {
  const s = state.value,
    q = held.value;
  const range = lately(s.from, s.to) || (q ? span(q.to - q.from) : '');
  const compare = (diff: boolean) => go({ diff, zoom: '', sort: diff ? '-dtotal' : initial.sort });
  return (
    <section class="toolbar" aria-label="View">
      <Segmented<State['view']>
        label="View"
        now={s.view}
        pick={(view) => go({ view })}
        options={[
          { value: 'both', text: 'Both' },
          { value: 'flame', text: 'Flame' },
          { value: 'table', text: 'Table' },
          { value: 'sandwich', text: 'Sandwich' },
        ]}
      />
      <Search />
      {s.fn && (
        <button
          class="chip"
          type="button"
          title={s.fn}
          onClick={() => go({ fn: '', view: s.view === 'sandwich' ? 'both' : s.view })}
        >
          <span class="clip">{split(s.fn).join('')}</span>
          <Icon name="close" />
          <span class="sr">clear selected function</span>
        </button>
      )}
      <span class="grow" />
      {gauge.value && (
        <Segmented<State['gauge']>
          label="Value over the range"
          now={s.gauge}
          pick={(g) => go({ gauge: g })}
          options={[
            { value: 'mean', text: 'Average' },
            { value: 'last', text: 'Last' },
            { value: 'max', text: 'Max' },
          ]}
        />
      )}
      <label class="check">
        <input
          type="checkbox"
          checked={s.diff}
          onChange={(e) => compare(e.currentTarget.checked)}
        />
        Diff with the {range} before
      </label>
      <span class="links">
        {(s.view === 'both' || s.view === 'flame') && (
          <button
            class="ghost"
            type="button"
            aria-pressed={s.flip}
            title="Root at the bottom"
            onClick={() => go({ flip: !s.flip })}
          >
            <Icon name="flip" />
            Flip
          </button>
        )}
        <CopyLink />
        {q && (
          <a class="ghost" href={pprofUrl(q)} download title="Opens in go tool pprof">
            <Icon name="download" />
            pprof
          </a>
        )}
      </span>
    </section>
  );
}

function Search() {
  const s = state.value,
    input = useRef<HTMLInputElement>(null),
    f = found.value;
  useEffect(() => {
    const key = (e: KeyboardEvent) => {
      if (e.key !== '/' || (e.target as Element).matches('input, textarea, select')) return;
      e.preventDefault();
      input.current?.select();
    };
    addEventListener('keydown', key);
    return () => removeEventListener('keydown', key);
  }, []);
  const clear = (e: KeyboardEvent) => {
    if (e.key !== 'Escape') return;
    e.stopPropagation();
    go({ q: '' }, true);
    input.current?.blur();
  };
  const some = f && (f.total > 0 || f.frames > 0);
  return (
    <div class="search">
      <Icon name="search" />
      <input
        ref={input}
        type="search"
        placeholder="Search functions"
        value={s.q}
        aria-label="Search functions, text or regular expression"
        aria-describedby="share"
        spellcheck={false}
        autocomplete="off"
        onInput={(e) => go({ q: e.currentTarget.value }, true)}
        onKeyDown={clear}
      />
      {!s.q && <kbd>/</kbd>}
      <span id="share" role="status">
        {f && !some && 'no match'}
        {f && some && (
          <>
            <b>{share(f.total / (tree.value?.total[0] || 1))}</b> ·{' '}
            {value(f.total, topRows.value?.unit ?? '')} in {integer(f.frames)}{' '}
            {f.frames === 1 ? 'frame' : 'frames'}
          </>
        )}
      </span>
    </div>
  );
}

/** Relative times become the ones that are shown: the link says the same tomorrow. */
function CopyLink() {
  const said = useSignal('');
  const copy = async () => {
    const s = state.value,
      q = held.value;
    const frozen = q ? { ...s, from: String(q.from), to: String(q.to) } : s;
    said.value = (await copyText(location.origin + encode(frozen))) ? 'Copied' : 'Not allowed';
    setTimeout(() => (said.value = ''), 1500);
  };
  return (
    <button
      class="ghost"
      type="button"
      title="Copies a link with these times fixed"
      onClick={() => void copy()}
    >
      <Icon name="link" />
      <span aria-live="polite">{said.value || 'Copy link'}</span>
    </button>
  );
}
