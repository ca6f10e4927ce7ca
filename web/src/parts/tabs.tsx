/** Views of one object; which one is open stands in the URL. */

import type { ComponentChildren } from "preact";
import { place, setQuery } from "../router";

export interface Tab {
  id: string;
  title: string;
  count?: number;
  show: () => ComponentChildren;
}

export function Tabs({ tabs, label }: { tabs: readonly Tab[]; label: string }) {
  const wanted = place.value.query.get("tab");
  const open = tabs.find((tab) => tab.id === wanted) ?? tabs[0];
  if (!open) return null;
  const step = (event: KeyboardEvent) => {
    const way = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (way === 0) return;
    event.preventDefault();
    const next = tabs[(tabs.indexOf(open) + way + tabs.length) % tabs.length];
    if (!next) return;
    setQuery({ tab: next.id });
    document.getElementById(`tab-${next.id}`)?.focus();
  };
  return (
    <div class="tabs-box">
      <div class="tabs" role="tablist" aria-label={label} onKeyDown={step}>
        {tabs.map((tab) => (
          <button
            key={tab.id}
            id={`tab-${tab.id}`}
            type="button"
            role="tab"
            aria-selected={tab === open}
            {...(tab === open ? { "aria-controls": "tabpanel" } : {})}
            tabIndex={tab === open ? 0 : -1}
            onClick={() => setQuery({ tab: tab.id === tabs[0]?.id ? null : tab.id }, true)}
          >
            {tab.title}
            {tab.count === undefined ? null : <span class="count">{tab.count}</span>}
          </button>
        ))}
      </div>
      <div id="tabpanel" role="tabpanel" aria-labelledby={`tab-${open.id}`} class="stack">
        {open.show()}
      </div>
    </div>
  );
}
