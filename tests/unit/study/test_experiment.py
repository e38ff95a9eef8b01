import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptq_privacy.study.experiment import METHODS, Pool, Study, Variant, levels

WIDTHS = st.one_of(st.integers(1, 8).map(float), st.sampled_from([1.58, 2.32, 6.5]))


@given(st.sampled_from(METHODS), WIDTHS, st.one_of(st.none(), WIDTHS))
def test_a_precision_reads_back_what_it_writes(method, bits, head_bits):
    variant = Variant(method, bits, head_bits)
    assert Variant.parse(str(variant)) == variant


def test_full_precision_has_no_recipe():
    assert Variant.parse("full") == Variant()
    assert not Variant.parse("full").quantized
    assert str(Variant()) == "full"


def test_levels_of_the_studys_bit_widths():
    assert [levels(bits) for bits in (8, 4, 2, 1.58, 1)] == [256, 16, 4, 3, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo-w4", "unknown method 'foo'; allowed: nearest"),
        ("obc-4", "part '4' should be 'w' and a bit width"),
        ("obc-w4-8", "part '8' should be 'head' and a bit width"),
        ("obc", "expected 'full', 'METHOD-wBITS'"),
        ("obc-w0", "bits 0 out of range; allowed: 1 to 8"),
        ("obc-w2-head9", "head bits 9 out of range"),
        ("obc-w04", "write it as 'obc-w4'"),
        ("full-head8", "unknown method 'full'"),
    ],
)
def test_a_wrong_part_of_a_precision_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        Variant.parse(text)


def test_head_bits_need_a_method():
    with pytest.raises(ValueError, match="head bits need a quantization method"):
        Variant(head_bits=8.0)


@given(st.integers(1, 20), st.integers(1, 10), st.data())
def test_more_shadow_models_add_shards_and_change_none(pairs, shards, data):
    models_per_job = data.draw(
        st.sampled_from([d for d in range(1, 2 * pairs + 3) if (2 * pairs + 2) % d == 0])
    )
    pool = Pool(2 * pairs, 1, models_per_job)
    more = 2 * models_per_job * shards
    grown = Pool(2 * pairs + more, 1, models_per_job)
    assert grown.shards[: len(pool.shards)] == pool.shards
    for shard in pool.shards:
        assert grown.models_in(shard) == pool.models_in(shard)
    everyone = [model for shard in grown.shards for model in grown.models_in(shard)]
    assert everyone == list(range(grown.models))


def test_only_the_shards_with_targets_are_target_shards():
    assert Pool(16, 4, 3).target_shards == ["000", "001"]
    assert Pool(16, 3, 3).target_shards == ["000"]


@pytest.mark.parametrize(
    ("pool", "message"),
    [
        ((3, 1, 1), "pool.shadow_models: 3 is not an even number"),
        ((4, 7, 1), "pool.targets: 7 is not between 1 and 6"),
        ((4, 0, 1), "pool.targets: 0"),
        ((4, 1, 4), "pool.models_per_job: 4 does not divide .* allowed: 1, 2, 3, 6"),
    ],
)
def test_impossible_pools_are_refused(pool, message):
    with pytest.raises(ValueError, match=message):
        Pool(*pool)


def config(**changes):
    quantization = {"methods": ["nearest", "obc"], "bits": [4, 1.58], "decoupled": []}
    return {
        "pool": {"shadow_models": 4, "targets": 2, "models_per_job": 2},
        "datasets": {"digits": {}},
        "architectures": ["resnet6"],
        "quantization": quantization | changes,
        "attacks": {"adversaries": ["transfer", "adaptive"]},
    }


def test_a_study_is_every_method_at_every_width():
    heads = [{"bits": 1.58, "head_bits": 8}]
    assert [str(p) for p in Study.from_config(config(decoupled=heads)).variants] == [
        "full",
        "nearest-w4",
        "nearest-w1.58",
        "nearest-w1.58-head8",
        "obc-w4",
        "obc-w1.58",
        "obc-w1.58-head8",
    ]


def test_architectures_are_built_in_or_ones_own():
    entries = ["resnet6", {"name": "mine", "factory": "nets.mine:build"}]
    study = Study.from_config(config() | {"architectures": entries})
    assert study.architectures == ("resnet6", "mine")
    assert study.factories == {"resnet6": "resnet6", "mine": "nets.mine:build"}
    twice = [*entries, {"name": "mine", "factory": "other:build"}]
    with pytest.raises(ValueError, match=r"architectures.2: the name 'mine' is taken twice"):
        Study.from_config(config() | {"architectures": twice})


def test_the_adversaries_are_one_at_full_precision():
    study = Study.from_config(config())
    assert study.adversaries_of(Variant()) == ("transfer",)
    assert study.adversaries_of(Variant("obc", 4.0)) == ("transfer", "adaptive")


def test_decoupling_a_width_that_is_not_studied_is_refused():
    with pytest.raises(ValueError, match=r"quantization.decoupled.0.bits: 2 is not in"):
        Study.from_config(config(decoupled=[{"bits": 2, "head_bits": 8}]))


def test_decoupling_without_a_method_is_refused():
    with pytest.raises(ValueError, match="quantization.decoupled: needs a method"):
        Study.from_config(config(methods=[], decoupled=[{"bits": 4, "head_bits": 8}]))
