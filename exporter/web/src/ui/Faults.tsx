// A strip below the top bar, on all pages, while something is wrong with the process itself.
import { status } from '../state';
import { faultsOf, type Fault } from '../pure/faults';
import { Icon } from './icons';

/** Always there, so that what appears in it is read out. */
export const Faults = () => (
  <div class="faults" role="status">
    {faultsOf(status.value).map((f) => (
      <Strip key={f.kind} fault={f} />
    ))}
  </div>
);

function Strip({ fault: { text, quote, rest, more } }: { fault: Fault }) {
  return (
    <div class="fault">
      <Icon name="warn" />
      <div>
        <p>
          <b>{text}</b>
          {quote ? ': ' : '. '}
          {quote && <span class="quote">{quote}</span>}
          {quote && (/[.?!]$/.test(quote) ? ' ' : '. ')}
          {rest}
        </p>
        {more.length > 0 && (
          <details>
            <summary>
              {more.length} more problem{more.length === 1 ? '' : 's'}
            </summary>
            {/* A long list scrolls in itself, by keyboard, too. */}
            <ul tabIndex={0} aria-label="More problems">
              {more.map((line, i) => (
                <li key={i}>{line}</li>
              ))}
            </ul>
          </details>
        )}
      </div>
    </div>
  );
}
