from importlib.util import find_spec

import numpy as np

from tests.layers.case import case
from tests.layers.files import folder, image, text

NEEDS = ["cv2"]

FOLDER, rng = folder(), np.random.RandomState(7)
for name in ("a", "b"):
    for number in range(1, 13):
        image(FOLDER / name / f"image_{number}.ppm", rng.randint(0, 256, (12, 16, 3)))
        for axis in "xy":
            image(FOLDER / name / f"flow_{axis}_{number}.pgm", rng.randint(0, 256, (12, 16)))
SEGMENTS = text(FOLDER / "segments.txt", "a 12 3", "b 11 0")
FILM = FOLDER / "film.avi"
if find_spec("cv2"):
    import cv2

    film = cv2.VideoWriter(str(FILM), cv2.VideoWriter_fourcc(*"MJPG"), 25, (32, 16))
    for _ in range(7):
        film.write(rng.randint(0, 256, (16, 32, 3)).astype(np.uint8))
    film.release()
for name, frames in (("wave", 11), ("jump", 3)):
    for number in range(frames):
        image(FOLDER / name / f"{number}.ppm", rng.randint(0, 256, (4, 6, 3)))
LIST = text(FOLDER / "list.txt", "wave 0", "jump 1")
MORE = text(FOLDER / "more.txt", "wave 0 0.5", "jump 1 2")
STARTS = text(FOLDER / "starts.txt", "wave 9 0", "jump 1 1")
NONE = text(FOLDER / "none.txt", "wave", "jump")


def clips(source=LIST, tops=2, phase=0, **options):
    return case(
        [], str(dict(source=str(source), root=str(FOLDER), **options)), tops=tops, phase=phase, repeatable=False
    )


def segments(modality="flow", phase=0, tops=2, **options):
    pattern = "flow_%c_%d.pgm" if modality == "flow" else "image_%d.ppm"
    options = dict(source=str(SEGMENTS), root=str(FOLDER), modality=modality, name_pattern=pattern, **options)
    return case([], str(options), tops=tops, phase=phase, repeatable=False)


def frames_of(tops=1, phase=1, **options):
    return case([], str(dict(video_file=str(FILM), **options)), tops=tops, phase=phase, repeatable=False)


CASES = {
    "VideoClips": [
        clips(length=4, batch_size=3),
        clips(length=3, stride=2, layout="NTCHW", crop=[2, 2], mirror=True, workers=2),
        clips(MORE, length=1, phase=1, batch_size=2),
        clips(NONE, tops=1, length=5, workers=0),
        clips(length=2, sampling="balanced", batch_size=4, brightness=0.2, workers=2, worker_type="process"),
        clips(STARTS, starts="listed", length=3, batch_size=2, crop=[2, 2]),
    ],
    "VideoSegments": [
        segments(segments=3, length=2, batch_size=3, mirror=True, mean=[128]),
        segments("rgb", segments=2, batch_size=2, crop=[8, 8], multi_scale=True, fixed_crops="more", mean=[1, 2, 3]),
        segments("rgb", length=3, crop=[8, 8], multi_scale=True, scale_ratios=[1, 0.5], max_distort=0, workers=0),
        segments(segments=2, phase=1, tops=1, crop=[8, 8], fixed_crops="corners", turn_flow=False),
        segments("rgb", segments=20, channels="gray", batch_size=2, resize=[6, 6], phase=1, crop=[6, 4]),
    ],
    "VideoFrames": [
        frames_of(batch_size=3),
        frames_of(batch_size=2, skip_frames=2, tops=2, resize=[8, 8], mean=[104, 117, 123], workers=2),
        frames_of(phase=0, shuffle=True, mirror=True, crop=[8, 9], channels="gray", workers=0),
    ],
}
