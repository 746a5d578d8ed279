"""Mutated Python 2: what comes out is Python 3 and stays as it is, or there is one clean error."""

import random
import re
import warnings

import pytest

pytest.importorskip("fissix")

from caffe_pylayers._compat.translate import TranslationError, translate

SNIPPETS = [
    "class A(caffe.Layer):\n    def setup(self, b, top):\n        self.n = len(b) / 2\n        print 'n', self.n\n",
    "def f((a, b), c=`d`):\n    for k, v in c.iteritems():\n        print >>sys.stderr, k, v / 2,\n",
    "try:\n    import cPickle as pickle\nexcept ImportError, e:\n    raise ValueError, 'no'\n",
    "x = np.zeros((a / b, np.ceil(c / 2.0)), np.float)  # size\nx[:len(x) / 2] = 0\n",
    "exec 'a = 1' in {}\nd = dict(zip(map(int, a), b))\nif d.has_key(0777) and a <> b: pass\n",
    "while n:\n\tn /= 2\n        print(n)\n",
    "top[0].reshape(np.prod(s), *np.array(s))\ntop[0].data[0] = int(bottom[1].data[i])\n",
    "self.blobs.append(caffe.Blob([2, n / 2]))\nkey = cfg[str(self.phase)]\n",
    "import config, os\nfrom config import x\ns = u'é' + ur'\\d'\nlambda (a, b): a / b\n",
    "s = '''a\n/ b''' % (len(a) / 2) ; t = (yield)\nassert x, `y`\n",
    "@dec\ndef g(a, *b, **c):\n    global n\n    n = 1L\n    return sorted(a, cmp=lambda x, y: cmp(x, y))\n",
    "h, w = im.shape[:2]\nim = im[h / 2 - 1:h / 2, (w / 2)]\nfor i in xrange(h / 2): print i; print\n",
]
PIECES = ["(", ")", "[", "]", ":", " / ", "/= 2", "\n", "\t", "    ", "'", '"""', "\\", "# c", "print ", "`", ", "]
PIECES += ["\x0c", "lambda x: ", "int(", "np.zeros(", "\r\n", "; ", "é", "1 / 2", "import os", "\ufeff", "0L"]
PIECES += ["{", "}", "*", "@"]


def mutated(rng):
    text = "".join(rng.choice(SNIPPETS) for _ in range(rng.randint(1, 3)))
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        at, end = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        kind = rng.random()
        if kind < 0.4:
            text = text[:at] + rng.choice(PIECES) + text[at:]
        elif kind < 0.6:
            text = text[:at] + text[min(end, at + 5) :]
        elif kind < 0.8:
            text = text[:at] + text[at:end][:20] + text[at:]
        else:
            lines = text.split("\n")
            rng.shuffle(lines)
            text = "\n".join(lines)
    return text


def translated(text, for_good):
    """The translation; None if there is one clean error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's, of literals
        try:
            return translate(text, "x.py", for_good).text
        except TranslationError as error:
            message = str(error)
    assert re.match(r"x\.py(:\d+)?: ", message), message
    assert "\n" not in message
    return None


@pytest.mark.parametrize("seed", range(40))
def test_translated_for_good_or_refused(seed):
    rng = random.Random(seed)
    for text in [mutated(rng) for _ in range(10)]:
        for for_good in (False, True):
            new = translated(text, for_good)
            assert new is None or translated(new, for_good) == new, text
