// Asks how the process itself is doing: with the refresh while a page is live, seldom otherwise.
import * as api from './api';
import { due } from './pure/due';
import { live, state, status } from './state';

let last = -Infinity; // when it was asked last (ms)
let asking = false;

async function ask(): Promise<void> {
  asking = true;
  last = performance.now();
  try {
    status.value = await api.status();
  } catch {
    // The page itself says when nothing answers; what was known stays until it does again.
  } finally {
    asking = false;
  }
}

setInterval(() => {
  if (document.hidden || asking) return;
  const { page, from, to } = state.peek();
  if ((performance.now() - last) / 1000 >= due(page, from, to, live.peek())) void ask();
}, 500);

void ask();
