// What is shown where the link does not say.
import type { Service } from '../types';

/** What is looked at, and what of it is a stopgap: to be exchanged once there is better. */
export interface Choice {
  service: string;
  type: string;
  ownOnly: boolean; // our own service, for want of another
  noCpu: boolean; // some type, for want of cpu
}

const OWN = 'profpipe',
  CPU = 'cpu:cpu';

/** A stopgap as it was noted before the page was loaded again: else it would pass for a choice. */
export function recall(text: string | null): Choice | null {
  try {
    const noted = JSON.parse(text ?? 'null') as Choice | null;
    return noted && (noted.ownOnly || noted.noCpu) ? noted : null;
  } catch {
    return null;
  }
}

/** The service with the newest data; our own profiles only where there is nothing else. */
export function chooseService(list: Service[]): string {
  const others = list.filter((s) => s.service !== OWN);
  const [first] = [...(others.length ? others : list)].sort(
    (a, b) => b.last - a.last || (a.service < b.service ? -1 : 1),
  );
  return first?.service ?? '';
}

/** The first of the wishes that there is, else the first type. */
export function chooseType(s: Service | undefined, ...wishes: string[]): string {
  const has = s?.types.map((t) => t.type) ?? [];
  return wishes.find((t) => has.includes(t)) ?? has[0] ?? '';
}

/** A service that was picked, with the type that was looked at before where it has that. */
export function pick(list: Service[], service: string, wish: string): Choice {
  const known = list.find((s) => s.service === service),
    type = chooseType(known, wish, CPU) || wish;
  return { service, type, ownOnly: false, noCpu: type !== wish && type !== CPU };
}

/** What a link says: service and type, and where the user is at work in their picture. */
type Link = Pick<Choice, 'service' | 'type'> & { zoom: string; fn: string };

/**
 * Completes what a link leaves open, and exchanges a stopgap: the types and services of a process
 * that has just started arrive one by one. What stood in the link or was chosen stays: whatever
 * is not what was chosen here last is the user's choice, and so is what they zoom into.
 */
export function choose(list: Service[], at: Link, last: Choice | null): Choice {
  const ours = at.service === last?.service && at.type === last.type && !at.zoom && !at.fn,
    ownOnly = ours && last.ownOnly,
    noCpu = ours && last.noCpu;
  const { service, type } = at;
  if (service && type && !ownOnly && !noCpu) return { service, type, ownOnly, noCpu };
  const name = ((!service || ownOnly) && chooseService(list)) || service,
    known = list.find((s) => s.service === name),
    kind = chooseType(known, ...(noCpu ? [CPU, type] : [type, CPU])) || type;
  return {
    service: name,
    type: kind,
    ownOnly: name === OWN && (!service || ownOnly),
    noCpu: kind !== '' && kind !== CPU && (noCpu || kind !== type),
  };
}

/** The last hour; less of a service that is new, whose few minutes would be a dot at the edge. */
export const chooseFrom = (s: Service | undefined, now: number, wish: string): string =>
  wish === 'now-1h' && s && now - s.first < 900 ? 'now-15m' : wish;
