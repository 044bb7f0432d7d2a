'use strict';
// Zoom and search on the frames that stand in the page. Names are only ever set as text.
const data = JSON.parse(document.getElementById('data').textContent);
const { labels, name, level, start, size, row, char, pad } = data;
const svg = document.querySelector('svg');
const frames = [...svg.querySelectorAll('.f')];
const box = (id) => document.getElementById(id);
const details = box('details'), query = box('query'), found = box('found'), reset = box('reset');
let root = data.viewed;

const longest = (i) => (name[i] < 0 ? `(${-name[i]} smaller)` : labels[name[i]][0]);
const columns = (s) => [...s].reduce((n, c) => n + (c < '\u1100' ? 1 : 2), 0);

/** The longest form that fits, else the shortest one cut, else nothing. */
function fit(i, room) {
  const chars = Math.floor(room / char);
  if (chars < 2) return '';
  const forms = name[i] < 0 ? [longest(i)] : labels[name[i]];
  const whole = forms.find((s) => columns(s) <= chars);
  if (whole !== undefined) return whole;
  if (name[i] < 0 || chars < 3) return '';
  let text = '', left = chars - 1;
  for (const c of forms[forms.length - 1]) {
    left -= columns(c);
    if (left < 0) break;
    text += c;
  }
  return text + '…';
}

/** Index of the frame's parent, or -1. */
function parent(i) {
  let j = i - 1;
  while (j >= 0 && level[j] >= level[i]) j--;
  return j;
}

function place(i, x, w, above) {
  const [, rect] = frames[i].children, gap = w > 3 ? 1 : w * 0.1;
  let text = frames[i].children[2];
  frames[i].style.display = '';
  frames[i].classList.toggle('up', above);
  rect.setAttribute('x', x);
  rect.setAttribute('width', Math.max(0, w - gap));
  const label = fit(i, w - gap - 2 * pad);
  if (!text && !label) return;
  if (!text) {
    text = frames[i].appendChild(document.createElementNS(svg.namespaceURI, 'text'));
    text.setAttribute('y', level[i] * row + 13);
  }
  text.setAttribute('x', x + pad);
  text.textContent = label;
}

function draw() {
  const width = svg.parentNode.clientWidth, k = size[root] > 0 ? width / size[root] : 0;
  svg.setAttribute('width', width);
  svg.removeAttribute('viewBox');
  const above = new Set();
  for (let i = parent(root); i >= 0; i = parent(i)) above.add(i);
  let end = root + 1;
  while (end < level.length && level[end] > level[root]) end++;
  frames.forEach((g, i) => {
    if (above.has(i)) place(i, 0, width, true);
    else if (i >= root && i < end) place(i, (start[i] - start[root]) * k, size[i] * k, false);
    else g.style.display = 'none';
  });
  reset.disabled = root === data.viewed;
}

function zoom(i) {
  root = name[i] < 0 || i < data.viewed ? Math.max(parent(i), data.viewed) : i;
  draw();
}

/** A regular expression, or text where that does not parse. Only the outermost match counts. */
function search() {
  const q = query.value;
  let test = (s) => s.toLowerCase().includes(q.toLowerCase());
  try {
    const re = new RegExp(q, 'i');
    test = (s) => re.test(s);
  } catch { /* text */ }
  const hits = labels.map((forms) => test(forms[0]));
  let share = 0, count = 0, inside = -1;
  frames.forEach((g, i) => {
    const hit = name[i] >= 0 && hits[name[i]];
    g.classList.toggle('off', q !== '' && !hit);
    if (inside >= 0 && level[i] <= level[inside]) inside = -1;
    if (!hit || i < data.viewed) return;
    count++;
    if (inside < 0) (share += size[i]), (inside = i);
  });
  found.textContent = q && `${count} frames, ${(share * 100).toFixed(1)}%`;
}

frames.forEach((g, i) => {
  g.tabIndex = 0;
  const tell = () => (details.textContent = g.children[0].textContent);
  g.addEventListener('pointerenter', tell);
  g.addEventListener('focus', tell);
  g.addEventListener('click', () => zoom(i));
  g.addEventListener('keydown', (e) => e.key === 'Enter' && zoom(i));
});
query.addEventListener('input', search);
reset.addEventListener('click', () => zoom(data.viewed));
addEventListener('resize', draw);
addEventListener('keydown', (e) => {
  if (e.key === '/' && document.activeElement !== query) e.preventDefault(), query.focus();
  if (e.key === 'Escape') query.value && ((query.value = ''), search()), zoom(data.viewed);
});
details.textContent = frames[root].children[0].textContent;
draw();
