// FNV-1a 64 in two halves of 32 bits: the hash of a path by which a link names a frame.

export interface Hash {
  hi: number;
  lo: number;
}

export const basis: Hash = { hi: 0xcbf29ce4, lo: 0x84222325 };

/** The prime is 2^40 + 0x1b3; every sum stays below 2^53. */
export function feed(h: Hash, bytes: Uint8Array): Hash {
  let { hi, lo } = h;
  for (const b of bytes) {
    lo = (lo ^ b) >>> 0;
    const m = lo * 0x1b3;
    hi = (hi * 0x1b3 + Math.floor(m / 2 ** 32) + lo * 256) >>> 0;
    lo = m >>> 0;
  }
  return { hi, lo };
}

const eight = (n: number) => n.toString(16).padStart(8, '0');
export const text = (h: Hash) => eight(h.hi) + eight(h.lo);

const utf8 = new TextEncoder();
export const fnv1a = (s: string) => text(feed(basis, utf8.encode(s)));

/** The path of the root itself. */
export const ROOT = text(basis);

/** Paths of all frames in depth-first order; '' for placeholders, which no link names. */
export function paths(names: string[], level: number[], name: number[]): string[] {
  const bytes: Uint8Array[] = [];
  const open: Hash[] = [basis];
  return level.map((l, i) => {
    if (l === 0) return ROOT;
    const k = name[i]!;
    if (k < 0) return '';
    bytes[k] ??= utf8.encode(names[k]! + '\0');
    return text((open[l] = feed(open[l - 1]!, bytes[k]!)));
  });
}
