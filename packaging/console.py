"""What the packaged `srgan` runs."""

from core.cli import main

main()
