"""Documents from strangers, mutated and crafted: PDFs by both engines, and the other kinds. Each is read by a child, as the shell does.

What may happen: it is read, or one line says why not. More than 20 seconds of the processor (and as many again for each megabyte of the file) or 1 GB of memory is a find, too.
The crafted ones are all tried once, whatever `--n`.
"""
import io
import json
import math
import os
import resource
import tempfile
import time
import traceback
import warnings
import zipfile
import zlib
from collections import Counter
from functools import cache, partial
from pathlib import Path

SECONDS, MEGABYTES = 20, 1000
PAGE = b'<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>'
TEXT = b'BT /F1 12 Tf 72 700 Td (The ferry leaves on time.) Tj ET'
FONT = b'<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>'


def stream(content, entries=b'', length=None):
    """A stream object."""
    return b'<</Length %d %s>>stream\n%s\nendstream' % (len(content) if length is None else length, entries, content)


def flate(content, entries=b''):
    """A stream object, packed."""
    return stream(zlib.compress(content, 9), b'/Filter/FlateDecode' + entries)


@cache
def zeros(megabytes, times=1):
    """So much of nothing, packed once or several times, without ever having it all."""
    packer = zlib.compressobj(1)
    packed = b''.join(packer.compress(b' '*1_000_000) for _ in range(megabytes)) + packer.flush()
    for _ in range(times - 1): packed = zlib.compress(packed, 9)
    return packed


def pdf(*changes, trailer=b'', kids=b'[3 0 R]', count=1, tail=b'', **objects):
    """A small PDF, some of its objects others: `o4=…` is object 4; changes are (number, bytes)."""
    found = {1: b'<</Type/Catalog/Pages 2 0 R>>', 2: b'<</Type/Pages/Kids%s/Count %d>>' % (kids, count), 3: PAGE, 4: stream(TEXT), 5: FONT}
    found |= {int(name[1:]): content for name, content in objects.items()} | dict(changes)
    out, places = io.BytesIO(b''), {}
    out.write(b'%PDF-1.7\n')
    for number, content in found.items():
        places[number] = out.tell()
        out.write(b'%d 0 obj\n%s\nendobj\n' % (number, content))
    start, size = out.tell(), max(found) + 1
    rows = b''.join(b'%010d 00000 n \n' % places[n] if n in places else b'0000000000 65535 f \n' for n in range(size))
    out.write(b'xref\n0 %d\n%strailer\n<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n%s' % (size, rows, size, trailer, start, tail))
    return out.getvalue()


def nested(depth, times):
    """Forms within forms: each paints the next so many times."""
    forms = {10 + n: stream(b'/X Do '*times, b'/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X %d 0 R>>>>' % (11 + n)) for n in range(depth)}
    forms[10 + depth] = stream(TEXT, b'/Type/XObject/Subtype/Form/BBox[0 0 900 900]/Resources<</Font<</F1 5 0 R>>>>')
    page = PAGE.replace(b'/Font', b'/XObject<</X 10 0 R>>/Font')
    return pdf(*forms.items(), o3=page, o4=stream(TEXT + b' /X Do'))


def outline(n, deep=False, loop=False):
    """An outline of many entries, beside or below each other, or in a circle."""
    last = 10 + n - 1
    key = b'/First %d 0 R/Last %d 0 R/Count 1' if deep else b'/Next %d 0 R'
    def entry(i):
        to = 10 if loop and i == last else i + 1
        link = key % ((to,)*key.count(b'%d')) if i < last or loop else b''
        return b'<</Title(Entry %d)/Parent 9 0 R/Dest[3 0 R/Fit]%s>>' % (i, link)
    return pdf((9, b'<</Type/Outlines/First 10 0 R/Last %d 0 R/Count %d>>' % (last, n)), *((i, entry(i)) for i in range(10, 10 + n)),
        o1=b'<</Type/Catalog/Pages 2 0 R/Outlines 9 0 R>>')


def attached(names, content=b'A berth costs 40 euros.', packed=None):
    """A PDF that brings files along."""
    spec = {10 + n: b'<</Type/Filespec/F<%s>/EF<</F 8 0 R>>>>' % name.hex().encode() for n, name in enumerate(names)}
    listed = b' '.join(b'<%s> %d 0 R' % (name.hex().encode(), 10 + n) for n, name in enumerate(names))
    file = flate(content, b'/Type/EmbeddedFile') if packed is None else stream(packed, b'/Type/EmbeddedFile/Filter/FlateDecode')
    return pdf((8, file), *spec.items(), o1=b'<</Type/Catalog/Pages 2 0 R/Names<</EmbeddedFiles<</Names[%s]>>>>>>' % listed)


def font(entries, *more):
    """A PDF whose font is another one."""
    return pdf(*more, o5=entries)


def to_unicode(cmap):
    """A PDF whose font says by this map which letters its codes are."""
    head = b'/CIDInit /ProcSet findresource begin 12 dict begin begincmap 1 begincodespacerange <00> <FF> endcodespacerange '
    return font(FONT.replace(b'>>', b'/ToUnicode 6 0 R>>'), (6, flate(head + cmap + b' endcmap')))


def deep(levels, left=b'[', right=b']'):
    """Brackets within brackets."""
    return left*levels + right*levels


def page(box=b'[0 0 600 800]', content=TEXT, more=b''):
    """A PDF with one page, another box or content."""
    return pdf(o3=PAGE.replace(b'[0 0 600 800]', box).replace(b'/Contents', more + b'/Contents'), o4=flate(content))


def xref_stream(entries):
    """A PDF whose table of objects is a stream."""
    body = pdf().partition(b'xref\n')[0]
    return body + b'9 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF' % (stream(b'\1'*40, b'/Type/XRef/Root 1 0 R' + entries), len(body))


def million():
    """A PDF with a million empty objects in one stream."""
    head = b''.join(b'%d %d ' % (20 + n, n) for n in range(1_000_000))
    return pdf((9, flate(head + b' '*1_000_000, b'/Type/ObjStm/N 1000000/First %d' % len(head)))).replace(b'\nxref', b'\n    ')


def crafted():
    """Name and maker of each PDF that somebody wrote to do harm."""
    many, big = 1_000_000, 10**12
    found = {f'one page {n} times': partial(pdf, kids=b'[%s]' % (b'3 0 R '*n), count=n) for n in (5_000, 20_000, 200_000)}
    found |= {f'page tree, {name}': partial(pdf, kids=kids, count=count) for name, kids, count in (
        ('its own kid', b'[2 0 R]', 1), ('itself beside a page', b'[3 0 R 2 0 R]', 2), ('count a billion', b'[3 0 R]', 10**9), ('count below 0', b'[3 0 R]', -1),
        ('kids that are none', b'[9 0 R 77 0 R]', 2), ('kids a number', b' 7', 1), ('catalog as kid', b'[1 0 R]', 1), ('no kids', b'[]', 0))}
    for n in (100, 2_000, 50_000):
        tree = [(9 + i, b'<</Type/Pages/Parent %d 0 R/Kids[%d 0 R]/Count 1>>' % (8 + i, 10 + i if i < n - 1 else 3)) for i in range(n)]
        found[f'page tree, {n} deep'] = partial(pdf, *tree, kids=b'[9 0 R]')
    wide = [(9 + i, b'<</Type/Pages/Kids[%s]/Count 1>>' % (b'%d 0 R '*10 % ((10 + i if i < 9 else 3,)*10))) for i in range(10)]
    found['page tree, ten of ten of ten'] = partial(pdf, *wide, kids=b'[9 0 R]', count=10**10)
    found |= {f'forms, {depth} deep, {times} times': partial(nested, depth, times) for depth, times in ((3, 10), (9, 10), (30, 2), (12, 10), (1000, 1), (6, 100))}
    found['a form that paints itself'] = partial(pdf, (10, stream(b'/X Do', b'/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 10 0 R>>>>')),
        o3=PAGE.replace(b'/Font', b'/XObject<</X 10 0 R>>/Font'), o4=stream(TEXT + b' /X Do'))
    found |= {f'box {box.decode()[:30]}': partial(page, box) for box in (b'[0 0 1e9 1e9]', b'[0 0 9999999999999999 99999999999999999]', b'[0 0 0 0]', b'[9 9 -9 -9]',
        b'[0 0 nan inf]', b'[]', b'[0 0]', b'7', b'[/a/b/c/d]', b'[0 0 %s 9]' % (b'9'*400), b'3 0 R')}
    for name, at in (('far right', b'1e12 700'), ('far up', b'72 1e12'), ('below', b'72 -1e12'), ('nowhere', b'%s 9' % (b'9'*400))):
        found[f'text {name}'] = partial(page, content=TEXT + b' BT /F1 12 Tf %s Td (Here.) Tj ET' % at)
    found['text in two far places'] = partial(page, content=b' '.join(b'BT /F1 1 Tf %d %d Td (Here %d.) Tj ET' % (i % 7*10**8, -i % 5*10**9, i) for i in range(2_000)))
    found |= {f'letters of size {size.decode()[:9]}': partial(page, content=TEXT.replace(b'12 Tf', size + b' Tf')) for size in (b'0', b'-9', b'1e30', b'.0000001', b'9'*300)}
    found |= {f'{mb} MB of blanks, packed {times} times': lambda mb=mb, times=times: pdf(o4=stream(zeros(mb, times), b'/Filter[%s]' % (b'/FlateDecode '*times)))
        for mb, times in ((100, 1), (1000, 1), (1000, 2), (1000, 3))}
    found['a gigabyte in an object stream'] = lambda: xref_stream(b'/Size 99/W[1 2 1]') + pdf((9, stream(zeros(1000), b'/Type/ObjStm/N 9/First 9/Filter/FlateDecode')))
    found['filters without end'] = partial(pdf, o4=stream(TEXT, b'/Filter[%s]' % (b'/ASCIIHexDecode '*20_000)))
    found |= {f'filter {name}': partial(pdf, o4=stream(content, entries)) for name, content, entries in (
        ('run length', b'\x81 '*150_000, b'/Filter/RunLengthDecode'), ('LZW noise', os.urandom(0) + bytes(range(256))*400, b'/Filter/LZWDecode'),
        ('ASCII85 zeros', b'z'*many + b'~>', b'/Filter/ASCII85Decode'), ('unknown', TEXT, b'/Filter/Nonsense'), ('a number', TEXT, b'/Filter 7'),
        ('predictor', zlib.compress(b' '*99), b'/Filter/FlateDecode/DecodeParms<</Predictor 15/Columns 99999999999>>'), ('its own stream', TEXT, b'/Filter 4 0 R'))}
    found |= {f'content, {name}': partial(page, content=content) for name, content in (
        ('a million letters', b'BT /F1 9 Tf 9 9 Td ' + b'(a) Tj '*300_000 + b'ET'), ('saved without end', b'q '*300_000), ('restored without end', b'Q '*300_000), ('brackets', deep(300_000)),
        ('dictionaries', deep(100_000, b'<</a', b'>>')), ('parentheses', b'BT ' + deep(many, b'(', b')') + b' Tj ET'), ('an open string', b'BT (' + b'a'*many), ('open text', b'BT '*300_000),
        ('numbers', b'1 '*300_000), ('a name', b'/' + b'a'*many + b' Tf'), ('marked', b'/P BMC '*200_000), ('an open picture', b'BI /W 99999 /H 99999 ID ' + b'a'*many),
        ('matrices', b'9 0 0 9 0 0 cm '*100_000 + TEXT), ('scaled to nothing', b'BT /F1 9 Tf 0 Tz 0 0 0 0 0 0 Tm (abc) Tj ET'), ('half pairs', b'BT /F1 9 Tf 9 9 Td <FEFFD800> Tj ET'),
        ('fonts', b'BT ' + b'/F1 9 Tf (a) Tj 1 0 Td '*100_000 + b'ET'), ('lines up and down', b'BT /F1 9 Tf ' + b'9 %d Td (a b) Tj ' % 9 + b'0 -9 Td (c) Tj 0 9 Td '*50_000 + b'ET'))}
    found['contents a circle'] = partial(pdf, o4=b'[4 0 R 4 0 R]')
    found['a page that is its own contents'] = partial(pdf, o3=PAGE.replace(b'4 0 R', b'3 0 R'))
    found |= {f'length {length}': partial(pdf, o4=stream(TEXT, length=length)) for length in (0, 7, 10**9, -5)}
    found['a length that is itself'] = partial(pdf, o4=b'<</Length 4 0 R>>stream\n' + TEXT + b'\nendstream')
    found |= {f'xref, {name}': maker for name, maker in (
        ('itself before', partial(pdf, trailer=b'/Prev 0')), ('before a billion', partial(pdf, trailer=b'/Prev 999999999')), ('a hundred thousand empty objects', lambda: b'%PDF-1.7\n' + b''.join(
            b'%d 0 obj\nendobj\n' % n for n in range(10, 100_000)) + pdf()), ('a million numbers', lambda: pdf((many, b'null'))), ('a million packed objects', million), ('none', lambda: pdf().partition(b'xref\n')[0]),
        ('start far away', lambda: pdf().replace(b'startxref\n', b'startxref\n9')), ('stream of itself', partial(xref_stream, b'/Size 9/W[1 2 1]/Prev 9')),
        ('stream, size a billion', partial(xref_stream, b'/Size 999999999/W[1 2 1]')), ('stream, widths', partial(xref_stream, b'/Size 9/W[99999999 0 0]')),
        ('stream, index', partial(xref_stream, b'/Size 9/W[1 2 1]/Index[0 999999999 5 9999999]')), ('stream, widths below 0', partial(xref_stream, b'/Size 9/W[-1 -2 1]')))}
    for at in ('circle', 'far'):
        found[f'xref, before in a {at}'] = lambda at=at: (whole := pdf(trailer=b'/Prev 0000000000')).replace(b'/Prev 0000000000', b'/Prev %010d' % (whole.index(b'xref\n') if at == 'circle' else 10**9))
    found |= {'outline of 20,000': partial(outline, 20_000), 'outline, 5,000 deep': partial(outline, 5_000, True), 'outline in a circle': partial(outline, 3, loop=True),
        'outline within itself': partial(outline, 2, True, True), 'outline that is a page': partial(pdf, o1=b'<</Type/Catalog/Pages 2 0 R/Outlines 3 0 R>>')}
    found |= {f'encrypted, {name}': partial(pdf, (9, b'<<%s>>' % entries), trailer=b'/Encrypt 9 0 R' + more) for name, entries, more in (
        ('by nothing', b'', b''), ('by itself', b'/Filter 9 0 R/V 9 0 R', b'/ID[(a)(b)]'), ('by a version', b'/Filter/Standard/V 99/R 99/O(a)/U(b)/P 1', b'/ID[(a)(b)]'),
        ('short keys', b'/Filter/Standard/V 2/R 3/Length 1/O(a)/U(b)/P -1', b'/ID[(a)(b)]'), ('long keys', b'/Filter/Standard/V 2/R 3/Length 99999999/O<%s>/U<%s>/P -1' % (b'41'*32, b'42'*32),
        b'/ID[(a)(b)]'), ('AES without keys', b'/Filter/Standard/V 5/R 6/O()/U()/OE()/UE()/P 1/CF<</StdCF<</CFM/AESV3>>>>/StmF/StdCF/StrF/StdCF', b'/ID[(a)(b)]'), ('without an id',
        b'/Filter/Standard/V 2/R 3/Length 128/O<%s>/U<%s>/P -1' % (b'41'*32, b'42'*32), b''))}
    found |= {f'names, {name}': partial(pdf, o5=FONT.replace(b'/Helvetica', value)) for name, value in (
        ('zeros', b'/a#00b'), ('high', b'/#ff#fe#d8#00'), ('long', b'/' + b'a'*many), ('escaped without end', b'/' + b'#23'*many), ('half an escape', b'/a#'), ('a string', b'(a)'), ('deep', deep(50_000)))}
    found |= {f'info, {name}': partial(pdf, (9, b'<</Title %s>>' % value), trailer=b'/Info 9 0 R') for name, value in (('deep', deep(200_000)), ('itself', b'9 0 R'), ('long', b'(' + b'a'*many + b')'))}
    found |= {f'font, {name}': partial(font, b'<</Type/Font%s>>' % value) for name, value in (
        ('of nothing', b''), ('a million widths', b'/Subtype/TrueType/BaseFont/A/FirstChar 0/LastChar 999999/Widths[%s]' % (b'9 '*many)), ('widths below 0', b'/Subtype/TrueType/BaseFont/A/Widths[-9 -9]'),
        ('its own child', b'/Subtype/Type0/BaseFont/A/Encoding/Identity-H/DescendantFonts[5 0 R]'), ('differences', b'/Subtype/Type1/BaseFont/A/Encoding<</Differences[0 %s]>>' % (b'/a '*300_000)),
        ('letters that paint themselves', b'/Subtype/Type3/FontBBox[0 0 9 9]/FontMatrix[1 0 0 1 0 0]/CharProcs<</a 4 0 R>>/Encoding<</Differences[65/a]>>/Resources<</Font<</F1 5 0 R>>>>'))}
    found |= {f'letters, {name}': partial(to_unicode, cmap) for name, cmap in (
        ('a range of four billion', b'1 beginbfrange <00000000> <FFFFFFFF> <0041> endbfrange'), ('a range of all', b'1 beginbfrange <0000> <FFFF> <0041> endbfrange '*50),
        ('one that is long', b'1 beginbfchar <0054> <%s> endbfchar' % (b'0041'*100_000)), ('half pairs', b'1 beginbfchar <54> <D800> endbfchar'), ('none', b'1 beginbfrange <zz> <> endbfrange'))}
    found |= {f'attached, {name}': maker for name, maker in (
        ('strange names', partial(attached, [b'../../x.txt', b'', b'..', b'a\0b.txt', b'a'*400 + b'.txt', b'C:\\x.txt', b'a\nb.txt', b'\xff\xfe\x00\xd8.txt', b'nul.txt', b'.txt'])),
        ('ten thousand', lambda: attached([b'%d.txt' % n for n in range(10_000)])), ('a gigabyte', lambda: attached([b'a.txt'], packed=zeros(1000))),
        ('itself', lambda: attached([b'a.pdf'], attached([b'b.pdf'], pdf()))), ('a tree of itself', partial(pdf, o1=b'<</Type/Catalog/Pages 2 0 R/Names<</EmbeddedFiles 9 0 R>>>>', o9=b'<</Kids[9 0 R 9 0 R]>>')))}
    field = b'<</Type/Annot/Subtype/Widget/FT/Tx/T(name)/V%s/Parent 9 0 R/Rect[0 0 9 9]>>'
    found |= {f'form field, {name}': partial(pdf, (9, field % value), o1=b'<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[9 0 R]>>>>', o3=PAGE.replace(b'/Contents', b'/Annots[%s]/Contents' % (b'9 0 R '*n)))
        for name, value, n in (('its own parent', b'(a)', 1), ('a hundred thousand', b'(a)', 100_000), ('long', b'(' + b'a'*many + b')', 1), ('deep', deep(50_000), 1), ('itself', b' 9 0 R', 1))}
    picture = b'/Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceRGB/BitsPerComponent 8/Filter%s'
    found |= {f'picture, {name}': partial(pdf, (10, stream(content, picture % (size, size, kind))), o3=PAGE.replace(b'/Font', b'/XObject<</X 10 0 R>>/Font'), o4=stream(b'/X Do'))
        for name, size, kind, content in (('huge', 60_000, b'/FlateDecode', zlib.compress(b'a'*999)), ('huge JPEG', 65_000, b'/DCTDecode', b'\xff\xd8\xff\xe0'), ('JBIG2', 9, b'/JBIG2Decode', b'\0'*99),
        ('JPEG 2000', 9, b'/JPXDecode', b'\0\0\0\x0cjP  '), ('below 0', -9, b'/FlateDecode', b''), ('beyond', big, b'/FlateDecode', zlib.compress(b'a')))}
    found |= {'nothing but a header': lambda: b'%PDF-1.7', 'ten megabytes of nothing': lambda: b'%PDF-1.7\n' + b'\0'*10_000_000, 'noise': lambda: b'%PDF-1.7\n' + bytes(range(256))*4000,
        'no resources': partial(pdf, o3=b'<</Type/Page/Parent 2 0 R/Contents 4 0 R>>'), 'turned by a name': partial(page, more=b'/Rotate/x'), 'units': partial(page, more=b'/UserUnit 1e30'),
        'pages that inherit from each other': partial(pdf, o2=b'<</Type/Pages/Parent 3 0 R/Kids[3 0 R]/Count 1>>', o3=PAGE.replace(b'/MediaBox[0 0 600 800]', b''))}
    return found


def packed(members):
    """A ZIP file of these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED) as z:
        for name, content in members.items():
            with z.open(name, 'w', force_zip64=True) as file:
                for piece in content if isinstance(content, list) else [content]: file.write(piece)
    return out.getvalue()


def members_of(blob):
    """What a ZIP file holds."""
    with zipfile.ZipFile(io.BytesIO(blob)) as z: return {name: z.read(name) for name in z.namelist()}


def letter(headers=b'', body=b'The ferry leaves on time.', kind=b'text/plain'):
    """A mail."""
    return b'Subject: Harbor\nFrom: a@b.example\nContent-Type: %s\n%s\n\n%s' % (kind, headers, body)


def crafted_others(good):
    """Name and maker of each file of another kind; the name's ending is the kind."""
    word, sheet, show = (members_of(good[name]) for name in ('a.docx', 'a.xlsx', 'a.pptx'))
    body, main, fleet = b'<w:body>', 'word/document.xml', 'xl/worksheets/sheet1.xml'
    laughs = b'<!DOCTYPE a [<!ENTITY b "ha">' + b''.join(b'<!ENTITY c%d "%s">' % (n, b'&c%d;' % (n - 1)*10 if n else b'&b;'*10) for n in range(10)) + b']>'
    xml = word[main]
    levels = b'<w:tbl><w:tr><w:tc>'*20_000 + b'</w:tc></w:tr></w:tbl>'*20_000
    return {
        'a gigabyte of blanks.docx': lambda: packed(word | {main: [xml.partition(body)[0] + body, *[b' '*1_000_000]*1000, xml.partition(body)[2]]}),
        'a gigabyte of text.docx': lambda: packed(word | {main: [xml.partition(body)[0] + body + b'<w:p><w:r><w:t>', *[b'a '*500_000]*1000, b'</w:t></w:r></w:p>' + xml.partition(body)[2]]}),
        'laughs.docx': lambda: packed(word | {main: laughs + xml.replace(b'<w:t>', b'<w:t>&c9;', 1)}),
        'tables in tables.docx': lambda: packed(word | {main: xml.replace(body, body + levels)}),
        'outside.docx': lambda: packed(word | {main: b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + xml.replace(b'<w:t>', b'<w:t>&b;', 1), '../../x.txt': b'out'}),
        'a million members.docx': lambda: packed(word | {f'x/{n}': b'' for n in range(100_000)}),
        'a range of all cells.xlsx': lambda: packed(sheet | {fleet: sheet[fleet].replace(b'<sheetData>', b'<sheetData><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>')}),
        'a gigabyte.xlsx': lambda: packed(sheet | {fleet: [sheet[fleet].partition(b'<sheetData>')[0] + b'<sheetData>', *[b'<row><c><v>1</v></c></row>'*40_000]*250, b'</sheetData></worksheet>']}),
        'laughs.xlsx': lambda: packed(sheet | {fleet: laughs + sheet[fleet]}),
        'groups in groups.pptx': lambda: packed(show | {'ppt/slides/slide1.xml': show['ppt/slides/slide1.xml'].replace(b'</p:spTree>', b'<p:grpSp>'*5000 + b'</p:grpSp>'*5000 + b'</p:spTree>')}),
        'a gigabyte.pptx': lambda: packed(show | {'ppt/slides/slide1.xml': [b'<a>', *[b' '*1_000_000]*1000, b'</a>']}),
        'a gigabyte.epub': lambda: packed({'mimetype': b'application/epub+zip', 'META-INF/container.xml': [b' '*1_000_000]*1000}),
        'nothing.xls': lambda: b'\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1' + b'\xff'*4096,
        'deep.html': lambda: b'<div>'*100_000 + b'The ferry' + b'</div>'*100_000,
        'lists in lists.html': lambda: b'<ul><li>a'*20_000,
        'tables in tables.html': lambda: b'<table><tr><td>a'*5_000,
        'a million cells.html': lambda: b'<table><tr>' + b'<td>a'*100_000 + b'</table>',
        'attributes.html': lambda: b'<p ' + b'a="b" '*500_000 + b'>The ferry</p>',
        'open comment.html': lambda: b'<!--'*50_000 + b'The ferry',
        'a million tags.html': lambda: b'<b>a</b>'*500_000,
        'entities.html': lambda: b'<p>' + b'&#x110000;&#xd800;&#0;&bogus;'*100_000,
        'parts in parts.eml': lambda: letter(kind=b'multipart/mixed; boundary=a0') + b''.join(b'--a%d\nContent-Type: multipart/mixed; boundary=a%d\n\n' % (n, n + 1) for n in range(3000)),
        'letters in letters.eml': lambda: b'Content-Type: message/rfc822\n\n'*5000 + letter(),
        'a charset.eml': lambda: letter(kind=b'text/plain; charset=x-nonsense'), 'no charset.eml': lambda: letter(kind=b'text/plain; charset='), 'half a pair.eml': lambda: letter(b'Subject: =?utf-16?b?2AA=?='),
        'ten thousand parts.eml': lambda: letter(kind=b'multipart/mixed; boundary=a') + b'\n--a\nContent-Disposition: attachment; filename="../../x.txt"\n\nout\n'*10_000,
        'names.eml': lambda: letter(kind=b'multipart/mixed; boundary=a') + b''.join(b'\n--a\nContent-Disposition: attachment; filename*=%s\n\nThe ferry\n' % name
            for name in (b"utf-8''%00.txt", b"utf-8''..", b"utf-16''%D8%00.txt", b"x-none''a.txt", b"utf-8''" + b'a'*400 + b'.txt', b"utf-8''a%0Ab.txt", b'', b"''")),
        'headers.eml': lambda: b'Received: a\n'*200_000 + letter(), 'a long header.eml': lambda: letter(b'To: ' + b'a@b.example, '*100_000), 'words.eml': lambda: letter(b'To: ' + b'=?utf-8?q?a?= '*50_000),
        'brackets.eml': lambda: letter(b'To: ' + deep(20_000, b'(', b')')), 'html within.eml': lambda: letter(kind=b'text/html', body=b'<div>'*50_000),
        'a million columns.csv': lambda: b','.join([b'a']*300_000) + b'\n' + b','.join([b'b']*300_000), 'a cell.csv': lambda: b'a,b\n"' + b'c'*10_000_000, 'quotes.csv': lambda: b'a,b\n' + b'"'*5_000_000,
        'nothing.csv': lambda: b',,,\n'*300_000, 'separators.csv': lambda: b';,\t|'*1_000_000, 'zeros.csv': lambda: b'a,b\n\0,\0\n', 'one row with quotes.csv': lambda: b"'a',"*3000,
        'pipes.md': lambda: b'|'*5_000_000, 'rows of pipes.md': lambda: b'||||\n'*500_000, 'brackets.md': lambda: b'!['*1_000_000, 'open data.md': lambda: b'![a](data:'*300_000, 'signs.md': lambda: b'#'*5_000_000,
        'a million titles.md': lambda: b'# a\n'*300_000, 'base64.md': lambda: (b'A'*70 + b'\n')*70_000 + b'!', 'stars.md': lambda: b'# ' + b'*_`'*100_000, 'links.md': lambda: b'# ' + b'[a]('*100_000, 'back-ticks.md': lambda: b'```\n'*500_000,
        'a million pages.txt': lambda: b'a\f'*1_000_000, 'forty million letters.txt': lambda: b'ferry '*7_000_000, 'blanks.txt': lambda: b' \t'*3_000_000 + b'a', 'lines.txt': lambda: b'\r\n'*3_000_000 + b'a',
        'half pairs.txt': lambda: b'\xff\xfe\x00\xd8a\x00', 'high.txt': lambda: b'\xff\xfe' + b'\x00\xdc'*1_000_000, 'zeros.txt': lambda: b'\0'*3_000_000, 'two\nlines\x1b[2J.txt': lambda: b'\xff'}


def made():
    """A small good file of each kind: {name: bytes}."""
    from pypdf import PdfReader, PdfWriter
    from embedtune.samples import sample_documents
    import pandas as pd
    from pptx import Presentation
    found, pages = {}, PdfReader(sample_documents()[0]).pages
    def written(change):
        writer, out = PdfWriter(), io.BytesIO()
        for number in (5, 6): writer.add_page(pages[number])
        change(writer)
        writer.write(out)
        return out.getvalue()
    def rich(writer):
        writer.add_outline_item('Routes', 0, parent=writer.add_outline_item('Strategy', 0))
        writer.add_attachment('rates.txt', b'A berth costs 40 euros a night.')
    found['two pages.pdf'], found['rich.pdf'] = written(lambda writer: None), written(rich)
    found['locked.pdf'] = written(lambda writer: writer.encrypt('', 'owner', algorithm='AES-256'))
    found['by hand.pdf'], found['forms.pdf'], found['outline.pdf'] = pdf(), nested(3, 2), outline(4, True)
    found['files.pdf'], found['letters.pdf'] = attached([b'a.txt', b'b.csv'], b'Ship,Cars\nKestrel,184\n'), to_unicode(b'1 beginbfrange <20> <7E> <0020> endbfrange')
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    row = '<w:tbl><w:tr><w:tc><w:p><w:r><w:t>Ship</w:t></w:r></w:p></w:tc></w:tr></w:tbl>'
    kinds = 'http://schemas.openxmlformats.org/package/2006/'
    main = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml'
    office = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument'
    found['a.docx'] = packed({
        '[Content_Types].xml': f'<Types xmlns="{kinds}content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" ContentType="{main}"/></Types>'.encode(),
        '_rels/.rels': f'<Relationships xmlns="{kinds}relationships"><Relationship Id="r1" Type="{office}" Target="word/document.xml"/></Relationships>'.encode(),
        'word/document.xml': f'<w:document {space}><w:body><w:p><w:r><w:t>The ferry leaves on time.</w:t></w:r></w:p>{row}</w:body></w:document>'.encode()})
    pd.DataFrame({'Ship': ['Kestrel'], 'Cars': [184]}).to_excel(out := io.BytesIO(), index=False)
    found['a.xlsx'] = out.getvalue()
    slides = Presentation()
    slides.slides.add_slide(slides.slide_layouts[1]).shapes.title.text = 'The ferry'
    slides.save(out := io.BytesIO())
    found['a.pptx'] = out.getvalue()
    found['a.html'] = b'<html><head><title>H</title></head><body><h1>Harbor</h1><p>It ends in May.</p><ul><li>a</li></ul><table><tr><th>Ship</th></tr><tr><td>Kestrel</td></tr></table></body></html>'
    found['a.eml'] = letter(kind=b'multipart/mixed; boundary="x"') + b'\n--x\nContent-Type: text/html; charset="utf-8"\n\n<p>It ends in May.</p>\n--x\nContent-Disposition: attachment; filename="a.csv"\n\nShip,Cars\nKestrel,184\n--x--\n'
    found['a.csv'] = 'Ship;Cars\nKestrel;184\n"Whimbrel; sold";90\n'.encode('utf-8-sig')
    found['a.md'] = b'# Harbor\n\nIt ends in May. ![a](data:image/png;base64,QUJD)\n\n## Fleet\n\n| Ship | Cars |\n|---|---|\n| Kestrel | 184 |\n'
    found['a.txt'] = 'Fällig – 9 €\n\n1. Fleet\n\nTen boats.'.encode('utf-16')
    return found


LAST = ['']  # what was told
NUMBERS = [b'0', b'-1', b'1', b'7', b'255', b'65536', b'99999999999', b'1e9', b'-2147483648', b'.0000001', b'9'*60]
WORDS = [b'<<', b'>>', b'[', b']', b'(', b')', b'endobj', b'endstream', b'stream\n', b'1 0 R', b'2 0 R', b'3 0 R', b'9 0 R', b'null', b'/Kids', b'/Parent', b'/Filter', b'/Length', b'<', b'>', b'</', b'"', b'\0', b'\xff', b';', b'\n', b'|']


def scratched(blob, rng):
    """The bytes, one to four things done to them."""
    import re
    for _ in range(rng.choice([1, 1, 2, 4])):
        what, place = rng.randrange(8), rng.randrange(max(1, len(blob)))
        if what == 0: blob = blob[:place] + bytes([rng.randrange(256)]) + blob[place + 1:]
        if what == 1: blob = blob[:place] + rng.randbytes(rng.choice([1, 8, 40])) + blob[place:]
        if what == 2: blob = blob[:place] if rng.random() < .5 else blob[place:]
        if what == 3: blob = blob[:place] + blob[place + rng.choice([1, 9, 90]):]
        if what == 4: blob = blob[:place] + blob[place:][:rng.choice([9, 90])]*rng.choice([2, 30]) + blob[place:]
        if what in (5, 6) and (found := list(re.finditer(rb'\d+', blob))):
            one = rng.choice(found)
            blob = blob[:one.start()] + rng.choice(NUMBERS) + blob[one.end():]
        if what == 7: blob = blob[:place] + rng.choice(WORDS) + blob[place + rng.choice([0, 4]):]
    return blob


def mutated(blob, rng):
    """The file, mutated; of a ZIP file mostly what is in it, of a PDF sometimes what is packed in its streams."""
    if blob.startswith(b'PK') and rng.random() < .8:
        inside = members_of(blob)
        name = rng.choice(list(inside))
        return packed(inside | {name: scratched(inside[name], rng)})
    if blob.startswith(b'%PDF') and rng.random() < .3:
        head, sign, rest = blob.partition(b'stream\n')
        try: return head + sign + zlib.compress(scratched(zlib.decompress(rest.partition(b'\nendstream')[0]), rng)) + b'\nendstream' + rest.partition(b'\nendstream')[2]
        except zlib.error: pass
    return scratched(blob, rng)


def sound(documents):
    """Whether the documents can be written, and their places lie within."""
    for document in documents:
        json.dumps(vars(document), allow_nan=False).encode()
        '\n'.join(document.pages).encode()
        n = len(document.text)
        if not all(0 <= start <= end <= n for start, end, *_ in [*document.headings, *document.boxes]): return False
    return True


def child_usage():
    """Seconds of the processor of all children so far, and the most megabytes that one of them held."""
    from embedtune.strangers import _WAITING
    over = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds, most = over.ru_utime + over.ru_stime, over.ru_maxrss/1e3
    for child in _WAITING:
        import psutil
        times = psutil.Process(child.process.pid).cpu_times()
        seconds += times.user + times.system
        peak = next(line for line in open(f'/proc/{child.process.pid}/status') if line.startswith('VmHWM'))
        most = max(most, int(peak.split()[1])/1e3)
    return seconds, most


def tried(path, engine):
    """What becomes of a file: 'read', 'told' or what was found; seconds of the processor, megabytes, and seconds in all."""
    from embedtune import EmbedtuneError, load_documents
    begun, before = time.perf_counter(), child_usage()[0]
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            outcome = 'read' if sound(load_documents(path, engine, show_progress=False, limits={})) else 'NONSENSE'
        lines = [str(one.message) for one in caught]
        if any(len(line.splitlines()) > 1 for line in lines) or len(lines) > 21: outcome = 'SEVERAL LINES'
    except EmbedtuneError as error:
        LAST.append(str(error).replace(str(path.parent), ''))
        outcome = 'told' if len(str(error).splitlines()) == 1 else 'SEVERAL LINES'
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        outcome = f'TRACEBACK {type(error).__name__}: {str(error)[:80]} ({Path(last.filename).name}:{last.lineno})'
    seconds, most = child_usage()
    if seconds - before > SECONDS*(1 + path.stat().st_size/1e6): outcome = f'{seconds - before:.0f} SECONDS'
    return outcome, seconds - before, most, time.perf_counter() - begun


def tell(name, results, found):
    """Print one line for a kind, and count what was found."""
    outcomes, longest, most, wall = Counter(outcome for _, (outcome, *_) in results), *(max(result[i] for _, result in results) for i in (1, 2, 3))
    counts = ', '.join(f'{what} {outcomes.pop(what, 0)}' for what in ('read', 'told'))
    print(f'{name}: {counts}, finds {outcomes.total()}; at most {longest:.1f} s of the processor, {wall:.1f} s in all, {most:,.0f} MB', flush=True)
    for file, (outcome, *_) in results:
        if outcome not in ('read', 'told'): found[f'{name}: {outcome}, such as {file!r}'] += 1
    if most > MEGABYTES*1.05: found[f'{name}: {most:,.0f} MB'] += 1


def finds(n, rng):
    """Every kind mutated `n` times, PDFs by both engines, and all that is crafted."""
    found, verbose = Counter(), bool(os.environ.get('BREAK_VERBOSE'))
    with tempfile.TemporaryDirectory() as folder:
        good = made()
        def attempt(name, blob, engine='pdfium'):
            file = Path(folder)/name
            file.write_bytes(blob)
            result = tried(file, engine)
            file.unlink()
            if verbose: print(f'  {engine} {name!r}: {result[0]}, {result[1]:.1f} s, {result[2]:,.0f} MB', flush=True)
            return name, result
        for engine in ('pdfium', 'pypdf'):
            whole = [attempt(name, blob, engine) for name, blob in good.items() if name.endswith('.pdf')]
            if bad := [one for one in whole if one[1][0] != 'read']: found[f'{engine}: good files are not read: {bad}'] += 1
            pdfs = [blob for name, blob in good.items() if name.endswith('.pdf')]
            tell(f'{engine}, mutated', [attempt(f'{i}.pdf', mutated(rng.choice(pdfs), rng), engine) for i in range(n)], found)
            tell(f'{engine}, crafted', [attempt(f'{name}.pdf'.replace('/', ' '), make(), engine) for name, make in crafted().items()], found)
        for name, blob in good.items():
            if name.endswith('.pdf'): continue
            kind = name.partition('.')[2]
            tell(f'{kind}, mutated', [attempt(f'{i}.{kind}', mutated(blob, rng)) for i in range(max(1, math.ceil(n/5)))], found)
        tell('other kinds, crafted', [attempt(name, make()) for name, make in crafted_others(good).items()], found)
    return found
