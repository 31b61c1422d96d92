"""What the images of benchmarks are called as they were released: other names are of no image that a server knows.

The forms follow `road_anomaly_benchmark/datasets/` of github.com/SegmentMeIfYouCan/road-anomaly-benchmark, and
`assets/expected_files.txt` of github.com/kumuji/anomaly-benchmark-suite.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class ReleasedNames:
    """The form of names without their ending .png or .jpg, as a pattern for all of a name, and what shows it."""

    pattern: str
    example: str

    def __contains__(self, name: str) -> bool:
        """Whether a name has the form."""
        return re.fullmatch(self.pattern, name) is not None


_SCENES = (
    "curvy-street",
    "one-way-street",
    "gravel",
    "greyasphalt",
    "motorway",
    "paving",
    "darkasphalt2?",
    "snowstorm[12]",
    "driveway",
)
_SCENE = "|".join(_SCENES)

ROAD_ANOMALY = ReleasedNames(r"[a-z_]+[0-9]{4}", "validation0000 or cow0000")
ROAD_ANOMALY_TEST = ReleasedNames(r"(?!validation)[a-z_]+[0-9]{4}", "cow0000")
ROAD_OBSTACLE = ReleasedNames(rf"({_SCENE}|validation)_.+", "validation_20 or curvy-street_dog_1")
ROAD_OBSTACLE_TEST = ReleasedNames(rf"({_SCENE})_.+", "curvy-street_dog_1")
LOST_AND_FOUND = ReleasedNames(
    r"[0-9]{2}_.+_[0-9]{6}_[0-9]{6}_leftImg8bit", "04_Maurener_Weg_8_000000_000030_leftImg8bit"
)
