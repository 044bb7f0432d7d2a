import { describe, expect, it } from 'vitest';
import { errorsOf } from '../pure/errors';
import type { Target } from '../types';

const up: Target = {
  job: 'shop',
  endpoint: 'http://a:1',
  labels: {},
  health: 'up',
  types: ['cpu', 'heap', 'mutex'],
  last_scrape: 90,
  last_duration_s: 1,
  interval_s: 10,
  next_scrape: 100,
  errors: [],
};

describe('errors of a target', () => {
  it('are those of the types that fail, each once, a hint as well', () => {
    const refused = { reason: 'connection_refused', at: 80, hint: 'is it running?' };
    const errors = [
      { type: 'cpu', error: 'connection refused', ...refused },
      { type: 'heap', error: 'no answer', ...refused },
      { type: 'mutex', error: 'no answer', ...refused, at: 85 },
      { type: 'block', error: 'HTTP status 404', reason: 'not_found', at: 10 },
    ];
    const last = { last_error: 'mutex: late', last_error_reason: 'timeout', last_error_at: 70 };
    const told = errorsOf({ ...up, health: 'down', errors, ...last });
    expect(told.map((e) => [e.type, e.word, e.hint, e.over])).toEqual([
      ['cpu', '', 'is it running?', false],
      ['heap, mutex', 'connection refused', undefined, false],
      ['block', 'not found', undefined, true],
    ]);
  });
  it('are over where no type fails any more', () => {
    expect(errorsOf(up)).toEqual([]);
    const last = { last_error: 'mutex: late', last_error_reason: 'timeout', last_error_at: 70 };
    expect(errorsOf({ ...up, ...last })).toMatchObject([
      { type: '', error: 'mutex: late', word: 'timeout', at: 70, over: true },
    ]);
  });
});
