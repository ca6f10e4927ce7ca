/** What stands around every page: the ways, the search, the time, the theme. */

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import logo from "../logo.svg";
import { KINDS } from "../kinds";
import { place, to } from "../router";
import { session } from "../session";
import { next, theme } from "../theme";
import { Icon } from "./icons";
import { openSearch } from "./search";
import { TimeBar } from "./timebar";

const isMenuOpen = signal(false);

interface Way {
  title: string;
  path: string;
}

const VIEWS: readonly Way[] = [
  { title: "Overview", path: "/" },
  { title: "Topology", path: "/topology" },
  { title: "Namespaces", path: "/namespaces" },
];
const TRAFFIC: readonly Way[] = [
  { title: "Edges", path: "/edges" },
  { title: "Routes", path: "/routes" },
  { title: "Tap", path: "/tap" },
  { title: "Top", path: "/top" },
];
const WORKLOADS: readonly Way[] = KINDS.map(({ title, plural }) => ({ title, path: `/${plural}` }));

function isHere(path: string): boolean {
  const here = place.value.path;
  if (path === "/") return here === "/";
  if (here === path) return true;
  // A deployment's page belongs to Deployments, a namespace's own page to Namespaces.
  const [, root, , plural] = here.split("/");
  if (root !== "namespaces") return false;
  return plural ? path === `/${plural}` : path === "/namespaces";
}

function Ways({ title, ways }: { title: string; ways: readonly Way[] }) {
  return (
    <div class="ways">
      <h2>{title}</h2>
      <ul>
        {ways.map((way) => (
          <li key={way.path}>
            <a
              href={to(way.path)}
              {...(isHere(way.path) ? { "aria-current": "page" as const } : {})}
              onClick={() => {
                isMenuOpen.value = false;
              }}
            >
              {way.title}
            </a>
          </li>
        ))}
      </ul>
    </div>
  );
}

function ThemeSwitch() {
  const icon = { system: "system", light: "sun", dark: "moon" }[theme.value];
  return (
    <button type="button" class="bare" onClick={next} title={`Colours: ${theme.value}`} aria-label={`Colours: ${theme.value}; change`}>
      <Icon name={icon} />
    </button>
  );
}

export function Shell({ children }: { children: ComponentChildren }) {
  return (
    <div class={`shell ${isMenuOpen.value ? "menu-open" : ""}`}>
      <a class="skip" href="#main">
        Skip to the page
      </a>
      <header class="bar">
        <button
          type="button"
          class="bare menu-button"
          aria-expanded={isMenuOpen.value}
          aria-controls="ways"
          aria-label="Menu"
          onClick={() => {
            isMenuOpen.value = !isMenuOpen.value;
          }}
        >
          <Icon name={isMenuOpen.value ? "close" : "menu"} />
        </button>
        <a class="brand" href={to("/")}>
          <img src={logo} width="24" height="24" alt="" />
          Tulle
        </a>
        <button type="button" class="search-button" onClick={openSearch} aria-keyshortcuts="/ Control+K">
          <Icon name="search" />
          <span>Search</span>
          <kbd>/</kbd>
        </button>
        <TimeBar />
        <ThemeSwitch />
      </header>
      <nav class="side" id="ways" aria-label="Main">
        <Ways title="Mesh" ways={VIEWS} />
        <Ways title="Traffic" ways={TRAFFIC} />
        <Ways title="Workloads" ways={WORKLOADS} />
        <p class="quiet side-foot">{session.value ? `Tulle ${session.value.version}` : ""}</p>
      </nav>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}
