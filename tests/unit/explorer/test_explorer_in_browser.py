"""The page as a reader has it: in a browser, with mouse, keyboard, a phone and a printer."""

import csv
import io
import re
from pathlib import Path

import pytest
from synthetic_explorer import NASTY, OTHER, RUN

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.xdist_group("explorer")

HASH = f"#run={RUN}"
PHONE = {"width": 390, "height": 800}


def drawn(view, panel, who="A"):
    """What Plotly draws in a panel: trace name -> the trace."""
    look_at(view, panel)
    traces = view.evaluate(
        "at => document.querySelector(at).data.map(({ name, x, y, z, line }) => ({ name, x, y, z, line }))",
        f'#panel-{panel} [data-who="{who}"] .plot',
    )
    return {trace["name"]: trace for trace in traces}


def look_at(view, panel):
    """Panels are drawn when one comes to them."""
    view.locator(f"#panel-{panel}").scroll_into_view_if_needed()
    view.wait_for_selector(f"#panel-{panel}:not([data-stale])")


def settle(view):
    """Wait until what was asked for has been drawn."""
    view.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def at(view):
    return int(re.search(r"\d+", view.inner_text("#at"))[0])


def test_all_panels_are_drawn(visit, file):
    view = visit(file, HASH)
    panels = view.locator(".panel:visible")
    assert panels.count() == 18
    for name in panels.evaluate_all("nodes => nodes.map(node => node.dataset.panel)"):
        if name in ("outcome", "mechanism"):
            assert view.locator(f"#panel-{name} dt").count() > 5
        else:
            who = "overview" if name == "overview" else "A"
            assert drawn(view, name, who), name


def test_curves_are_the_tables(visit, file, study):
    curve = drawn(visit(file, HASH), "training")["OOD test hospital"]
    table = study["metrics"].query("recipe == 'standard' and seed == 0 and split == 'ood_test'")
    assert curve["y"] == pytest.approx(table["accuracy"].tolist(), abs=1e-4)
    assert curve["x"] == [epoch or 0.4 for epoch in table["epoch"]]


def test_choosing_runs_changes_what_is_drawn(visit, file):
    view = visit(file, HASH)
    before = drawn(view, "training")["OOD test hospital"]
    view.select_option("#run-a select >> nth=3", "1")
    settle(view)
    seed = drawn(view, "training")["OOD test hospital"]
    assert seed["y"] != before["y"] and seed["line"]["color"] == before["line"]["color"]
    view.select_option("#run-a select >> nth=1", NASTY)
    settle(view)
    recipe = drawn(view, "training")["OOD test hospital"]
    assert recipe["y"] != seed["y"] and recipe["line"]["color"] != before["line"]["color"]
    assert view.input_value("#run-a select >> nth=3") == "1", "the seed stays"
    view.select_option("#run-b select >> nth=0", "camelyon17")
    settle(view)
    view.select_option("#run-b select >> nth=1", "standard")
    settle(view)
    beside = [view.locator(f'#panel-training [data-who="{who}"] .plot').bounding_box() for who in "AB"]
    assert beside[0]["y"] == beside[1]["y"] and beside[0]["width"] == pytest.approx(beside[1]["width"], abs=1)
    assert drawn(view, "training", "B")["OOD test hospital"]["y"] == seed["y"]
    ranges = [
        view.evaluate(f"document.querySelector('#panel-training [data-who={who}] .plot').layout.yaxis.range")
        for who in "AB"
    ]
    assert ranges[0] == ranges[1]


def test_measures_and_choices_change_what_is_drawn(visit, file):
    view = visit(file, f"{HASH}&panel=steering")
    before = drawn(view, "steering")["hospital direction"]
    view.select_option("#panel-steering .controls select >> nth=0", "flip_fraction")
    settle(view)
    flips = drawn(view, "steering")["hospital direction"]
    view.select_option("#panel-steering .controls select >> nth=1", "layer2")
    settle(view)
    assert len({str(curve["y"]) for curve in (before, flips, drawn(view, "steering")["hospital direction"])}) == 3
    assert "y=flip_fraction&stage=layer2" in view.url


def test_the_keyboard_moves_every_panel_to_an_epoch(visit, file, study):
    view = visit(file, f"{HASH}&epoch=last")
    before = {name: drawn(view, name) for name in ("probing_stages", "counterfactual_hospitals", "neurons")}
    view.locator("#epoch").focus()
    view.keyboard.press("Home")
    settle(view)
    assert at(view) == 0
    for name, curves in before.items():
        assert drawn(view, name) != curves, name
        assert "epoch 0" in view.inner_text(f"#panel-{name} figcaption")
    probed = drawn(view, "probing_stages")["hospital"]
    table = study["probing"].query("recipe == 'standard' and seed == 0 and epoch == 0 and control == 'none'")
    table = table.query("target == 'hospital'").set_index("stage")["accuracy"]
    assert probed["y"] == pytest.approx(table[probed["x"]].tolist(), abs=1e-4)
    view.keyboard.press("ArrowRight")
    settle(view)
    assert at(view) == 1
    look_at(view, "neurons")
    assert "nearest measured to 1" in view.inner_text("#panel-neurons figcaption")
    view.click("#named button >> text=memorised")
    assert at(view) == 16


def test_a_click_on_a_curve_picks_its_epoch(visit, file):
    view = visit(file, f"{HASH}&epoch=last")
    for panel, across in (("training", 0.4), ("probing", 0.3)):
        look_at(view, panel)
        before = at(view)
        area = view.locator(f"#panel-{panel} .plot .nsewdrag")

        def place(area=area, across=across):
            box = area.bounding_box()
            return box["x"] + across * box["width"], box["y"] + 0.5 * box["height"]

        click(view, panel, place, f"() => document.getElementById('at').textContent !== 'epoch {before}'")
        settle(view)
        cursor = view.evaluate(f"document.querySelector('#panel-{panel} .plot').layout.shapes.at(-1).x0")
        assert at(view) in (4, 16, 64)
        assert cursor == (at(view) if panel == "training" else [0, 1, 4, 16, 64].index(at(view)) - 0.5)
        assert f"epoch={at(view)}" in view.url


def test_a_click_in_the_overview_takes_a_run(visit, file):
    view = visit(file, f"{HASH}&epoch=last")
    name = next(name for name in drawn(view, "overview", "overview") if "other" in name)
    other = drawn(view, "overview", "overview")[name]

    def place():
        return view.evaluate(
            """([x, y]) => { const plot = document.querySelector("#panel-overview .plot");
            const { xaxis, yaxis } = plot._fullLayout, box = plot.getBoundingClientRect();
            return [box.x + xaxis._offset + xaxis.d2p(x), box.y + yaxis._offset + yaxis.d2p(y)]; }""",
            [other["x"][5], other["y"][5]],
        )

    click(view, "overview", place, f"() => !location.hash.includes('run={RUN}&')")
    assert f"run={RUN}&" not in view.evaluate("location.hash")


def click(view, panel, place, taken):
    """Click at `place()` until `taken`: on a slow machine the page still moves while its panels are drawn.

    Plotly takes a click on the point that it has marked under the mouse.
    """
    for _ in range(10):
        x, y = place()
        view.mouse.move(x - 1, y)
        view.mouse.move(x, y)
        try:
            view.wait_for_selector(f"#panel-{panel} .hoverlayer :is(.legend, .hovertext)", timeout=3_000)
            view.mouse.down()
            view.mouse.up()
            return view.wait_for_function(taken, timeout=3_000)
        except playwright.TimeoutError:
            view.mouse.move(0, 0)
    pytest.fail(f"ten clicks in {panel} changed nothing")


def test_a_verdict_leads_to_its_panel_and_its_rows(visit, file):
    view = visit(file)
    for claim, panel, epoch in (
        ("curve", "training", 16),
        ("probe", "probing_stages", 0),
        ("verdict", "verdicts", 3000),
    ):
        line = view.locator(f"#analogue-{claim}-text")
        line.locator(".look a").click()
        view.wait_for_function(f"() => document.activeElement.id === 'title-{panel}'")
        assert at(view) == epoch
        assert 0 <= view.locator(f"#panel-{panel}").bounding_box()["y"] < 300
        line.locator("summary").click()
        line.locator("li >> nth=1").get_by_text("rows").click()
        view.wait_for_selector(f"#panel-{panel} tbody tr >> nth=1")
        assert NASTY in view.inner_text(f"#panel-{panel} figcaption")
    assert view.input_value("#panel-training select") == "auroc"


def test_the_address_keeps_the_state(visit, file):
    view = visit(file, f"{HASH}&with={OTHER.replace('&', '%26')}&epoch=4&panel=neurons&mode=mean&axis=linear")
    view.locator("#panel-probing .table").press("Enter")
    settle(view)
    assert view.locator("#panel-probing tbody").count() == 2
    again = visit(file, view.evaluate("location.hash"))
    assert at(again) == 4 and again.input_value("#epochs select") == "linear"
    assert again.locator("#run-b select").count() == 4
    assert again.locator("#panel-probing tbody").count() == 2


def downloaded(view, panel):
    """The rows that the button CSV gives."""
    look_at(view, panel)
    with view.expect_download() as download:
        view.locator(f"#panel-{panel} button >> text=CSV").click()
    return list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))


def test_a_csv_holds_what_is_drawn(visit, file):
    view = visit(file, f"{HASH}&with={OTHER.replace('&', '%26')}&epoch=16")
    for panel, name, column, value in (
        ("training", "OOD test hospital", "split", "ood_test"),
        ("steering", "covariance-matched directions", "direction", "matched"),
    ):
        rows = downloaded(view, panel)
        assert {row["recipe"] for row in rows} == {"standard", NASTY}
        values = [float(row["accuracy"]) for row in rows if (row["recipe"], row[column]) == ("standard", value)]
        assert values == pytest.approx(drawn(view, panel)[name]["y"])
    (grid,) = drawn(view, "probing").values()
    values = [row["above_chance"] for row in downloaded(view, "probing") if row["recipe"] == "standard"]
    assert sorted(map(float, values)) == pytest.approx(sorted(value for line in grid["z"] for value in line))
    assert float(downloaded(view, "outcome")[0]["decline"]) == 0.05


def test_hostile_text_stays_text(visit, file):
    view = visit(file, f"#run={OTHER.replace('&', '%26')}")
    look_at(view, "training")
    assert NASTY in view.inner_text("#panel-training figcaption")
    assert view.inner_text("p.description") == NASTY
    assert view.locator("main b:has-text('bold')").count() == 0
    drawn(view, "overview", "overview")
    assert NASTY in view.locator("#panel-overview .legend").text_content()


def test_a_phone_scrolls_in_one_direction(visit, file):
    view = visit(file, f"{HASH}&with={OTHER.replace('&', '%26')}", viewport=PHONE, has_touch=True, is_mobile=True)
    for name in view.locator(".panel:visible").evaluate_all("nodes => nodes.map(node => node.dataset.panel)"):
        look_at(view, name)
    assert view.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_the_size_of_the_window_is_followed(visit, file):
    view = visit(file, HASH)
    drawn(view, "training")
    view.set_viewport_size({"width": 900, "height": 700})
    view.wait_for_function("() => document.querySelector('#panel-training .plot')._fullLayout.width > 800")


def test_all_panels_are_printed(visit, file):
    view = visit(file, HASH)
    view.evaluate("addEventListener('afterprint', () => { window.printed = true; })")
    assert view.pdf(format="A4").startswith(b"%PDF")
    view.wait_for_function("() => window.printed")
    assert view.locator(".panel:visible .plot:visible:not(.js-plotly-plot)").count() == 0
    assert view.locator("body.printing").count() == 0


def test_a_study_without_hospitals_has_what_it_has(visit, plain_file):
    view = visit(plain_file)
    sections = view.locator("h3.part:visible").all_inner_texts()
    assert sections == ["Training and geometry", "Table rows"]
    assert view.locator("nav a").all_inner_texts() == ["Runs"]
    assert view.locator("#named button").count() == 0
    assert drawn(view, "weights")
