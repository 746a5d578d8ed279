"""text.encode("hex") and text.decode("hex"), and base64: by the codecs module, as str of one character a byte."""

from typing import Any

from fissix.fixer_base import BaseFix
from fissix.fixer_util import Name, touch_import

CODECS = "|".join(f"'{quote}{name}{quote}'" for name in ("hex", "base64") for quote in ("\\'", '"'))


class FixCodecs(BaseFix):  # type: ignore[misc, unused-ignore]
    """Applies where nothing but further calls follows."""

    BM_compatible = True
    PATTERN = f"""
        power< any+ trailer< '.' method=('encode'|'decode') > call=trailer< '(' name=({CODECS}) ')' > any* >
    """

    def transform(self, node: Any, results: Any) -> None:
        """Make the text bytes, code them, and make them text."""
        method, codec = results["method"][0], results["name"][0].value
        touch_import(None, "codecs", node)
        place = node.children.index(method.parent)
        text = "".join(str(child) for child in node.children[:place]).strip()
        coded = f'codecs.{method.value}({text}.encode("latin1"), {codec}).decode("latin1")'
        for child in node.children[1 : place + 2]:
            child.remove()
        node.children[0].replace(Name(coded, prefix=node.prefix))
