"""LIME: lime's own numbers, standard errors that hold, samples that need fewer, maps of what is truly used, many pictures resumably."""

import gc
import weakref
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import kendalltau
from sklearn.linear_model import Ridge
from sklearn.metrics import pairwise_distances

from lib.compendium.errors import CompendiumError, ParameterError, PictureError, WeightsError
from lib.explain import lime
from lib.faces.detectors import silent
from tests.compendium.test_compute import cluster, kill_one_later, plain_environment  # noqa: F401 (fixtures)

with silent():
    import keras
    from keras import layers

SIDE = 48


def picture(seed=0, side=SIDE):
    """A smooth picture: SLIC cuts it into about as many regions as asked."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    waves = [np.sin(rng.uniform(2, 7) * x + rng.uniform(2, 7) * y + phase) for phase in rng.uniform(0, 6, 3)]
    return (127 + 60 * np.stack(waves, axis=2)).astype(np.uint8)


def blocks(across=4, side=SIDE):
    """Segments as a chessboard: across² squares."""
    row = np.arange(side) * across // side
    return row[:, None] * across + row[None]


def small_network(dtype="float32", classes=6, seed=0, side=SIDE):
    """A convolutional network with a softmax head, pictures 0 to 255."""
    keras.utils.set_random_seed(seed)
    x = entry = layers.Input((side, side, 3), dtype=dtype)
    x = layers.Rescaling(1 / 255, dtype=dtype)(x)
    for filters in (8, 12):
        x = layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu", dtype=dtype)(x)
    x = layers.Flatten(dtype=dtype)(x)
    return keras.Model(entry, layers.Dense(classes, activation="softmax", dtype=dtype)(x), name="small")


@pytest.fixture(scope="module")
def trained():
    """A float64 network that learned which of six places of a picture is bright."""
    rng = np.random.default_rng(3)
    x, y = np.stack([picture(seed) for seed in range(60)]), rng.integers(0, 6, 60)
    for one, place in zip(x, y, strict=True):
        row, column = divmod(place, 3)
        one[24 * row:24 * row + 20, 16 * column:16 * column + 14] = 250
    model = small_network("float64")
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", jit_compile=False)
    model.fit(x, y, epochs=8, batch_size=20, verbose=0)
    assert (model.predict_on_batch(x).argmax(axis=1) == y).mean() > 0.8
    return model, x[0]


def curved(segments=20, classes=6, seed=0):
    """A function of samples (n, k) with interactions of all orders: a small random network with a softmax."""
    rng = np.random.default_rng(seed)
    first, level, last = rng.normal(0, 0.3, (segments, 40)), rng.normal(0, 0.5, 40), rng.normal(0, 0.6, (40, classes))

    def answers(rows):
        scores = np.exp(np.maximum((2.0 * rows - 1) @ first + level, 0) @ last)
        return scores / scores.sum(axis=1, keepdims=True)

    return answers


def as_lime_does(rows, answers, number):
    """lime 0.2.0.1's regression by the library calls it makes: (intercept, coefficients, score)."""
    distances = pairwise_distances(rows, rows[:1], metric="cosine").ravel()
    weights = np.sqrt(np.exp(-(distances**2) / 0.25**2))
    model = Ridge(alpha=1, fit_intercept=True).fit(rows, answers[:, number], sample_weight=weights)
    return model.intercept_, model.coef_, model.score(rows, answers[:, number], sample_weight=weights)


def lime_rows(seed, count, parts):
    """lime 0.2.0.1's stream: a seed for its segmentation, then fair coins, the first sample all ones."""
    state = np.random.RandomState(seed)
    state.randint(0, high=1000)
    rows = state.randint(0, 2, count * parts).reshape((count, parts))
    rows[0, :] = 1
    return rows


def perturbed(shown, image, parts):
    """lime 0.2.0.1's pictures: a copy each, hidden segment by hidden segment."""
    pictures = []
    for row in shown:
        one, mask = image.copy(), np.zeros(parts.shape, bool)
        for number in np.flatnonzero(row == 0):
            mask[parts == number] = True
        one[mask] = 0
        pictures.append(one)
    return np.array(pictures)


# ---- the same numbers as lime


@given(st.integers(2, 30), st.integers(0, 2**31 - 1))
@settings(max_examples=25, deadline=None)
def test_the_closed_form_is_lime_s_regression(parts, seed):
    """Coefficients, intercepts and fit of all classes equal scikit-learn's ridge on lime's weights, one class at a time."""
    rows = lime.samples("coin", 5 * parts + 20, parts, seed)
    answers = np.random.default_rng(seed).dirichlet(np.ones(3), len(rows)).astype(np.float32)
    found = lime.regression(rows, answers)
    for number in range(3):
        intercept, coefficients, score = as_lime_does(rows.astype(int), answers, number)
        assert found.coefficients[:, number] == pytest.approx(coefficients, abs=1e-10)
        assert found.intercepts[number] == pytest.approx(intercept, abs=1e-10)
        assert found.fit[number] == pytest.approx(score, abs=1e-10)


def test_coins_are_lime_s_own_stream():
    """The stream of a seed is the one that lime draws with random_state, whatever the number of samples."""
    for seed in (0, 7, 123456):
        assert np.array_equal(lime.samples("coin", 200, 21, seed), lime_rows(seed, 200, 21))


def test_an_explanation_is_lime_s_on_a_trained_network(trained):
    """Through the compiled function, with batches that do not divide the samples: lime's coefficients of all classes within 1e-10."""
    model, image = trained
    parts = lime.segments(image)
    found = lime.explain(model, image, parts, count=300, seed=5, batch=64)
    rows = lime_rows(5, 300, parts.max() + 1)
    answers = model.predict(perturbed(rows, image, parts), batch_size=10, verbose=0)
    assert found.answer == pytest.approx(answers[0], abs=1e-12) and found.samples == 300
    for number in range(6):
        intercept, coefficients, score = as_lime_does(rows, answers, number)
        assert found.coefficients[:, number] == pytest.approx(coefficients, abs=1e-10)
        assert found.intercepts[number] == pytest.approx(intercept, abs=1e-10)
        assert found.fit[number] == pytest.approx(score, abs=1e-9)
    assert np.abs(found.coefficients).max() > 0.05


def test_an_explanation_is_the_one_of_lime_itself(trained):
    """Against lime 0.2.0.1 where it is installed, given segments that start at 0: its SLIC wrapper counts from 1 and shifts all maps."""
    lime_image = pytest.importorskip("lime.lime_image", reason="lime is no dependency; the test above makes the calls that lime makes")
    model, image = trained
    parts = lime.segments(image)
    peer = lime_image.LimeImageExplainer(random_state=11).explain_instance(
        image, lambda pictures: model.predict(pictures, verbose=0), top_labels=6, hide_color=0, num_samples=250,
        segmentation_fn=lambda _: parts,
    )  # fmt: skip
    found = lime.explain(model, image, parts, count=250, seed=11)
    for number in range(6):
        theirs = dict(peer.local_exp[number])
        assert found.coefficients[:, number] == pytest.approx([theirs[part] for part in range(len(theirs))], abs=1e-10)
        assert found.intercepts[number] == pytest.approx(peer.intercept[number], abs=1e-10)


def test_single_precision_loses_nothing_that_matters(trained):
    """A float32 twin of the trained network gives coefficients within 1e-6."""
    model, image = trained
    twin = small_network("float32")
    twin.set_weights(model.get_weights())
    parts = lime.segments(image)
    ours, exact = (lime.explain(network, image, parts, count=200, seed=1) for network in (twin, model))
    assert ours.coefficients == pytest.approx(exact.coefficients, abs=1e-6)


# ---- samples


@pytest.mark.parametrize("kind", ["antithetic", "sobol"])
def test_other_streams_come_as_complements(kind):
    """After the whole picture, each sample is followed by its complement; longer streams begin as shorter ones; seeds differ."""
    rows = lime.samples(kind, 301, 24, 3)
    assert rows.shape == (301, 24) and rows.dtype == np.uint8 and rows[0].all()
    assert np.array_equal(rows[1::2] + rows[2::2], np.ones((150, 24)))
    assert np.array_equal(lime.samples(kind, 90, 24, 3), rows[:90]) and np.array_equal(lime.samples(kind, 600, 24, 3)[:301], rows)
    assert not np.array_equal(lime.samples(kind, 301, 24, 4), rows)
    assert lime.samples(kind, 64, 10, 0).max() == 1


@pytest.mark.parametrize("parts", [8, 21, 24, 30, 45])
def test_sobol_shows_any_two_segments_together_as_often_as_not(parts):
    """Over a power of two of samples any two segments are independent of each other, which coins are only nearly."""
    power = 2 ** int(np.ceil(np.log2(4 * parts)))
    rows = 2.0 * lime.samples("sobol", power + 1, parts, 0)[1:] - 1
    assert np.array_equal(rows.T @ rows, power * np.eye(parts))
    coins = 2.0 * lime.samples("coin", power + 1, parts, 0)[1:] - 1
    assert np.abs(coins.T @ coins - power * np.eye(parts)).max() > 4


@pytest.mark.parametrize(("parts", "power"), [(8, 6), (16, 8), (20, 9), (24, 10)])
def test_factorial_designs_keep_pairs_and_triples_out_of_single_effects(parts, power):
    """Over a whole design the products of any two, three or four segments sum to zero: what three do is orthogonal to what one does."""
    rows = 2.0 * lime.samples("factorial", 2**power + 1, parts, 5)[1:] - 1
    for order in (1, 2, 3, 4):
        assert not any(rows[:, list(some)].prod(axis=1).sum() for some in combinations(range(min(parts, 12)), order))
    assert np.array_equal(rows.T @ rows, 2**power * np.eye(parts))
    assert not np.array_equal(lime.samples("factorial", 2**power + 1, parts, 6)[1:], (rows > 0).astype(np.uint8))
    assert len(np.unique(rows, axis=0)) == 2**power, "no sample twice"


@pytest.mark.parametrize(("parts", "count"), [(2, 4), (5, 7), (24, 26), (60, 62), (24, 300), (30, 1000)])
def test_factorial_samples_come_in_any_number(parts, count):
    """As many as asked for, of every number of segments, the whole picture first, and no segment hidden or shown throughout."""
    rows = lime.samples("factorial", count, parts, 1)
    assert rows.shape == (count, parts) and rows.dtype == np.uint8 and rows[0].all()
    assert count < 20 or np.abs(rows[1:].mean(axis=0) - 0.5).max() < 0.4


def test_streams_are_fair():
    """Over seeds every segment is shown in half of the samples at each place of the stream: no stream favours a segment."""
    for kind in lime.KINDS:
        rows = np.stack([lime.samples(kind, 40, 12, seed) for seed in range(400)])[:, 1:]
        assert rows.mean(axis=0) == pytest.approx(np.full((39, 12), 0.5), abs=0.125)  # five standard errors


@given(st.integers(2, 40), st.integers(1, 60), st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_weights_are_those_of_cosine_distances(parts, count, seed):
    """1 - sqrt(share shown) is scikit-learn's cosine distance to all ones, also for a picture all hidden."""
    rows = np.random.default_rng(seed).integers(0, 2, (count, parts))
    rows[0] = seed % 2
    distances = pairwise_distances(rows, np.ones((1, parts)), metric="cosine").ravel()
    assert lime.closeness(rows) == pytest.approx(np.sqrt(np.exp(-(distances**2) / 0.25**2)), abs=1e-12)


def test_sobol_needs_half_the_samples_of_coins_and_factorial_designs_a_quarter():
    """On a function with interactions, 450 Sobol samples come as close to the truth as 1000 coins do, and 256 factorial ones closer."""
    rng = np.random.default_rng(0)
    pairs = rng.normal(0, 0.2, (24, 24)) * (rng.random((24, 24)) < 0.2)

    def answers(rows):
        return 1 / (1 + np.exp(-(rows @ rng_level + np.einsum("ni,ij,nj->n", rows, pairs, rows))))[:, None]

    rng_level = rng.normal(0, 0.5, 24)
    truth = _fitted(answers, "sobol", 2**15, 24, 99)
    errors = {(kind, count): np.sqrt(np.mean([(_fitted(answers, kind, count, 24, seed) - truth) ** 2 for seed in range(40)]))
              for kind, count in (("coin", 1000), ("antithetic", 650), ("sobol", 450), ("factorial", 256))}  # fmt: skip
    assert errors["sobol", 450] <= errors["coin", 1000] and errors["antithetic", 650] <= 1.05 * errors["coin", 1000]
    assert errors["factorial", 256] <= 0.95 * errors["coin", 1000]


def _fitted(answers, kind, count, parts, seed):
    rows = lime.samples(kind, count, parts, seed)
    return lime.regression(rows, answers(rows.astype(float))).coefficients


# ---- standard errors and rankings


@pytest.mark.parametrize(("group", "count"), [(1, 40), (2, 41), (2, 42), (3, 45)])
def test_the_jackknife_is_leaving_out(group, count):
    """The closed form equals refitting without each group of samples in turn, incomplete last groups included; the first row stays."""
    rng = np.random.default_rng(1)
    rows = lime.samples("coin", count, 6, 2)
    answers = rng.random((count, 3))
    found = lime.regression(rows, answers, group=group)
    for place, start in enumerate(range(1, count, group)):
        kept = np.r_[0:start, min(start + group, count):count]
        for number in range(3):
            _, without, _ = as_lime_does(rows[kept].astype(int), answers[kept], number)
            assert found.jackknife[place, :, number] == pytest.approx(found.coefficients[:, number] - without, abs=1e-10)
    spread = found.jackknife - found.jackknife.mean(axis=0)
    parts = len(spread)
    assert lime.standard_errors(found.jackknife) == pytest.approx(np.sqrt((parts - 1) / parts * (spread**2).sum(axis=0)))
    for number in range(3):
        assert np.sqrt(np.diag(lime.covariance(found.jackknife, number))) == pytest.approx(lime.standard_errors(found.jackknife)[:, number])


@pytest.mark.parametrize(("kind", "lowest", "highest"), [("coin", 0.94, 0.97), ("antithetic", 0.94, 0.975), ("sobol", 0.945, 0.985)])
def test_intervals_hold_what_they_promise(kind, lowest, highest):
    """Over 150 draws of 400 samples, coefficient ± 1.96 standard errors holds the mean of all draws in about 95 %; for Sobol in more."""
    answers = curved(seed=2)
    fits = []
    for seed in range(150):
        rows = lime.samples(kind, 400, 20, seed)
        fits.append(lime.regression(rows, answers(rows.astype(float)), group=lime.KINDS[kind]))
    found = np.stack([fit.coefficients for fit in fits])
    errors = np.stack([lime.standard_errors(fit.jackknife) for fit in fits])
    held = np.abs(found - found.mean(axis=0)) <= 1.96 * errors
    assert lowest <= held.mean() <= highest
    assert 0.95 <= np.sqrt((errors**2).mean(axis=0) / found.var(axis=0, ddof=1)).mean() <= 1.2


@pytest.mark.parametrize("count", [256, 512, 400])
def test_intervals_of_factorial_samples_hold_more_than_they_promise(count):
    """Columns that hide nothing bring the errors down to at most twice the spread over draws, never below it."""
    answers, found, errors, plain = curved(seed=2), [], [], []
    for seed in range(150):
        drawn = lime._drawn("factorial", count, 20, seed)
        rows, said = drawn[:, :20], answers(drawn[:, :20].astype(float))
        fit = lime.regression(rows, said, spare=drawn[:, 20:])
        found.append(fit.coefficients)
        errors.append(lime.standard_errors(fit.jackknife))
        plain.append(lime.standard_errors(lime.regression(rows, said).jackknife))
    spread = np.std(found, axis=0, ddof=1)
    held = np.abs(np.stack(found) - np.mean(found, axis=0)) <= 1.96 * np.stack(errors)
    ratio, without = (np.sqrt(np.mean(np.square(some), axis=0) / spread**2).mean() for some in (errors, plain))
    assert held.mean() >= 0.94 and 1 <= ratio <= 2 and ratio < without


def test_complements_must_be_left_out_together():
    """Judged sample by sample, streams of complements would look a sixth less certain than they are."""
    answers, errors = curved(), {}
    rows = lime.samples("antithetic", 401, 20, 0)
    for group in (1, 2):
        errors[group] = lime.standard_errors(lime.regression(rows, answers(rows.astype(float)), group=group).jackknife)
    assert (errors[1] / errors[2]).mean() > 1.05


def test_a_linear_network_has_no_error():
    """Where segments simply add up, the coefficients are what each adds, without error, and the linear model fits."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(12, 2))
    rows = lime.samples("sobol", 100, 12, 0)
    found = lime.regression(rows, rows @ truth + 0.3, alpha=0, group=2)
    assert found.coefficients == pytest.approx(truth, abs=1e-10) and found.intercepts == pytest.approx([0.3, 0.3], abs=1e-10)
    assert lime.standard_errors(found.jackknife).max() < 1e-10 and found.fit == pytest.approx([1, 1])
    assert lime.rank_agreement(found.coefficients[:, 0], lime.covariance(found.jackknife, 0)) == pytest.approx(1)


@given(st.permutations(range(8)), st.floats(0.1, 10), st.floats(-5, 5))
@settings(max_examples=25, deadline=None)
def test_coefficients_follow_their_segments(order, factor, level):
    """Numbering segments otherwise moves coefficients and errors with them; scaling the answers scales both."""
    rows, rng = lime.samples("coin", 60, 8, 0), np.random.default_rng(0)
    answers = rng.random((60, 2))
    first, second = lime.regression(rows, answers), lime.regression(rows[:, list(order)], factor * answers + level)
    assert second.coefficients == pytest.approx(factor * first.coefficients[list(order)], abs=1e-9)
    assert lime.standard_errors(second.jackknife) == pytest.approx(factor * lime.standard_errors(first.jackknife)[list(order)], abs=1e-9)
    assert second.fit == pytest.approx(first.fit, abs=1e-9)


def test_agreement_of_rankings_is_what_happens():
    """The expected Kendall tau is, on average over many truths, the tau between what was found and the truth."""
    rng = np.random.default_rng(0)
    for noise in (0.1, 0.5, 1.0):
        said, real = [], []
        for _ in range(400):
            truth = rng.normal(size=24)
            found = truth + rng.normal(0, noise, 24)
            said.append(lime.rank_agreement(found, noise**2 * np.eye(24)))
            real.append(kendalltau(truth, found)[0])
        assert np.mean(said) == pytest.approx(np.mean(real), abs=0.02)


def test_agreement_at_its_ends():
    """Certain differences give 1, differences no larger than noise about 0, and no differences at all nothing to agree on."""
    values = np.arange(10.0)
    assert lime.rank_agreement(values, np.zeros((10, 10))) == 1
    assert lime.rank_agreement(values * 1e-3, np.eye(10)) == pytest.approx(0, abs=1e-9)
    assert lime.rank_agreement(np.ones(10), np.zeros((10, 10))) == 0


@pytest.mark.parametrize("kind", ["coin", "sobol"])
def test_the_ranking_is_settled_when_it_says_so(kind):
    """Explanations that stop at an expected tau of .85 have at least about that against the truth, and use fewer samples."""
    answers, parts = curved(16, seed=4), blocks()
    image = np.full((SIDE, SIDE, 3), 200, np.uint8)
    truth = _fitted(answers, "sobol", 2**15, 16, 99)

    def network(pictures):
        return answers((pictures[:, 6::12, 6::12, 0] > 0).reshape(-1, 16).astype(float))

    found = [lime.explain(network, image, parts, count=2000, kind=kind, seed=seed, settled=0.85) for seed in range(25)]
    number = int(found[0].answer.argmax())
    real = [kendalltau(one.coefficients[:, number], truth[:, number])[0] for one in found]
    used = np.array([one.samples for one in found])
    assert used.max() < 2000 and used.min() >= 100 and min(one.agreement for one in found) >= 0.85
    assert np.mean(real) >= 0.82


def test_stopping_early_is_asking_for_fewer_samples(trained):
    """What stops after n samples equals an explanation with n samples; what cannot settle uses them all; classes may be named."""
    model, image = trained
    parts = lime.segments(image)
    found = lime.explain(model, image, parts, count=1000, seed=2, settled=0.4)
    assert found.samples < 1000
    again = lime.explain(model, image, parts, count=found.samples, seed=2)
    for ours, theirs in zip(found, again, strict=True):
        assert np.array_equal(ours, theirs)
    assert lime.explain(model, image, parts, count=200, seed=2, settled=0.999999).samples == 200
    everything = lime.explain(model, image, parts, count=1000, seed=2, settled=0.4, classes=range(6))
    assert everything.samples >= found.samples


# ---- explanations


@pytest.mark.parametrize("occlusion", [0, 128, (10, 200, 30), "mean"])
def test_the_network_sees_what_lime_would_show(occlusion):
    """Pictures made inside the compiled function equal those put together segment by segment, whatever hides, for any number of them."""
    seen = []

    class Watch(layers.Layer):
        def call(self, pictures):
            return pictures

    entry = layers.Input((SIDE, SIDE, 3))
    model = keras.Model(entry, layers.Reshape((SIDE * SIDE * 3,))(Watch()(entry)))
    for wanted in (8, 30, 60):
        image = picture(1)
        parts = lime.segments(image, wanted)
        hidden = np.broadcast_to(np.array(occlusion if occlusion != "mean" else 0, np.uint8), image.shape).copy()
        if occlusion == "mean":
            for number in range(parts.max() + 1):
                hidden[parts == number] = [int(image[parts == number][:, channel].mean()) for channel in range(3)]
        rows = lime.samples("coin", parts.max() + 5, parts.max() + 1, 0)
        ask = lime._asker(model, image, lime._occluded(image, parts, occlusion), parts, parts.max() + 1, len(rows))
        expected = np.where(rows[:, parts][..., None] == 1, image, hidden)
        assert np.array_equal(ask(rows).reshape(expected.shape), expected)
        plain = lime._asker(lambda pictures: seen.append(pictures) or np.zeros((len(pictures), 2)), image,
                            lime._occluded(image, parts, occlusion), parts, parts.max() + 1, len(rows))  # fmt: skip
        plain(rows)
        assert np.array_equal(seen[-1], expected) and seen[-1].dtype == np.uint8


def test_the_evidence_is_found():
    """A network that looks at two squares only: they alone have weight, with the right signs, and the map shows the positive one."""
    image, parts = np.full((SIDE, SIDE, 3), 200, np.uint8), blocks()

    def network(pictures):
        for_it, against = pictures[:, 30, 6, 0] / 200, pictures[:, 6, 30, 0] / 200
        p = 0.5 + 0.3 * for_it - 0.2 * against
        return np.stack([p, 1 - p, *np.zeros((4, len(pictures)))], axis=1)

    found = lime.explain(network, image, parts, count=400, seed=0)
    yes, no = parts[30, 6], parts[6, 30]
    others = np.delete(found.coefficients, [yes, no], axis=0)
    assert found.coefficients[yes, 0] == pytest.approx(0.3, abs=0.01) and found.coefficients[no, 0] == pytest.approx(-0.2, abs=0.01)
    assert np.abs(others).max() < 0.002 and np.isnan(found.fit[2:]).all() and found.fit[0] > 0.99
    map_ = lime.heat(found.coefficients, parts, "angry")
    assert (map_ > 0.1).sum() == (parts == yes).sum() and (map_[parts == no] == 0).all()
    assert (lime.heat(found.coefficients, parts, "disgust")[parts == no] > 0.1).all()


def test_stacks_are_explained_one_by_one(trained):
    """A stack gives each picture a stream of its own, which follows from the seed and its place."""
    model, image = trained
    stack = np.stack([image, image, picture(5)])
    parts = np.stack([lime.segments(one) for one in stack])
    found = lime.explain(model, stack, parts, count=100, kind="sobol", seed=4)
    assert len(found) == 3 and not np.array_equal(found[0].coefficients, found[1].coefficients)
    alone = lime.explain(model, stack[2], parts[2], count=100, kind="sobol", seed=lime.seed_of(4, 2))
    assert np.array_equal(alone.coefficients, found[2].coefficients)


def test_batches_leave_no_trace(trained):
    """Any size of batch gives the same explanation, the filled last one included."""
    model, image = trained
    parts = lime.segments(image)
    whole = lime.explain(model, image, parts, count=90, batch=90)
    for batch in (7, 64, 200):
        assert lime.explain(model, image, parts, count=90, batch=batch).coefficients == pytest.approx(whole.coefficients, abs=1e-10)


def test_a_network_is_compiled_once_and_freed():
    """Pictures with different numbers of segments share one compiled function; later weights count; nothing keeps a network alive."""
    model, image = small_network(), picture()
    first = lime.explain(model, image, lime.segments(image, 20), count=60)
    lime.explain(model, image, lime.segments(image, 30), count=60)
    assert len({id(one) for one in lime._kept[model].values()}) <= 2
    *rest, kernel, bias = model.get_weights()
    model.set_weights([*rest, -kernel, -bias])
    after = lime.explain(model, image, lime.segments(image, 20), count=60)
    assert np.abs(after.coefficients - first.coefficients).max() > 1e-4
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_half_precision_networks_are_explained():
    """A network of bfloat16 layers gives its float32 twin's explanation to about bfloat16's precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = small_network(dtype=None)
    finally:
        keras.config.set_dtype_policy(before)
    whole, image = small_network(), picture()
    half.set_weights(whole.get_weights())
    parts = blocks()
    ours, theirs = (lime.explain(network, image, parts, count=200) for network in (half, whole))
    assert np.abs(ours.coefficients - theirs.coefficients).max() < 0.01


# ---- pictures, segments and maps


def test_segments_are_numbered_from_zero_without_gaps():
    """About as many as asked, every number from 0 used: the trap of lime with scikit-image, which counts from 1, is refused by name."""
    image = picture()
    for wanted in (10, 30):
        parts = lime.segments(image, wanted)
        assert parts.shape == (SIDE, SIDE) and np.array_equal(np.unique(parts), np.arange(parts.max() + 1))
        assert wanted / 2 <= parts.max() + 1 <= 2 * wanted
    with pytest.raises(ParameterError, match="numbered 1 to .*start_label=0"):
        lime.explain(small_network(), image, lime.segments(image) + 1)


def test_segments_are_slic_s_as_published():
    """The call of the paper's code: the picture over 255, n_segments 30, compactness 20, numbers from 0."""
    from skimage.segmentation import slic

    image = picture(2, 96)
    assert np.array_equal(lime.segments(image), slic(image / 255, n_segments=30, compactness=20.0, start_label=0))


@given(st.integers(5, 90), st.integers(5, 90), st.integers(4, 80))
@settings(max_examples=30, deadline=None)
def test_pictures_are_fitted_by_the_nearest_pixel(height, width, side):
    """Each pixel is one whose middle is nearest to its own in the picture: no half pixel is lost, as with OpenCV's INTER_NEAREST."""
    rows, columns = np.mgrid[:height, :width].astype(np.uint8)
    found = lime.fitted(np.stack([rows, columns, rows], axis=2), side)
    assert found.shape == (side, side, 3) and found.dtype == np.uint8
    middles = np.arange(side) + 0.5
    assert np.abs(found[:, 0, 0] + 0.5 - middles * height / side).max() <= 0.5 + 1e-9
    assert np.abs(found[0, :, 1] + 0.5 - middles * width / side).max() <= 0.5 + 1e-9


def test_maps_show_positive_weights():
    """Float maps keep the positive coefficients; published ones are bytes as the paper's code stores them."""
    coefficients = np.array([[0.4, -0.2, 0, 0, 0, 0], [-0.3, 0.1, 0, 0, 0, 0], [0.001, 0, 0, 0, 0, 1.2], [0.7, 0, 0, 0, 0, 0]])
    parts = blocks(2)
    found = lime.heat(coefficients, parts, "angry")
    assert found.dtype == np.float32 and found.shape == parts.shape
    assert np.array_equal(np.unique(found), np.array([0, 0.001, 0.4, 0.7], np.float32))
    assert np.array_equal(found, lime.heat(coefficients, parts, 0)) and (found[parts == 1] == 0).all()
    stored = np.zeros(parts.shape, "float16")  # the paper's code: a map in half precision, 255 times it, cut to bytes
    for number, weight in enumerate(coefficients[:, 0]):
        stored[parts == number] = max(weight, 0)
    assert np.array_equal(lime.heat(coefficients, parts, "angry", as_published=True), (stored * 255).astype("uint8"))
    assert lime.heat(coefficients, parts, "surprise", as_published=True).max() == 255
    assert np.array_equal(lime.error_map(np.abs(coefficients), parts, "disgust"), np.abs(coefficients[:, 1]).astype(np.float32)[parts])


# ---- bad input


@pytest.mark.parametrize(("change", "message"), [
    ({"pictures": picture() / 255}, "float64.*expected uint8"),
    ({"segments": blocks(4, 24)}, "expected integers of the same height"),
    ({"segments": blocks() * 1.0}, "expected integers"),
    ({"segments": blocks() * 2}, "without gaps"),
    ({"count": 17}, "2 samples more than segments"),
    ({"kind": "sobl"}, "Did you mean 'sobol'"),
    ({"settled": 1.0}, "below 1"),
    ({"batch": 0}, "at least 1"),
    ({"classes": [6], "count": 40}, "from 0 to 5"),
    ({"occlusion": 300}, "from 0"),
    ({"occlusion": (0, 0)}, "3 of them"),
    ({"occlusion": "black"}, "'black'"),
    ({"pictures": picture(side=96), "segments": blocks(4, 96)}, "Use `fitted`"),
    ({"pictures": np.stack([picture()] * 2)}, "expected"),
])  # fmt: skip
def test_what_does_not_fit_is_named(change, message):
    """Wrong pictures, segments and options are refused before the network is asked often."""
    given_ = {"pictures": picture(), "segments": blocks(), "count": 40} | change
    with pytest.raises(ParameterError, match=message):
        lime.explain(small_network(), given_.pop("pictures"), given_.pop("segments"), **given_)


def test_one_segment_cannot_be_explained():
    """A picture that is one segment is a picture's error: in a run it costs its own row."""
    with pytest.raises(PictureError, match="one segment; expected two"):
        lime.explain(small_network(), picture(), np.zeros((SIDE, SIDE), int))


def test_answers_that_are_no_numbers_are_named():
    """A network that diverged answers NaN: the error says so, not the linear algebra after it."""
    model = small_network()
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    with pytest.raises(WeightsError, match="50 of 50 perturbed pictures.*train it again"):
        lime.explain(model, picture(), blocks())
    with pytest.raises(ParameterError, match="answers 50 pictures with .50,."):
        lime.explain(lambda pictures: np.zeros(50), picture(), blocks())


def test_networks_with_two_ends_are_refused():
    """A network with two answers has to be told which."""
    model = small_network()
    with pytest.raises(ParameterError, match="1 inputs and 2 outputs"):
        lime.explain(keras.Model(model.input, [model.output, model.output]), picture(), blocks())


def test_maps_of_other_pictures_are_refused():
    """Coefficients of another picture, unknown expressions and classes that do not exist."""
    for values, expression, message in [
        (np.zeros((15, 6)), "angry", "of the same picture"), (np.zeros((16, 6)), "neutral", "expected one of angry"),
        (np.zeros((16, 7)), "angry", "for 7 classes"), (np.zeros((16, 7)), 7, "from 0 to 6"),
        (np.zeros((16, 6)), "surprised", "Did you mean"),
    ]:  # fmt: skip
        with pytest.raises(ParameterError, match=message):
            lime.heat(values, blocks(), expression)
    for wrong in ({"picture": picture() / 255}, {"picture": picture(), "wanted": 1}, {"picture": picture(), "compactness": 0}):
        with pytest.raises(ParameterError):
            lime.segments(**wrong)


# ---- many pictures


@pytest.fixture
def study(tmp_path):
    """A network's file and five pictures: four rows of a stack and a file of another size."""
    np.save(tmp_path / "stack.npy", np.stack([picture(seed, 60) for seed in range(4)]))
    Image.fromarray(picture(9, 70)).save(tmp_path / "other.png")
    small_network(seed=2).save(tmp_path / "small.keras")
    pictures = {f"row {row}": [tmp_path / "stack.npy", row] for row in range(4)} | {"other": tmp_path / "other.png"}
    return tmp_path / "small.keras", pictures, tmp_path / "out"


OPTIONS = {"count": 100, "kind": "sobol", "seed": 3}


def test_many_pictures_are_explained_resumably(study):
    """Each picture gets a file; the same call computes nothing again; a lost or damaged file is made again, and equal."""
    network, pictures, folder = study
    table = lime.explain_all(network, pictures, folder, **OPTIONS)
    assert list(table["key"]) == list(pictures) and (table["error"] == "").all() and (table["samples"] == 100).all()
    model = keras.models.load_model(network, compile=False)
    for key, file in zip(table["key"], table["file"], strict=True):
        found, parts = lime.read(folder / file)
        where = pictures[key]
        image = np.load(where[0])[where[1]] if isinstance(where, list) else np.asarray(Image.open(where))
        image = lime.fitted(image, SIDE)
        assert np.array_equal(parts, lime.segments(image))
        expected = lime.explain(model, image, parts, count=100, kind="sobol", seed=lime.seed_of(3, key))
        assert found.coefficients == pytest.approx(expected.coefficients, abs=1e-6) and found.samples == 100
        assert found.agreement == pytest.approx(expected.agreement, abs=1e-3)
    made = {path: path.stat().st_mtime_ns for path in folder.glob("*.npz")}
    (folder / table["file"][0]).unlink()
    (folder / table["file"][1]).write_bytes(b"damaged")
    again = lime.explain_all(network, pictures, folder, **OPTIONS)
    assert again.equals(table)
    changed = {path.name for path, at in made.items() if path.stat().st_mtime_ns != at}
    assert changed == set(table["file"][:2]) and lime.read(folder / table["file"][1])[0].samples == 100


@pytest.mark.parametrize(("jobs", "workers"), [("0", 1), ("2", None)])
def test_explanations_stay_in_this_process_unless_asked(study, monkeypatch, jobs, workers):
    """With JOBS=0, as make calls it, no worker process loads the network again; with JOBS=2 two do."""
    network, pictures, folder = study
    asked = []
    monkeypatch.setenv("COMPENDIUM_JOBS", jobs)
    monkeypatch.delenv("COMPENDIUM_SCHEDULER", raising=False)
    monkeypatch.setattr(lime, "run_all", lambda job, items, **more: asked.append(more["workers"]) or {})
    lime.explain_all(network, pictures, folder, **OPTIONS)
    assert asked == [workers]


def test_other_settings_get_other_files(study):
    """More samples, another seed, another network under the same name: no old file is taken for a new one."""
    network, pictures, folder = study
    pictures = {"row 0": pictures["row 0"]}
    files = {lime.explain_all(network, pictures, folder, **OPTIONS | change)["file"][0] for change in ({}, {"count": 120}, {"seed": 4})}
    small_network(seed=8).save(network)
    files.add(lime.explain_all(network, pictures, folder, **OPTIONS)["file"][0])
    assert len(files) == 4 == len(list(folder.glob("*.npz")))


def test_one_bad_picture_costs_its_own_row(study, tmp_path):
    """A missing picture, a row that is not there and a picture that is no picture become rows with a reason."""
    network, pictures, folder = study
    (tmp_path / "no.png").write_bytes(b"no picture")
    asked = {"good": pictures["other"], "missing": tmp_path / "none.png", "no": tmp_path / "no.png", "row": [tmp_path / "stack.npy", 44]}
    table = lime.explain_all(network, asked, folder, **OPTIONS).set_index("key")
    assert table.loc["good", "error"] == "" and table.loc["missing", "file"] is None
    assert table.loc["row", "error"].startswith("PictureError: Row 44 of") and (table["error"] != "").sum() == 3


def test_networks_may_be_built_by_a_function(study):
    """A function named with its arguments builds the network; files among the arguments count by their content."""
    _, pictures, folder = study
    pictures = {"other": pictures["other"]}
    spec = {"function": "lib.networks.backbones:build", "arguments": {"name": "custom", "side": 64, "classes": 6, "alpha": 0.1}}
    table = lime.explain_all(spec, pictures, folder, **OPTIONS)
    assert table["error"][0] == "" and lime.read(folder / table["file"][0])[0].coefficients.shape[1] == 6
    for wrong, error in ((folder / "none.keras", WeightsError), ({"function": "build"}, ParameterError)):
        with pytest.raises(error):
            lime.explain_all(wrong, pictures, folder)


def test_damaged_networks_and_files_are_named(study, tmp_path):
    """A network's file that is no network, and an explanation's file that is none, say what to do."""
    _, pictures, folder = study
    (tmp_path / "bad.keras").write_bytes(b"nothing")
    table = lime.explain_all(tmp_path / "bad.keras", {"other": pictures["other"]}, folder, **OPTIONS)
    assert "WeightsError" in table["error"][0] and "cannot be read as a network" in table["error"][0]
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    with pytest.raises(CompendiumError, match="cannot be read as an explanation.*explain again"):
        lime.read(tmp_path / "bad.npz")


@pytest.mark.slow
def test_local_processes_and_a_dask_cluster_that_loses_a_worker_give_the_same(study, cluster):  # noqa: F811
    """One process, two processes, and two Dask workers of which one is killed midway: the same table, the same numbers."""
    network, pictures, folder = study
    pictures = {f"{key}, {turn}": where for turn in range(4) for key, where in pictures.items()}
    alone = lime.explain_all(network, pictures, folder / "alone", **OPTIONS)
    address, workers, _ = cluster
    killed = kill_one_later(workers, folder / "dask")
    elsewhere = {"dask": {"scheduler": address}, "two": {"workers": 2}}
    for name, where in elsewhere.items():
        table = lime.explain_all(network, pictures, folder / name, **OPTIONS, **where)
        assert (table["error"] == "").all() and list(table["key"]) == list(alone["key"])
        pd.testing.assert_frame_equal(table.drop(columns="file"), alone.drop(columns="file"), rtol=0, atol=1e-3)
        for ours, theirs in zip(table["file"], alone["file"], strict=True):
            found, expected = lime.read(folder / name / ours)[0], lime.read(folder / "alone" / theirs)[0]
            assert found.coefficients == pytest.approx(expected.coefficients, abs=1e-6) and found.samples == expected.samples
    killed.join()
