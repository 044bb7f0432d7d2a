// What is said of a target that fails, or did.
import type { Target } from '../types';

export interface Told {
  type: string;
  error: string;
  word: string; // in one word what went wrong, where the message does not say so itself
  body?: string;
  at: number;
  hint?: string; // said once, however many types it is for
  over: boolean; // nothing to worry about now
}

const word = (error: string, reason: string) => {
  const w = reason.replace(/_/g, ' ');
  return error.toLowerCase().includes(w.toLowerCase()) ? '' : w;
};

/** The types that fail, with why, those of one error together; where none does, what is over. */
export function errorsOf(t: Target): Told[] {
  const told: Told[] = [];
  for (const { type, error, reason, body, at, hint } of t.errors) {
    // What the target does not have is hardly asked for any more.
    const over = !t.types.includes(type),
      same = told.find((e) => e.error === error && e.body === body && e.over === over);
    if (same) Object.assign(same, { type: `${same.type}, ${type}`, at: Math.max(same.at, at) });
    else told.push({ type, error, word: word(error, reason), body, at, hint, over });
  }
  told.forEach((e, i) => told.slice(0, i).some((o) => o.hint === e.hint) && delete e.hint);
  if (told.length || !t.last_error) return told;
  const { last_error: error, last_error_reason: reason = '', last_error_at: at = 0 } = t;
  return [{ type: '', error, word: word(error, reason), body: t.last_error_body, at, over: true }];
}
