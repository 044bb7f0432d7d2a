// A path that is no page: says so, and what pages there are.
import { Link } from '../ui/parts';

export function Lost() {
  return (
    <main class="page">
      <section class="empty" aria-labelledby="lost-title">
        <h1 id="lost-title">There is no such page</h1>
        <p>
          <code>{location.pathname}</code> is not a page of profpipe.
        </p>
        <div class="actions">
          <Link class="button" to={{ page: 'explore' }}>
            Explore profiles
          </Link>
          <Link class="button" to={{ page: 'targets' }}>
            See targets
          </Link>
        </div>
      </section>
    </main>
  );
}
