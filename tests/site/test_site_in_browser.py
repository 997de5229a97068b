"""The site in a real browser: from the disk, with mouse, keyboard, in the dark and on a phone."""

import shutil
from importlib.resources import files

import pytest
from kit.judged_results import ARMS, ENVIRONMENT, FACTS, compared, keep, picture, result, sized, timed, trial

from repro.result import Environment
from repro.site.build import build

pytestmark = pytest.mark.slow  # opens a browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]
FLAGS += ["--disable-component-update", "--disable-sync"]
PAGES = (
    "index.html",
    "claims.html",
    "cost.html",
    "glossary.html",
    "papers/deep-residual-learning-for-image-recognition-52d6accc.html",
    "compare/resnet-degradation.cpu.html",
    "suites/resnet-degradation.cpu.html",
    "claims/resnet-degradation.cpu.degradation.html",
    "claims/resnet-degradation.cpu.sizes.html",
    "suites/speed.cpu.html",
    "claims/speed.cpu.deeper-is-slower.html",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    claims = {
        "degradation": compared(3.0, 6),
        "open": compared(0.2, 10),
        "sizes": sized(),
        "wrong": sized(more=False),
    }
    trials = [trial(name, seed, steps=60) for name in ARMS for seed in range(2)]
    changed = Environment(key=(ENVIRONMENT,), facts={**FACTS, "commit": 40 * "c", "dirty": True})
    made = result(claims, run=1, trials=trials, environment=changed)
    before = {**claims, "degradation": compared(0.2, 10), "open": compared(0.0, 10)}
    keep(folder / "results", result(before, trials=trials))
    keep(folder / "results", made.model_copy(update={"pictures": picture(folder / "results", made)}))
    keep(folder / "results", result({"elsewhere": sized()}, suite="other"))
    deeper, timings = timed()
    keep(folder / "results", result({"deeper-is-slower": deeper}, suite="speed", timings=timings))
    build([folder / "results"], folder / "site")
    return folder / "site"


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium, chromium-browser or google-chrome on the PATH")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, site):
    """Opens a page of the site; no page may complain, or ask for anything but the site's files."""
    complaints, contexts = [], []

    def open_(name, width=1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request", lambda request: request.url.startswith(site.as_uri()) or complaints.append(request.url)
        )
        path, _, place = name.partition("#")
        page.goto(f"{(site / path).as_uri()}{place and '#'}{place}")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not complaints


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_from_the_disk_and_fits_a_phone(visit, name):
    page = visit(name, width=390)
    # The style sheet is there
    assert page.evaluate("getComputedStyle(document.body).fontVariantNumeric") == "tabular-nums"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#theme").is_visible()  # and so is the script


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_to_complain_of(visit, name, width, theme):
    axe = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    page = visit(name, width=width, color_scheme=theme)
    page.evaluate(files(axe).joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run({preload: false})")["violations"]
    assert not [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found]


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_the_front_page_comes_to_all_claims_within_four_screens(browser, tmp_path, width, height):
    """With as many claims as its forest plot ever draws at full height."""
    claims = {f"claim-{i}": compared(3.0, 6) for i in range(60)}
    papers = [
        {
            "title": f"SegNet: A Deep Convolutional Encoder-Decoder Net {i}",
            "venue": f"CVPR {2000 + i}",
        }
        for i in range(30)
    ]
    for i, paper in enumerate(papers):
        keep(
            tmp_path / "results",
            result(dict(list(claims.items())[: 12 if i else 60]), suite=f"s{i}", paper=paper),
        )
    build([tmp_path / "results"], tmp_path / "site")
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto((tmp_path / "site" / "index.html").as_uri())
    assert page.locator("#all").bounding_box()["y"] <= 4 * height
    ends = "[...document.querySelectorAll('#forest text')].map(text => text.getBoundingClientRect().right)"
    assert max(page.evaluate(ends)) <= width
    assert (tmp_path / "site" / "index.html").stat().st_size < 400 * 1024
    page.close()


def test_the_system_chooses_the_theme_until_the_reader_does(visit):
    colour = "getComputedStyle(document.body).backgroundColor"
    light, dark = visit("index.html", color_scheme="light"), visit("index.html", color_scheme="dark")
    as_light, as_dark = light.evaluate(colour), dark.evaluate(colour)
    assert as_light != as_dark
    light.locator("#theme").click()
    assert light.evaluate(colour) == as_dark and light.locator("#theme").text_content() == "Light"
    light.reload()
    assert light.evaluate(colour) == as_dark
    light.locator("#theme").click()
    assert light.evaluate(colour) == as_light


def test_a_table_is_sorted_by_number_with_a_click_or_a_key_and_back(visit):
    page = visit("claims.html")
    table = page.locator("section.suite table").nth(1)
    head = table.get_by_role("button", name="margin")

    def margins():
        return [
            float(text.replace(",", ""))
            for text in table.locator("tbody tr td:nth-child(4)").all_text_contents()
        ]

    head.click()
    assert margins() == sorted(margins()) and len(set(margins())) == 4
    assert table.locator("th").nth(3).get_attribute("aria-sort") == "ascending"
    head.focus()
    page.keyboard.press("Enter")
    assert margins() == sorted(margins(), reverse=True)
    table.get_by_role("button", name="verdict").click()
    states = [text.split()[1] for text in table.locator("tbody tr td:first-child").all_text_contents()]
    assert states == ["refuted", "undecided", "reproduced", "reproduced"]  # what is not as expected first


def test_claims_are_filtered_by_words_and_by_verdict(visit):
    page = visit("claims.html")
    rows = page.locator("section.suite tbody tr:visible")
    assert rows.count() == 6
    page.get_by_label("Filter").fill("RESNET-deg")
    assert rows.count() == 4 and page.locator("#shown").text_content() == "4 shown"
    page.get_by_role("button", name="refuted").click()
    assert rows.count() == 1 and "wrong" in rows.first.text_content()
    page.get_by_label("Filter").fill("no claim has these words")
    assert rows.count() == 0 and page.get_by_text("No claim is like that.").is_visible()
    assert page.locator("section.paper:visible").count() == 0
    page.get_by_label("Filter").fill("1512.03385 elsewhere")  # of the paper
    page.get_by_role("button", name="all").click()
    assert rows.count() == 1
    page.get_by_label("Filter").fill("")
    assert rows.count() == 6 and page.locator("section.suite:visible").count() == 3


def test_what_is_filtered_stands_in_the_address(visit):
    page = visit("claims.html")
    page.get_by_label("Filter").fill("deg & rad")
    page.get_by_role("button", name="refuted").click()
    assert page.url.endswith("claims.html#words=deg+%26+rad&verdict=refuted")
    page = visit("claims.html#words=deg&verdict=unexpected")
    rows = page.locator("section.suite tbody tr:visible")
    assert page.get_by_label("Filter").input_value() == "deg" and rows.count() == 2
    assert page.get_by_role("button", name="not as expected").get_attribute("aria-pressed") == "true"
    page = visit("index.html")
    page.get_by_role("link", name="not as expected").click()
    rows = page.locator("section.suite tbody tr:visible")
    rows.first.wait_for()
    assert rows.count() == 2


def test_what_is_told_of_the_last_two_runs_is_not_of_any_other_two(visit):
    page = visit("compare/resnet-degradation.cpu.html")
    told = page.locator("#last-two")
    assert told.is_visible() and "with uncommitted changes" in told.text_content()
    page.get_by_label("before").select_option("1")
    assert told.is_hidden()
    page.get_by_label("before").select_option("0")
    assert told.is_visible()


def test_any_two_runs_can_be_compared_and_the_address_tells_which(visit):
    page = visit("compare/resnet-degradation.cpu.html")
    differing = page.locator("#differing")
    assert differing.text_content() == "2 differ" and page.locator("td.differs").count() == 2
    page.get_by_label("before").select_option("1")
    assert differing.text_content() == "0 differ" and page.url.endswith("#before=1&after=1")
    page = visit("compare/resnet-degradation.cpu.html#before=1&after=0")
    assert page.get_by_label("after").input_value() == "0" and page.locator("td.differs").count() == 2


@pytest.mark.parametrize("name", [PAGES[0], PAGES[2], PAGES[6], PAGES[7], PAGES[9]])
def test_a_chart_says_its_values_to_the_mouse_and_to_the_keyboard(visit, name):
    page = visit(name)
    plot, tip = page.locator("svg.plot").first, page.locator(".tip")
    spots = plot.locator(".spot")
    assert tip.is_hidden()
    spots.nth(1).hover()
    said = tip.text_content()
    assert said and said == "".join(spots.nth(1).get_attribute("aria-label").split("; "))
    page.mouse.move(0, 0)
    assert tip.is_hidden()
    assert plot.locator('.spot[tabindex="0"]').count() == 1  # one stop for the tabulator
    spots.first.focus()
    page.keyboard.press("ArrowRight")
    assert tip.is_visible() and tip.text_content() == said
    page.keyboard.press("Escape")
    assert tip.is_hidden()


def test_what_has_the_focus_can_be_seen(visit):
    page = visit("index.html")
    for _ in range(3):
        page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "2px"


def test_without_scripts_the_page_says_the_same(visit):
    page = visit("claims/resnet-degradation.cpu.degradation.html", java_script_enabled=False)
    assert page.locator("svg.plot title").count() >= 6
    assert page.locator("details").first.locator("summary").is_visible()
    assert visit("claims.html", java_script_enabled=False).locator(".filters").is_hidden()
