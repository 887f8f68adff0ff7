import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alnb import datasets
from alnb.errors import BadRequest
from alnb.worlds import glyphs, letters
from alnb.worlds.glyphs import KINDS, MODES, PRESETS, render
from alnb.worlds.letters import LETTERS

MEDIUM, NEAR_DUPLICATE = list(KINDS).index("medium"), list(KINDS).index("near-duplicate")


@pytest.fixture(scope="module")
def thousands():
    return render("glyphs-10", "train", range(3000))


@pytest.fixture(scope="module")
def gaps():
    return {classes: letters.gaps(those) for classes, those in LETTERS.items()}


# --- an image is a pure function of (seed, split, index) ---


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 2999), min_size=1, max_size=40))
def test_a_card_does_not_depend_on_what_else_is_drawn(thousands, indices):
    images, targets, details = render("glyphs-10", "train", indices)
    np.testing.assert_array_equal(images, thousands[0][indices])
    np.testing.assert_array_equal(targets, thousands[1][indices])
    for name, column in details.items():
        np.testing.assert_array_equal(column, thousands[2][name][indices])


@pytest.mark.parametrize("preset", ["glyphs-10-64px", "glyphs-10-16px", "glyphs-100-long-tail", "glyphs-200"])
def test_one_card_alone_equals_itself_in_a_batch(preset):
    together = render(preset, "test", range(140))[0]  # more than one chunk
    for index in (0, 77, 139):
        np.testing.assert_array_equal(render(preset, "test", [index])[0][0], together[index])


def test_nothing_drawn_before_matters():
    first = render("glyphs-10", "train", [5], seed=3)[0]
    np.random.seed(0)
    render("glyphs-10-null", "test", range(9), seed=4)
    for cache in (letters.bank_of, glyphs._prototype, letters._face, letters._known):
        cache.cache_clear()
    np.testing.assert_array_equal(render("glyphs-10", "train", [5], seed=3)[0], first)


def test_seeds_splits_and_indices_differ(thousands):
    train = thousands[0][:100]
    others = [render("glyphs-10", split, range(100), seed=seed)[0] for split, seed in (("test", 0), ("train", 1))]
    seen = {hashlib.sha256(image.tobytes()).digest() for images in (train, *others) for image in images}
    assert len(seen) == 300
    assert len({hashlib.sha256(image.tobytes()).digest() for image in thousands[0]}) == 3000


def test_near_duplicates_are_copies_of_few_designs_shared_by_train_and_test(thousands):
    def easy_of_one_class(images, targets, details):
        rows = (details["kind"] == NEAR_DUPLICATE) & (targets == 0)
        return images[rows].reshape(rows.sum(), -1) / 255

    train, test = easy_of_one_class(*thousands), easy_of_one_class(*render("glyphs-10", "test", range(600)))

    def apart(a, b):
        return np.sqrt(((a[:, None] - b[None]) ** 2).mean(axis=2))

    # Every test card has a training card almost equal to it; medium cards have none.
    assert apart(test, train).min(axis=1).max() < 0.12
    images, targets, details = thousands
    medium = images[(details["kind"] == MEDIUM) & (targets == 0)][:60].reshape(60, -1) / 255
    between = apart(medium, medium) + np.eye(60)
    assert np.median(between.min(axis=1)) > 0.12
    # As many designs as said: linked by closeness, the cards fall into that many groups.
    close = apart(train, train) < 0.14
    reached = np.linalg.matrix_power(close.astype(float), 8) > 0
    assert len(np.unique(reached, axis=0)) <= glyphs.PROTOTYPES


# --- the letters ---


@pytest.mark.parametrize(("classes", "bound"), [(10, 0.22), (100, 0.11), (200, 0.075)])
def test_no_two_classes_look_alike(gaps, classes, bound):
    assert gaps[classes].min() > bound


def test_the_gap_sees_twins_of_other_alphabets():
    twins = letters.gaps("AАΑOОmт")  # A in Latin, Cyrillic, Greek; O in Latin, Cyrillic; m and Cyrillic te in italics
    assert twins[0, 1] < 1e-6
    assert twins[0, 2] < 1e-6
    assert twins[3, 4] < 1e-6
    assert twins[5, 6] < 0.05
    assert twins[0, 3] > 0.2


def test_the_frozen_classes_are_what_the_greedy_choice_makes():
    assert letters.choose(letters.CANDIDATES[10], 10) == LETTERS[10]


def test_greedy_choice_by_hand(monkeypatch):
    place = {"a": 0.0, "b": 1.0, "c": 10.0, "d": 6.0}

    def line(letters):
        at = np.array([place[letter] for letter in letters])
        gap = np.abs(at[:, None] - at[None])
        np.fill_diagonal(gap, np.inf)
        return gap

    monkeypatch.setattr(letters, "gaps", line)
    assert letters.choose("abcd", 2) == "ac"
    assert letters.choose("abcd", 3) == "acd"


@pytest.mark.parametrize("classes", LETTERS)
def test_letters_are_distinct_candidates_with_enough_fonts(classes):
    chosen = LETTERS[classes]
    assert len(chosen) == len(set(chosen)) == classes
    assert set(chosen) <= set(letters.CANDIDATES[classes])
    assert all(letter.isalpha() for letter in chosen)
    assert min(len(letters.fonts_of(letter)) for letter in chosen) >= 8


def test_fonts_are_text_fonts():
    names = " ".join(letters.FONTS)
    for other in ("LastResort", "Display", "cmsy", "cmex", "cmmi", "STIXSiz", "STIXNonUni"):
        assert other not in names


def test_no_template_is_a_placeholder_or_empty():
    """A font without the letter draws its .notdef box instead, the same for all its letters."""
    for font in letters.FONTS:
        drawn = [letters.template(letter, font) for letter in "AJQZ"]
        assert len({image.tobytes() for image in drawn}) == 4
        for image in drawn:
            assert 0.05 < (image / 255).mean() < 0.8
    missing = letters.template("\ue123", "cmr10")
    for letter in LETTERS[200]:
        for font in letters.fonts_of(letter)[:1]:
            assert not np.array_equal(letters.template(letter, font), missing)


def test_hollow_letters_are_thinner():
    for letter in "AJQZ":
        assert (
            letters.template(letter, "DejaVuSans-Bold", True).mean() < letters.template(letter, "DejaVuSans-Bold").mean()
        )


def test_stamp_puts_a_template_where_it_is_told():
    bank = np.zeros((1, letters.TEMPLATE, letters.TEMPLATE), np.uint8)
    bank[0, 1:32, 32:63] = 255  # its upper right quarter

    def stamp(turn=0.0, size=1.0, x=0.0, y=0.0):
        pose = (np.array([each]) for each in (turn, size, 1.0, 0.0, x, y))
        return letters.stamp(bank, np.array([0]), *pose, side=32)[0]

    upright = stamp()
    assert upright[4:12, 20:28].min() == 1
    assert upright[16:].max() == upright[:, :16].max() == 0
    assert stamp(turn=np.pi / 2)[20:28, 20:28].min() == 1  # y runs down, so it turns clockwise
    half = stamp(size=0.5, x=0.5, y=-0.5)
    assert half[2:7, 25:30].min() == 1
    assert half.sum() == pytest.approx(upright.sum() / 4, rel=0.15)


def test_a_colour_has_the_luminance_asked_for():
    hue, luminance = np.linspace(0, 1, 50), np.linspace(0.05, 0.95, 50)
    rgb = glyphs._colour(hue, np.full(50, 0.5), luminance)
    assert rgb.min() >= 0
    assert rgb.max() <= 1
    off = np.abs(rgb @ np.array([0.299, 0.587, 0.114]) - luminance)
    assert off[rgb.max(axis=1) < 1].max() < 1e-6
    assert off.max() < 0.05  # where a channel is full, white makes up for most of it
    assert (rgb.max(axis=1) < 1).sum() > 25
    red, blue = glyphs._colour(np.array([0, 2 / 3]), np.full(2, 0.9), np.full(2, 0.1))
    assert red.argmax() == 0
    assert blue.argmax() == 2
    grey = glyphs._colour(hue, np.zeros(50), luminance)
    np.testing.assert_allclose(grey, np.repeat(luminance[:, None], 3, axis=1), atol=1e-6)


# --- the mixture ---


def within(count, n, share, deviations=4.5):
    return abs(count - n * share) < deviations * np.sqrt(n * share * (1 - share))


def test_shares_of_kinds_modes_and_ambiguous_labels(thousands):
    _, targets, details = thousands
    assert sum(kind.share for kind in KINDS.values()) == pytest.approx(1)
    assert within(details["ambiguous"].sum(), 3000, 0.02)
    clear = ~details["ambiguous"]
    for number, kind in enumerate(KINDS.values()):
        assert within((details["kind"][clear] == number).sum(), clear.sum(), kind.share)
        assert (details["mode"][details["kind"] == number] == kind.mode).all()
    assert set(details["mode"]) == set(range(len(MODES)))
    assert (details["kind"][details["ambiguous"]] == MEDIUM).all()
    for c in range(10):
        assert within((targets == c).sum(), 3000, 0.1)


def test_test_cards_have_the_mixture_but_no_ambiguous_label():
    _, targets, details = render("glyphs-10", "test", range(1500))
    assert not details["ambiguous"].any()
    for number, kind in enumerate(KINDS.values()):
        assert within((details["kind"] == number).sum(), 1500, kind.share)
    for c in range(10):
        assert within((targets == c).sum(), 1500, 0.1)


def test_null_preset_has_one_kind_and_no_ambiguous_label():
    images, targets, details = render("glyphs-10-null", "train", range(600))
    assert (details["kind"] == MEDIUM).all()
    assert (details["mode"] == MODES.index("medium")).all()
    assert not details["ambiguous"].any()
    assert len(set(targets)) == 10
    # What both worlds draw as a medium card is the same card.
    mixed, _, mixture = render("glyphs-10", "train", range(600))
    same = (mixed == images).all(axis=(1, 2, 3))
    np.testing.assert_array_equal(same, (mixture["kind"] == MEDIUM) & ~mixture["ambiguous"])


def test_the_trap_is_a_blank_cluster_whose_labels_say_nothing(thousands):
    images, targets, details = render("glyphs-10-trap", "train", range(1500))
    blank = details["blank"]
    assert within(blank.sum(), 1500, glyphs.BLANK)
    # the other cards, and all labels, are those of the world without it
    np.testing.assert_array_equal(images[~blank], thousands[0][:1500][~blank])
    np.testing.assert_array_equal(targets, thousands[1][:1500])
    assert (images[blank] != thousands[0][:1500][blank]).any(axis=(1, 2, 3)).all()
    # one cluster: a blank card is nearer to the mean of the others than any card with a letter is
    flat = images.reshape(1500, -1) / 255
    centre = flat[blank][::2].mean(axis=0)
    away = np.sqrt(((flat - centre) ** 2).mean(axis=1))
    assert away[blank][1::2].max() < away[~blank].min()
    # a coin: labels do not depend on the image, so each class has its share
    for c in range(10):
        assert within((targets[blank] == c).sum(), blank.sum(), 0.1)
    assert not render("glyphs-10-trap", "test", range(300))[2]["blank"].any()
    assert not thousands[2]["blank"].any()


def test_long_tail_in_training_only():
    targets = render("glyphs-10-long-tail", "train", range(3000))[1]
    expected = 10 ** -np.linspace(0, 1, 10)
    expected /= expected.sum()
    for c in range(10):
        assert within((targets == c).sum(), 3000, expected[c])
    assert expected[0] / expected[-1] == pytest.approx(glyphs.IMBALANCE)
    balanced = render("glyphs-10-long-tail", "test", range(1000))[1]
    np.testing.assert_array_equal(balanced, render("glyphs-10", "test", range(1000))[1])


def test_an_ambiguous_card_shows_two_letters_half_there(monkeypatch):
    stamped = []
    stamp = letters.stamp
    monkeypatch.setattr(letters, "stamp", lambda bank, which, *rest: stamped.append(which) or stamp(bank, which, *rest))
    _, targets, details = render("glyphs-10", "train", range(100))
    monkeypatch.undo()
    one, two = stamped[-2:]
    _, first, count = letters.bank_of(LETTERS[10])
    rows = np.flatnonzero(details["ambiguous"])
    assert len(rows) == len(two) > 0

    def letter(which):
        return np.searchsorted(first, which % count.sum(), side="right") - 1

    np.testing.assert_array_equal(letter(one), targets)
    assert (letter(two) != targets[rows]).all()


# --- what comes out ---


@pytest.mark.parametrize(("preset", "side"), [("glyphs-10", 32), ("glyphs-10-16px", 16), ("glyphs-10-64px", 64)])
def test_shape_type_and_range(preset, side):
    images, targets, details = render(preset, "train", range(130))
    assert images.shape == (130, 3, side, side)
    assert images.dtype == np.uint8
    assert targets.dtype == np.int64
    assert targets.min() >= 0
    assert targets.max() < PRESETS[preset].classes
    assert images.min() < 20
    assert images.max() > 235
    assert images.reshape(130, -1).std(axis=1).min() > 5
    assert all(column.shape == (130,) for column in details.values())


def test_sixteen_pixels_are_thirty_two_averaged():
    large, small = (render(name, "train", range(20))[0].astype(float) for name in ("glyphs-10", "glyphs-10-16px"))
    averaged = large.reshape(20, 3, 16, 2, 16, 2).mean(axis=(3, 5))
    assert np.abs(averaged - small).max() <= 1.01  # both were rounded


def test_a_letter_stands_out_from_its_card():
    """The nearest class mean is far above chance on easy cards: what is drawn is the class that is named."""
    images, targets, details = render("glyphs-10", "train", range(1200))
    easy = details["mode"] == 0
    x = images[easy].mean(axis=1).reshape(easy.sum(), -1)
    x = np.abs(x - np.median(x, axis=1, keepdims=True))
    y, half = targets[easy], easy.sum() // 2
    means = np.stack([x[:half][y[:half] == c].mean(axis=0) for c in range(10)])
    predicted = ((x[half:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert (predicted == y[half:]).mean() > 0.5


def test_nothing_asked_gives_nothing():
    images, targets, details = render("glyphs-10", "train", [])
    assert images.shape == (0, 3, 32, 32)
    assert targets.shape == details["kind"].shape == (0,)


def test_refusals_say_what_exists():
    with pytest.raises(BadRequest, match=r"'glyphs-11'.*glyphs-10"):
        render("glyphs-11", "train", [0])
    with pytest.raises(BadRequest, match="train and test"):
        render("glyphs-10", "validation", [0])
    with pytest.raises(BadRequest, match="-3"):
        render("glyphs-10", "train", [4, -3])


def test_load_serves_the_first_cards_of_world_zero():
    data = datasets.load("glyphs-10")
    assert (len(data.train_images), len(data.test_images)) == (6000, 2000)
    np.testing.assert_array_equal(data.train_images[:50], render("glyphs-10", "train", range(50))[0])
    np.testing.assert_array_equal(data.test_targets[:50], render("glyphs-10", "test", range(50))[1])
    assert not data.flip
    assert data.crop == 4
    assert data.class_names == tuple(LETTERS[10])
    assert set(data.details) == {"mode", "kind", "ambiguous", "blank"}
