"""The site: ``make docs`` builds it.

The source folder is the whole repository, so that READMEs and other pages beside the code are pages of the site where
they stand, and a link between two of them holds here as it does on GitHub.
"""

import os
import sys
from pathlib import Path

import inpaintx
import inpaintx.training.loop  # before autodoc imports it

sys.path.insert(0, str(Path(__file__).parent))

project = html_title = "inpaintx"
author = copyright = "The inpaintx developers"
release = version = inpaintx.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "site_extension",
]
root_doc = "docs/index"
include_patterns = [
    "docs/**",
    "plugins/*/README.md",
    "weights/README.md",
    "weights/*/*.md",
    "benchmarks/RESULTS.md",
    "benchmarks/results/cuda-report.md",
    "tests/acceptance/results/ablation.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
]
exclude_patterns = [
    *(".*", "build", "csrc", "inpaintx", "**/__pycache__", "docs/examples"),
    "docs/gallery/*.ipynb",
    "docs/results/photos.md",  # a part of docs/RESULTS.md
]
nitpicky = True
nitpick_ignore_regex = [  # what stands in other projects' documentation, or in no documentation
    (
        "py:.*",
        r"(torch|numpy|np|nn|pathlib|collections|dataclasses|typing|pydantic|annotated_types|typer|rich|pluggy|pytest|types)\..*",
    ),
    ("py:class", r"Tensor|ndarray|Path|Module|NetT|optional|(ge|gt|le|lt)=.*"),
]
suppress_warnings = ["myst.header"]  # a page of several sources may begin below the first level

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# The docstrings are numpydoc's and name no types: annotations are their place, and napoleon joins the two.
napoleon_google_docstring = False
autodoc_default_options = {"members": True, "exclude-members": "extra_repr"}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True

# DOCS_RUN=0 runs no code: the gallery has no pictures, the notebooks no outputs.
run = os.environ.get("DOCS_RUN", "1") != "0"
nb_execution_mode = "cache" if run else "off"
nb_execution_cache_path = "build/notebooks"
nb_execution_timeout = 600
nb_execution_raise_on_error = True
sphinx_gallery_conf = {
    "examples_dirs": "docs/examples",
    "gallery_dirs": "docs/gallery",
    "filename_pattern": r"\.py$",
    "plot_gallery": run,
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
}

highlight_language = "none"  # a fence without a language is a command line
html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["site_root"]  # index.html, which leads to docs/index.html
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 7,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
