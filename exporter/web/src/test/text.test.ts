import { describe, expect, it } from 'vitest';
import { fit } from '../flame/draw';
import { clock, integer, points, rate, share, span, ticks, times, value } from '../pure/format';
import { parse, suggest } from '../pure/matchers';
import { explain, family, forms, packageOf, shortFile, split } from '../pure/names';

describe('names', () => {
  it('get shorter', () => {
    expect(forms('github.com/a/b.(*T).F')).toEqual([
      'github.com/a/b.(*T).F',
      'b.(*T).F',
      '(*T).F',
      'F',
    ]);
    expect(forms('github.com/a/b.New[...]').at(-1)).toBe('New');
    expect(forms('a.io/b.(*T[x.S,x.[]uint8]).Get').at(-1)).toBe('Get');
    expect(forms('github.com/a/b.loop.func1').at(-1)).toBe('loop.func1');
    expect(forms('github.com/google/pprof/profile.glob..func1').at(-1)).toBe('glob..func1');
    expect(forms('total')).toEqual(['total']);
  });
  it('know their package', () => {
    expect(packageOf('gopkg.in/yaml%2ev3.(*parser).parse')).toBe('gopkg.in/yaml.v3');
    expect(packageOf('gopkg.in/yaml.v3.Unmarshal')).toBe('gopkg.in/yaml.v3');
    expect(packageOf('a/b.F[go.shape.struct { x/y.Z }]')).toBe('a/b');
    expect(split('net/http.(*conn).serve')).toEqual(['http.', '(*conn).serve']);
  });
  it('belong to someone', () => {
    expect(family('github.com/p/q/x.F')).toBe('third');
    expect(family('main.main')).toBe('own');
    expect(family('runtime.mallocgc')).toBe('runtime');
    expect(family('runtime/pprof.write')).toBe('std');
    expect(family('net/http.Get')).toBe('std');
    expect(family('__libc_start')).toBe('none');
    for (const own of ['demo/internal/store.(*Store).Get', 'orders.New', 'network/http.Get'])
      expect(family(own), own).toBe('own');
    for (const std of ['internal/poll.(*FD).Read', 'vendor/golang.org/x/net/idna.F', 'slices.Max[...]'])
      expect(family(std), std).toBe('std');
    expect(family('gopkg.in/yaml.v3.Unmarshal')).toBe('third');
  });
  it('fit, or are cut, or are left out', () => {
    const w = (s: string) => s.length * 10;
    expect(fit('github.com/a/b.(*T).Run', 230, w)).toBe('github.com/a/b.(*T).Run');
    expect(fit('github.com/a/b.(*T).Run', 100, w)).toBe('b.(*T).Run');
    expect(fit('github.com/a/b.(*T).Runner', 50, w)).toBe('Runn…');
    expect(fit('github.com/a/b.(*T).Runner', 20, w)).toBe('');
  });
  it('have files', () => {
    expect(
      shortFile('/root/go/pkg/mod/github.com/x/y@v0.0.0-20220330180547-542d8f0815f1/z.go:9'),
    ).toBe('github.com/x/y@542d8f08/z.go:9');
    expect(shortFile('/usr/local/go/src/net/http/server.go:1')).toBe('net/http/server.go:1');
    expect(shortFile(':0')).toBe('');
  });
  it('types are explained', () => expect(explain('mutex:delay')).toContain('lock'));
});

describe('numbers', () => {
  it('have units', () => {
    expect([999, 1500, 2.5e6, 1.25e9, 13064e9].map((v) => value(v, 'nanoseconds'))).toEqual([
      '999 ns',
      '1.50 µs',
      '2.50 ms',
      '1.25 s',
      '13\u202f064 s',
    ]);
    expect([512, 2048, 1023 * 2 ** 20, 3 * 2 ** 30].map((v) => value(v, 'bytes'))).toEqual([
      '512 B',
      '2 KiB',
      '1 GiB',
      '3 GiB',
    ]);
    expect(value(1234, 'count')).toBe('1.23 k');
    expect(value(-2048, 'bytes')).toBe('-2 KiB');
    expect(value(0, 'bytes')).toBe('0');
  });
  it('become rates', () => {
    expect(rate(15e8, 'nanoseconds', 30, 'cpu:cpu')).toBe('0.05 cores');
    expect(rate(60 * 2 ** 20, 'bytes', 30, 'heap:alloc_space')).toBe('2 MiB/s');
  });
  it('are marked where they are round', () => {
    expect(ticks(5 * 2 ** 30, 'bytes').map((v) => value(v, 'bytes'))).toEqual([
      '0',
      '2 GiB',
      '4 GiB',
      '6 GiB',
    ]);
    for (const max of [0.3, 1, 6.8, 7.1, 999, 1001]) {
      expect(ticks(max, 'count').at(-1)).toBeGreaterThanOrEqual(max);
    }
    expect(ticks(0, 'bytes')).toEqual([0]);
  });
  it('as shares and points', () => {
    expect([0, 0.00001, 0.0123, 0.3412, 0.9999].map(share)).toEqual([
      '0%',
      '<0.01%',
      '1.23%',
      '34.1%',
      '100%',
    ]);
    expect([0.0212, -0.12, 0].map(points)).toEqual(['+2.12 pp', '−12.0 pp', '±0 pp']);
    expect(integer(1234567)).toBe('1\u202f234\u202f567');
  });
  it('mark a time axis by its step, and the day where it changes', () => {
    const night = 1795392000, // 23 Nov 00:00
      marks = (step: number, first = -step) => [first, first + step, first + 2 * step];
    const texts = (step: number, first?: number) =>
      times(marks(step, first).map((t) => night + t), step);
    expect(texts(15)).toEqual(['23:59:45', '23 Nov', '00:00:15']);
    expect(texts(300)).toEqual(['23:55', '23 Nov', '00:05']);
    expect(texts(7200)).toEqual(['22:00', '23 Nov', '02:00']);
    expect(texts(10800, -18000)).toEqual(['19:00', '22:00', '23 Nov 01:00']);
    expect(texts(43200)).toEqual(['12:00', '23 Nov', '12:00']);
    expect(texts(86400)).toEqual(['22 Nov', '23 Nov', '24 Nov']);
  });
  it('as times', () => {
    expect(clock(1795363200, true)).toBe('22 Nov 16:00:00');
    expect([0.02, 2.4, 48, 100, 7200, 172800].map(span)).toEqual([
      '20 ms',
      '2.4 s',
      '48 s',
      '2 min',
      '2 h',
      '2 d',
    ]);
  });
});

describe('matchers', () => {
  it('parse what Prometheus parses', () => {
    expect(parse('{pod=~"a.*", zone!="b"}')).toEqual([
      { label: 'pod', op: '=~', value: 'a.*' },
      { label: 'zone', op: '!=', value: 'b' },
    ]);
    expect(parse('')).toEqual([]);
    expect(parse('pod=~"("')).toHaveProperty('error');
    expect(parse('pod')).toHaveProperty('error');
  });
  it('are suggested after those that stand', () => {
    const labels = [
      { name: 'pod', values: ['a', 'b"'], more: 0 },
      { name: 'zone', values: ['x'], more: 0 },
    ];
    expect(suggest('', labels)).toEqual(['pod="a"', 'pod="b\\""', 'zone="x"']);
    expect(suggest('po', labels)).toEqual(['pod="a"', 'pod="b\\""']);
    expect(suggest('pod="a", ', labels)).toEqual(['pod="a", zone="x"']);
    expect(suggest('pod="a"', labels)).toEqual([]);
  });
});
