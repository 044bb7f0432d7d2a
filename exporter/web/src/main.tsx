import { effect } from '@preact/signals';
import { render } from 'preact';
import { state } from './state';
import './load';
import './watch';
import { Explore } from './pages/Explore';
import { Lost } from './pages/Lost';
import { Targets } from './pages/Targets';
import { Faults } from './ui/Faults';
import { help, Help } from './ui/Help';
import { TopBar } from './ui/TopBar';
import './css/tokens.css';
import './css/base.css';
import './css/explore.css';
import './css/targets.css';
import './css/narrow.css';

function Page() {
  const { page } = state.value;
  if (page === 'lost') return <Lost />;
  return page === 'targets' ? <Targets /> : <Explore />;
}

function App() {
  return (
    <>
      <TopBar />
      <Faults />
      {<Page />}
      <Help />
    </>
  );
}

effect(() => {
  const { page, service, type } = state.value;
  const what = page === 'lost' ? 'No such page' : page === 'targets' ? 'Targets' : service ? `${service} ${type}` : 'Explore';
  document.title = `${what} · profpipe`;
});

addEventListener('keydown', (e) => {
  if (e.key === '?' && !(e.target as Element).matches('input, textarea, select')) help.value = true;
});

render(<App />, document.body);
