// Inline, 16 px, 1.5 px strokes, the colour of the text beside them.
const paths = {
  auto: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2Zm0 0v12',
  light:
    'M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6ZM8 1.2v1.4M8 13.4v1.4M1.2 8h1.4M13.4 8h1.4' +
    'M3.2 3.2l1 1M11.8 11.8l1 1M3.2 12.8l1-1M11.8 4.2l1-1',
  dark: 'M13.4 9.6A5.8 5.8 0 0 1 6.4 2.6a5.8 5.8 0 1 0 7 7Z',
  search: 'M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9ZM10.4 10.4 14 14',
  close: 'm4 4 8 8M12 4l-8 8',
  sandwich: 'M2.5 8h11M8 5.5v-4M5.8 3.6 8 1.4l2.2 2.2M8 10.5v4M5.8 12.4 8 14.6l2.2-2.2',
  link:
    'M6.6 9.4a2.6 2.6 0 0 0 3.7 0l2.5-2.5a2.6 2.6 0 0 0-3.7-3.7l-.9.9' +
    'M9.4 6.6a2.6 2.6 0 0 0-3.7 0L3.2 9.1a2.6 2.6 0 0 0 3.7 3.7l.9-.9',
  download: 'M8 2v8M4.8 7 8 10.2 11.2 7M2.5 13.5h11',
  help:
    'M6 6.2a2 2 0 1 1 2.9 1.8c-.6.3-.9.7-.9 1.4M8 11.7v.1' +
    'M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8Z',
  chevron: 'm6 4 4 4-4 4',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  play: 'M5 3.2v9.6l7.6-4.8Z',
  flip: 'M4.5 13V3.2M2 5.6l2.5-2.4L7 5.6M11.5 3v9.8M9 10.4l2.5 2.4 2.5-2.4',
  warn: 'M8 2 1.8 13.2h12.4ZM8 6.5v3M8 11.3v.1',
  down: 'm5 6.5 3 3 3-3',
};

export type IconName = keyof typeof paths;

export const Icon = ({ name }: { name: IconName }) => (
  <svg class="icon" width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
    <path d={paths[name]} />
  </svg>
);

export const Logo = () => (
  <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true" class="logo">
    <rect x="1" y="2" width="14" height="3.4" rx="1" />
    <rect x="1" y="6.3" width="9" height="3.4" rx="1" />
    <rect x="1" y="10.6" width="5" height="3.4" rx="1" />
  </svg>
);
