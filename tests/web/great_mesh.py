"""500 workloads in the graph, a hand that moves it, and what that costs the browser."""

import contextlib
import os
import random
from pathlib import Path

WORKLOADS, NAMESPACES, CALLS = 500, 25, 1200


def each_frame(before, act):
    """A script that acts on the canvas once for each frame, numbered by `step`, for some seconds.

    It tells the frames that the canvas has drawn, those that were asked for, and the rate at which
    each one came.
    """
    return f"""async (canvas, seconds) => {{
  {before}
  const rates = [];
  const begin = performance.now();
  let [last, step] = [begin, 0];
  while (performance.now() - begin < seconds * 1000) {{
    {act}
    step += 1;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    rates.push(1000 / (now - last));
    last = now;
  }}
  return {{ drawn: Number(canvas.dataset.frames), asked: step, rates }};
}}"""


DRAGGED = each_frame(
    """const { left, top, width, height } = canvas.getBoundingClientRect();
  const [x, y] = [left + width / 2, top + height / 2];
  const at = (right, down) => ({
    clientX: x + right, clientY: y + down, pointerId: 1, bubbles: true, button: 0, cancelable: true,
  });
  const send = (Kind, name, more) => canvas.dispatchEvent(new Kind(name, more));
  canvas.setPointerCapture = () => {};
  canvas.focus();
  send(PointerEvent, "pointerdown", at(0, 0));""",
    """send(PointerEvent, "pointermove", at(90 * Math.sin(step / 9), 40 * Math.cos(step / 7)));
    send(WheelEvent, "wheel", { ...at(0, 0), deltaY: 40 * Math.sin(step / 25) });""",
)
KEYED = each_frame(
    'const keys = ["ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown"];',
    """const event = { key: keys[step % 4], cancelable: true };
    canvas.dispatchEvent(new KeyboardEvent("keydown", event));""",
)


def great_mesh(shop):
    """As many workloads as a busy cluster has, calling mostly within their namespace."""
    chance = random.Random(7)
    names = [
        f"deployment/team-{number % NAMESPACES}/service-{number}" for number in range(WORKLOADS)
    ]
    shop.workloads = {
        name: (chance.uniform(1, 90), chance.choice((1.0, 1.0, 0.999, 0.93)), 30.0, 2, 2)
        for name in names
    }
    shop.edges = {}
    while len(shop.edges) < CALLS:
        source = chance.randrange(WORKLOADS)
        near = chance.random() < 0.8
        step = chance.randrange(1, 19) * NAMESPACES if near else chance.randrange(1, WORKLOADS)
        target = (source + step) % WORKLOADS
        ends = names[source], names[target]
        shop.edges[ends] = (chance.uniform(1, 50), 1.0, 20.0, 3, chance.random() < 0.95)


def cpu_seconds():
    """Of all processes that this one has started, the browser's among them."""
    children, spent = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            number, _, rest = stat.read_text().partition(" (")
            fields = rest.rpartition(") ")[2].split()
            children.setdefault(int(fields[1]), []).append(int(number))
            spent[int(number)] = int(fields[11]) + int(fields[12])
    found, near = 0, list(children.get(os.getpid(), ()))
    while near:
        number = near.pop()
        found += spent[number]
        near += children.get(number, ())
    return found / os.sysconf("SC_CLK_TCK")
