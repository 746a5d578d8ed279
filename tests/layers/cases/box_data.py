from tests.layers.case import case
from tests.layers.files import coco, folder, text, voc

NEEDS = ["cv2"]

FOLDER = folder()
voc(FOLDER, {"a": [("cat", 1, 1, 4, 3), ("dog", 2, 2, 8, 6, 1)], "b": [("dog", 3, 3, 3, 3)], "c": []})
IMAGES = [(7, "a.ppm"), (3, "b.ppm"), (5, "c.ppm")]
BOXES = [(7, 44, 0, 0, 4, 3), (7, 20, 1.5, 2, 3, 3), (3, 20, 0, 0, 8, 6, 1), (3, 44, 1, 1, 0, 4)]
coco(FOLDER / "coco.json", IMAGES, BOXES, [(44, "dog"), (20, "cat")])
text(FOLDER / "ImageSets" / "Main" / "cat_train.txt", "a  1", "b -1")

LIST = text(
    FOLDER / "list", "# 0", "a.ppm", "2", "1 0 0 3 2 0", "2 1 1 9 5 1", "# 1 b.ppm 1 2 2 2 2 2 0", "# 2 c.ppm 0"
)
SETTINGS = '{"scales": "12", "max_size": "14", "use_flipped": "1", "pixel_means": "1, 2, 3", "snapshot_infix": ""}'
text(FOLDER / "settings.json", SETTINGS)


def from_list(tops=3, phase=0, **options):
    source = {"source": str(LIST), "root": str(FOLDER / "JPEGImages")}
    return case([], str(dict(source, **options)), tops=tops, phase=phase, repeatable=False)


def from_voc(tops=3, phase=0, **options):
    source = {"root": str(FOLDER), "split": "train", "extension": ".ppm", "class_names": ["cat", "dog"]}
    return case([], str(dict(source, **options)), tops=tops, phase=phase, repeatable=False)


def from_coco(tops=3, phase=0, **options):
    source = {"source": str(FOLDER / "coco.json"), "root": str(FOLDER / "JPEGImages")}
    return case([], str(dict(source, **options)), tops=tops, phase=phase, repeatable=False)


CHANGES = [
    {"batch_size": 2, "mirror": True, "mean": [102, 115, 122]},
    {"batch_size": 4, "shorter": 12, "longer": 14, "varied": "pad", "random_scale": [0.5, 1.5], "workers": 2},
    {"batch_size": 3, "crop": [3, 3], "least_visible": 0.5, "without_boxes": True, "rotation": 45},
    {"batch_size": 3, "phase": 1, "inclusive": False, "tops": 2},
    {"batch_size": 1, "phase": 1, "workers": 0},
]

CASES = {
    "BoxesVOC": [from_voc(**change) for change in [*CHANGES, {"flagged": "take"}, {"split": "cat_train"}]],
    "BoxesList": [
        from_list(batch_size=2, mirror=True, mean=[102, 115, 122], flagged="take"),
        from_list(settings=str(FOLDER / "settings.json"), flagged="take"),
        from_list(batch_size=3, phase=1, flagged="mark", inclusive=False, resize=[9, 9], workers=0),
    ],
    "BoxesCOCO": [from_coco(**change) for change in [*CHANGES, {"flagged": "mark", "phase": 1}]],
}
