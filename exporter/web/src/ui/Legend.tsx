// What the colours mean, with numbers: the legend is a result, too.
import { dark, topRows, tree } from '../state';
import { diff, hex } from '../pure/color';
import { share } from '../pure/format';
import { families } from '../pure/top';

const names = {
  own: 'Own code',
  third: 'Dependencies',
  std: 'Standard library',
  runtime: 'Runtime',
} as const;

export function Legend() {
  const top = topRows.value;
  if (!top) return null;
  if (tree.value?.total_b && !top.total_b)
    return <p class="legend muted">Nothing was profiled before: there is no base to compare with</p>;
  if (tree.value?.total_b)
    return (
      <p class="legend">
        <span class="less">less</span>
        <span class="scale">
          {[-1, -0.6, -0.3, 0, 0.3, 0.6, 1].map((x) => (
            <i key={x} style={{ background: hex(diff(x, dark.value)) }} />
          ))}
        </span>
        <span class="more">more</span>
        <span class="muted">share of total; width: both sides</span>
      </p>
    );
  const f = families(top);
  return (
    <ul class="legend" aria-label="Self by origin">
      <li class="by">self in</li>
      {(['own', 'third', 'std', 'runtime'] as const).map((k) => (
        <li key={k}>
          <i class={k} />
          {names[k]} <b>{share(f[k])}</b>
        </li>
      ))}
    </ul>
  );
}
