"""What every explorer is: controls, a picture, a message, and a still picture where widgets are not shown."""

import html

import ipywidgets
from IPython.display import display
from matplotlib.figure import Figure

from ..plotting.style import WIDTH
from ..sampling import good_steps

LATE = {"continuous_update": False}  # a slider answers when it is let go: answers take part of a second
MOST_STEPS = 100
# A living explorer brings this rule along, which hides the still picture that stands below it in the page.
HIDE_STILL = "<style>.jp-OutputArea-child:has(.explorer) + .jp-OutputArea-child {display: none}</style>"


def make_steps_slider(scheduler, num_inference_steps: int) -> ipywidgets.SelectionSlider:
    """A slider over the numbers of steps that suit a scheduler, at the nearest to the one asked for."""
    good = good_steps(scheduler, MOST_STEPS)
    nearest = min(good, key=lambda n: abs(n - num_inference_steps))
    return ipywidgets.SelectionSlider(options=good, value=nearest, description="steps", **LATE)


class Explorer(ipywidgets.VBox):
    """Controls above a picture that is drawn again when one changes; a subclass makes them, and draws."""

    def __init__(self, controls: list[ipywidgets.Widget]):
        self.message = ipywidgets.HTML()
        # The picture is drawn for dense screens, and shown at its size on any.
        self.picture = ipywidgets.Image(format="png", width=WIDTH, layout={"max_width": "100%"})
        row = ipywidgets.Box(controls, layout={"flex_flow": "row wrap"})
        rule = ipywidgets.HTML(HIDE_STILL, layout={"display": "none"})
        super().__init__([row, self.picture, self.message, rule], _dom_classes=["explorer"])
        for control in controls:
            control.observe(self.update, "value")
        self.update()

    def draw(self) -> tuple[bytes, str]:
        """Draw what the controls say: a PNG file's bytes, and a line of HTML."""
        raise NotImplementedError

    def static_picture(self) -> Figure:
        """Draw what stands for the explorer on a page without widgets."""
        raise NotImplementedError

    def adapt(self, change) -> None:
        """Let controls follow a change of another; by default none do."""

    def update(self, change=None) -> None:
        """Draw the chosen state. An error is shown in the panel, which goes on working."""
        try:
            self.adapt(change)
            self.picture.value, self.message.value = self.draw()
        except Exception as error:
            self.message.value = f"<b>{type(error).__name__}</b>: {html.escape(str(error))}"

    def _ipython_display_(self) -> None:
        # Two outputs: a front end that claims widgets but has no kernel would hide a picture in the same one.
        data = self._repr_mimebundle_() | {"text/plain": "Run this cell in Jupyter to move the slider."}
        display(data, raw=True)
        display(self.static_picture())
