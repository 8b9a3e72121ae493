"""What the packaged `srgan-desktop` runs; the worker process starts here too."""

import sys

from srgan_desktop.__main__ import main

sys.exit(main())
