/** The range of the past that charts show, and the moment of which the tables speak. */

import { useState } from "preact/hooks";
import { dateTime } from "../format";
import { session } from "../session";
import { at, fromLocalText, localText, now, range, RANGES, show, showRange } from "../time";

export function TimeBar() {
  const [isAsking, setAsking] = useState(false);
  const moment = at.value;
  return (
    <div class={`timebar ${moment === null ? "" : "is-past"}`} role="group" aria-label="Time">
      <label>
        <span class="hidden">Range of the charts</span>
        <select value={range.value.name} onChange={(event) => showRange(event.currentTarget.value)}>
          {RANGES.map(({ name }) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <button type="button" aria-pressed={moment === null} class="now" onClick={() => show(null)}>
        <span class={moment === null ? "live-dot" : "live-dot off"} aria-hidden="true" />
        Now
      </button>
      <button type="button" aria-expanded={isAsking} class="moment" onClick={() => setAsking(!isAsking)}>
        {moment === null ? "At …" : dateTime(moment)}
      </button>
      {isAsking ? <Asked close={() => setAsking(false)} /> : null}
    </div>
  );
}

function Asked({ close }: { close: () => void }) {
  const [text, setText] = useState(localText(at.value ?? now.value - 300));
  const from = session.value?.history?.from ?? null;
  const submit = (event: Event) => {
    event.preventDefault();
    const moment = fromLocalText(text);
    if (moment === null) return;
    show(moment >= now.value ? null : moment);
    close();
  };
  return (
    <form class="popover" onSubmit={submit} onKeyDown={(event) => (event.key === "Escape" ? close() : undefined)}>
      <label>
        Show the mesh as it was at
        <input
          type="datetime-local"
          step="1"
          value={text}
          max={localText(now.value)}
          {...(from === null ? {} : { min: localText(from) })}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <p class="quiet">{from === null ? "How far back is known is not said yet." : `Known from ${dateTime(from)} on.`}</p>
      <button type="submit" class="primary">
        Show
      </button>
    </form>
  );
}
