"""Links that leave docs/, which forges follow: on the site pictures are taken in, and files are linked at the forge."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import get_plugin_logger
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_LINK = re.compile(r"(!?)\[([^\]]*)\]\(((?:\.\./)+[^)#]+)(#[^)]*)?\)")
_log = get_plugin_logger("outside_links")


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the text of a page with its links to files of the checkout outside of docs/ replaced."""
    checkout = Path(config.config_file_path).parent

    def replaced(link: re.Match[str]) -> str:
        picture, text, target, anchor = link[1], link[2], link[3], link[4] or ""
        place = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page.file.src_uri), target))
        if place.startswith("docs/"):
            return link[0]
        if not (checkout / place).exists():
            _log.warning(f"{page.file.src_uri} links to {place}, which is not there.")
        if picture:
            taken = f"pictures/{place}"
            if files.get_file_from_path(taken) is None:
                files.append(File.generated(config, taken, abs_src_path=str(checkout / place)))
            return f"![{text}]({posixpath.relpath(taken, posixpath.dirname(page.file.src_uri) or '.')})"
        if config.repo_url:
            return f"[{text}]({config.repo_url.rstrip('/')}/blob/HEAD/{place}{anchor})"
        return f"`{place}`" if f"/{place}".endswith("/" + text.strip("`/")) else f"{text} (`{place}`)"

    return _LINK.sub(replaced, markdown)
