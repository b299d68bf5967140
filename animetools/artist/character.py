"""The design of a character: everything about it is chosen at random before drawing begins."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from animetools.artist.colors import WHITE, Color, hue, mix, vary

HAIR_COLORS: dict[str, Color] = {
    "blonde_hair": (243, 203, 112),
    "brown_hair": (140, 94, 72),
    "black_hair": (62, 56, 70),
    "blue_hair": (92, 134, 214),
    "aqua_hair": (124, 214, 218),
    "green_hair": (122, 190, 130),
    "pink_hair": (250, 170, 190),
    "purple_hair": (158, 124, 206),
    "red_hair": (204, 74, 78),
    "silver_hair": (208, 212, 226),
    "white_hair": (242, 240, 244),
    "grey_hair": (150, 150, 162),
    "orange_hair": (246, 164, 96),
}
EYE_COLORS: dict[str, Color] = {
    "blue_eyes": (66, 132, 226),
    "red_eyes": (216, 52, 66),
    "green_eyes": (62, 168, 106),
    "purple_eyes": (146, 92, 208),
    "brown_eyes": (150, 92, 58),
    "yellow_eyes": (236, 184, 56),
    "aqua_eyes": (60, 196, 204),
    "pink_eyes": (236, 108, 156),
    "orange_eyes": (236, 134, 48),
    "grey_eyes": (130, 138, 156),
}
SKINS: dict[str, Color] = {
    "fair": (255, 231, 217),
    "pale": (255, 240, 232),
    "rosy": (254, 222, 204),
    "tan": (243, 205, 174),
    "dark_skin": (206, 156, 122),
}
OUTFITS: dict[str, float] = {
    "serafuku": 4,
    "blazer": 3,
    "hoodie": 3,
    "dress": 3,
    "kimono": 2.5,
    "sweater": 3,
    "t-shirt": 2,
    "armor": 1.2,
    "maid": 1.5,
    "robe": 1.5,
    "military_uniform": 1.5,
    "collared_shirt": 2,
}
BOY_OUTFITS = frozenset(
    {"blazer", "hoodie", "kimono", "sweater", "t-shirt", "armor", "robe", "military_uniform"}
    | {"collared_shirt"}
)


_MOUTHS: dict[str, dict[str, float]] = {
    "calm": {"smile": 4, "line": 2, "small_open": 1.5, "cat": 0.4},
    "happy": {"smile": 3, "laugh": 4, "cat": 0.8, "fang": 0.8, "grin": 0.6},
    "shy": {"small_open": 2, "wavy": 1, "pout": 1, "smile": 1},
    "angry": {"frown": 2, "grit": 0.6, "pout": 1},
    "sad": {"frown": 2, "small_open": 1},
    "cool": {"line": 2, "smirk": 2},
}


@dataclass(frozen=True)
class Hair:
    """A head of hair; `tip` is the color at its ends, `volume` how far it stands off the skull."""

    name: str
    color: Color
    tip: Color
    length: str
    wave: float
    bundle: str
    fringe: str
    sides: str
    part: float
    volume: float
    ahoge: bool
    seed: int


@dataclass(frozen=True)
class Eyes:
    """A pair of eyes: viewer's left and right color; sizes relative to the usual; `x`, `y`: where
    the right one lies.
    """

    names: tuple[str, str]
    colors: tuple[Color, Color]
    slant: float
    x: float
    y: float
    width: float
    height: float
    lids: tuple[str, str]
    gaze: tuple[float, float]
    pupil: str


@dataclass(frozen=True)
class Character:
    """One character: body, expression, clothes and pose."""

    girl: bool
    skin_name: str
    skin: Color
    chin: float
    hair: Hair
    eyes: Eyes
    brows: str
    mouth: str
    blush: float
    animal_ears: str
    horns: bool
    halo: bool
    hat: str
    ornaments: tuple[str, ...]
    glasses: str
    eyepatch: bool
    accent: Color
    outfit: str
    cloth: Color
    trim: Color
    arms: str
    yaw: float
    pitch: float
    roll: float
    view: str


def pick(rng: Generator, weights: Mapping[str, float]) -> str:
    """A random name, by weight."""
    names = list(weights)
    share = np.array([weights[name] for name in names])
    return names[int(rng.choice(len(names), p=share / share.sum()))]


def invent(rng: Generator, view: str = "front") -> Character:
    """A random character; `view`: front, profile or from_behind."""
    girl = bool(rng.random() < 0.84)
    skin_name = pick(rng, {"fair": 5, "pale": 3, "rosy": 3, "tan": 1, "dark_skin": 0.5})
    mood = pick(rng, {"calm": 4, "happy": 5, "shy": 2, "angry": 1.2, "sad": 1, "cool": 1.5})
    hair = _hair(rng, girl)
    if view == "profile":
        hair = replace(hair, bundle="none", tip=hair.color, ahoge=False, wave=0.0)
        hair = replace(hair, length="bob" if hair.length == "spiky" else hair.length)
    elif view == "from_behind":
        tied = hair.bundle if hair.bundle in ("twintails", "double_bun") else "none"
        hair = replace(hair, bundle=tied, ahoge=False)
    hat = pick(rng, {"": 9, "witch_hat": 0.7, "beret": 0.8, "baseball_cap": 0.6, "straw_hat": 0.8})
    animal_ears = ""
    plain = view == "profile"
    if view != "front":
        hat = ""
    if not hat and not plain:
        animal_ears = pick(rng, {"": 8, "cat_ears": 1.5, "fox_ears": 0.7, "rabbit_ears": 0.5})
    horns = view == "front" and not hat and not animal_ears and bool(rng.random() < 0.05)
    outfits = {o: w for o, w in OUTFITS.items() if girl or o in BOY_OUTFITS}
    outfit = "robe" if hat == "witch_hat" and girl else pick(rng, outfits)
    pastel = bool(rng.random() < 0.5)
    # Pale orange, hues 5 to 50, would look like skin.
    cloth = hue(rng.uniform(50, 365), *((0.28, 0.95) if pastel else (0.5, 0.62)))
    if rng.random() < 0.35:
        cloth = vary(rng, pick_color(rng, [WHITE, (66, 70, 96), (70, 62, 74), (240, 232, 220)]))
    accent = hue(rng.uniform(50, 365), rng.uniform(0.45, 0.8), rng.uniform(0.75, 1))
    lively = 0.22 if view == "front" else 0.0
    roll = float(np.clip(rng.normal(0, 5.5), -20, 20))
    if rng.random() < 0.08:
        roll = float(rng.choice([-1, 1]) * rng.uniform(12, 20))
    return Character(
        girl=girl,
        skin_name=skin_name,
        skin=vary(rng, SKINS[skin_name], 0.012),
        chin=float(rng.uniform(0, 1)) if girl else float(rng.uniform(0.5, 1.3)),
        hair=hair,
        eyes=_eyes(rng, girl, mood),
        brows={"angry": "angry", "sad": "worried", "shy": "worried", "happy": "raised"}.get(
            mood, "calm"
        ),
        mouth=pick(rng, _MOUTHS[mood]),
        blush=float({"shy": 0.75, "happy": 0.45}.get(mood, 0.25) * rng.uniform(0.5, 1.3)),
        animal_ears=animal_ears,
        horns=horns,
        halo=view == "front" and not hat and bool(rng.random() < 0.025),
        hat=hat,
        ornaments=_ornaments(rng, girl, bool(hat), hair.bundle) if view == "front" else (),
        glasses=pick(rng, {"": 9, "round": 0.6, "square": 0.7}) if view == "front" else "",
        eyepatch=view == "front" and bool(rng.random() < 0.012),
        accent=accent,
        outfit=outfit,
        cloth=cloth,
        trim=mix(accent, WHITE, float(rng.choice([0.0, 0.7]))),
        arms=pick(rng, {"down": 4, "behind": 2, "wave": 1.2, "clasped": 1.2, "hip": 1.2}),
        yaw=float(np.clip(rng.normal(0, lively), -0.5, 0.5)),
        pitch=float(np.clip(rng.normal(0, 0.1), -0.22, 0.22)),
        roll=roll if view == "front" else 0.0,
        view=view,
    )


def pick_color(rng: Generator, choices: list[Color]) -> Color:
    """A random color."""
    return choices[int(rng.integers(len(choices)))]


def _hair(rng: Generator, girl: bool) -> Hair:
    weights = dict.fromkeys(HAIR_COLORS, 1.0) | {"blonde_hair": 2, "brown_hair": 2, "black_hair": 2}
    name = pick(rng, weights | {"orange_hair": 0.6, "grey_hair": 0.6})
    color = vary(rng, HAIR_COLORS[name], 0.03)
    tip = color
    if rng.random() < 0.1:
        tip = vary(rng, HAIR_COLORS[pick(rng, dict.fromkeys(HAIR_COLORS, 1.0))], 0.03)
    if girl:
        length = pick(rng, {"short": 2, "bob": 2, "medium": 3, "long": 5, "very_long": 1.5})
        bundle = "none"
        if rng.random() < 0.42:
            styles = {"twintails": 3, "low_twintails": 1.2, "ponytail": 2, "side_ponytail": 1.2}
            bundle = pick(
                rng, styles | {"braid": 1.5, "twin_braids": 1, "double_bun": 1, "drills": 1}
            )
            length = "short"
        fringe = pick(rng, {"blunt": 2.5, "swept": 3, "parted": 1.6, "between": 4, "one_eye": 0.7})
        sides = pick(rng, {"none": 0.8, "locks": 4, "long_locks": 2.5})
        if length in ("long", "very_long") and bundle == "none" and rng.random() < 0.12:
            fringe, sides = "blunt", "hime"
    else:
        length = pick(rng, {"short": 6, "spiky": 4, "bob": 0.6, "medium": 0.6})
        bundle = "none"
        fringe = pick(rng, {"swept": 2, "between": 4, "parted": 1.5, "one_eye": 0.3})
        sides = pick(rng, {"none": 1, "locks": 2})
    return Hair(
        name=name,
        color=color,
        tip=tip,
        length=length,
        wave=float(rng.uniform(0.5, 1)) if rng.random() < 0.25 else 0.0,
        bundle=bundle,
        fringe=fringe,
        sides=sides,
        part=float(np.clip(rng.normal(0, 0.28), -0.5, 0.5)),
        volume=float(rng.uniform(0.98, 1.07)),
        ahoge=bool(rng.random() < 0.28),
        seed=int(rng.integers(2**31)),
    )


def _eyes(rng: Generator, girl: bool, mood: str) -> Eyes:
    first = pick(rng, dict.fromkeys(EYE_COLORS, 1.0) | {"blue_eyes": 2, "red_eyes": 1.5})
    second = first
    if rng.random() < 0.025:
        second = pick(rng, {name: 1.0 for name in EYE_COLORS if name != first})
    color = vary(rng, EYE_COLORS[first], 0.03)
    other = color if second == first else vary(rng, EYE_COLORS[second], 0.03)
    lids = ("open", "open")
    chance = rng.random()
    if chance < (0.12 if mood == "happy" else 0.03):
        lids = ("closed", "closed")
    elif chance < 0.15 and mood == "happy":
        lids = ("closed", "open") if rng.random() < 0.5 else ("open", "closed")
    elif chance < 0.1 and mood in ("cool", "sad"):
        lids = ("half", "half")
    slant = float(np.clip(rng.normal(0.02, 0.1), -0.2, 0.22)) + (0.08 if mood == "angry" else 0)
    away = rng.random() < 0.12
    return Eyes(
        names=(first, second),
        colors=(color, other),
        slant=slant,
        x=float(rng.uniform(0.432, 0.462)),
        y=float(rng.uniform(0.2, 0.27)),
        width=float(rng.uniform(0.94, 1.1)),
        height=float(rng.uniform(0.92, 1.12) if girl else rng.uniform(0.72, 0.92)),
        lids=lids,
        gaze=(float(rng.choice([-0.3, 0.3])), float(rng.uniform(-0.1, 0.1)))
        if away
        else (0.0, 0.0),
        pupil=pick(rng, {"round": 12, "slit": 0.5, "heart": 0.1, "star": 0.1}),
    )


def _ornaments(rng: Generator, girl: bool, hat: bool, bundle: str) -> tuple[str, ...]:
    if not girl:
        return ("hairclip",) if rng.random() < 0.04 else ()
    chances = {"hairclip": 0.15, "hair_flower": 0.1, "hair_ribbon": 0.1, "earrings": 0.1}
    if not hat:
        chances |= {"hairband": 0.1, "hair_bow": 0.08, "maid_headdress": 0.02, "crown": 0.02}
    if bundle in ("twintails", "ponytail", "side_ponytail", "low_twintails"):
        chances["hair_ribbon"] = 0.6
    chances["choker"] = 0.07
    worn = [name for name, chance in chances.items() if rng.random() < chance]
    if "hairband" in worn or "crown" in worn:
        worn = [name for name in worn if name not in ("hair_bow", "maid_headdress")]
    return tuple(worn)
