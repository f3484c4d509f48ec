"""A world that was exported for the browser: frames a second in headless Chromium, and the size of its folder.

    genieredux export web world=coinrun out=site
    python benchmarks/web.py site [--chromium /usr/bin/chromium]

Steps alone are 200 steps of one dream, by the page's own modules; with the page, a key is held while 60 frames a second
are asked for. Needs playwright, and a Chromium.
"""

import argparse
import functools
import gzip
import http.server
import re
import threading
from pathlib import Path

from playwright.sync_api import sync_playwright

ALONE = """async () => {
  const { world } = genieredux;
  const times = [];
  let state = await world.begin(0, 0);
  for (let k = 0; k < 220; k += 1) {
    const began = performance.now();
    state = await world.step(state, k % world.about.actions.length);
    times.push(performance.now() - began);
  }
  times.splice(0, 20);
  times.sort((a, b) => a - b);
  return [times[100], times[190], (1000 * times.length) / times.reduce((a, b) => a + b, 0)];
}"""
FASTEST = """() => {
  const speed = document.getElementById("speed");
  speed.value = speed.max;
  speed.dispatchEvent(new Event("input"));
}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, and says nothing."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    args = parser.parse_args()
    files = [path.read_bytes() for path in args.site.rglob("*") if path.is_file()]
    packed = sum(len(gzip.compress(content)) for content in files)
    print(f"size: {sum(map(len, files)) / 2**20:.1f} MiB, {packed / 2**20:.1f} MiB compressed")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(args.site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=args.chromium, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page()
        tab.goto(f"http://127.0.0.1:{server.server_port}/index.html")
        tab.locator("#status", has_text=re.compile("waiting for a key|dreaming")).wait_for()
        for _ in range(3):
            print("steps alone: {:.1f} ms (95 in 100 below {:.1f}), {:.0f} frames/s".format(*tab.evaluate(ALONE)))
        tab.evaluate(FASTEST)
        tab.keyboard.down("ArrowRight")
        tab.wait_for_timeout(3000)
        print(f"in the page: {tab.locator('#fps').inner_text()} frames/s")
        browser.close()
    server.shutdown()


if __name__ == "__main__":
    main()
