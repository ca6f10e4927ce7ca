// Fills the table from a stream of events: tap adds lines on top, top replaces all rows. What comes
// is set as text, never as markup.
const MOST_LINES = 200;
const live = document.getElementById("live");

function row(cells) {
  const found = document.createElement("tr");
  for (const cell of cells) found.insertCell().textContent = cell;
  return found;
}

function show(state, text) {
  live.dataset.state = state;
  document.getElementById("state").textContent = text;
}

if (live) {
  const body = live.querySelector("tbody");
  const source = new EventSource(live.dataset.stream + location.search);
  source.onmessage = (event) => {
    const content = JSON.parse(event.data);
    show("ready", "Live.");
    if (typeof content === "string") {
      body.prepend(row([content]));
      while (body.rows.length > MOST_LINES) body.deleteRow(-1);
    } else {
      body.replaceChildren(...content.map(row));
    }
  };
  source.addEventListener("failed", (event) => {
    source.close();
    show("failed", JSON.parse(event.data));
  });
  source.onerror = () => show("failed", "The dashboard does not answer; trying again.");
}
