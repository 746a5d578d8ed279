"""``python -m caffe_pylayers`` is ``caffe-pylayers``."""

import sys

from caffe_pylayers.cli import main

sys.exit(main())
