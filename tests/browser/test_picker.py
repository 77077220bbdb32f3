"""The picker in a real JupyterLab: picked by clicks and keys, loaded while other cells run."""

from __future__ import annotations

from .conftest import OpenNotebook

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
