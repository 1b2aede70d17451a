"""One page, and a check of it that needs no socket."""

from jinja2 import Template
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.testclient import TestClient

PAGE = Template("<h1>Good {{ time }}, {{ name }}!</h1>")


async def page(request):
    name = request.path_params["name"]
    return HTMLResponse(PAGE.render(time="evening", name=name))


app = Starlette(routes=[Route("/{name}", page)])


def test_the_page_greets_by_name():
    assert TestClient(app).get("/Ada").text == "<h1>Good evening, Ada!</h1>"


if __name__ == "__main__":
    print(TestClient(app).get("/Ada").text)
