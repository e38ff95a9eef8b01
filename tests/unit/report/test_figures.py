"""Every figure, on tables as large and awkward as they come: nothing hides, all is explained."""

from itertools import combinations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.markers import CARETLEFTBASE, CARETRIGHTBASE
from matplotlib.text import Text

from ptq_privacy.report import (
    exposure_figure,
    roc,
    side_by_side,
    storage,
    style,
    sweep,
    tradeoff,
)
from ptq_privacy.report.quoted import quoted
from ptq_privacy.study.variants import Variant
from tests.unit.report import made_up_tables as made_up

pytestmark = pytest.mark.slow

ATTACK = made_up.ATTACKS[0]
TITLE = "tiny-imagenet-of-a-long-name, densenet121-dp8"
ADVERSARIES = ("transfer", "adaptive")
FOUR = (*ADVERSARIES, "informed", "both")


def adversaries(nonmembers=5000, names=ADVERSARIES, **kinds):
    measure = quoted(nonmembers)
    table = made_up.summary(nonmembers=nonmembers, adversaries=names, **kinds)
    compared = made_up.comparisons(adversaries=names, **kinds)
    both = side_by_side.side_by_side(compared, table, measure.metric)
    return side_by_side.draw(both, made_up.ATTACKS, TITLE, measure, nonmembers)


def exposure(nonmembers=5000, **kinds):
    of_each = {name: made_up.exposures(**kinds) for name in ADVERSARIES}
    return exposure_figure.draw(of_each, TITLE, nonmembers, "texts")


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    return made_up.score_files(tmp_path_factory.mktemp("scores"))


@pytest.fixture(scope="module")
def figures(scored):
    """Each figure of 21 variants, drawn."""
    drawn = {
        "tradeoff": tradeoff.draw(made_up.summary(), TITLE, ATTACK),
        "storage": storage.draw(made_up.summary(), TITLE, ATTACK),
        "adversaries": adversaries(),
        "four": adversaries(names=FOUR),
        "tradeoff of four": tradeoff.draw(made_up.summary(adversaries=FOUR), TITLE, ATTACK),
        "exposure": exposure(),
        "roc": roc.draw(scored, ATTACK, TITLE),
        "sweep": sweep.draw(made_up.sweep(), TITLE, 5000),
    }
    for figure in drawn.values():
        figure.draw_without_rendering()
    yield drawn
    plt.close("all")


FIGURES = pytest.mark.parametrize(
    "name",
    [
        "tradeoff",
        "storage",
        "adversaries",
        "four",
        "tradeoff of four",
        "exposure",
        "roc",
        "sweep",
    ],
)


def unseen(figure):
    """Texts of hidden panels, and labels of ticks beyond a panel's edges."""
    for axis in figure.axes:
        if not axis.get_visible():
            yield from axis.findobj(Text)
        for ruler in (axis.xaxis, axis.yaxis):
            low, high = sorted(ruler.get_view_interval())
            for tick in ruler.get_major_ticks() + ruler.get_minor_ticks():
                if not low <= tick.get_loc() <= high:
                    yield from (tick.label1, tick.label2)


def seen_texts(figure):
    hidden = set(unseen(figure))
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text().strip() and text not in hidden:
            box = text.get_window_extent()
            if box.width > 0 and box.height > 0:
                yield text.get_text(), box


@FIGURES
def test_no_text_lies_on_another(figures, name):
    texts = list(seen_texts(figures[name]))
    assert len(texts) > 15
    for (one, box), (other, beside) in combinations(texts, 2):
        met = mpl.transforms.Bbox.intersection(box, beside)
        assert met is None or min(met.width, met.height) < 1.5, (one, other)


@FIGURES
def test_the_legend_hides_no_panel_and_says_each_thing_once(figures, name):
    figure = figures[name]
    assert figure.legends
    assert not any(axis.get_legend() for axis in figure.axes)
    boxes = [legend.get_window_extent() for legend in figure.legends]
    panels = [axis.get_window_extent() for axis in figure.axes]
    assert not any(box.overlaps(panel) for box in boxes for panel in panels)
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    texts = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert len(set(texts)) == len(texts)
    headings = [legend.get_title().get_text() for legend in figure.legends]
    assert len(set(headings)) == len(headings)
    if len(headings) > 1:
        assert all(headings[1:])


def coloured(figure):
    """The colours of all lines, marks and bars in a figure's panels."""
    for axis in figure.axes:
        for line in axis.lines:
            yield mpl.colors.to_hex(line.get_color())
        for bars in axis.collections:
            yield from (mpl.colors.to_hex(colour) for colour in bars.get_edgecolor())


@FIGURES
def test_a_colour_is_a_method_or_an_attack_and_never_both(figures, name):
    methods = {c.lower() for c in style.colours(made_up.variants()).values()}
    attacks = {c.lower() for c in style.ATTACK_PALETTE}
    drawn = set(coloured(figures[name])) - {style.NEUTRAL.lower(), style.FAINT.lower()}
    assert not methods & attacks
    assert drawn <= (attacks if name == "sweep" else methods)
    assert len(drawn) >= (4 if name == "sweep" else 6)


def marks(axis):
    """Place on the page in points, and size, of each variant's mark; the dots show true places."""
    for line in axis.lines:
        known = line.get_marker() in ("*", *style.MARKERS)
        if known and line.get_zorder() == 3:
            x, y = line.get_xdata()[0], line.get_ydata()[0]
            yield 72 / axis.figure.dpi * axis.transData.transform((x, y)), line.get_markersize()


@pytest.mark.parametrize("draw", [tradeoff.draw, storage.draw])
def test_of_21_variants_no_mark_hides_another(draw):
    """At four bits, four methods are as accurate as full precision to a tenth of a point."""
    figure = draw(made_up.summary(), TITLE, ATTACK)
    counted = 0
    for axis in figure.axes:
        found = list(marks(axis))
        counted += len(found)
        for (one, size), (other, beside) in combinations(found, 2):
            assert np.abs(one - other).max() >= (size + beside) / 2
        for place, size in found:
            within = axis.get_window_extent().padded(-size / 2 * axis.figure.dpi / 72)
            assert within.contains(*(place * axis.figure.dpi / 72))
    assert counted == 21 * 2 * (2 if draw is storage.draw else 1)
    plt.close(figure)


def test_a_moved_mark_keeps_its_height_and_a_dot_its_place(figures):
    table = made_up.summary()
    own = table[(table["attack"] == ATTACK) & (table["adversary"] == "transfer")]
    panel = figures["tradeoff"].axes[1]
    heights = sorted(line.get_ydata()[0] for line in panel.lines if line.get_zorder() == 3)
    collapsed = own["test_accuracy_mean"] < tradeoff.COLLAPSED * 0.873
    rates = 100 * own.loc[~collapsed, "tpr_at_fpr_0.001_mean"]
    assert heights == pytest.approx(sorted(rates))
    dots = [line.get_xdata()[0] for line in panel.lines if line.get_marker() == "."]
    assert len(dots) > 5
    accuracies = 100 * own["test_accuracy_mean"].to_numpy()
    assert all(np.abs(accuracies - dot).min() < 1e-9 for dot in dots)


def carets(axis):
    """How many bars go on beyond the left and the right edge."""
    found = [line.get_marker() for line in axis.lines]
    return found.count(CARETLEFTBASE), found.count(CARETRIGHTBASE)


def test_a_bar_that_leaves_the_panel_ends_in_a_caret(figures):
    # nearest at 4 bits deviates by five points between targets.
    assert carets(figures["tradeoff"].axes[1]) == (1, 1)
    # Of 20 variants four have a share below the panel and eight above, half of them all of it.
    share = figures["adversaries"].axes[2]
    assert carets(share) == (4, 8)
    assert [text.get_text() for text in share.texts] == ["260"] * 4
    assert carets(figures["adversaries"].axes[0]) == (0, 0)
    assert carets(figures["exposure"].axes[1]) == (2, 2)
    assert carets(figures["exposure"].axes[2]) == (2, 2)
    assert carets(figures["exposure"].axes[3]) == (20, 0)


def test_each_adversary_has_a_mark_and_a_second_release_a_panel(figures):
    labels = [axis.get_xlabel() for axis in figures["four"].axes[-4:]]
    assert labels[1:] == [
        "adaptive - transfer (points)",
        "gain taken back (%)",
        "both - full precision (points)",
    ]
    levels = figures["four"].axes[0]
    for adversary in FOUR:
        mark = style.ADVERSARIES[adversary]["marker"]
        assert sum(line.get_marker() == mark for line in levels.lines) == 20
    assert len(figures["adversaries"].axes) == 2 * 3  # nobody who has both was run


def test_one_adversary_of_each_knowledge_is_enough():
    """Whoever runs neither transfer nor adaptive has the figure of what he ran."""
    figure = adversaries(names=("informed", "both"))
    labels = [axis.get_xlabel() for axis in figure.axes[-2:]]
    assert labels == ["TPR at 0.1 % FPR (%)", "both - full precision (points)"]
    plt.close(figure)


def test_collapsed_networks_do_not_squeeze_the_others(figures):
    strip, panel = figures["tradeoff"].axes[:2]
    assert len(list(marks(strip))) == 3
    assert panel.get_xlim()[0] > 80
    assert strip.get_xlim()[0] < 18.41
    assert strip.get_xlim()[1] > 25.75


@pytest.mark.parametrize(("methods", "rows", "columns"), [(1, 1, 1), (5, 2, 3), (10, 3, 4)])
def test_roc_panels_wrap(tmp_path, methods, rows, columns):
    chosen = made_up.OWN[:methods]
    figure = roc.draw(made_up.score_files(tmp_path, chosen, ("w2",)), ATTACK, TITLE)
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_title(loc="left") for axis in shown] == [*map(style.method_title, chosen)]
    assert shown[0].get_gridspec().get_geometry() == (rows, columns)
    below = shown[-columns:]
    assert all(axis.get_xlabel() and axis.xaxis.get_tick_params()["labelbottom"] for axis in below)
    plt.close(figure)


def test_a_promise_of_privacy_is_drawn_where_it_allows_what_the_figure_shows(tmp_path):
    promise = {"epsilon": 0.5, "delta": 1e-3, "replacing": 1.1, "noise_multiplier": 9.0}
    paths = made_up.score_files(tmp_path, ("nearest",), ("w2",))
    figure = roc.draw(paths, ATTACK, TITLE, promise)
    bounds = [line for line in figure.axes[0].lines if line.get_linewidth() == 1.2]
    assert len(bounds) == 1
    fpr, tpr = bounds[0].get_data()
    np.testing.assert_allclose(tpr, np.minimum(1, np.exp(1.1) * fpr + 1e-3))
    assert (tpr < 1).any()
    assert "epsilon 1.1 allows" in " ".join(t.get_text() for t in figure.legends[0].get_texts())
    plt.close(figure)


def test_roc_panels_are_grey_where_non_members_resolve_nothing(figures):
    for axis in figures["roc"].axes[:5]:
        (grey,) = axis.patches
        assert grey.get_x() + grey.get_width() == pytest.approx(1 / 150)
        assert mpl.colors.to_hex(grey.get_facecolor()) == roc.UNRESOLVED


@pytest.mark.parametrize(
    ("nonmembers", "label"),
    [(1000, "TPR at 0.1 % FPR (%)"), (750, "TPR at 1 % FPR (%)"), (60, "AUC")],
)
def test_a_rate_that_is_not_resolved_is_not_quoted(nonmembers, label):
    kinds = {"methods": ("obc", "mine"), "recipes": ("w4", "w1.58")}
    table = made_up.summary(nonmembers=nonmembers, **kinds)
    drawn = [
        tradeoff.draw(table, TITLE, ATTACK),
        storage.draw(table, TITLE, ATTACK),
        adversaries(nonmembers, **kinds),
        sweep.draw(made_up.sweep(), TITLE, nonmembers),
    ]
    for figure in drawn:
        texts = [text for text, _ in seen_texts(figure)]
        assert label in texts
        others = {quoted(n).label for n in (1000, 750, 60)} - {label}
        assert not others & set(texts)
        assert any(f"{nonmembers} non-members" in text for text in texts) == (nonmembers < 1000)
        plt.close(figure)


@pytest.mark.parametrize("draw", [tradeoff.draw, storage.draw])
def test_one_target_has_no_deviation(draw):
    table = made_up.summary(("obc",), ("w2",), ("adaptive",))
    figure = draw(table.assign(test_accuracy_std=np.nan), TITLE, ATTACK)
    assert len([mark for axis in figure.axes for mark in marks(axis)]) == (
        4 if draw is storage.draw else 2
    )
    plt.close(figure)


def test_a_study_without_compressions_has_figures(tmp_path):
    table = made_up.summary(methods=())
    for draw in (tradeoff.draw, storage.draw):
        figure = draw(table, TITLE, ATTACK)
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["full precision"]
        plt.close(figure)
    figure = roc.draw(made_up.score_files(tmp_path, ()), ATTACK, TITLE)
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["full precision"]
    for figure in (adversaries(methods=()), exposure(nonmembers=50)):
        (text,) = (text for text, _ in seen_texts(figure))
        assert "to compare" in text or "50 non-members" in text
        plt.close(figure)


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_same_table_gives_the_same_bytes(tmp_path, kind):
    paths = [tmp_path / f"{turn}.{kind}" for turn in "ab"]
    for path in paths:
        figure = tradeoff.draw(made_up.summary(), TITLE, ATTACK)
        style.save(figure, [path])
        assert not plt.fignum_exists(figure.number)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_each_method_is_shown_at_its_fewest_bits_without_a_wider_head():
    texts = ["obc-w4", "obc-w2", "obc-w2-head8", "brecq-w1.58-head8", "brecq-w1.58", "brecq-w2"]
    found = exposure_figure.lowest([Variant.parse(text) for text in texts])
    assert [str(variant) for variant in found] == ["obc-w2", "brecq-w1.58"]
