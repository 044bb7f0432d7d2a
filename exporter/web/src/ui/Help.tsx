import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { Icon } from './icons';

export const help = signal(false);

const keys: [string, string][] = [
  ['← →', 'previous, next frame of the same caller'],
  ['↑ ↓', 'caller, largest callee'],
  ['Enter', 'zoom into the frame; in the table: select the function'],
  ['Esc', 'zoom out, then clear selection and search'],
  ['s', 'sandwich: callers and callees of the function'],
  ['/', 'search'],
  ['?', 'this help'],
];

export function Help() {
  const box = useRef<HTMLDialogElement>(null);
  const open = help.value;
  useEffect(() => {
    if (open) box.current?.showModal();
    else box.current?.close();
  }, [open]);
  return (
    <dialog
      ref={box}
      aria-labelledby="help-title"
      onClose={() => (help.value = false)}
      onClick={(e) => e.target === box.current && (help.value = false)}
    >
      <div class="dialog">
        <h2 id="help-title">Keyboard</h2>
        <button
          class="ghost square"
          type="button"
          aria-label="Close"
          onClick={() => (help.value = false)}
        >
          <Icon name="close" />
        </button>
        <dl>
          {keys.map(([k, what]) => (
            <div key={k}>
              <dt>
                {k.split(' ').map((x) => (
                  <kbd key={x}>{x}</kbd>
                ))}
              </dt>
              <dd>{what}</dd>
            </div>
          ))}
        </dl>
        <p class="muted">
          Click a frame to zoom, right-click it for its callers and callees. Drag over the chart to
          pick a time range; there, Shift with the arrows does the same, and Enter takes it.
        </p>
      </div>
    </dialog>
  );
}
