"""The form for the keys: what is typed is nowhere afterwards."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import DAY_KEY, day_csv, gz

from .conftest import OpenNotebook

ACCESS = "AKIA-typed-by-hand"
SECRET = "s3cr3t-typed-by-hand"


def test_what_is_typed_is_nowhere(open_notebook: OpenNotebook, fault_server: FaultServer) -> None:
    """Not in the notebook, its checkpoint, widgets' state, page or history; and it works."""
    fault_server.put(DAY_KEY, gz(day_csv()))
    lab = open_notebook(
        "from flatnb import FlatSession\nFlatSession.login()",
        f"session = FlatSession(endpoint_url={fault_server.endpoint_url!r}, cache=False)\n"
        "session.credentials_source",
        "session.load('stocks_daily', '2024-01-02', '2024-01-02', progress=False).height",
        "%history -g typed-by",
    )
    lab.run(0)
    form = lab.cell(0).locator(".flatnb")
    form.get_by_label("S3 access key id").fill(ACCESS)
    form.get_by_label("S3 secret access key").fill(SECRET)
    lab.picture("login", form)
    saved = lab.save()  # typed, not yet sent
    assert "application/vnd.jupyter.widget-state+json" in saved
    assert ACCESS not in saved
    assert SECRET not in saved
    form.get_by_role("button", name="Use these keys").click()
    expect(lab.cell(0)).to_contain_text("FlatSession() finds them now")
    for index in (1, 2, 3):
        lab.run(index)
    assert lab.text(1) == "'login'"
    assert lab.text(2) == "8"
    page = lab.page.content()
    values = lab.page.eval_on_selector_all("input", "all => all.map(input => input.value)")
    texts = [lab.save(), page, str(values), lab.text(3)]
    files = [path for path in lab.path.parent.rglob("*") if path.is_file()]
    assert any(path.parent.name == ".ipynb_checkpoints" for path in files)
    texts += [path.read_text(encoding="utf-8") for path in files]
    assert [text for text in texts if ACCESS in text or SECRET in text] == []


def test_half_a_pair_is_refused(open_notebook: OpenNotebook) -> None:
    """The form says which half is not there, and stays."""
    lab = open_notebook("from flatnb import FlatSession\nFlatSession.login()")
    lab.run(0)
    form = lab.cell(0).locator(".flatnb")
    form.get_by_label("S3 access key id").fill(ACCESS)
    form.get_by_label("S3 secret access key").fill(" ")
    form.get_by_label("S3 secret access key").press("Enter")
    expect(form.get_by_role("status")).to_contain_text("secret_access_key is not")
    expect(form.get_by_label("S3 access key id")).to_have_value("")
