// Asks for the same page anew and puts its numbers in place of the old ones. Text stays text: the
// server escaped it, and nothing here makes markup of it.
const EVERY_MS = 2000;

async function refresh() {
  const response = await fetch(location.href, { headers: { Accept: "text/html" } });
  const found = new DOMParser().parseFromString(await response.text(), "text/html");
  const main = found.querySelector("main");
  if (main) document.querySelector("main").replaceWith(document.adoptNode(main));
}

async function follow() {
  const age = document.getElementById("age");
  for (;;) {
    await new Promise((done) => setTimeout(done, EVERY_MS));
    if (document.hidden || String(getSelection())) continue;
    try {
      await refresh();
      age.hidden = true;
    } catch {
      age.hidden = false;
    }
  }
}

follow();
