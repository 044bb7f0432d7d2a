// Go symbol names: shorter forms, packages, families, files.

/** Where the package path ends: the first dot after the last slash outside [type arguments]. */
function packageEnd(name: string): number {
  let slash = -1;
  for (let i = 0; i < name.length && name[i] !== '['; i++) if (name[i] === '/') slash = i;
  const dot = name.indexOf('.', slash + 1);
  if (dot < 0) return -1;
  // gopkg.in/x.v1.F: the version belongs to the package.
  const version = /^\.v\d+(?=\.)/.exec(name.slice(dot));
  return version ? dot + version[0].length : dot;
}

/** github.com/a/b.(*T).F → github.com/a/b; '' where there is none (C frames, "total"). */
export function packageOf(name: string): string {
  const end = packageEnd(name);
  return end < 0 ? '' : unescape(name.slice(0, end));
}

// The Go linker writes a dot in the last path element as %2e.
const unescape = (s: string) => s.replace(/%2e/gi, '.');

/** Package prefix as shown (last element) and the rest: ["b.", "(*T).F"]. */
export function split(name: string): [string, string] {
  const end = packageEnd(name);
  if (end < 0) return ['', name];
  const pkg = unescape(name.slice(0, end));
  return [pkg.slice(pkg.lastIndexOf('/') + 1) + '.', name.slice(end + 1)];
}

/** Without type arguments, which may hold brackets themselves. */
function bare(s: string): string {
  const t = s.replace(/\[[^[\]]*\]/g, '');
  return t === s ? s : bare(t);
}

/** From longest to shortest: full, b.(*T).F, (*T).F, F. */
export function forms(name: string): string[] {
  const [pkg, rest] = split(name);
  const short = bare(rest).replace(/^(?:\(\*?\w+\)|\w+)\.(?!func\d|gowrap|\d|\.)/, '');
  return [...new Set([unescape(name), pkg + rest, rest, short])];
}

export type Family = 'own' | 'third' | 'std' | 'runtime' | 'none';

// First elements of the standard library's package paths. A module may be called anything without
// a dot, too (`demo/internal/store`), so the list decides. `vendor` is what net/http brings along.
const std = new Set(
  (
    'archive arena bufio builtin bytes cmp compress container context crypto database debug embed ' +
    'encoding errors expvar flag fmt go hash html image index internal io iter log maps math mime ' +
    'net os path plugin reflect regexp simd slices sort strconv strings structs sync syscall ' +
    'testing text time unicode unique unsafe vendor weak'
  ).split(' '),
);

/** Whose code it is, by its name alone: profiles do not tell the main module of a service. */
export function family(name: string): Family {
  const pkg = packageOf(name);
  if (!pkg) return 'none';
  if (pkg === 'main') return 'own';
  if (pkg === 'runtime' || pkg.startsWith('runtime/internal') || pkg.startsWith('internal/runtime'))
    return 'runtime';
  const first = pkg.split('/', 1)[0]!;
  if (first === 'runtime' || std.has(first)) return 'std';
  // Who builds a module without a host in its path runs it: nobody else can import it.
  return first.includes('.') ? 'third' : 'own';
}

/** The part of a path that one knows: below GOROOT/src, the module cache or the repository. */
export function shortFile(file: string): string {
  if (!file || file.startsWith(':')) return '';
  const m = /^.*?\/(?:pkg\/mod|src)\/(.+)$/.exec(file);
  // Of a pseudo-version the commit is enough.
  if (m) return m[1]!.replace(/@v[\d.]+-(?:\w+\.)?\d{14}-([0-9a-f]{8})[0-9a-f]*/, '@$1');
  const parts = file.split('/');
  return parts.length > 4 ? '…/' + parts.slice(-3).join('/') : file;
}

export function hash(s: string, seed = 0x811c9dc5): number {
  let h = seed;
  for (let i = 0; i < s.length; i++) h = Math.imul(h ^ s.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

/** What a type means, in plain words. */
export function explain(type: string): string {
  return (
    hints[type] ??
    hints[type.split(':')[0] + ':'] ??
    'A profile of your own: values are shown as the service reports them.'
  );
}

const hints: Record<string, string> = {
  'cpu:cpu': 'Time on CPU, sampled 100 times a second. Waiting is not counted.',
  'cpu:samples': 'How often a stack was seen on CPU, 100 times a second.',
  'heap:alloc_space':
    'Bytes allocated in the range, freed or not. High values keep the garbage collector busy.',
  'heap:alloc_objects': 'Objects allocated in the range, freed or not. Many small ones cost CPU.',
  'heap:inuse_space': 'Bytes alive on the heap. Look here for leaks.',
  'heap:inuse_objects': 'Objects alive on the heap.',
  'mutex:': 'Time goroutines made others wait by holding a lock.',
  'block:': 'Time goroutines waited on channels, locks and select.',
  'goroutine:': 'Goroutines by where they are.',
  'wall:time': 'Wall-clock time of every goroutine, running or waiting (fgprof).',
};
