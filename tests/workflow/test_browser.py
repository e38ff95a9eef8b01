"""The report in a browser: cards, sorting, filters and figures work, and nothing is fetched."""

import shutil

import pytest

from tests.workflow.devtools import opened

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)"
)

VISIBLE = "[...document.querySelectorAll('#summary tbody tr')].filter(row => !row.hidden)"


@pytest.fixture(scope="module")
def page(finished):
    with opened(CHROMIUM, finished.results / "report.html") as page:
        yield page


def column(table, head):
    """Where a table's column stands."""
    heads = f"[...document.querySelectorAll('#{table} th')]"
    return f"{heads}.findIndex(head => head.textContent === {head!r})"


def test_the_answer_is_the_first_thing_seen(page):
    card = "document.querySelector('.card').getBoundingClientRect()"
    assert page.value(f"{card}.top") < 250
    names = page.value("[...document.querySelectorAll('.card h2')].map(h => h.textContent)")
    assert names == ["digits, resnet6"]
    big = page.value("document.querySelector('.card .big').getBoundingClientRect().bottom")
    assert big < 500
    variants = page.value(
        "[...document.querySelectorAll('.card tbody tr')].map(r => r.cells[0].textContent)"
    )
    assert variants == ["full precision", "BRECQ 1.58 bits", "BRECQ 1.58 bits, head 8"]
    assert page.value("document.querySelectorAll('.card tbody svg circle').length") == 3


def test_no_page_is_wider_than_the_window(page):
    assert page.value("innerWidth") == 1400
    assert page.value("document.documentElement.scrollWidth") <= 1400
    every = "document.querySelector('.controls input[type=checkbox]')"
    page.value(f"{every}.click()")
    assert page.value("document.documentElement.scrollWidth") <= 1400
    assert page.value("document.querySelector('#summary').offsetWidth") <= 1400
    page.value(f"{every}.click()")


def test_a_click_on_a_heading_sorts_and_another_turns_it_round(page):
    place = page.value(column("card-table-0", "accuracy, %"))
    values = (
        "[...document.querySelectorAll('#card-table-0 tbody tr')]"
        f".map(row => Number(row.cells[{place}].dataset.value))"
    )
    first = page.value(values)
    head = f"document.querySelectorAll('#card-table-0 th')[{place}]"
    page.value(f"{head}.click()")
    assert page.value(values) == sorted(first)
    assert page.value(f"{head}.ariaSort") == "ascending"
    page.value(f"{head}.click()")
    assert page.value(values) == sorted(first, reverse=True)
    page.value("document.querySelector('#card-table-0 th').click()")
    names = (
        "[...document.querySelectorAll('#card-table-0 tbody tr')].map(r => r.cells[0].textContent)"
    )
    assert page.value(names)[-1] == "full precision"


def test_the_headlines_rows_are_shown_and_others_on_demand(page):
    attacks = (
        f"[...new Set({VISIBLE}.map(row => row.cells[{column('summary', 'attack')}].textContent))]"
    )
    assert page.value(attacks) == ["LiRA online"]
    assert page.value(f"{VISIBLE}.length") == 1 + 2 * 2
    choose = (
        "(() => {{ const control = document.querySelector('{}'); control.value = '{}';"
        "control.dispatchEvent(new Event('input')); }})()"
    )
    select = 'select[data-table="summary"]'
    page.value(choose.format(select, ""))
    assert page.value(f"{VISIBLE}.length") == (1 + 2 * 2) * 7
    page.value(choose.format('input[type=search][data-table="summary"]', "rmia HEAD"))
    assert page.value(f"{VISIBLE}.length") == 2 * 2
    assert "RMIA" in page.value(f"{VISIBLE}[0].textContent")
    page.value(choose.format('input[type=search][data-table="summary"]', ""))
    page.value(choose.format(select, "LiRA online"))
    hidden = "getComputedStyle(document.querySelector('#summary td.more')).display"
    assert page.value(hidden) == "none"
    page.value("document.querySelector('.controls input[type=checkbox]').click()")
    assert page.value(hidden) == "table-cell"


def test_every_figure_is_drawn_and_has_a_caption(page):
    figures = "[...document.querySelectorAll('figure img')]"
    page.value(f"{figures}.forEach(image => image.loading = 'eager')")
    page.wait_for(f"{figures}.every(image => image.complete)")
    assert page.value(f"{figures}.length") == 8
    assert page.value(f"{figures}.filter(image => image.naturalWidth < 300).length") == 0
    captions = "[...document.querySelectorAll('figcaption details')]"
    assert page.value(f"{captions}.filter(caption => caption.textContent.length > 300).length") == 8
    seen = f"{captions}[0].querySelector('p').checkVisibility()"
    assert page.value(seen) is False
    page.value(f"{captions}[0].querySelector('summary').click()")
    assert page.value(seen) is True


def test_nothing_is_fetched_and_nothing_is_wrong(page, finished):
    """Last: of all that the tests above did with the page."""
    assert page.complaints == []
    own = (finished.results / "report.html").as_uri()
    assert own in page.requested
    others = [url for url in page.requested if url != own and not url.startswith("data:")]
    assert others == []
