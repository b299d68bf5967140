"""Sets of images of one face: along which fields sliders lead from one to the other."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from animetools.site.place import Place


def sliders(faces: Sequence[tuple[Place, int]]) -> dict[str, Any] | None:
    """The fields that differ among numbered faces, and where each is along them, for a page.

    A place has psi, and an amount for each edit: 0 for those of other faces. None if no two
    faces differ in one field alone, as the ends of a slider do.
    """
    edits = sorted({place.edit for place, _ in faces} - {""})
    points = [
        (place.psi, *(place.amount if edit == place.edit else 0.0 for edit in edits))
        for place, _ in faces
    ]
    varied = [n for n, values in enumerate(zip(*points, strict=True)) if len(set(values)) > 1]
    names = ["psi", *edits]
    found = {
        tuple(point[n] for n in varied): number
        for point, (_, number) in reversed(list(zip(points, faces, strict=True)))
    }
    beside = Counter((n, *at[:n], *at[n + 1 :]) for at in found for n in range(len(varied)))
    if max(beside.values(), default=0) < 2:
        return None
    return {"fields": [names[n] for n in varied], "steps": sorted(found.items())}
