"""Make data/sample/<name>.pdf from each report there, byte for byte the same every time."""

from pathlib import Path

from reportlab.lib import colors
from reportlab.lib.enums import TA_LEFT, TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import cm
from reportlab.platypus import (BaseDocTemplate, CondPageBreak, Frame, PageBreak, PageTemplate,
                                Paragraph, Spacer, Table)
from reportlab.platypus.tableofcontents import TableOfContents

FOLDER = Path(__file__).resolve().parent.parent / "data" / "sample"
LEFT, RIGHT, TOP = 2.5 * cm, A4[0] - 2.5 * cm, A4[1] - 1.8 * cm
BLUE = colors.HexColor("#1f3a5f")


def style(size, leading, bold=False, **more):
    """Return a Helvetica paragraph style."""
    font = "Helvetica-Bold" if bold else "Helvetica"
    return ParagraphStyle("", fontName=font, fontSize=size, leading=leading, **more)


BODY = style(10.25, 14.5, spaceAfter=7)
ITEM = style(10.25, 14.5, spaceAfter=4, leftIndent=14, bulletIndent=3)
CAPTION = style(9.5, 12, True, spaceBefore=5, spaceAfter=4, keepWithNext=1)
CHAPTER = style(18, 23, True, textColor=BLUE, spaceBefore=12, spaceAfter=9, keepWithNext=1)
SECTION = style(12, 16, True, textColor=BLUE, spaceBefore=7, spaceAfter=4, keepWithNext=1)
HEADINGS = {"##": (9, CHAPTER), "###": (3, SECTION)}  # mark: (centimetres it needs, style)
COVER = {"company": style(30, 38, True, textColor=BLUE), "title": style(20, 28),
         "subtitle": style(13, 20), "note": style(9, 12, textColor=colors.grey, spaceBefore=380)}
RULES = [("LINEABOVE", (0, 0), (-1, 0), 1, BLUE), ("LINEBELOW", (0, 0), (-1, 0), 0.7, BLUE),
         ("LINEBELOW", (0, 1), (-1, -1), 0.25, colors.grey), ("VALIGN", (0, 0), (-1, -1), "BOTTOM"),
         ("TOPPADDING", (0, 0), (-1, -1), 2.5), ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5)]


class Report(BaseDocTemplate):
    """A document with a running header, page numbers and a table of contents."""

    def afterPage(self):
        """Draw the header and the footer of the finished page."""
        self.canv.setFont("Helvetica", 8)
        self.canv.drawRightString(RIGHT, 1.4 * cm, f"Page {self.page}")
        if self.page > 1:
            self.canv.drawString(LEFT, TOP + 6, self.title)
            self.canv.line(LEFT, TOP, RIGHT, TOP)

    def afterFlowable(self, flowable):
        """Enter a chapter heading in the table of contents."""
        if getattr(flowable, "style", None) is CHAPTER:
            self.notify("TOCEntry", (0, flowable.getPlainText(), self.page))


def make_table(lines):
    """Turn the lines of a Markdown table into a ruled one; a row that opens with ** is bold."""
    rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    align = [TA_RIGHT if mark.endswith(":") else TA_LEFT for mark in rows.pop(1)]
    rows[0][0] = "**" + rows[0][0]
    cells = [[Paragraph(text.strip("*"), style(8.5, 10.5, row[0].startswith("**"), alignment=side))
              for text, side in zip(row, align)] for row in rows]
    share = [max(13, *(len(row[i]) + 2 for row in rows[1:])) for i in range(len(align))]
    widths = [(RIGHT - LEFT) * part / sum(share) for part in share]
    return Table(cells, widths, repeatRows=1, spaceAfter=11, style=RULES)


def make_block(block):
    """Turn one Markdown block into a list of flowables."""
    mark, _, text = block.partition(" ")
    if mark in HEADINGS:
        return [CondPageBreak(HEADINGS[mark][0] * cm), Paragraph(text, HEADINGS[mark][1])]
    if mark == "|":
        return [make_table(block.splitlines())]
    if mark == "-":
        return [Paragraph(line[2:], ITEM, bulletText="-") for line in block.splitlines()]
    return [Paragraph(block.strip("*"), CAPTION if mark.startswith("**") else BODY)]


def make_pdf(source):
    """Write the PDF of one Markdown report beside it."""
    _, head, text = source.read_text(encoding="utf-8").split("---\n", 2)
    meta = dict(line.split(": ", 1) for line in head.splitlines())
    cover = [Spacer(1, 6 * cm), *(Paragraph(meta[key], COVER[key]) for key in COVER), PageBreak()]
    contents = [Paragraph("Contents", style(18, 30, True, textColor=BLUE)),
                TableOfContents(levelStyles=[style(10.5, 20)], dotsMinLevel=0), PageBreak()]
    body = [flowable for block in text.strip().split("\n\n") for flowable in make_block(block)]
    title = f"{meta['company']} | {meta['title']}"
    report = Report(str(source.with_suffix(".pdf")), pagesize=A4, invariant=1, title=title)
    frame = Frame(LEFT, 2.2 * cm, RIGHT - LEFT, A4[1] - 4.6 * cm, 0, 0, 0, 0)
    report.addPageTemplates(PageTemplate("page", [frame]))
    report.multiBuild(cover + contents + body)


if __name__ == "__main__":
    for path in sorted(FOLDER.glob("*_2024.md")):
        make_pdf(path)
