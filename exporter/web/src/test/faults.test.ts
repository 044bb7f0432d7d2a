import { describe, expect, it } from 'vitest';
import { due } from '../pure/due';
import { faultsOf } from '../pure/faults';
import { minute } from '../pure/format';
import type { Status } from '../types';

const at = (time: string) => Date.parse(`2026-11-22T${time}Z`) / 1000;
const good: Status = {
  now: at('14:05:30'),
  config: { ok: true, loaded_at: at('13:20:59') },
  pipelines: [
    { name: 'profiles', spool: { writable: true } },
    { name: 'profiles/eu', spool: { writable: true } },
  ],
};
const broken = (error?: string): Status => ({
  ...good,
  config: { ...good.config, ok: false, failed_at: at('14:03:07'), ...(error && { error }) },
});

describe('faults', () => {
  it('are none where all is well, or nothing is known yet', () => {
    expect(faultsOf(good)).toEqual([]);
    expect(faultsOf(null)).toEqual([]);
  });
  it('tell when a config was not taken over, the first problem, and which one runs', () => {
    const [fault, ...others] = faultsOf(broken('f:1:1: a: no\n\nf:2:1: b: no\nf:3:1: c: no\n'));
    expect(fault).toEqual({
      kind: 'config',
      text: 'The config was not taken over at 14:03 UTC',
      quote: 'f:1:1: a: no',
      rest: 'The one of 13:20 UTC runs.',
      more: ['f:2:1: b: no', 'f:3:1: c: no'],
    });
    expect(others).toEqual([]);
    expect(faultsOf(broken('f: one'))[0]!.more).toEqual([]);
    expect(faultsOf(broken())[0]!.quote).toBe('');
  });
  it('name the day where it is not today', () => {
    const tomorrow = good.now + 86400;
    expect(faultsOf({ ...broken('x'), now: tomorrow })[0]!.rest).toBe(
      'The one of 22 Nov 13:20 UTC runs.',
    );
    expect(minute(at('23:59:59'), at('00:00:00') + 86400)).toBe('22 Nov 23:59 UTC');
    expect(minute(at('00:00:00'), at('23:59:59'))).toBe('00:00 UTC');
  });
  it('name every spool that cannot be written, beside the config', () => {
    const pipelines = good.pipelines.map((p) => ({ ...p, spool: { writable: false } }));
    expect(faultsOf({ ...good, pipelines })[0]!.rest).toContain(
      'The spool of profiles, profiles/eu cannot be written',
    );
    const both = faultsOf({ ...broken('x'), pipelines: [good.pipelines[0]!, pipelines[1]!] });
    expect(both.map((f) => f.kind)).toEqual(['config', 'spool']);
    expect(both[1]!.rest).toContain('The spool of profiles/eu cannot be written');
  });
  it('are asked for with the refresh while live, seldom otherwise', () => {
    expect(due('explore', 'now-1h', '', true)).toBe(10);
    expect(due('explore', 'now-1h', '', false)).toBe(30);
    expect(due('explore', '1000', '2000', true)).toBe(30);
    expect(due('targets', '1000', '2000', false)).toBe(10);
  });
});
