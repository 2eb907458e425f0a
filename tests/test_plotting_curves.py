"""Figures of curves: what they show, and what they refuse."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from diffusers import DDPMScheduler

from helpers import plotting
from helpers.plotting.style import pick_colours

CURVES = {"ours": [(1, 80, 70, 90), (4, 9, 8, 10)]}
COSINE = DDPMScheduler(100, beta_schedule="squaredcos_cap_v2")
SCHEDULERS = {"linear": DDPMScheduler(100), "cosine": COSINE}


def texts(figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts if text.get_text()]


def test_noise_schedule_draws_signal_noise_and_ratio():
    figure = plotting.plot_noise_schedule(SCHEDULERS)
    left, right = figure.axes
    alphas = SCHEDULERS["linear"].alphas_cumprod.numpy()
    assert np.allclose(left.lines[0].get_ydata(), np.sqrt(alphas))
    assert np.allclose(left.lines[1].get_ydata(), np.sqrt(1 - alphas), atol=1e-6)
    assert np.allclose(right.lines[0].get_ydata(), 10 * np.log10(alphas / (1 - alphas)), atol=1e-2)
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["linear", "cosine"]
    assert {right.lines[i].get_color() for i in (0, 1)} <= set(pick_colours(range(7)))
    # A schedule that ends at no signal has a finite ratio too.
    scheduler = DDPMScheduler(100, rescale_betas_zero_snr=True)
    scheduler.alphas_cumprod[-1] = 0
    assert np.isfinite(plotting.plot_noise_schedule(scheduler).axes[1].lines[0].get_ydata()).all()


def test_a_figure_of_ones_own_has_the_look_of_the_others():
    figure, (left, right) = plotting.new_figure("two lines", cols=2)
    shared = plotting.plot_losses([1.0, 0.5])
    assert figure.get_facecolor() == shared.get_facecolor()
    for axes in (left, right):
        assert not axes.spines["top"].get_visible() and axes.get_xgridlines()[0].get_visible()
        assert axes.plot([0, 1])[0].get_color() == plotting.BLUE
        assert axes.plot([1, 0])[0].get_color() == plotting.VERMILION


def test_losses_on_two_scales_raw_and_mean():
    losses = np.linspace(2, 1, 101)
    figure = plotting.plot_losses(SimpleNamespace(losses=list(losses)), window=5)
    assert [axes.get_yscale() for axes in figure.axes] == ["linear", "log"]
    for axes in figure.axes:
        raw, mean = (line.get_ydata() for line in axes.lines)
        assert (raw == losses).all() and np.allclose(mean[2:-2], losses[2:-2])
        assert axes.get_xlabel() == "training step" and axes.get_ylabel() == "loss"


def test_losses_compares_runs_of_different_length():
    figure = plotting.plot_losses({"lean": [1.0, 0.5], "textbook": SimpleNamespace(losses=[1.0, 0.7, 0.6])})
    assert texts(figure) == ["lean", "textbook"] and len(figure.axes[0].lines) == 4


def test_end_labels_keep_apart():
    figure = plotting.plot_losses({f"run {i}": [1.0, 0.5 + i / 1e4] for i in range(7)})
    figure.draw_without_rendering()
    boxes = sorted((text.get_window_extent() for text in figure.axes[1].texts), key=lambda box: box.y0)
    assert all(lower.y1 <= upper.y0 for lower, upper in pairwise(boxes))


def test_label_of_a_floor_stays_at_its_line():
    curves = {f"run {i}": [(1, 9, 8, 10), (2, 2.01 + i / 100, 1, 3)] for i in range(4)}
    (axes,) = plotting.plot_quality_vs_cost(curves, "calls", floor={"floor": 2.0}).axes
    low, high, line = axes.transScale.transform([(1, y) for y in (*axes.get_ylim(), 2.0)])[:, 1]
    heights = {text.get_text(): text.xy[1] for text in axes.texts}
    assert abs(heights["floor"] - (line - low) / (high - low)) < 0.002
    assert min(heights[name] for name in curves) >= heights["floor"] + 0.08 - 1e-9


def test_quality_curves_are_drawn_in_order_with_the_floor():
    figure = plotting.plot_quality_vs_cost({"ours": CURVES["ours"][::-1]}, "minutes", floor=2.0)
    (axes,) = figure.axes
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert axes.lines[0].get_xdata().tolist() == [1, 4] and axes.lines[0].get_ydata().tolist() == [80, 9]
    assert list(axes.lines[1].get_ydata()) == [2.0, 2.0]
    assert {text.get_text() for text in axes.texts} == {"ours", "real images"}


def test_quality_panels_share_axis_and_colours_and_no_interval_hides_another():
    ours, theirs = [(10, 5, 4, 6), (20, 3, 2, 4)], [(10, 50, 40, 60), (20, 30, 20, 40)]
    panels = {"left": {"a": ours, "b": theirs}, "right": {"b": ours}}
    figure = plotting.plot_quality_vs_cost(panels, "calls", floor={"real": 2.0, "best": 2.5})
    left, right = figure.axes
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["left", "right"]
    assert left.get_ylim() == right.get_ylim() and left.lines[1].get_color() == right.lines[0].get_color()
    costs = [line.get_xdata() for line in left.lines[:2]]
    assert (costs[0] < costs[1]).all() and abs(costs[0] / costs[1] - 1).max() < 0.05
    assert {text.get_text() for text in right.texts} == {"b", "real", "best"}


def test_a_curve_keeps_its_colour_from_figure_to_figure():
    points, colours = [(10, 5, 4, 6), (20, 3, 2, 4)], {"a": "#0072B2", "b": "#D55E00", "c": "#888888"}
    for curves in ({"a": points, "b": points}, {"c": points, "b": points}):
        (axes,) = plotting.plot_quality_vs_cost(curves, "calls", floor=2.0, colours=colours).axes
        assert [line.get_color() for line in axes.lines[:2]] == [colours[name] for name in curves]
        assert {text.get_text(): text.get_color() for text in axes.texts}["b"] == colours["b"]
    with pytest.raises(ValueError, match="no colour for b; got them for a"):
        plotting.plot_quality_vs_cost({"a": points, "b": points}, "calls", colours={"a": "#0072B2"})


def test_end_labels_stay_as_near_to_their_ends_as_they_can():
    figure = plotting.plot_quality_vs_cost(
        {
            name: [(1, v, v, v), (2, v, v, v)]
            for name, v in (("low", 1.0), ("middle", 10.0), ("near", 10.1), ("high", 100.0))
        },
        "cost",
    )
    (axes,) = figure.axes
    heights = {text.get_text(): text.xy[1] for text in axes.texts}
    ends = {
        line.get_ydata()[-1]: axes.transAxes.inverted().transform(
            axes.transData.transform((2, line.get_ydata()[-1]))
        )[1]
        for line in axes.lines
    }
    assert heights["low"] == pytest.approx(ends[1.0]) and heights["high"] == pytest.approx(ends[100.0])
    assert heights["middle"] + heights["near"] == pytest.approx(ends[10.0] + ends[10.1], abs=1e-3)
    assert heights["near"] - heights["middle"] == pytest.approx(0.08)


def test_lines_are_what_was_given_and_a_star_makes_them_dashed():
    figure = plotting.plot_lines({"a": ([1, 2], [3, 4]), "b*": ([1, 5], [4, 2])}, "x", "y", reference=3.5)
    first, second, reference = figure.axes[0].lines
    assert first.get_xydata().tolist() == [[1, 3], [2, 4]] and second.get_xydata().tolist() == [
        [1, 4],
        [5, 2],
    ]
    assert first.get_linestyle() == "-" and second.get_linestyle() == "--"
    assert list(reference.get_ydata()) == [3.5, 3.5]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]


def test_a_map_says_each_score_with_half_its_interval_and_leaves_the_rest_white():
    scores = {
        ("a", 5): {"value": 2.0, "low": 1.5, "high": 2.5},
        ("b", 8): {"value": 9.0, "low": 8.0, "high": 10.0},
    }
    figure = plotting.plot_score_map(scores, ["a", "b"], [5, 8])
    assert {text.get_text(): text.get_position() for text in figure.axes[0].texts} == {
        "2.0 ± 0.5": (0, 0), "9.0 ± 1.0": (1, 1)
    }  # fmt: skip
    drawn = figure.axes[0].images[0].get_array()
    assert drawn.mask.tolist() == [[False, True], [True, False]]


EIGHT = {str(i): DDPMScheduler(10) for i in range(8)}


@pytest.mark.parametrize(
    ("draw", "arguments", "message"),
    [
        (plotting.plot_noise_schedule, [{}], r"1 to 7 curves.*got 0"),
        (plotting.plot_noise_schedule, [EIGHT], r"1 to 7 curves.*got 8"),
        (plotting.plot_noise_schedule, [SimpleNamespace()], "alphas_cumprod"),
        *((plotting.plot_losses, [*bad], "losses") for bad in ([[]], [[[1.0]]], [[1.0], 0])),
        *(
            (plotting.plot_quality_vs_cost, [{"ours": points}, "minutes"], "curve 'ours' must have points")
            for points in ([], [(0, 1, 1, 1)], [(1, -1, 1, 1)])
        ),
        (plotting.plot_quality_vs_cost, [{}, "minutes"], "1 to 7 curves"),
        (plotting.plot_lines, [{}, "x", "y"], "1 to 7 curves"),
        (plotting.plot_lines, [{"ours*": ([1, 2], [1])}, "x", "y"], "'ours' must have as many x as y"),
        (plotting.plot_score_map, [{}, ["a"], [1]], "at least one score"),
        (plotting.plot_score_map, [{("a", 1): {"value": 0.0}}, ["a"], [1]], "all above 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, arguments, message):
    with pytest.raises(ValueError, match=message):
        draw(*arguments)
