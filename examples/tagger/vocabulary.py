"""The tags that the default tagger knows, by group."""

from animetools.artist.character import EYE_COLORS, HAIR_COLORS

_OTHERS = {
    "hair style": """
        short_hair medium_hair long_hair very_long_hair bob_cut spiked_hair hime_cut wavy_hair
        twintails low_twintails ponytail side_ponytail braid single_braid twin_braids hair_bun
        double_bun drill_hair twin_drills ahoge sidelocks blunt_bangs swept_bangs parted_bangs
        hair_between_eyes hair_over_one_eye gradient_hair multicolored_hair
    """,
    "hat": "hat witch_hat beret baseball_cap straw_hat",
    "glasses": "glasses",
    "shape of glasses": "round_eyewear rectangular_eyewear",
    "ears": "animal_ears cat_ears fox_ears rabbit_ears",
    "expression": """
        smile closed_mouth open_mouth expressionless smirk grin frown pout wavy_mouth teeth fang
        clenched_teeth :d :o :3 blush closed_eyes one_eye_closed half-closed_eyes v-shaped_eyebrows
    """,
    "number of people": """
        1girl 1boy 2girls 2boys 3girls 3boys multiple_girls multiple_boys solo no_humans
    """,
    "monochrome": "monochrome greyscale",
}
GROUPS = {
    "hair color": list(HAIR_COLORS),
    "eye color": [*EYE_COLORS, "heterochromia"],
    **{group: names.split() for group, names in _OTHERS.items()},
}
NAMES = [name for names in GROUPS.values() for name in names]
PEOPLE = GROUPS["number of people"]
# What a monochrome picture does not show.
COLORS = {*HAIR_COLORS, *EYE_COLORS, "heterochromia", "gradient_hair", "multicolored_hair"}
