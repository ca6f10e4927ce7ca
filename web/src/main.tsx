/** Starts the page. */

import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import "./styles/tokens.css";
import "./styles/shell.css";
import "./styles/parts.css";
import "./styles/pages.css";
import { App } from "./app";
import { listenForSearch } from "./parts/search";
import { listen } from "./router";
import { refreshSession } from "./session";
import { follow } from "./theme";
import { tick } from "./time";

follow();
listen();
listenForSearch();
void refreshSession();
setInterval(() => void refreshSession(), 60_000);
setInterval(tick, 1000);

const root = document.getElementById("app");
if (root) render(<App />, root);
