// A server with made-up data for work on the app: `npm run dev`, or `npm run fake` for dist.
// The numbers are those of nobody; the shapes are those of docs/http.md.
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { gzipSync } from 'node:zlib';

const port = Number(process.env.PORT ?? 5190), start = Date.now() / 1000;
const dist = new URL('../dist', import.meta.url).pathname;
const csp = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "frame-ancestors 'none'; base-uri 'none'";

// Who calls whom. ~ is the main module; the walk below turns this into stacks.
const calls = `
http.serve: runtime.goexit>net/http.(*Server).Serve.gowrap3>net/http.(*conn).serve>net/http.serverHandler.ServeHTTP>~/web.(*Router).ServeHTTP>~/web.Recover.func1>~/web.Trace.func1>orders*5 cart*3 metrics
orders: ~/orders.(*Handler).#>~/orders.(*Service).#>~/orders.(*Service).authorize.func1>query*4 encode*3 price cache*2
cart: ~/cart.(*Handler).#>~/cart.(*Store).#>~/cart.(*Store).#InTx>query*2 decode*3 price*2 cache
price: ~/price.(*Engine).Quote>~/price.(*Engine).apply>rule*3 big
rule: ~/price.(*rule).eval>rule*4 map*2 big alloc ~/price.matchSKU
big: github.com/shopspring/decimal.Decimal.Mul>math/big.(*Int).Mul>math/big.nat.mul>math/big.addMulVVW alloc
query: database/sql.(*DB).QueryContext>database/sql.(*DB).query>database/sql.ctxDriverPrepare>github.com/jackc/pgx/v5.(*Conn).Query>pgread*4 pgwrite*2 alloc
pgread: github.com/jackc/pgx/v5/pgconn.(*ResultReader).readUntilRowDescription>github.com/jackc/pgx/v5/pgproto3.(*Frontend).Receive>netread*3 alloc map
pgwrite: github.com/jackc/pgx/v5/pgconn.(*PgConn).flushWithPotentialWriteReadDeadlock>netwrite*2 alloc
netread: net.(*conn).Read>net.(*netFD).Read>internal/poll.(*FD).Read>syscall.Read>syscall.read>syscall.syscall internal/runtime/syscall.Syscall6
netwrite: net.(*conn).Write>net.(*netFD).Write>internal/poll.(*FD).Write>syscall.Write>syscall.write>internal/runtime/syscall.Syscall6
encode: encoding/json.(*Encoder).Encode>encoding/json.(*encodeState).marshal>encoding/json.(*encodeState).reflectValue>value*4 netwrite
value: encoding/json.structEncoder.encode>encoding/json.arrayEncoder.encode value*5 encoding/json.appendString alloc*2 strconv.AppendFloat reflect.Value.Field
decode: encoding/json.(*Decoder).Decode>encoding/json.(*decodeState).unmarshal>obj*4 netread
obj: encoding/json.(*decodeState).object>obj*3 alloc*2 map encoding/json.(*decodeState).scanWhile strconv.ParseFloat
cache: github.com/dgraph-io/ristretto.(*Cache[go.shape.string,go.shape.[]uint8]).Get>github.com/cespare/xxhash/v2.Sum64String map lock alloc
lock: sync.(*Mutex).Lock>sync.(*Mutex).lockSlow>runtime.semacquire1>runtime.futex
map: runtime.mapaccess2_faststr>runtime.memequal runtime.aeshashbody
alloc: runtime.newobject>runtime.mallocgc>runtime.mallocgcSmallScanNoHeader>runtime.(*mcache).nextFree runtime.nextFreeFast runtime.memclrNoHeapPointers gc
gc: runtime.gcAssistAlloc>runtime.gcDrainN>runtime.scanobject>runtime.findObject runtime.greyobject
metrics: github.com/prometheus/client_golang/prometheus/promhttp.Handler.func1>github.com/prometheus/client_golang/prometheus.(*Registry).Gather>github.com/prometheus/client_golang/prometheus.processMetric>map alloc lock
worker: runtime.goexit>~/orders.Start.func2>~/orders.(*Worker).Run>~/orders.(*Worker).consume>~/orders.(*Worker).on#>github.com/segmentio/kafka-go.(*Reader).FetchMessage>github.com/segmentio/kafka-go.(*Batch).ReadMessage>decompress*3 decode*2 query*2
decompress: github.com/klauspost/compress/zstd.(*Decoder).DecodeAll>github.com/klauspost/compress/zstd.(*frameDec).runDecoder>github.com/klauspost/compress/zstd.(*blockDec).decodeSequences>github.com/klauspost/compress/huff0.(*Decoder).Decompress4X runtime.memmove*2 alloc
mark: runtime.goexit>runtime.gcBgMarkWorker>runtime.gcDrain>runtime.scanobject*4>runtime.findObject runtime.greyobject
`;
const rules = new Map(calls.trim().split('\n').map((l) => {
  const [key, body] = l.split(': ');
  const chain = body.split('>'), weighted = (s) => s.split(' ').flatMap((x) => {
    const [, name, n] = /^(.*?)(?:\*(\d))?$/.exec(x);
    return Array(Number(n ?? 1)).fill(name);
  });
  return [key, chain.map(weighted)];
}));
const verbs = ['List', 'Get', 'Create', 'Update', 'Cancel', 'Export', 'Search', 'Merge', 'Split'];
const random = (seed) => () => (seed = (Math.imul(seed, 48271) >>> 0) % 2147483647) / 2147483647;
const module = 'shop'; // without a host, as own code is told by

/** A stack from a walk along the rules, root first. */
function walk(r) {
  const out = [], pick = (list) => list[Math.floor(r() * list.length)];
  const verb = verbs[Math.floor(r() ** 3 * verbs.length)];
  const enter = (key) => {
    for (const step of rules.get(key)) {
      const to = pick(step);
      if (rules.has(to) && out.length < 56) return enter(to);
      out.push((rules.has(to) ? 'runtime.mallocgc' : to).replace('~', module).replace('#', verb));
      if (step !== rules.get(key).at(-1) && r() < 0.015) return;
    }
  };
  enter(pick(['http.serve', 'http.serve', 'http.serve', 'worker', 'mark']));
  return out;
}
const stacksOf = (seed) => {
  const r = random(seed);
  return Array.from({ length: 9000 }, () => [walk(r), 0.2 + r() * r() * 4]);
};
const cache = new Map();
const stacks = (seed) => cache.get(seed) ?? cache.set(seed, stacksOf(seed)).get(seed);

const type = (t, unit, temporality) => ({ type: t, unit, temporality });
const types = [
  type('cpu:cpu', 'nanoseconds', 'delta'), type('heap:alloc_space', 'bytes', 'delta'),
  type('heap:inuse_space', 'bytes', 'instant'), type('goroutine:goroutine', 'count', 'instant'),
  type('mutex:delay', 'nanoseconds', 'delta'),
];
const seeds = { orders: 7, cart: 11, profpipe: 13 }, pods = ['a1', 'b2', 'c3'];
const size = { 'cpu:cpu': 2.2e8, 'heap:alloc_space': 3e7, 'heap:inuse_space': 2.4e8, 'goroutine:goroutine': 420, 'mutex:delay': 4e6 };
const shape = (t) => 1 + 0.3 * Math.sin(t / 700) + 0.12 * Math.sin(t / 97) + (t % 2400 < 400 ? 0.7 : 0);

const ROOT = 0xcbf29ce484222325n, utf8 = new TextEncoder();
const feed = (h, s) => utf8.encode(s + '\0').reduce((a, b) => BigInt.asUintN(64, (a ^ BigInt(b)) * 0x100000001b3n), h);
const hex = (h) => h.toString(16).padStart(16, '0');
const node = (name, hash) => ({ name, hash, total: [0, 0], self: [0, 0], kids: new Map() });

/** Both sides of a diff in one tree; `of` gives the two factors of a stack. */
function grow(seed, of) {
  const root = node('total', ROOT);
  stacks(seed).forEach(([frames, w], k) => {
    const v = of(k, frames.join(' ')).map((f) => Math.round(w * f)), add = (n, to) => v.forEach((x, s) => (n[to][s] += x));
    let n = root;
    add(n, 'total');
    for (const f of frames) {
      if (!n.kids.has(f)) n.kids.set(f, node(f, feed(n.hash, f)));
      add((n = n.kids.get(f)), 'total');
    }
    add(n, 'self');
  });
  return root;
}

function columns(root, unit, width, want, diff) {
  const f = { unit, names: [], files: [], level: [], name: [], total: [], self: [], path: [], scale: 1, ...(diff ? { total_b: [], self_b: [] } : {}) };
  const id = new Map(), sum = (n) => n.total[0] + n.total[1];
  const row = (level, name, t, s, path) => {
    f.level.push(level); f.name.push(name); f.total.push(t[0]); f.self.push(s[0]); f.path.push(path);
    if (diff) { f.total_b.push(t[1]); f.self_b.push(s[1]); }
  };
  const nameOf = (s) => {
    if (!id.has(s)) { id.set(s, f.names.push(s) - 1); f.files.push(s === 'total' ? '' : `/go/src/${s.replace(/\.[^/]*$/, '')}/x.go:${s.length * 7}`); }
    return id.get(s);
  };
  const way = [], seek = (n) => hex(n.hash) === want || [...n.kids.values()].some((k) => seek(k) && way.unshift(k));
  if (want && want !== hex(ROOT)) seek(root);
  const top = way.at(-1) ?? root, min = sum(top) / (4 * width);
  if (way.length) [root, ...way.slice(0, -1)].forEach((n, l) => row(l, nameOf(n.name), n.total, n.self, hex(n.hash)));
  const walk = (n, level) => {
    row(level, nameOf(n.name), n.total, n.self, hex(n.hash));
    const kids = [...n.kids.values()].sort((a, b) => sum(b) - sum(a)), small = kids.filter((k) => sum(k) < min);
    for (const k of kids) if (sum(k) >= min) walk(k, level + 1);
    if (small.length) row(level + 1, -small.length, [0, 1].map((s) => small.reduce((a, k) => a + k.total[s], 0)), [0, 0], '');
  };
  walk(top, way.length);
  return f;
}

function table(root, unit, diff) {
  const rows = new Map(), walk = (n, on) => {
    const r = rows.get(n.name) ?? rows.set(n.name, [0, 0, 0, 0]).get(n.name), first = !on.has(n.name);
    for (const s of [0, 1]) { r[2 * s] += n.self[s]; if (first) r[2 * s + 1] += n.total[s]; }
    if (first) on.add(n.name);
    n.kids.forEach((k) => walk(k, on));
    if (first) on.delete(n.name);
  };
  root.kids.forEach((k) => walk(k, new Set()));
  const list = [...rows].map(([name, [flat, cum, flat_b, cum_b]]) => ({ function: name, file: `/go/src/${name.replace(/\.[^/]*$/, '')}/x.go:12`, flat, cum, ...(diff ? { flat_b, cum_b } : {}) }));
  return { unit, total: root.total[0], ...(diff ? { total_b: root.total[1] } : {}), rows: list };
}

function answer(path, p) {
  const now = Date.now() / 1000, empty = process.env.EMPTY && now - start < Number(process.env.EMPTY);
  const seed = seeds[p.get('service')] ?? 7, t = types.find((x) => x.type === p.get('type')) ?? types[0];
  const from = Number(p.get('from')), to = Number(p.get('to')), delta = t.temporality === 'delta';
  const part = /pod="(..)"/.exec(p.get('l') ?? '') ? 1 / 3 : /="(gone|.*nothing.*)"/.test(p.get('l')) ? 0 : 1;
  const amount = (a, b) => (part * size[t.type] * shape(b / 3) * (delta ? b - a : 1)) / 9000;
  const diff = path === 'diff', tree = () => grow(seed, (k, stack) => {
    const here = amount(from, to), was = diff ? amount(Number(p.get('base_from')), from) : 0;
    return [here * (/json.*alloc/.test(stack) ? 1.7 : 1), was * (/zstd/.test(stack) ? 2.2 : /Xxhash|decimal/.test(stack) ? 0 : 1)];
  });
  if (path === 'services') return { now, services: empty ? [] : Object.keys(seeds).map((service) => ({ service, types, first: now - 2800, last: now - (service === 'cart' ? 30 : 2) })) };
  if (path === 'labels') return { labels: [{ name: 'instance', values: pods.map((x) => `10.0.0.${x.charCodeAt(1)}:6060`), more: 0 }, { name: 'pod', values: pods, more: 3 }, { name: 'zone', values: ['eu-1', 'eu-2'], more: 0 }] };
  if (path === 'flame') {
    const root = tree(), re = p.get('q') && new RegExp(p.get('q').replace('(?i)', ''), 'i');
    const hit = (n) => (re.test(n.name) ? n.total[0] : [...n.kids.values()].reduce((a, k) => a + hit(k), 0));
    const f = columns(root, t.unit, Number(p.get('width') ?? 1200), p.get('root'), false);
    if (!part) f.notes = [`nothing matches \`${p.get('l')}\`; \`pod\` is ${pods.map((x) => '`' + x + '`').join(', ')}`];
    else if (/zone/.test(p.get('l'))) f.notes = ['left out samples/date=2026-11-22/hour=17/L0-1-2-w-3-4.parquet: damaged: no footer of a Parquet file'];
    return re ? { ...f, matched: [...root.kids.values()].reduce((a, k) => a + hit(k), 0) } : f;
  }
  if (path === 'top') return table(tree(), t.unit, false);
  if (diff) { const root = tree(); return { ...columns(root, t.unit, Number(p.get('width')), p.get('root'), true), top: table(root, t.unit, true) }; }
  if (path === 'series') {
    const step = Math.max(10, Math.ceil((to - from) / 120 / 10) * 10), n = Math.ceil((to - from) / step), by = p.get('by');
    const time = Array.from({ length: n }, (_, i) => Math.ceil(from / step) * step + i * step).filter((x) => x < to);
    const groups = by === 'pod' ? pods : by === 'instance' ? Array.from({ length: 14 }, (_, i) => `10.0.0.${i + 1}:6060`) : by ? ['eu-1', '(other)'] : [''];
    const at = (x, k) => (x < now - 2800 || (x > now - 1900 && x < now - 1750) || !part ? null : (part * size[t.type] * shape(x + k * 40)) / (k + 1));
    const line = (labels, v, known = v.filter((x) => x !== null)) => ({ labels, v, mean: known.length ? known.reduce((a, b) => a + b, 0) / known.length : null });
    return { unit: t.unit, temporality: t.temporality, step, t: time, series: groups.map((g, k) => line(by ? { [by]: g } : {}, time.map((x) => at(x, k)))) };
  }
  if (path === 'status') return status(now);
  if (path === 'targets') return { now, targets: targets(now) };
}

function status(now) {
  const error = ['config.yaml:14:7: exporters.parquet.flush_intervall: unknown key, did you mean `flush_interval`?', 'config.yaml:21:3: monitors[2].endpoint: missing', 'config.yaml:30:15: exporters.otlp_grpc.endpoint: want host:port or a URL'].join('\n');
  const broken = process.env.FAULT ? { ok: false, error, failed_at: now - 300 } : { ok: true };
  const pipeline = { name: 'profiles', spool: { writable: process.env.FAULT !== 'spool' } };
  return { now, config: { loaded_at: start - 2600, ...broken }, pipelines: [pipeline] };
}

function targets(now) {
  const all = ['cpu', 'heap', 'mutex', 'goroutine'], tick = (k) => 15 - ((now + k * 4) % 15);
  const one = (k, job, ip, health, more = {}) => ({ job, endpoint: `http://10.0.0.${ip}:6060/debug/pprof`, labels: { namespace: 'shop', pod: `${job}-${pods[k % 3]}` }, health, types: all, errors: [], last_scrape: now - 15 + tick(k), last_duration_s: 10.04, interval_s: 15, next_scrape: now + tick(k), ...more });
  return [one(0, 'orders', 17, 'up'), one(1, 'orders', 18, 'degraded', { errors: [
      { type: 'cpu', error: '500 Internal Server Error', reason: 'busy', body: 'Could not enable CPU profiling: cpu profiling already in use\n', at: now - 44, hint: 'Another profiler holds the CPU profile of this process. Retrying with back-off; the other types are fine.' },
      { type: 'heap', error: 'not a profile: an HTML page', reason: 'not_pprof', at: now - 9 }] }),
    one(2, 'cart', 21, 'up'), one(3, 'cart', 22, 'down', { last_duration_s: 3, errors: ['cpu', 'heap'].map((type) => ({ type, error: 'connect 10.0.0.22:6060: connection refused', reason: 'connection_refused', at: now - 12, hint: 'Nothing listens on this port. Is net/http/pprof imported, and is the port right?' })) })];
}

const mime = { '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.html': 'text/html' };
const vite = process.argv.includes('--dev') &&
  (await (await import('vite')).createServer({ server: { middlewareMode: true }, appType: 'spa' }));
createServer((req, res) => {
  const u = new URL(req.url, 'http://x');
  if (u.pathname.startsWith('/api/v1/') && !process.env.API) {
    const a = answer(u.pathname.slice(8), u.searchParams);
    res.writeHead(a ? 200 : 404, { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' });
    return void setTimeout(() => res.end(gzipSync(JSON.stringify(a ?? { error: 'no such path' }))), 20);
  }
  if (vite) return vite.middlewares(req, res);
  let file = join(dist, normalize(u.pathname));
  if (!existsSync(file) || !statSync(file).isFile()) file = join(dist, 'index.html');
  res.writeHead(200, { 'Content-Type': mime[extname(file)], 'Content-Security-Policy': csp, 'X-Content-Type-Options': 'nosniff' });
  createReadStream(file).pipe(res);
}).listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${port}`));
