"""The page about aqueduct.yaml shows every key of every Struct, as the Structs have them."""

import re
from pathlib import Path

from aqueduct.config import document
from aqueduct.config.document import NESTED, SECTIONS
from tests.config.reference import table
from tests.golden import Golden

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = "aqueduct-yaml.md"
BLOCK = re.compile(r"(<!-- keys: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def test_page_shows_the_keys_of_the_structs(golden: Golden) -> None:
    page = (DOCS / PAGE).read_text("utf-8")
    fresh = BLOCK.sub(lambda block: f"{block[1]}\n{table(getattr(document, block[2]))}\n{block[3]}", page)
    Golden(DOCS, write=golden.write).check(PAGE, fresh)


def test_page_has_a_table_for_every_struct() -> None:
    shown = [block[2] for block in BLOCK.finditer((DOCS / PAGE).read_text("utf-8"))]
    structs = ["Document", *(struct.__name__ for struct in (*SECTIONS.values(), *NESTED.values()))]
    assert sorted(shown) == sorted(structs)


def test_every_key_has_a_description() -> None:
    for struct in (document.Document, *SECTIONS.values(), *NESTED.values()):
        assert not re.search(r"\|  \|$", table(struct), re.MULTILINE), struct
