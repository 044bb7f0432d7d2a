// The shapes that the server sends. Columns, in depth-first order, pruned to what can be seen.

export interface Flame {
  unit: string;
  names: string[];
  files: string[]; // "path:line", parallel to names
  level: number[]; // root = 0
  name: number[]; // index into names; −n is a placeholder for n smaller frames
  total: number[];
  self: number[];
  path?: string[]; // by which a frame is fetched as a root
  total_b?: number[]; // the base of a diff
  self_b?: number[];
  notes?: string[]; // what should be known beside: nothing matches, files left out
}

export interface TopRow {
  function: string;
  file: string;
  flat: number;
  cum: number;
  flat_b?: number;
  cum_b?: number;
}

export interface Top {
  unit: string;
  total: number;
  total_b?: number;
  rows: TopRow[];
}

export type Labels = Record<string, string>;
export type Temporality = 'delta' | 'instant' | 'cumulative';

export interface Series {
  unit: string;
  temporality: Temporality;
  step: number; // seconds
  t: number[];
  // Per second in a delta; null: not scraped. The mean of a gauge is the one of the flame graph.
  series: { labels: Labels; v: (number | null)[]; mean: number | null }[];
}

export interface Service {
  service: string;
  types: { type: string; unit: string; temporality: Temporality }[];
  first: number;
  last: number;
}

export interface Catalog {
  now: number;
  services: Service[];
}

export interface LabelValues {
  name: string;
  values: string[];
  more: number;
}

/** Of /status, what the app shows. Times are Unix seconds. */
export interface Status {
  now: number;
  config: {
    ok: boolean; // false: an older config runs than that of the files
    loaded_at: number;
    error?: string; // a problem a line
    failed_at?: number;
  };
  pipelines: { name: string; spool: { writable: boolean } }[];
}

export type Health = 'up' | 'degraded' | 'down' | 'unknown';

/** Why a type of a target fails. */
export interface TypeError {
  type: string;
  error: string;
  reason: string;
  body?: string;
  at: number;
  hint?: string;
}

export interface Target {
  job: string;
  endpoint: string;
  labels: Labels;
  health: Health;
  types: string[];
  last_scrape: number;
  last_duration_s: number;
  interval_s: number;
  next_scrape: number;
  errors: TypeError[];
  last_error?: string;
  last_error_reason?: string;
  last_error_body?: string;
  last_error_at?: number;
  hint?: string;
}
