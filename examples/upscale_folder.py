"""Upscale a folder of pictures: python examples/upscale_folder.py PICTURES OUTPUT."""

import sys
from pathlib import Path

from core import FileFailed, FileSaved, Input, OutputSize, UpscaleRequest, run


def main(pictures: Path, output: Path) -> None:
    request = UpscaleRequest((Input(pictures),), output, model="faithful-x4", size=OutputSize.parse("2x"))
    for event in run(request):
        match event:
            case FileSaved():
                print(event.output, f"{event.output_size[0]} x {event.output_size[1]}, {event.consistency:.1f} dB")
            case FileFailed():
                print(event.source, event.message, event.hint, file=sys.stderr)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
