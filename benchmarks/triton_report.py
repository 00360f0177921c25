"""What Triton's compiler and ptxas make of partial_conv2d's kernel, for sm_90 and sm_80, without a GPU.

``make triton-check`` prints a row a tile, ``make cuda-report`` has those of sm_90. Pointers, sizes and channels are
multiples of 16, as a network's are; the window is 3x3 and the step 1.
"""

import os
import re
import subprocess
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, CompiledKernel

from inpaintx.ops.partial_conv_triton import CONFIGS, Config, partial_conv_kernel

PTXAS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "ptxas"
POINTERS = {"x", "weight", "bias", "y"}
MASKS = {"mask", "new_mask"}
ONE = {"stride_y", "stride_x", "padding_y", "padding_x", "dilation_y", "dilation_x"}


def compiled(config: Config, capability: int = 90, dtype: str = "bf16", planes: int = 1) -> CompiledKernel:
    """The kernel for a tile; dtype is Triton's word."""
    block_m, block_n, block_k, warps, stages = config
    constants = dict.fromkeys(ONE, 1) | {"kernel_height": 3, "kernel_width": 3, "precision": "tf32"}
    constants |= {"block_m": block_m, "block_n": block_n, "block_k": block_k // (2 if dtype == "fp32" else 1)}
    types = dict.fromkeys(POINTERS, f"*{dtype}") | dict.fromkeys(MASKS, "*u8") | dict.fromkeys(constants, "constexpr")
    types |= {"ratio": "*fp32", "scale": "fp32", "plane_channels": ("i32",) * planes}
    names = partial_conv_kernel.arg_names
    of_16 = [(i,) for i, name in enumerate(names) if name not in constants and name not in ("scale", "plane_channels")]
    of_16 += [(names.index("plane_channels"), plane) for plane in range(planes)]
    source = ASTSource(
        partial_conv_kernel,
        {name: types.get(name, "i32") for name in names},
        {(names.index(name),): value for name, value in constants.items()},
        {path: [["tt.divisibility", 16]] for path in of_16},
    )
    options = {"num_warps": warps, "num_stages": stages}
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)


def resources(kernel: CompiledKernel, capability: int = 90) -> dict[str, int]:
    """Registers and bytes, as ptxas counts them; shared memory is Triton's to ask for at the launch."""
    command = [PTXAS, "-v", f"-arch=sm_{capability}{'a' if capability >= 90 else ''}", "-", "-o", os.devnull]
    said = subprocess.run(command, input=kernel.asm["ptx"], capture_output=True, text=True, check=True).stderr

    def number(words: str) -> int:
        return int(re.search(words, said)[1])

    registers = number(r"Used (\d+) registers")
    return {
        "instances": 1,
        "fewest": registers,
        "registers": registers,
        "stack": number(r"(\d+) bytes stack frame"),
        "spill_stores": number(r"(\d+) bytes spill stores"),
        "spill_loads": number(r"(\d+) bytes spill loads"),
        "shared": kernel.metadata.shared,
        "threads": 32 * kernel.metadata.num_warps,
    }


def rows() -> dict[str, dict[str, int]]:
    """A row a tile in bfloat16 for sm_90, as cuda_report has them."""
    return {f"partial_conv/triton {'x'.join(map(str, c[:3]))}": resources(compiled(c)) for c in CONFIGS}


if __name__ == "__main__":
    for capability in (90, 80):
        for dtype, planes in (("bf16", 1), ("bf16", 2), ("fp32", 1)):
            for config in CONFIGS:
                kernel = compiled(config, capability, dtype, planes)
                numbers = resources(kernel, capability)
                ptx = kernel.asm["ptx"]
                wide = len(re.findall(r"cp\.async\.cg\S* .*0x10", ptx))
                products = len(re.findall(r"wgmma\.mma_async|mma\.sync", ptx))
                print(f"sm_{capability} {dtype} planes {planes} tile {config}: {numbers}, {wide} copies of 16 bytes, "
                      f"{products} products in the text")  # fmt: skip
