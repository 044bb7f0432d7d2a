import { defineConfig } from 'vite';

// A running profpipe (or tools/fake.mjs) answers the API: API=http://127.0.0.1:8989 npx vite
const api = process.env.API;

export default defineConfig({
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: 'es2022',
    cssTarget: ['chrome123', 'firefox121', 'safari17.5'],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    host: '127.0.0.1',
    ...(api ? { proxy: { '/api': { target: api, changeOrigin: true } } } : {}),
  },
});
