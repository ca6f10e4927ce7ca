/** Top of anything that has pods; the whole question stands in the URL. */

import { TopView } from "../live/topview";
import { wantedOf } from "../live/target";
import { Page } from "../parts/page";
import { place, setQuery } from "../router";

export function TopPage() {
  const wanted = wantedOf(place.value.query);
  return (
    <Page title="Top" note="Live requests of meshed pods, counted.">
      <section class="card" aria-label="Top">
        <TopView wanted={wanted} change={(changed) => setQuery({ ...changed })} />
      </section>
    </Page>
  );
}
