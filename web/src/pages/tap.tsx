/** Tap of anything that has pods; the whole question stands in the URL. */

import { TapView } from "../live/tapview";
import { wantedOf } from "../live/target";
import { Page } from "../parts/page";
import { place, setQuery } from "../router";

export function TapPage() {
  const wanted = wantedOf(place.value.query);
  return (
    <Page title="Tap" note="Live requests of meshed pods, one by one.">
      <section class="card" aria-label="Tap">
        <TapView wanted={wanted} change={(changed) => setQuery({ ...changed })} />
      </section>
    </Page>
  );
}
