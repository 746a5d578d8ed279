"""What NumPy has dropped: np.float and its kind, np.asscalar, np.fromstring of bytes, array.tostring()."""

from typing import Any

from fissix.fixer_base import BaseFix
from fissix.fixer_util import Name

BUILTIN = {name: name for name in ("bool", "int", "float", "complex", "object", "str")}
BUILTIN.update(long="int", unicode="str")
RENAMED = {"float_": "float64", "complex_": "complex128", "Inf": "inf", "Infinity": "inf", "NaN": "nan"}
RENAMED.update(
    product="prod", cumproduct="cumprod", alltrue="all", sometrue="any", in1d="isin", fromstring="frombuffer"
)


def _names(*names: str) -> str:
    return "|".join(f"'{name}'" for name in names)


class FixNumpyNames(BaseFix):  # type: ignore[misc, unused-ignore]
    """The module is taken to be called np or numpy."""

    BM_compatible = True
    PATTERN = f"""
        power< module=('np'|'numpy') attribute=trailer< '.' builtin=({_names(*BUILTIN)}) > any* >
        | power< ('np'|'numpy') trailer< '.' renamed=({_names(*RENAMED)}) > any* >
        | power< module=('np'|'numpy') trailer< '.' scalar='asscalar' > call=trailer< '(' given=any ')' > any* >
        | power< any+ trailer< '.' renamed='tostring' > trailer< '(' ')' > any* >
    """

    def transform(self, node: Any, results: Any) -> None:
        """Put in what does the same."""
        if "builtin" in results:
            (module,), (builtin,) = results["module"], results["builtin"]
            results["attribute"].remove()
            module.replace(Name(BUILTIN[builtin.value], prefix=module.prefix))
        elif "scalar" in results:
            results["scalar"].replace(Name("asarray"))
            results["call"].replace([results["call"].clone(), Name(".item()")])
        else:
            found = results["renamed"]
            name = found[0] if isinstance(found, list) else found
            name.replace(Name({**RENAMED, "tostring": "tobytes"}[name.value], prefix=name.prefix))
