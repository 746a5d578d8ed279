"""Data: images a second, as ratios within one run.

MNIST from an LMDB, on the runtime and on real Caffe, each in a process of its own; the two take turns.
JPEG Datum of 256 x 256, beside the decoder alone, in as many threads as there are cores, over the same
images. A ratio above 1 means that the runtime's layer is faster; median of the rounds.
"""

import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from engines import Engine, answer

from caffe_pylayers import _engine

ROUNDS = 9
BATCH = 64
BATCHES = {"mnist": 300, "jpeg": 12}
IMAGES = 256  # JPEG Datum in the database
NET = """
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
        data_param { source: "%s" backend: LMDB batch_size: 64 } transform_param { %s } }
"""
TRANSFORM = {"mnist": "scale: 0.00390625", "jpeg": "crop_size: 227 mean_value: 104 mean_value: 117 mean_value: 123"}


def write_mnist(folder):
    """As many digits as MNIST has in its test set, of its size; what they show does not matter here."""
    import numpy as np

    from caffe_pylayers.runtime.proto.caffe_pb2 import Datum

    digits = np.random.RandomState(0).randint(0, 256, (10000, 28, 28)).astype(np.uint8)
    write(
        folder, [Datum(channels=1, height=28, width=28, label=i % 10, data=x.tobytes()) for i, x in enumerate(digits)]
    )


def write_jpeg(folder):
    """Smooth images with some noise, about as hard to decode as photographs."""
    import cv2
    import numpy as np

    from caffe_pylayers.runtime.proto.caffe_pb2 import Datum

    random, images = np.random.RandomState(0), []
    for _ in range(IMAGES):
        coarse = random.randint(0, 256, (24, 24, 3)).astype(np.uint8)
        image = cv2.resize(coarse, (256, 256), interpolation=cv2.INTER_CUBIC) + random.normal(0, 6, (256, 256, 3))
        images.append(cv2.imencode(".jpg", image.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])[1])
    write(folder, [Datum(encoded=True, data=image.tobytes()) for image in images])


def write(folder, datums):
    """An LMDB."""
    import lmdb

    with lmdb.open(str(folder), map_size=1 << 28) as env, env.begin(write=True) as txn:
        for i, datum in enumerate(datums):
            txn.put(b"%08d" % i, datum.SerializeToString())


def serve(folder):
    """In an engine's process: the images a second of what is asked for."""
    caffe, nets = _engine.caffe(), {}
    for line in sys.stdin:
        name = line.strip()
        if name not in nets:
            nets[name] = caffe.Net(str(Path(folder, f"{name}.prototxt")), caffe.TEST)
        for _ in range(5):  # those that are ready
            nets[name].forward()
        start = time.perf_counter()
        for _ in range(BATCHES[name]):
            nets[name].forward()
        answer(BATCH * BATCHES[name] / (time.perf_counter() - start))


def decoder(folder):
    """Gives a function that decodes a batch's worth of the JPEG images, and only that, on all cores."""
    import cv2
    import numpy as np

    from caffe_pylayers.runtime.data.database import Records
    from caffe_pylayers.runtime.proto.caffe_pb2 import Datum

    records = Records(str(folder))
    images = [np.frombuffer(Datum.FromString(next(records)).data, np.uint8) for _ in range(IMAGES)]
    threads = ThreadPoolExecutor(os.cpu_count())

    def images_a_second():
        count = BATCH * BATCHES["jpeg"]
        start = time.perf_counter()
        list(threads.map(lambda i: cv2.imdecode(images[i % IMAGES], cv2.IMREAD_UNCHANGED), range(count)))
        return count / (time.perf_counter() - start)

    return images_a_second


def main():
    with tempfile.TemporaryDirectory() as folder:
        for name, make in (("mnist", write_mnist), ("jpeg", write_jpeg)):
            make(Path(folder, f"{name}_lmdb"))
            Path(folder, f"{name}.prototxt").write_text(NET % (Path(folder, f"{name}_lmdb"), TRANSFORM[name]))
        caffe, runtime = (Engine(engine, __file__, "serve", folder) for engine in ("caffe", "runtime"))
        alone = decoder(Path(folder, "jpeg_lmdb"))
        print(f"\nData, batch {BATCH}, {os.cpu_count()} cores: images a second of the other, of the runtime, ratio")
        for title, name, other in (
            ("MNIST, real Caffe", "mnist", lambda: caffe.ask("mnist")[0]),
            ("JPEG, the decoder alone", "jpeg", alone),
            ("JPEG, real Caffe", "jpeg", lambda: caffe.ask("jpeg")[0]),
        ):
            pairs = [(other(), runtime.ask(name)[0]) for _ in range(ROUNDS)]
            theirs, ours = (statistics.median(rates) for rates in zip(*pairs))
            ratio = statistics.median(b / a for a, b in pairs)
            print(f"  {title:26}{theirs:10.0f}{ours:10.0f}{ratio:8.2f}x")
        caffe.close()
        runtime.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2])
    else:
        main()
