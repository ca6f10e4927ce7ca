/** Which path is which page. */

import { kindOfPlural } from "./kinds";
import { EdgesPage } from "./pages/edges";
import { KindPage, NamespacePage, NamespacesPage } from "./pages/lists";
import { OverviewPage } from "./pages/overview";
import { RoutesPage } from "./pages/routes";
import { TapPage } from "./pages/tap";
import { TopPage } from "./pages/top";
import { TopologyPage } from "./pages/topology";
import { WorkloadPage } from "./pages/workload";
import { Page } from "./parts/page";
import { Search } from "./parts/search";
import { Shell } from "./parts/shell";
import { Empty } from "./parts/states";
import { place } from "./router";

function Missing() {
  return (
    <Page title="No such page">
      <Empty title="There is no page at this address.">
        It may come from another version of the dashboard. Press “/” to search for what you wanted to see.
      </Empty>
    </Page>
  );
}

function Unknown({ path }: { path: string }) {
  const [root = "", namespace, plural, name] = path.slice(1).split("/").map(decodeURIComponent);
  if (root !== "namespaces") {
    const kind = kindOfPlural(root);
    return kind && namespace === undefined ? <KindPage key={path} kind={kind} namespace="" /> : <Missing />;
  }
  if (namespace === undefined) return <NamespacesPage />;
  if (plural === undefined) return <NamespacePage key={path} namespace={namespace} />;
  const kind = kindOfPlural(plural);
  if (!kind) return <Missing />;
  if (name === undefined) return <KindPage key={path} kind={kind} namespace={namespace} />;
  return <WorkloadPage key={path} kind={kind} namespace={namespace} name={name} />;
}

const PAGES: Record<string, () => preact.JSX.Element> = {
  "/": OverviewPage,
  "/topology": TopologyPage,
  "/edges": EdgesPage,
  "/routes": RoutesPage,
  "/tap": TapPage,
  "/top": TopPage,
};

export function App() {
  const { path } = place.value;
  const Found = PAGES[path];
  return (
    <>
      <Shell>{Found ? <Found key={path} /> : <Unknown path={path} />}</Shell>
      <Search />
    </>
  );
}
