import { state, theme, type Theme } from '../state';
import { pages } from '../pure/url';
import { help } from './Help';
import { Icon, Logo } from './icons';
import { Link, Segmented } from './parts';

const titles = { explore: 'Explore', targets: 'Targets' };

export function TopBar() {
  const s = state.value;
  return (
    <header class="topbar">
      <Link class="brand" to={{ page: 'explore' }}>
        <Logo />
        profpipe
      </Link>
      <nav aria-label="Main">
        {pages.map((p) => (
          <Link key={p} to={{ page: p }} aria-current={s.page === p ? 'page' : undefined}>
            {titles[p]}
          </Link>
        ))}
      </nav>
      <div class="tools">
        <button
          class="ghost square"
          type="button"
          title="Keyboard help (?)"
          aria-label="Keyboard help"
          onClick={() => (help.value = true)}
        >
          <Icon name="help" />
        </button>
        <Segmented<Theme>
          label="Theme"
          now={theme.value}
          pick={(t) => (theme.value = t)}
          options={[
            { value: 'auto', text: <Icon name="auto" />, title: 'As the system' },
            { value: 'light', text: <Icon name="light" />, title: 'Light' },
            { value: 'dark', text: <Icon name="dark" />, title: 'Dark' },
          ]}
        />
      </div>
    </header>
  );
}
