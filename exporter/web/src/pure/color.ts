// Colour carries meaning only: whose code it is, or how it changed. All in OKLCH, so that equal
// lightness looks equal and text contrast holds for every frame (test/color.test.ts).
import { family, hash, packageOf, type Family } from './names';

type Rgb = [number, number, number];

export function oklch(l: number, c: number, h: number): Rgb {
  const a = c * Math.cos((h * Math.PI) / 180),
    b = c * Math.sin((h * Math.PI) / 180);
  const L = (l + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const M = (l - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const S = (l - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const lin = [
    4.0767416621 * L - 3.3077115913 * M + 0.2309699292 * S,
    -1.2684380046 * L + 2.6097574011 * M - 0.3413193965 * S,
    -0.0041960863 * L - 0.7034186147 * M + 1.707614701 * S,
  ];
  return lin.map((x) => {
    const y = Math.min(1, Math.max(0, x));
    return Math.round(255 * (y <= 0.0031308 ? 12.92 * y : 1.055 * y ** (1 / 2.4) - 0.055));
  }) as Rgb;
}

export const hex = (rgb: Rgb) => '#' + rgb.map((x) => x.toString(16).padStart(2, '0')).join('');

export function contrast(a: Rgb, b: Rgb): number {
  const lum = (c: Rgb) => {
    const [r, g, bl] = c.map((x) =>
      x / 255 <= 0.04045 ? x / 255 / 12.92 : ((x / 255 + 0.055) / 1.055) ** 2.4,
    ) as Rgb;
    return 0.2126 * r + 0.7152 * g + 0.0722 * bl;
  };
  const [x, y] = [lum(a), lum(b)].sort((p, q) => q - p) as [number, number];
  return (x + 0.05) / (y + 0.05);
}

// hue, chroma in light, chroma in dark, spread of hue within the family
const families: Record<Family, [number, number, number, number]> = {
  own: [70, 0.082, 0.075, 10],
  third: [300, 0.055, 0.07, 14],
  std: [192, 0.048, 0.048, 12],
  runtime: [260, 0.008, 0.012, 0],
  none: [260, 0.004, 0.006, 0],
};

/** Family gives the hue, the package one of seven shades of it. */
export function frame(pkg: string, fam: Family, dark: boolean): Rgb {
  return shade(fam, fam === 'none' ? 0 : ((hash(pkg) >>> 3) % 7) / 6 - 0.5, dark);
}

/** Step 0 is the middle one: the swatch of the legend (css/tokens.css). */
export function shade(fam: Family, step: number, dark: boolean): Rgb {
  const [h, cl, cd, spread] = families[fam];
  return dark
    ? oklch(0.41 + step * 0.08, cd, h + step * 2 * spread)
    : oklch(0.865 + step * 0.085, cl, h + step * 2 * spread);
}

export const frameOf = (name: string, dark: boolean) =>
  hex(frame(packageOf(name), family(name), dark));

/** Change of share, −1 (gone) … +1 (new): blue is less, red is more, neutral is the same. */
export function diff(x: number, dark: boolean): Rgb {
  const k = Math.sign(x) * Math.min(1, Math.abs(x)) ** 0.75;
  const m = Math.abs(k),
    h = k < 0 ? 250 : 25;
  return dark
    ? oklch(0.34 + 0.09 * m, 0.008 + 0.105 * m, h)
    : oklch(0.92 - 0.125 * m, 0.004 + 0.095 * m, h);
}

/** How much a share moved, relative to the larger side. */
export function change(a: number, b: number): number {
  const top = Math.max(a, b);
  return top > 0 ? (b - a) / top : 0;
}

export const ink = (dark: boolean): Rgb =>
  dark ? oklch(0.97, 0.004, 260) : oklch(0.24, 0.01, 260);
