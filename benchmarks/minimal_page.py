"""The least that a page of the dashboard's libraries costs.

`python -m benchmarks.minimal_page PORT`: one template, one picture of bars, no data. It shares no
code with the dashboard.
"""

import sys

import uvicorn
from jinja2 import Environment
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

PAGE = """<!doctype html>
<html lang="en">
<title>A minimal page</title>
<h1>{{ title }}</h1>
<svg viewBox="0 0 280 100" width="280" height="100">
  {% for height in heights %}
  <rect x="{{ 10 * loop.index0 }}" y="{{ 100 - height }}" width="8" height="{{ height }}"></rect>
  {% endfor %}
</svg>
"""


def main(port: int) -> None:
    """Serve the page until TERM."""
    template = Environment(autoescape=True).from_string(PAGE)

    def page(_: Request) -> HTMLResponse:
        heights = [(37 * day) % 100 for day in range(28)]
        return HTMLResponse(template.render(title="Hours a day", heights=heights))

    app = Starlette(routes=[Route("/", page)])
    uvicorn.run(app, port=port, lifespan="off", log_level="warning")


if __name__ == "__main__":
    main(int(sys.argv[1]))
