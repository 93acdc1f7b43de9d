"""How a person gets one cell of the matrix done, click by click."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from tests.matrix.cells import Cell
from tests.matrix.conftest import Visitor

Upload = Callable[[str], Path]
IN_DIALOG = "dialog.authsignal-dialog"


def walk(visitor: Visitor, cell: Cell, upload: Upload) -> None:
    """From the page to "arrived"."""
    Journey(visitor, cell, upload).walk()
    expect(visitor.page.locator("#arrived")).to_be_visible()


class Journey:
    """One cell, one visitor."""

    def __init__(self, visitor: Visitor, cell: Cell, upload: Upload) -> None:
        self.visitor, self.cell, self.upload, self.page = visitor, cell, upload, visitor.page

    def walk(self) -> None:
        if self.cell.kind == "link":
            self.visitor.open(f"/do/get/?mark={self.visitor.mark}&many=one&many=&u=Zo%C3%AB")
            self.visitor.prove(self.page)
            return
        self.begin()
        waits = self.cell.kind == "form" or not self.cell.script
        (self.by_waiting_page if waits else self.by_script)()

    def begin(self) -> None:
        """Opens the page, fills it in, sends it."""
        shown = "&in_dialog" if self.cell.operation == "dialog" else ""
        self.visitor.open(f"/page/?mode={self.cell.way}&htmx={self.cell.htmx}{shown}")
        self.send()

    def send(self) -> None:
        self.visitor.fill_in()
        if self.cell.operation in ("file", "marked"):
            self.page.locator(f"#{self.cell.operation} [type=file]").set_input_files(self.upload(self.visitor.mark))
        target = self.page.locator(f"#{self.cell.operation}")
        (target if self.cell.kind == "call" else target.locator("button")).click()

    def leave_and_come_back(self) -> None:
        """Proves it where the page was, comes back to it, and does it once more."""
        if not self.cell.script:
            self.page.get_by_role("link", name="Continue").click()
        self.visitor.prove(self.page)
        self.page.wait_for_url("**/page/**")
        assert self.visitor.site.arrived(self.visitor.mark) == []
        self.send()
        if self.cell.operation == "bound" and self.cell.way == "redirect":
            return

    def by_waiting_page(self) -> None:
        link = self.page.locator("[data-authsignal-waiting] a[target=_blank]")
        if self.cell.way == "redirect":
            href = str(link.get_attribute("href"))
            self.visitor.open(href.partition("?")[0])  # in this very tab
            self.leave_and_come_back()
            return
        if self.cell.way == "dialog":
            self.visitor.prove_in_dialog()
        else:
            if self.cell.script:
                link = self.page.locator(f"{IN_DIALOG} a")
            with self.page.expect_popup() as opened:
                link.click()
            self.visitor.prove_in_tab(opened.value, script=self.cell.script)
            expect(self.page.locator(IN_DIALOG)).to_have_count(0)
        self.enter_again()
        self.page.get_by_role("button", name="Send it").click()

    def enter_again(self) -> None:
        """What is never shown again: it is asked for, and asked for only where it was sent."""
        main = self.page.get_by_role("main")
        mark = self.visitor.mark
        assert f"{mark}-" not in self.page.content()
        for name in ("account", "password"):
            box = main.locator(f"[name={name}]")
            if box.count():
                box.fill(f"{mark}-{name}")
        if main.locator("[type=file]").count():
            main.locator("[type=file]").set_input_files(self.upload(mark))

    def by_script(self) -> None:
        if self.cell.way == "redirect":
            self.page.wait_for_url("**/challenge**")
            self.leave_and_come_back()
        elif self.cell.way == "dialog":
            self.visitor.prove_in_dialog()
        else:
            context = self.page.context
            tab = context.pages[1] if len(context.pages) > 1 else context.wait_for_event("page")
            self.visitor.prove_in_tab(tab, script=True)
