/** The frame of a page: its title, where it stands, and its sections. */

import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { to } from "../router";

export interface Crumb {
  title: string;
  path: string;
}

interface Props {
  title: string;
  crumbs?: readonly Crumb[];
  note?: ComponentChildren;
  actions?: ComponentChildren;
  children: ComponentChildren;
}

export function Page({ title, crumbs = [], note, actions, children }: Props) {
  useEffect(() => {
    document.title = `${title} · Tulle`;
  }, [title]);
  return (
    <>
      <header class="page-head">
        <div>
          {crumbs.length > 0 ? (
            <nav aria-label="Where this page stands" class="crumbs">
              <ol>
                {crumbs.map((crumb) => (
                  <li key={crumb.path}>
                    <a href={to(crumb.path)}>{crumb.title}</a>
                  </li>
                ))}
              </ol>
            </nav>
          ) : null}
          <h1>{title}</h1>
          {note ? <p class="quiet">{note}</p> : null}
        </div>
        {actions ? <div class="actions">{actions}</div> : null}
      </header>
      {children}
    </>
  );
}

export function Section({ title, note, children, id }: { title: string; note?: ComponentChildren; children: ComponentChildren; id?: string }) {
  return (
    <section class="card" aria-label={title} {...(id ? { id } : {})}>
      <h2>
        {title}
        {note ? <span class="quiet note">{note}</span> : null}
      </h2>
      {children}
    </section>
  );
}
