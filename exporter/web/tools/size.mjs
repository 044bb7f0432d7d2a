// The budget: JS and CSS, gzip, 80 KB.
import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

let sum = 0;
for (const f of readdirSync('dist/assets')) {
  const n = gzipSync(readFileSync('dist/assets/' + f), { level: 9 }).length;
  sum += n;
  console.log(String(n).padStart(7), f);
}
console.log(String(sum).padStart(7), 'bytes gzip');
process.exitCode = sum > 80 * 1024 ? 1 : 0;
