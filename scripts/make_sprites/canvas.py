"""A 16×16 sheet that is painted part by part, in the way pixel artists work.

A part is a boolean mask and a `Ramp`. The light comes from the top left: `Canvas.part` gives
the part three tones accordingly; `Canvas.outline` closes the drawing with a dark line that
takes its tint from the colour beside it.
"""

import numpy as np

from .palette import RGB, Ramp

SIZE = 16
_Y, _X = np.mgrid[0:SIZE, 0:SIZE].astype(float)


def shift(mask: np.ndarray, dx: int, dy: int) -> np.ndarray:
    """Move a mask; what leaves the sheet is lost, what enters is False."""
    out = np.zeros_like(mask)
    out[max(dy, 0) : SIZE + min(dy, 0), max(dx, 0) : SIZE + min(dx, 0)] = mask[
        max(-dy, 0) : SIZE + min(-dy, 0), max(-dx, 0) : SIZE + min(-dx, 0)
    ]
    return out


def grow(mask: np.ndarray) -> np.ndarray:
    """The mask and its four-neighbours."""
    return mask | shift(mask, 1, 0) | shift(mask, -1, 0) | shift(mask, 0, 1) | shift(mask, 0, -1)


def ellipse(cx: float, cy: float, rx: float, ry: float) -> np.ndarray:
    """Filled ellipse; pixel (x, y) has its centre at (x, y), so cx = 7.5 is the middle."""
    return ((_X - cx) / rx) ** 2 + ((_Y - cy) / ry) ** 2 <= 1.0


def rect(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    """Filled rectangle, both corners included."""
    return (x0 <= _X) & (x1 >= _X) & (y0 <= _Y) & (y1 >= _Y)


def line(x0: float, y0: float, x1: float, y1: float, width: float = 1.0) -> np.ndarray:
    """Straight stroke between two points; width 1 is a one-pixel (Bresenham-like) line."""
    if width <= 1:
        steps = int(max(abs(x1 - x0), abs(y1 - y0), 1))
        out = np.zeros((SIZE, SIZE), dtype=bool)
        xs = np.floor(np.linspace(x0, x1, steps + 1) + 0.5).astype(int)
        ys = np.floor(np.linspace(y0, y1, steps + 1) + 0.5).astype(int)
        keep = (xs >= 0) & (xs < SIZE) & (ys >= 0) & (ys < SIZE)
        out[ys[keep], xs[keep]] = True
        return out
    dx, dy = x1 - x0, y1 - y0
    along = np.clip(((_X - x0) * dx + (_Y - y0) * dy) / max(dx * dx + dy * dy, 1e-9), 0, 1)
    return (_X - x0 - along * dx) ** 2 + (_Y - y0 - along * dy) ** 2 <= (width / 2) ** 2 + 1e-6


def polygon(*points: tuple[float, float]) -> np.ndarray:
    """Filled polygon with corners (x, y); its border counts as inside."""
    inside = np.zeros((SIZE, SIZE), dtype=bool)
    for (xa, ya), (xb, yb) in zip(points, points[1:] + points[:1], strict=True):
        if ya != yb:
            crosses = ((ya > _Y) != (yb > _Y)) & ((xb - xa) * (_Y - ya) / (yb - ya) + xa > _X)
            inside ^= crosses
    for (xa, ya), (xb, yb) in zip(points, points[1:] + points[:1], strict=True):
        inside |= line(xa, ya, xb, yb)
    return inside


def rows(top: int, half_widths, cx: float = 7.5) -> np.ndarray:
    """Symmetric silhouette: row top + i covers cx ± half_widths[i] (a negative one is empty)."""
    out = np.zeros((SIZE, SIZE), dtype=bool)
    for i, half in enumerate(half_widths):
        if 0 <= top + i < SIZE and half >= 0:
            out[top + i] = np.abs(_X[0] - cx) <= half
    return out


def bitmap(art: str, x: int = 0, y: int = 0, key: str | None = None, flip: bool = False) -> np.ndarray:
    """Mask from drawn text: every character but '.' and space, or just those in `key`."""
    out = np.zeros((SIZE, SIZE), dtype=bool)
    for j, text in enumerate(art.strip("\n").split("\n")):
        for i, char in enumerate(text[::-1] if flip else text):
            if (char in key if key else char not in ". ") and 0 <= y + j < SIZE and 0 <= x + i < SIZE:
                out[y + j, x + i] = True
    return out


def tones(mask: np.ndarray, mode: str) -> np.ndarray:
    """Tone of each pixel under a light from the top left: 0 shadow, 1 middle, 2 light.

    `round` shades a ball, `edge` a flat thing with bevelled edges, `tall` a column, `drop` a
    thing lit from above, `flat` nothing at all.
    """
    tone = np.ones((SIZE, SIZE), dtype=int)
    if not mask.any() or mode == "flat":
        return tone
    ys, xs = np.nonzero(mask)
    cx, cy = (xs.min() + xs.max()) / 2, (ys.min() + ys.max()) / 2
    u = (_X - cx) / max((xs.max() - xs.min()) / 2, 1)
    v = (_Y - cy) / max((ys.max() - ys.min()) / 2, 1)
    if mode == "edge":
        low = mask & ~(shift(mask, -1, 0) & shift(mask, 0, -1))
        high = mask & ~(shift(mask, 1, 0) & shift(mask, 0, 1)) & ~low
    else:
        slope = {"round": 0.55 * u + 0.75 * v, "tall": u, "drop": v}[mode]
        low, high = slope > 0.42, slope < -0.42
    tone[low], tone[high] = 0, 2
    return tone


class Canvas:
    """A sheet of 16×16 pixels, white until painted.

    Attributes
    ----------
    pixels : uint8 array [16, 16, 3]
    painted : bool array [16, 16]
        Where a part has been painted.
    edges : uint8 array [16, 16, 3]
        The outline colour that belongs to each painted pixel.
    """

    def __init__(self):
        self.pixels = np.full((SIZE, SIZE, 3), 255, dtype=np.uint8)
        self.edges = np.zeros_like(self.pixels)
        self.painted = np.zeros((SIZE, SIZE), dtype=bool)

    def part(self, mask: np.ndarray, ramp: Ramp, mode: str = "round", border: bool = False) -> "Canvas":
        """Paint a part in three tones; `border` draws its dark line over what lies beneath."""
        if border:
            ring = grow(mask) & ~mask & self.painted
            self.pixels[ring] = ramp.outline
        palette = np.array([ramp.shadow, ramp.mid, ramp.light], dtype=np.uint8)
        self.pixels[mask] = palette[tones(mask, mode)[mask]]
        self.edges[mask] = ramp.outline
        self.painted |= mask
        return self

    def paint(self, mask: np.ndarray, colour: RGB) -> "Canvas":
        """Paint single pixels in one colour (eyes, sparkles); beneath the outline like a part."""
        fresh = mask & ~self.painted
        self.edges[fresh] = (np.array(colour) * 0.35).astype(np.uint8)
        self.pixels[mask] = colour
        self.painted |= mask
        return self

    def dots(self, points, colour: RGB) -> "Canvas":
        """Paint the pixels (x, y) of a list; those off the sheet are left out."""
        mask = np.zeros((SIZE, SIZE), dtype=bool)
        for x, y in points:
            if 0 <= x < SIZE and 0 <= y < SIZE:
                mask[y, x] = True
        return self.paint(mask, colour)

    def tone_art(self, drawing: str, ramp: Ramp, x: int = 0, y: int = 0, flip: bool = False) -> "Canvas":
        """Paint drawn text shaded by hand: '0' outline, '1' shadow, '2' middle, '3' light."""
        for key, colour in zip("0123", ramp, strict=True):
            mask = bitmap(drawing, x, y, key, flip)
            self.pixels[mask] = colour
            self.edges[mask] = ramp.outline
            self.painted |= mask
        return self

    def outline(self) -> "Canvas":
        """Close the drawing: each free four-neighbour of a painted pixel gets that pixel's line."""
        ring = grow(self.painted) & ~self.painted
        brightness = np.full((SIZE, SIZE), 999)
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            near = np.roll(self.edges, (dy, dx), axis=(0, 1)).astype(int)
            better = ring & shift(self.painted, dx, dy) & (near.sum(-1) < brightness)
            self.pixels[better] = near[better]
            brightness[better] = near.sum(-1)[better]
        self.painted |= ring
        return self
