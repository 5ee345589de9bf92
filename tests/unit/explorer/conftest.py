"""A page built once, and a browser to look at it with."""

import shutil

import pytest
from synthetic_explorer import PLAIN, page, reduced, tables

from causalgrok.explorer.page import explorer_page

WIDE = {"width": 1400, "height": 900}


@pytest.fixture(scope="session")
def study():
    return tables()


@pytest.fixture(scope="session")
def html(study):
    return page(study)


@pytest.fixture(scope="session")
def file(html, tmp_path_factory):
    path = tmp_path_factory.mktemp("explorer") / "explorer.html"
    path.write_text(html)
    return path


@pytest.fixture(scope="session")
def plain_file(study, tmp_path_factory):
    path = tmp_path_factory.mktemp("explorer") / "plain.html"
    path.write_text(explorer_page(reduced(study, PLAIN), study="plain"))
    return path


@pytest.fixture(scope="session")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not program:
        pytest.skip("no chromium on the PATH")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium):
    """Opens a page at a hash and a size; afterwards it must have said nothing, asked for nothing and hung nowhere."""
    noise, contexts = [], []

    def visit(file, hash="", viewport=WIDE, **options):
        context = chromium.new_context(viewport=viewport, **options)
        context.set_default_timeout(10_000)
        contexts.append(context)
        view = context.new_page()
        view.on("console", lambda message: noise.append(f"console: {message.text}"))
        view.on("pageerror", lambda error: noise.append(f"error: {error}"))
        view.on("dialog", lambda dialog: (noise.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        address = file.as_uri()
        context.route(
            lambda url: not url.startswith((address, "blob:", "data:")),
            lambda route: (noise.append(f"request: {route.request.url}"), route.abort()),
        )
        view.goto(address + hash)
        view.wait_for_selector("body[data-ready]")
        return view

    yield visit
    for context in contexts:
        context.close()
    assert not noise
