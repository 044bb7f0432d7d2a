// How often what is always asked is asked again.
import type { State } from './url';
import { moves } from './time';

/** Seconds between two refreshes of what moves with the clock, and of what may have changed. */
export const REFRESH = 10,
  SELDOM = 30;

/** Seconds until the status of the process is asked for again. Targets are always live. */
export const due = (page: State['page'], from: string, to: string, live: boolean): number =>
  page === 'targets' || (live && moves(from, to)) ? REFRESH : SELDOM;
