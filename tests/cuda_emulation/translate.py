"""Turn CUDA sources into C++ that runs on the CPU: launches and shared memory (see cuda_runtime.h here)."""

import re
from pathlib import Path

LAUNCH = re.compile(r"([A-Za-z_]\w*(?:<[\w\s,:]*>)?)<<<(.*?)>>>\(", re.DOTALL)
DYNAMIC = re.compile(r"extern __shared__ (?:__align__\(\d+\) )?([\w:]+) (\w+)\[\];")
STATIC = re.compile(r"(?<!extern )__shared__ ([\w:]+) (\w+)((?:\[[^\]]+\])*);")


def translate(source: str) -> str:
    """``kernel<<<grid, block>>>(args)`` becomes a call of ``emulate::launch``, which is told the kernel's name."""
    source = LAUNCH.sub(r'::inpaintx::emulate::launch("\1", {\2}, [](auto... a) { \1(a...); }, ', source)
    source = DYNAMIC.sub(r"\1* \2 = static_cast<\1*>(::inpaintx::emulate::dynamic_shared());", source)
    return STATIC.sub(r"auto& \2 = ::inpaintx::emulate::static_shared<\1\3>(__LINE__);", source)


def translate_all(sources: Path, target: Path) -> list[Path]:
    """Write ``<op>_cuda.cpp`` into ``target`` for each ``<op>/cuda.cu``; files that would not change are left alone."""
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for source in sorted(sources.rglob("*.cu")):
        path = target / ("_".join(source.relative_to(sources).with_suffix("").parts) + ".cpp")
        text = f'#line 1 "{source}"\n{translate(source.read_text())}'
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
        written.append(path)
    return written
