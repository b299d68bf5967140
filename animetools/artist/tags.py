"""Danbooru tags for what was drawn."""

import zlib
from typing import NamedTuple

from animetools.artist.character import Character
from animetools.artist.clothes import CUTS, lower_of

GENERAL, ARTIST, COPYRIGHT, META = 0, 1, 3, 5  # categories, as on Danbooru

_MOUTHS: dict[str, tuple[str, ...]] = {
    "smile": ("smile", "closed_mouth"),
    "line": ("closed_mouth", "expressionless"),
    "smirk": ("smirk", "smile", "closed_mouth"),
    "small_open": ("open_mouth", ":o"),
    "laugh": ("open_mouth", "smile", ":d", "teeth"),
    "fang": ("open_mouth", "fang", "smile"),
    "grin": ("grin", "smile", "teeth"),
    "grit": ("clenched_teeth", "teeth"),
    "cat": (":3", "closed_mouth", "smile"),
    "wavy": ("wavy_mouth", "closed_mouth"),
    "pout": ("pout", "closed_mouth"),
    "frown": ("frown", "closed_mouth"),
}
_BUNDLES: dict[str, tuple[str, ...]] = {
    "none": (),
    "twintails": ("twintails", "long_hair"),
    "low_twintails": ("low_twintails", "twintails", "long_hair"),
    "ponytail": ("ponytail", "long_hair"),
    "side_ponytail": ("side_ponytail", "long_hair"),
    "braid": ("braid", "single_braid", "long_hair"),
    "twin_braids": ("braid", "twin_braids", "long_hair"),
    "double_bun": ("double_bun", "hair_bun"),
    "drills": ("drill_hair", "twin_drills", "long_hair"),
}
_LENGTHS: dict[str, tuple[str, ...]] = {
    "short": ("short_hair",),
    "spiky": ("short_hair", "spiked_hair"),
    "bob": ("short_hair", "bob_cut"),
    "medium": ("medium_hair",),
    "long": ("long_hair",),
    "very_long": ("very_long_hair", "long_hair"),
}
_LOWER: dict[str, tuple[str, ...]] = {
    "pleated": ("skirt", "pleated_skirt"),
    "skirt": ("skirt",),
    "shorts": ("shorts",),
    "gown": ("long_skirt", "frills"),
    "trousers": ("pants",),
    "robe": (),
}
_ORNAMENTS: dict[str, tuple[str, ...]] = {
    "hairclip": ("hairclip", "hair_ornament"),
    "hair_flower": ("hair_flower", "hair_ornament", "flower"),
    "hair_ribbon": ("hair_ribbon", "ribbon"),
    "hair_bow": ("hair_bow", "bow"),
    "hairband": ("hairband",),
    "earrings": ("earrings", "jewelry"),
    "maid_headdress": ("maid_headdress",),
    "crown": ("crown",),
    "choker": ("choker",),
}


class Tag(NamedTuple):
    """A tag's name and category, numbered as on Danbooru."""

    name: str
    category: int = GENERAL

    @property
    def id(self) -> int:
        """An id that depends on the name alone."""
        return zlib.crc32(self.name.encode()) % 999_983 + 1


def face_tags(who: Character) -> list[str]:
    """Tags for what is visible on a crop of the head."""
    if who.view == "from_behind":
        return [*_hair_tags(who), "from_behind", "facing_away"]
    tags = [*_hair_tags(who), *_MOUTHS[who.mouth]]
    visible = _visible_eyes(who)
    open_eyes = [side for side in visible if who.eyes.lids[side] != "closed"]
    names = [who.eyes.names[side] for side in open_eyes]
    tags += names
    if len(set(names)) == 2:
        tags.append("heterochromia")
    closed = len(visible) - len(open_eyes)
    if closed == len(visible):
        tags.append("closed_eyes")
    elif closed:
        tags += ["one_eye_closed", ";d" if "open_mouth" in tags and "smile" in tags else "wink"]
    if "half" in who.eyes.lids:
        tags.append("half-closed_eyes")
    if open_eyes:
        tags.append(
            "looking_at_viewer"
            if who.eyes.gaze == (0.0, 0.0) and who.view == "front"
            else "looking_to_the_side"
        )
        symbol = {
            "slit": "slit_pupils",
            "heart": "heart-shaped_pupils",
            "star": "star-shaped_pupils",
        }
        if who.eyes.pupil in symbol:
            tags.append(symbol[who.eyes.pupil])
        if who.eyes.slant > 0.12:
            tags.append("tsurime")
        elif who.eyes.slant < -0.08:
            tags.append("tareme")
    if who.view == "profile":
        tags.append("profile")
    if who.blush > 0.4:
        tags.append("blush")
    if who.brows == "angry":
        tags += ["v-shaped_eyebrows"]
    if who.eyepatch:
        tags += ["eyepatch", "medical_eyepatch"]
    if who.glasses:
        tags.append("glasses")
        tags.append("round_eyewear" if who.glasses == "round" else "rectangular_eyewear")
    if abs(who.roll) > 9:
        tags.append("head_tilt")
    return list(dict.fromkeys(tags))


def _visible_eyes(who: Character) -> list[int]:
    """The sides (0 is the viewer's left) of the eyes that are not hidden."""
    if who.view == "profile":
        return [0]
    if who.eyepatch:
        return [1] if who.hair.part > 0 else [0]
    return [0, 1]


def _hair_tags(who: Character) -> list[str]:
    hair = who.hair
    tags = [hair.name, *_BUNDLES[hair.bundle]]
    if hair.bundle == "none" or hair.bundle == "double_bun":
        tags += [*_LENGTHS[hair.length]]
    if hair.tip != hair.color:
        tags += ["gradient_hair", "multicolored_hair"]
    if hair.wave:
        tags.append("wavy_hair")
    if hair.ahoge and not who.hat:
        tags.append("ahoge")
    if who.view == "front":
        fringe = {"blunt": ("blunt_bangs",), "swept": ("swept_bangs",), "parted": ("parted_bangs",)}
        fringe |= {"between": ("hair_between_eyes",), "one_eye": ("hair_over_one_eye",)}
        tags += ["bangs", *fringe[hair.fringe]]
        if hair.sides == "hime":
            tags.append("hime_cut")
        elif hair.sides != "none":
            tags.append("sidelocks")
    if who.animal_ears:
        tags += [who.animal_ears, "animal_ears"]
    if who.horns:
        tags.append("horns")
    if who.halo:
        tags.append("halo")
    if who.hat:
        tags += [who.hat, "hat"] if who.hat != "witch_hat" else ["witch_hat", "hat", "witch"]
    hidden = ("earrings", "choker") if who.view != "front" else ()
    for name in who.ornaments:
        if name not in hidden:
            tags += _ORNAMENTS[name]
    return tags


def body_tags(who: Character, bottom: float) -> list[str]:
    """Tags for the visible clothes, if the picture ends at body height `bottom`."""
    tags = list(CUTS[who.outfit].tags)
    if who.skin_name == "dark_skin":
        tags += ["dark_skin", "dark-skinned_female" if who.girl else "dark-skinned_male"]
    if who.skin_name == "tan":
        tags.append("tan")
    if CUTS[who.outfit].sleeve > 0.8:
        tags.append("long_sleeves")
    if bottom > 6:
        tags += _LOWER[lower_of(who)]
    if bottom > 14:
        tags += ["shoes", "standing"]
    if bottom > 4 and who.view == "front":
        tags += {
            "behind": ["arms_behind_back"],
            "wave": ["waving"],
            "hip": ["hand_on_hip"],
            "clasped": ["own_hands_together"],
        }.get(who.arms, [])
    return tags


def people_tags(cast: list[Character]) -> list[str]:
    """1girl, 2boys, solo and so on."""
    girls = sum(who.girl for who in cast)
    boys = len(cast) - girls
    tags = []
    for count, one, many in ((girls, "1girl", "girls"), (boys, "1boy", "boys")):
        if count:
            tags.append(one if count == 1 else f"{count}{many}")
            if count > 1:
                tags.append(f"multiple_{many}")
    return [*tags, "solo"] if len(cast) == 1 else tags
