"""A cascade of our own, small enough to be read."""


def old_form(
    window: str = "20 20", rect: str = "0 0 20 20 -1.", left: int = 1, deep: int = 0
) -> str:
    """A Haar cascade as OpenCV 2 wrote them: something bright in the middle of something dark."""
    bright = f"<_>{rect}</_><_>5 5 10 10 4.</_>"
    return f"""<?xml version="1.0"?>
<opencv_storage><tiny type_id="opencv-haar-classifier"><size>{window}</size><stages>
<_><trees><_>
<_><feature><rects>{bright}</rects><tilted>0</tilted></feature><threshold>1.</threshold>
<left_node>{left}</left_node><right_val>1.</right_val></_>
<_><feature><rects>{bright}</rects><tilted>0</tilted></feature><threshold>-1.</threshold>
<left_val>-2.</left_val><right_val>-1.</right_val></_>
</_></trees><stage_threshold>0.5</stage_threshold><parent>-1</parent><next>-1</next></_>
<_><trees><_>
<_><feature><rects>{bright}</rects><tilted>0</tilted></feature><threshold>1.2</threshold>
<left_val>-1.</left_val><right_val>1.</right_val></_>
</_></trees><stage_threshold>0.5</stage_threshold><parent>0</parent><next>-1</next></_>
</stages></tiny>{"<a>" * deep}{"</a>" * deep}</opencv_storage>"""
