// What is wrong with the process itself, in words: whoever reads a picture should know that it was
// made by an older config, or that nothing new arrives.
import type { Status } from '../types';
import { minute } from './format';

export interface Fault {
  kind: string;
  text: string; // what is not as it should be
  quote: string; // why, as the process says it; '' where it does not
  rest: string; // what follows from it
  more: string[]; // further problems, for who asks
}

function ofConfig({ now, config }: Status): Fault | null {
  if (config.ok) return null;
  const [quote = '', ...more] = (config.error ?? '').split('\n').filter((line) => line.trim());
  const at = config.failed_at === undefined ? '' : ` at ${minute(config.failed_at, now)}`;
  return {
    kind: 'config',
    text: `The config was not taken over${at}`,
    quote,
    rest: `The one of ${minute(config.loaded_at, now)} runs.`,
    more,
  };
}

function ofSpools({ pipelines }: Status): Fault | null {
  const names = pipelines.filter((p) => !p.spool.writable).map((p) => p.name);
  if (!names.length) return null;
  return {
    kind: 'spool',
    text: 'New profiles are not stored',
    quote: '',
    rest: `The spool of ${names.join(', ')} cannot be written; profpipe goes on trying.`,
    more: [],
  };
}

export function faultsOf(status: Status | null): Fault[] {
  return status ? [ofConfig(status), ofSpools(status)].filter((f) => f !== null) : [];
}
