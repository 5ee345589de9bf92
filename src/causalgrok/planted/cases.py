"""The cases that probes are put on trial with: nothing to be found in ever harder features, and something of all sizes.

In all of them the threshold is off by half the noise, as it is at hospitals that a network was not trained on: enough
for about four in ten random directions to steer monotonically in `slides`. From there on, except in `iid`, variance is
unequal over directions and slides differ.

    isotropic     no hospital effect; equal variance in all directions, no slide effects
    anisotropic   no hospital effect; power-law spectrum
    slides        no hospital effect; slides vary by .4 of what patches within them do
    aligned       no hospital effect; one axis has half of all variance, and the head reads it as much as the tumour's
    mixed         no hospital effect; slides differ in their share of tumour
    unused        a strong hospital effect that the head does not read
    planted       a hospital effect along one axis, which the head reads half as much as the tumour's
    plane         the same in a plane, of which the head reads the first axis
    iid           as planted, in isotropic noise without slide effects, with 50 patches a channel to fit probes on

`unused` is not a case of the hypothesis that permuting tests: there hospitals differ, so that a refitted estimator
meets a hospital effect too. Probes of directions that the head reads should find nothing more often than 5 %, less is
as good; a probe of the features alone, decodability, should find it. Channels are no directions: each carries a part of
the hospital, and the head reads most channels; it is in all of them together that it does not read the hospital.
"""

from causalgrok.planted.feature_model import FeatureModel

STRONG = 4.0
"""The strength called strong: the nearest train hospitals lie five standard deviations of the noise apart."""

STRENGTHS = (0.25, 0.5, 1.0, 2.0, STRONG)
"""Planted strengths, from hardly there to strong."""

_PLAIN = {"tumour": 3.0, "bias": 0.5, "reliance": 0.5}
_SLIDES = {**_PLAIN, "exponent": 1.0, "slide_effect": 0.4}

MODELS = {
    "isotropic": FeatureModel(**_PLAIN),
    "anisotropic": FeatureModel(**_PLAIN, exponent=1.0),
    "slides": FeatureModel(**_SLIDES),
    "aligned": FeatureModel(**_SLIDES | {"exponent": 1.5}, loud=1.0),
    "mixed": FeatureModel(**_SLIDES, share_spread=0.4),
    "unused": FeatureModel(**_SLIDES | {"reliance": 0.0}),
    "planted": FeatureModel(**_SLIDES),
    "plane": FeatureModel(**_SLIDES, rank=2),
    "iid": FeatureModel(**_PLAIN, d=16, patches=46),
}
"""Case -> its features at strength 0."""

CASES = tuple(MODELS)
"""The cases, easiest first."""

NULL_CASES = ("isotropic", "anisotropic", "slides", "aligned", "mixed")
"""Those without any hospital effect."""


def strengths_of(case: str) -> tuple[float, ...]:
    """The strengths at which a case is studied.

    Raises:
        ValueError: there is no such case.
    """
    if case not in MODELS:
        raise ValueError(f"case: {case!r} is not one of {', '.join(CASES)}")
    if case in NULL_CASES:
        return (0.0,)
    return STRENGTHS if case in ("planted", "plane") else (STRONG,)
