"""Names of Pillow, OpenCV and SciPy's ndimage that are gone, and what they are called now."""

from typing import Any

from fissix.fixer_base import BaseFix
from fissix.fixer_util import Name

PILLOW = {"ANTIALIAS": "LANCZOS", "LINEAR": "BILINEAR", "CUBIC": "BICUBIC", "fromstring": "frombytes"}
OPENCV = {"AA": "LINE_AA", "FOURCC": "VideoWriter_fourcc", "BGR2RGB": "COLOR_BGR2RGB", "RGB2BGR": "COLOR_RGB2BGR"}
OPENCV.update(BGR2GRAY="COLOR_BGR2GRAY", RGB2GRAY="COLOR_RGB2GRAY", GRAY2BGR="COLOR_GRAY2BGR", L2="DIST_L2")
OPENCV.update({f"LOAD_IMAGE_{name}": f"IMREAD_{name}" for name in ("COLOR", "GRAYSCALE", "UNCHANGED", "ANYDEPTH")})
NDIMAGE = ("filters", "fourier", "interpolation", "measurements", "morphology")


def _names(names: Any) -> str:
    return "|".join(f"'{name}'" for name in names)


class FixImageNames(BaseFix):  # type: ignore[misc, unused-ignore]
    """The modules are taken to be called Image, cv2, ndimage, ndi or nd."""

    BM_compatible = True
    PATTERN = f"""
        power< 'Image' trailer< '.' pillow=({_names(PILLOW)}) > any* >
        | import_name< 'import' pil='Image' >
        | power< 'cv2' old=trailer< '.' 'cv' > trailer< '.' opencv=any > any* >
        | power< 'cv2' trailer< '.' opencv=any > any* >
        | power< ('nd'|'ndi'|'ndimage') part=trailer< '.' ({_names(NDIMAGE)}) > trailer< '.' any > any* >
        | power< 'scipy' trailer< '.' 'ndimage' > part=trailer< '.' ({_names(NDIMAGE)}) > trailer< '.' any > any* >
        | import_from< 'from' module=dotted_name< 'scipy' '.' 'ndimage' '.' ({_names(NDIMAGE)}) > 'import' any >
    """

    def transform(self, node: Any, results: Any) -> None:
        """Rename them."""
        if "pillow" in results:
            name = results["pillow"][0]
            name.replace(Name(PILLOW[name.value]))
        elif "pil" in results:
            node.replace(Name("from PIL import Image", prefix=node.prefix))
        elif "part" in results:
            results["part"].remove()
        elif "module" in results:
            results["module"].replace(Name("scipy.ndimage", prefix=results["module"].prefix))
        elif results["opencv"].value.startswith("CV_"):
            self._opencv(results["opencv"], results.get("old"))

    @staticmethod
    def _opencv(name: Any, old: Any) -> None:
        """cv2.cv.CV_X and cv2.CV_X are cv2.X, but for the types of arrays, CV_8U and so on, which stay."""
        short = name.value[len("CV_") :]
        if old is not None:
            old.remove()
        if not short[0].isdigit():
            name.replace(Name(OPENCV.get(short, short)))
