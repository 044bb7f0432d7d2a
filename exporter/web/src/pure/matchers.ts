// {pod=~"a.*", zone!="b"}: the Prometheus form, the braces optional.
import type { LabelValues } from '../types';

export interface Matcher {
  label: string;
  op: '=' | '!=' | '=~' | '!~';
  value: string;
}

export function parse(text: string): Matcher[] | { error: string } {
  let s = text.trim().replace(/^\{/, '').replace(/\}$/, '').trim();
  const out: Matcher[] = [];
  while (s) {
    const m = /^([A-Za-z_][\w.]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*")\s*(?:,\s*|$)/.exec(s);
    if (!m) return { error: `Expected label="value" at “${s.slice(0, 16)}”` };
    const value = unquote(m[3]!);
    if (value === null) return { error: `Bad string ${m[3]}` };
    if (m[2]!.endsWith('~') && !regexp(value)) return { error: `Bad regular expression ${m[3]}` };
    out.push({ label: m[1]!, op: m[2] as Matcher['op'], value });
    s = s.slice(m[0].length);
  }
  return out;
}

function unquote(s: string): string | null {
  try {
    return JSON.parse(s) as string;
  } catch {
    return null;
  }
}

export function regexp(source: string, flags = ''): RegExp | null {
  try {
    return new RegExp(source, flags);
  } catch {
    return null;
  }
}

/** How the text can go on: the matchers that stand already, with one more. At most 100. */
export function suggest(text: string, labels: LabelValues[]): string[] {
  const m = /^(.*(?:"(?:[^"\\]|\\.)*"\s*,\s*))?(.*)$/s.exec(text.replace(/^\{/, ''))!;
  const done = m[1] ?? '',
    part = m[2]!.trimStart().toLowerCase();
  if (part.endsWith('"') && Array.isArray(parse(text))) return [];
  const used = parse(done),
    names = Array.isArray(used) ? used.map((x) => x.label) : [];
  const all = labels
    .filter((l) => !names.includes(l.name))
    .flatMap((l) => l.values.map((v) => `${l.name}=${JSON.stringify(v)}`));
  return all
    .filter((x) => x.toLowerCase().startsWith(part))
    .slice(0, 100)
    .map((x) => done + x);
}
