// Small parts used all over: links into the app, segmented choices, labelled fields.
import type { ComponentChildren } from 'preact';
import { go, state } from '../state';
import { encode, type State } from '../pure/url';
import { split } from '../pure/names';
import { Icon } from './icons';

/** A real link that does not reload. */
export function Link({
  to,
  children,
  ...rest
}: {
  to: Partial<State>;
  children: ComponentChildren;
  [attr: string]: unknown;
}) {
  const open = (e: MouseEvent) => {
    if (e.metaKey || e.ctrlKey || e.shiftKey || e.button) return;
    e.preventDefault();
    go(to);
  };
  return (
    <a {...rest} href={encode({ ...state.value, ...to })} onClick={open}>
      {children}
    </a>
  );
}

interface Choice<T> {
  value: T;
  text: ComponentChildren;
  title?: string;
}

export function Segmented<T extends string>({
  label,
  now,
  options,
  pick,
}: {
  label: string;
  now: T;
  options: Choice<T>[];
  pick: (v: T) => void;
}) {
  return (
    <div class="segmented" role="group" aria-label={label}>
      {options.map((o) => (
        <button
          key={o.value}
          type="button"
          aria-pressed={o.value === now}
          title={o.title}
          aria-label={o.title}
          onClick={() => pick(o.value)}
        >
          {o.text}
        </button>
      ))}
    </div>
  );
}

export const Field = ({
  label,
  children,
  wide,
  bad,
}: {
  label: string;
  children: ComponentChildren;
  wide?: boolean;
  bad?: boolean;
}) => (
  <label class={'field' + (wide ? ' wide' : '') + (bad ? ' bad' : '')}>
    <span>{label}</span>
    {children}
    {!wide && <Icon name="down" />}
  </label>
);

/** A symbol with its package in the background. */
export function Symbol({ name }: { name: string }) {
  const [pkg, rest] = split(name);
  return (
    <span class="symbol">
      {pkg && (
        <span class="pkg">
          {pkg.slice(0, -1)}
          <i>.</i>
        </span>
      )}
      <span class="rest">{rest}</span>
    </span>
  );
}
