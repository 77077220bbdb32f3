"""The picker in a real JupyterLab: picked by clicks and keys, loaded while other cells run."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from .conftest import OpenNotebook
from .contrast import least_contrast

PICKER = "picker = session.picker(); picker"
CHECK = """
import time
while picker.job is None or not picker.job.done() or picker.widget.job.get("running", True):
    time.sleep(0.05)
result = picker.result
expected = session.load(picker.form.data_type, picker.form.start, picker.form.end,
                        progress=False, **picker.form.arguments())
print(result.equals(expected), result.height, picker.code)
"""


def test_pick_by_click_and_load_while_another_cell_runs(
    open_notebook: OpenNotebook, begin: str
) -> None:
    """A range by two clicks, symbols by pasting; the frame is that of `load`."""
    lab = open_notebook(begin, PICKER, "sum(range(10**6))", CHECK)
    lab.run(0)
    lab.run(1)
    cell = lab.cell(1)
    cell.get_by_role("button", name="Load", exact=True).wait_for()
    start = cell.get_by_label("From", exact=True)
    start.fill("2024-01-31")
    start.press("Enter")
    end = cell.get_by_label("To (inclusive)")
    end.fill("2024-01-31")
    end.press("Enter")
    lab.page.wait_for_function(
        "e => e.textContent.includes('January 2024')",
        arg=cell.locator(".flatnb-calendars").element_handle(),
    )
    cell.get_by_role("button", name="A month on").click()
    cell.locator('button[data-date="2024-02-29"]').wait_for()
    holiday = cell.locator('button[data-date="2024-01-01"]')
    assert "New Year's Day" in (holiday.get_attribute("title") or "")
    assert "flatnb-kind-closed" in (holiday.get_attribute("class") or "")
    cell.locator('button[data-date="2024-01-09"]').click()
    cell.locator('button[data-date="2024-01-11"]').hover()
    hovered = cell.locator('button[data-date="2024-01-10"]')
    assert hovered.get_attribute("aria-selected") == "true"
    cell.locator('button[data-date="2024-01-12"]').click()
    symbols = cell.get_by_label("Symbols")
    symbols.fill("AAPL, MSFT\nBCpC")
    symbols.blur()
    code = cell.locator("pre code").first
    lab.page.wait_for_function(
        "code => code.textContent.includes('BCpC')", arg=code.element_handle()
    )
    expected = 'session.load("stocks_daily", "2024-01-09", "2024-01-12", symbols='
    assert expected in code.inner_text()
    estimate = cell.locator(".flatnb-estimate")
    lab.page.wait_for_function(
        "e => e.textContent.includes('4 of 4 days')", arg=estimate.element_handle()
    )
    lab.picture("picker", cell.locator(".flatnb-picker"))
    cell.get_by_role("button", name="Load", exact=True).click()
    lab.run(2)
    assert "499999500000" in lab.text(2)
    lab.run(3)
    assert lab.text(3).startswith("True 12 ")
    assert "picker.result has 12 rows" in cell.locator(".flatnb-message").inner_text()
    explorer = cell.locator(".flatnb-explorer")
    expect(explorer.get_by_role("status").first).to_have_text("12 of 12 rows · 3 tickers")
    explorer.get_by_role("option").filter(has_text="BCpC").click()
    expect(explorer.locator(".flatnb-code-line code")).to_contain_text('== "BCpC"')
    lab.picture("picker-explorer", cell)
    lab.picture("picker-done", cell.locator(".flatnb-picker"))
    lab.theme("JupyterLab Dark")
    lab.page.wait_for_timeout(1500)  # the splash screen fades away
    lab.picture("picker-dark", cell.locator(".flatnb-picker"))
    lab.theme("JupyterLab Light")
    lab.page.wait_for_timeout(1500)


def test_pick_by_keys(open_notebook: OpenNotebook, begin: str) -> None:
    """Arrows move over months, Page Up and Down by months, Enter takes both ends."""
    lab = open_notebook(begin, PICKER, "print(picker.form.start, picker.form.end)")
    lab.run(0)
    lab.run(1)
    cell = lab.cell(1)
    cell.get_by_role("button", name="A month back").click()
    focused = cell.locator('button[data-date][tabindex="0"]')
    first = str(focused.get_attribute("data-date"))
    focused.focus()
    lab.page.keyboard.press("PageUp")
    lab.page.keyboard.press("PageUp")
    lab.page.keyboard.press("PageUp")
    lab.page.wait_for_timeout(700)
    begin_day = str(lab.page.evaluate("document.activeElement.dataset.date"))
    assert begin_day < first
    lab.page.keyboard.press("Enter")
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        lab.page.keyboard.press(key)
    lab.page.wait_for_timeout(700)  # another month may be on its way
    end_day = str(lab.page.evaluate("document.activeElement.dataset.date"))
    lab.page.keyboard.press("Enter")
    lab.page.wait_for_timeout(300)
    lab.run(2)
    assert lab.text(2).split() == [begin_day, end_day]
    assert begin_day < end_day


def test_cancel_and_errors(open_notebook: OpenNotebook, begin: str) -> None:
    """Cancel ends the load; what is wrong is said in words under the form."""
    lab = open_notebook(
        begin, PICKER, "import time; time.sleep(0.2); print(picker.job.cancelled(), session.stats)"
    )
    lab.run(0)
    lab.run(1)
    cell = lab.cell(1)
    data = cell.get_by_label("Data")
    data.select_option("stocks_minute")
    for label, text in (("From", "2024-01-02"), ("To (inclusive)", "2024-03-28")):
        cell.get_by_label(label, exact=True).fill(text)
        cell.get_by_label(label, exact=True).press("Enter")
    cell.get_by_role("button", name="Load", exact=True).click()
    cancel = cell.get_by_role("button", name="Cancel")
    cancel.wait_for()
    lab.picture("picker-loading", cell.locator(".flatnb-picker"))
    cancel.click()
    message = cell.locator(".flatnb-message")
    lab.page.wait_for_function(
        "e => e.textContent.includes('cancelled')", arg=message.element_handle()
    )
    lab.run(2)
    assert lab.text(2).startswith("True")
    cell.get_by_label("From", exact=True).fill("2024-13-45")
    cell.get_by_label("From", exact=True).press("Enter")
    cell.get_by_role("button", name="Load", exact=True).click()
    lab.page.wait_for_function(
        "e => e.textContent.includes('2024-13-45')", arg=message.element_handle()
    )
    data.select_option("options_daily")
    cell.get_by_label("Underlyings").wait_for()
    lab.picture("picker-options", cell.locator(".flatnb-picker"))


def ready(open_notebook: OpenNotebook, begin: str, *more: str, width: int = 1100) -> Locator:
    """A picker on January 2024, as a part of the page."""
    chosen = (
        'picker = session.picker(); picker.choose(start="2024-01-09", end="2024-01-12"); picker'
    )
    lab = open_notebook(begin, chosen, *more, width=width)
    lab.run(0)
    lab.run(1)
    picker = lab.cell(1).locator(".flatnb-picker")
    expect(picker.locator(".flatnb-calendars")).to_contain_text("January 2024")
    return picker


def selected(picker: Locator) -> list[str]:
    """The first and last day of the range in the calendar."""
    days: list[str] = picker.evaluate(
        """el => [...el.querySelectorAll("button[aria-selected=true]")].map(b => b.dataset.date)"""
    )
    return [days[0], days[-1]]


def test_dates_are_typed_and_wrong_ones_marked(open_notebook: OpenNotebook, begin: str) -> None:
    """Enter commits; the error is at its field, with aria-invalid, and gone when mended; Esc."""
    picker = ready(open_notebook, begin)
    start, end = picker.get_by_label("From", exact=True), picker.get_by_label("To (inclusive)")
    code = picker.locator(".flatnb-buttons code")
    for field, text, expected in (
        (start, "2024-1-3", "2024-01-03"),
        (start, "20240104", "2024-01-04"),
        (end, "1/31/2024", "2024-01-31"),
        (end, "Feb 2024", "2024-02-29"),
    ):
        field.fill(text)
        field.press("Enter")
        expect(field).to_have_value(expected)
        expect(code).to_contain_text(f'"{expected}"')
        expect(field).to_be_focused()
    start.fill("1/3/2024")
    start.press("Enter")
    error = picker.locator(".flatnb-error:visible")
    expect(error).to_contain_text("2024-01-03 or 2024-03-01")
    expect(start).to_have_attribute("aria-invalid", "true")
    assert start.get_attribute("aria-describedby") == error.get_attribute("id")
    box, field_box = error.bounding_box(), start.bounding_box()
    assert box is not None
    assert field_box is not None
    assert 0 <= box["y"] - field_box["y"] - field_box["height"] < 10
    start.fill("2024-01-05")
    start.press("Enter")
    expect(error).to_have_count(0)
    expect(start).not_to_have_attribute("aria-invalid", "true")
    start.fill("soon")
    start.press("Escape")
    expect(start).to_have_value("2024-01-05")


def test_the_calendar_is_quick(open_notebook: OpenNotebook, begin: str) -> None:
    """Every fast click counts; any month is two choices away; Esc restores the range."""
    picker = ready(open_notebook, begin)
    # In one task of the page, faster than any answer of the kernel.
    picker.get_by_role("button", name="A month back").evaluate(
        "b => { for (let i = 0; i < 7; i++) b.click() }"
    )
    expect(picker.locator(".flatnb-calendars")).to_contain_text("June 2023")
    picker.get_by_label("Year", exact=True).select_option("2005")
    picker.get_by_label("Month", exact=True).select_option("March")
    expect(picker.locator(".flatnb-calendars")).to_contain_text("March 2005")
    picker.locator('button[data-date="2005-03-10"]').click()
    assert selected(picker) == ["2005-03-10", "2005-03-10"]
    picker.locator('button[data-date="2005-03-10"]').press("Escape")
    expect(picker.get_by_label("From", exact=True)).to_have_value("2024-01-09")
    expect(picker.get_by_label("To (inclusive)")).to_have_value("2024-01-12")
    for name, year in (("3M", "2026-08"), ("5Y", "2021-11"), ("All", "2003-09-10")):
        picker.get_by_role("button", name=name, exact=True).click()
        expect(picker.get_by_label("From", exact=True)).not_to_have_value("2024-01-09")
        if name == "All":
            expect(picker.get_by_label("From", exact=True)).to_have_value(year)


def test_columns_keep_the_focus_and_one(open_notebook: OpenNotebook, begin: str) -> None:
    """Fast clicks all count, the box keeps the focus, and the last column stays."""
    picker = ready(open_notebook, begin, "print(picker.form.columns)")
    picker.locator("summary").first.click()
    boxes = picker.locator(".flatnb-columns input")
    boxes.first.focus()
    count = boxes.count()
    picker.evaluate(
        """el => { const all = [...el.querySelectorAll(".flatnb-columns input")];
            all.slice(1).forEach(box => box.click()); }"""
    )
    expect(picker.locator("summary").first).to_have_text(f"1 of {count} columns")
    expect(boxes.first).to_be_disabled()
    expect(picker.locator(".flatnb-buttons code")).to_contain_text('columns=["ticker"]')


def test_symbols_are_completed_and_checked(open_notebook: OpenNotebook, begin: str) -> None:
    """From the day's own file; an unknown one is marked before Load."""
    picker = ready(open_notebook, begin)
    symbols = picker.get_by_label("Symbols")
    symbols.press_sequentially("aap")
    offered = picker.get_by_role("option", name="AAPL", exact=True)
    expect(offered).to_be_visible()
    symbols.press("Enter")
    expect(symbols).to_have_value("AAPL")
    symbols.press_sequentially(" NOSUCH msft")
    symbols.blur()
    unknown = picker.locator(".flatnb-unknown")
    expect(unknown).to_have_text("not in the file of 2024-01-12: NOSUCH, msft (MSFT?)")
    expect(picker.get_by_label("Time zone")).to_have_value("UTC")
    picker.get_by_label("Time zone").select_option("America/New_York")
    expect(picker.locator(".flatnb-buttons code")).to_contain_text('tz="America/New_York"')


def test_two_views_agree(open_notebook: OpenNotebook, begin: str) -> None:
    """Also where a field of the other one was left with the focus in it."""
    first = ready(open_notebook, begin, "picker")
    page = first.page
    page.locator(".jp-Notebook .jp-Cell").nth(2).click()
    page.evaluate("() => { void window.jupyterapp.commands.execute('notebook:run-cell') }")
    second = page.locator(".jp-Notebook .jp-Cell").nth(2).locator(".flatnb-picker")
    start = first.get_by_label("From", exact=True)
    start.fill("2024-01-04")
    start.press("Enter")
    expect(second.get_by_label("From", exact=True)).to_have_value("2024-01-04")
    second.get_by_label("Data").select_option("stocks_minute")
    second.locator('button[data-date="2024-01-18"]').click()
    second.locator('button[data-date="2024-01-19"]').click()
    expect(start).to_have_value("2024-01-18")
    expect(first.get_by_label("To (inclusive)")).to_have_value("2024-01-19")
    expect(first.get_by_label("Data")).to_have_value("stocks_minute")
    assert selected(first) == selected(second) == ["2024-01-18", "2024-01-19"]


@pytest.mark.parametrize("width", [520, 700, 1300])
@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"], ids=["light", "dark"])
def test_readable_at_each_width(
    open_notebook: OpenNotebook, begin: str, theme: str, width: int
) -> None:
    """Nothing is cut off; text has a contrast of 4.5 (WCAG 1.4.3), controls have 3 (1.4.11)."""
    chosen = (
        'picker = session.picker(); picker.choose(data_type="options_daily", start="2024-01-09",'
        ' end="2024-01-16", strike_from="x"); picker'
    )
    lab = open_notebook(begin, chosen, width=width)
    lab.theme(theme)
    lab.run(0)
    lab.run(1)
    picker = lab.cell(1).locator(".flatnb-picker")
    expect(picker.locator(".flatnb-error:visible")).to_have_count(1)
    # A weekend that is pointed at; another one and a holiday are in the range.
    picker.locator('button[data-date="2024-01-20"]').hover()
    lab.page.wait_for_timeout(1500)
    name = f"picker-{theme[-5:].strip().lower()}-{width}"
    lab.picture(name, picker)
    assert (
        picker.evaluate(
            """el => [...el.querySelectorAll("*")].filter(part => part.getClientRects().length
            && part.getBoundingClientRect().right > el.getBoundingClientRect().right + 1
            && !part.closest("pre, option, optgroup")).map(part => part.outerHTML.slice(0, 90))"""
        )
        == []
    )
    text, control = least_contrast(picker)
    assert text[0] >= 4.5, text
    assert control[0] >= 3, control


def test_another_output_does_not_restyle_the_picker(
    open_notebook: OpenNotebook, begin: str
) -> None:
    """Whatever comes later, and in whatever order."""
    picker = ready(open_notebook, begin, "session", "session.stats", "session.picker()")
    looks = """el => ["button", "input", "select", "label"].map(name =>
        { const s = getComputedStyle(el.querySelector(name));
          return [s.padding, s.font, s.borderColor, s.display, s.borderRadius].join() })"""
    before = picker.evaluate(looks)
    page = picker.page
    for index in (2, 3, 4):
        page.evaluate(
            """index => { const app = window.jupyterapp; const panel = app.shell.currentWidget;
                panel.content.activeCellIndex = index;
                void app.commands.execute("notebook:run-cell") }""",
            index,
        )
        page.locator(".jp-Notebook .jp-Cell").nth(index).locator(".flatnb").first.wait_for()
    assert picker.evaluate(looks) == before
