import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptq_privacy.study import fragments, schema
from ptq_privacy.study.adversaries import ADVERSARIES
from ptq_privacy.study.experiment import DP_SGD, SGD, Named, Study, queries_of, training_of
from ptq_privacy.study.pool import SHARD, Pool
from ptq_privacy.study.variants import Variant, levels

WIDTHS = st.one_of(st.integers(1, 8).map(float), st.sampled_from([1.58, 2.32, 6.5]))
METHODS = fragments.names("compressions")


OPTIONAL = st.one_of(st.none(), WIDTHS)


@given(st.sampled_from(METHODS), WIDTHS, OPTIONAL, OPTIONAL)
def test_a_variant_reads_back_what_it_writes(method, bits, head_bits, activation_bits):
    variant = Variant(method, bits, head_bits, activation_bits)
    assert Variant.parse(str(variant)) == variant
    assert Variant.recorded(str(variant)) == variant


def test_full_precision_has_no_recipe():
    assert Variant.parse("full") == Variant()
    assert not Variant.parse("full").compressed
    assert Variant.parse("obc-w4").compressed
    assert str(Variant()) == "full"


def test_levels_of_the_studys_bit_widths():
    assert [levels(bits) for bits in (8, 4, 2, 1.58, 1)] == [256, 16, 4, 3, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo-w4", "unknown method 'foo'; allowed: adaround, brecq, gptq, nearest"),
        ("obc-4", "part '4' should be 'w' and a bit width"),
        ("obc-w4-8", "part '8' should be 'head' and a bit width"),
        ("obc", "expected 'full', 'METHOD-wBITS'"),
        ("obc-w4-head8-head8", "expected 'full', 'METHOD-wBITS'"),
        ("obc-w0", "bits 0 out of range; allowed: 1 to 8"),
        ("obc-w2-head9", "head bits 9 out of range"),
        ("obc-w4a9", "activation bits 9 out of range; allowed: 1 to 8"),
        ("obc-w4a", "part 'a' should be 'a' and a bit width, such as 'a4'"),
        ("obc-w4a8a8", "part 'a8a8' should be 'a' and a bit width"),
        ("obc-w4-a8", "part 'a8' should be 'head' and a bit width"),
        ("obc-a8", "part 'a8' should be 'w' and a bit width"),
        ("obc-w04", "write it as 'obc-w4'"),
        ("full-w8", "unknown method 'full'"),
        ("full-head8", "part 'head8' should be 'w' and a bit width"),
    ],
)
def test_a_wrong_part_of_a_variant_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        Variant.parse(text)


def test_a_method_of_ones_own_is_known_where_its_config_is():
    mine = Variant("mine", 2.0)
    assert Variant.parse("mine-w2", own=["mine"]) == mine
    assert Variant.recorded("mine-w2") == mine
    with pytest.raises(ValueError, match=r"unknown method 'mine'; allowed: .*, yours\Z"):
        Variant.parse("mine-w2", own=["yours"])


def test_bits_need_a_method_and_a_method_bits():
    for bits in ({"head_bits": 8.0}, {"bits": 8.0}, {"activation_bits": 8.0}):
        with pytest.raises(ValueError, match="head bits need a compression method"):
            Variant(**bits)
    with pytest.raises(ValueError, match="method 'obc' needs a bit width"):
        Variant("obc")


@given(st.integers(1, 20), st.integers(1, 10), st.integers(1, 50))
def test_more_shadow_models_add_shards_and_change_no_full_one(pairs, more, models_per_job):
    pool = Pool(2 * pairs, 1, models_per_job)
    grown = Pool(2 * (pairs + more), 1, models_per_job)
    assert grown.shards[: len(pool.shards)] == pool.shards
    for shard in pool.shards[: pool.models // models_per_job]:
        assert grown.models_in(shard) == pool.models_in(shard)
    for some in (pool, grown):
        everyone = [model for shard in some.shards for model in some.models_in(shard)]
        assert everyone == list(range(some.models))
        assert max(len(some.models_in(shard)) for shard in some.shards) <= models_per_job


def trained_anew(before, after):
    """How many models the jobs train that another pool needs after one is finished."""
    finished = {shard: before.models_in(shard) for shard in before.shards}
    models = {shard: after.models_in(shard) for shard in after.shards}
    return sum(len(models[shard]) for shard in models if models[shard] != finished.get(shard))


def test_what_growing_from_16_to_32_shadow_models_costs_is_documented():
    """By models a job; the numbers are those of the config's documentation."""
    costs = {m: trained_anew(Pool(16, 1, m), Pool(32, 1, m)) for m in range(1, 41)}
    text = schema.definition()["properties"]["pool"]["properties"]["models_per_job"]["description"]
    for expected, told in (
        ((16, [18, 9, 6, 3, 2, 1]), "18, 9, 6, 3, 2 or 1 a job train the 16 new models and no"),
        ((19, [5, 15]), "5 or 15 a job train 19"),
        ((18, [8]), "8 a job 18"),
        ((22, [12]), "12 a job 22"),
        ((34, [34, 35, 40]), "34 or more a job all 34"),
    ):
        assert told in text
        assert {costs[m] for m in expected[1]} == {expected[0]}
    # The 17 of the advice of old, which changes the number.
    assert trained_anew(Pool(16, 1, 18), Pool(32, 1, 17)) == 34


def test_names_of_over_a_thousand_shards_go_on():
    pool = Pool(2998, 1, 2)
    assert pool.shards[:2] == ["000", "001"]
    assert pool.shards[998:1002] == ["998", "999", "1000", "1001"]
    assert pool.models_in("1000") == [2000, 2001]
    assert all(re.fullmatch(SHARD, name) for name in pool.shards)
    for name in ("00", "0001", "x", "1000.x", ""):
        assert not re.fullmatch(SHARD, name)


def test_only_the_shards_with_targets_are_target_shards():
    assert Pool(16, 4, 3).target_shards == ["000", "001"]
    assert Pool(16, 3, 3).target_shards == ["000"]
    assert Pool(16, 18, 100).target_shards == ["000"]


@pytest.mark.parametrize(
    ("pool", "message"),
    [
        ((3, 1, 1), "pool.shadow_models: 3 is not an even number"),
        ((4, 7, 1), "pool.targets: 7 is not between 1 and 6"),
        ((4, 0, 1), "pool.targets: 0"),
        ((4, 1, 0), "pool.models_per_job: 0 is not at least 1"),
    ],
)
def test_impossible_pools_are_refused(pool, message):
    with pytest.raises(ValueError, match=message):
        Pool(*pool)


def config(**changes):
    compression = {"methods": ["nearest", "obc"], "bits": [4, 1.58], "decoupled": []}
    compression |= {"activations": [], "calibration_samples": 32}
    return {
        "pool": {"shadow_models": 4, "targets": 2, "models_per_job": 2},
        "datasets": {"digits": {"source": "digits"}},
        "queries": ["identity"],
        "networks": ["resnet6"],
        "compression": compression | changes,
        "attacks": {
            "adversaries": ["transfer", "adaptive"],
            "draws": 1,
            "methods": ["lira", "rmia"],
            "headline": "lira_online",
        },
    }


def attacking(**changes):
    whole = config()
    return whole | {"attacks": whole["attacks"] | changes}


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


def test_activations_are_quantized_where_an_entry_says_so_beside_a_head_or_not():
    asked = [{"bits": 4, "activation_bits": 8}]
    asked += [{"bits": 1.58, "activation_bits": 4, "head_bits": 8}]
    heads = [{"bits": 1.58, "head_bits": 8}]
    study = Study.from_config(config(methods=["obc"], decoupled=heads, activations=asked))
    assert [str(variant) for variant in study.variants] == [
        "full",
        "obc-w4",
        "obc-w4a8",
        "obc-w1.58",
        "obc-w1.58-head8",
        "obc-w1.58a4-head8",
    ]


def test_activation_bits_need_a_method_that_is_built_in():
    asked = [{"bits": 4, "activation_bits": 8}]
    with pytest.raises(ValueError, match="compression.activations: needs a method in compression"):
        Study.from_config(config(methods=[], activations=asked))
    own = {"name": "mine", "factory": "my:own"}
    with pytest.raises(ValueError, match=r"compression.activations: 'mine' is a method of your ow"):
        Study.from_config(config(methods=["obc", own], activations=asked))


def test_networks_are_fragments_or_ones_own():
    entries = [
        "resnet6",
        {"name": "wide", "architecture": "resnet6", "settings": {"widths": [9]}},
        {"name": "short", "architecture": "resnet18", "training": {"epochs": 3}},
        {"name": "mine", "factory": "nets.mine:build", "settings": {"depth": 2}},
    ]
    study = Study.from_config(config() | {"networks": entries})
    small = "ptq_privacy.networks.small_resnets:build"
    usual = {"multiple": 1, "normalisation": "batch"}
    assert study.networks == {
        "resnet6": Named("resnet6", small, {"widths": [8, 16], **usual}, fragment="resnet6"),
        "wide": Named("wide", small, {"widths": [9], **usual}, fragment="resnet6"),
        "short": Named(
            "short",
            "ptq_privacy.networks.torchvision_networks:resnet18",
            training={"epochs": 3},
            fragment="resnet18",
        ),
        "mine": Named("mine", "nets.mine:build", {"depth": 2}),
    }
    assert [network.own for network in study.networks.values()] == [False, False, False, True]
    for twice in ("resnet6", {"name": "mine", "factory": "other:build"}):
        with pytest.raises(ValueError, match=r"networks.4: the name '\w+' is taken twice"):
            Study.from_config(config() | {"networks": [*entries, twice]})


def test_an_own_network_may_have_the_name_of_an_architecture_that_is_not_used():
    entry = {"name": "resnet8", "factory": "nets.mine:build"}
    study = Study.from_config(config() | {"networks": ["resnet6", entry]})
    assert study.networks["resnet8"].own


def test_methods_are_fragments_or_ones_own():
    mine = {"name": "mine", "factory": "methods:compress", "settings": {"steps": 3}}
    changes = {"methods": ["nearest", mine, "obc"], "obc": {"damping": 0.5}}
    study = Study.from_config(config(**changes))
    assert study.methods == {
        "nearest": Named("nearest", "ptq_privacy.compression.nearest:compress", fragment="nearest"),
        "mine": Named("mine", "methods:compress", {"steps": 3}),
        "obc": Named("obc", "ptq_privacy.compression.obc:compress", {"damping": 0.5}, {}, "obc"),
    }
    assert [method.own for method in study.methods.values()] == [False, True, False]
    assert [str(variant) for variant in study.variants][3:5] == ["mine-w4", "mine-w1.58"]


def test_the_defaults_of_a_method_are_its_fragments():
    study = Study.from_config(config(methods=["brecq"], brecq={"iterations": 7}))
    defaults = fragments.get("compressions", "brecq").defaults
    assert study.methods["brecq"].settings == defaults | {"iterations": 7}


@pytest.mark.parametrize("name", ["mine", "obc", "adaround"])
def test_a_methods_name_is_taken_once(name):
    """Not even one that this study leaves out: it has another meaning in every other study."""
    own = {"name": name, "factory": "methods:compress"}
    methods = ["obc", {"name": "mine", "factory": "others:compress"}, own]
    with pytest.raises(
        ValueError, match=rf"compression.methods.2: the name '{name}' is taken twice"
    ):
        Study.from_config(config(methods=methods))


def test_attacks_have_their_settings_and_scores():
    study = Study.from_config(attacking(rmia={"a": 0.5}))
    assert {name: attack.settings for name, attack in study.attacks.items()} == {
        "lira": {"reference": False},
        "rmia": {"gamma": "tuned", "a": 0.5},
    }
    assert study.scores == (
        "lira_online",
        "lira_online_fixed",
        "lira_offline",
        "lira_offline_fixed",
        "rmia_online",
        "rmia_offline",
    )


def test_a_headline_is_a_score_of_the_studys_own_attacks():
    assert Study.from_config(attacking(methods=["rmia"], headline="rmia_offline")).scores == (
        "rmia_online",
        "rmia_offline",
    )
    for headline in ("lira_online", "rmia", "typo"):
        with pytest.raises(
            ValueError,
            match=rf"attacks.headline: '{headline}' is none of the scores of attacks.methods "
            r"that run under all of attacks.adversaries; allowed: rmia_online, rmia_offline\Z",
        ):
            Study.from_config(attacking(methods=["rmia"], headline=headline))


def test_figures_call_methods_and_scores_by_their_titles():
    mine = {"name": "mine", "factory": "methods:compress"}
    study = Study.from_config(config(methods=["obc", mine]))
    assert study.method_titles == {"obc": "OBC", "mine": "mine"}
    assert study.score_titles["rmia_offline"] == "RMIA offline"
    assert "global_threshold" not in study.score_titles


def test_the_adversaries_are_one_at_full_precision():
    study = Study.from_config(config())
    assert study.adversaries_of(Variant()) == ("transfer",)
    assert study.adversaries_of(Variant("obc", 4.0)) == ("transfer", "adaptive")


def test_shadow_models_are_asked_where_an_adversary_keeps_them():
    both, transfer = (
        Study.from_config(attacking(adversaries=adversaries))
        for adversaries in (["transfer", "adaptive"], ["transfer"])
    )
    variant, everyone = Variant("obc", 4.0), ["000", "001", "002"]
    assert both.shards_to_query(variant) == everyone
    assert transfer.shards_to_query(variant) == ["000"]
    assert both.shards_to_query(Variant()) == transfer.shards_to_query(Variant()) == everyone


def test_what_each_adversary_has():
    has = {
        name: (each.of_targets("obc-w4"), each.of_pool("obc-w4"))
        for name, each in ADVERSARIES.items()
    }
    assert has == {
        "transfer": (("obc-w4",), ("full",)),
        "adaptive": (("obc-w4",), ("obc-w4",)),
        "informed": (("obc-w4",), ("obc-w4", "full")),
        "both": (("obc-w4", "full"), ("obc-w4", "full")),
    }
    for each in ADVERSARIES.values():  # at full precision they are all one
        assert each.of_targets("full") == each.of_pool("full") == ("full",)


def test_further_draws_are_the_informed_adversarys_alone():
    variant = Variant("obc", 4.0)
    study = Study.from_config(
        attacking(
            adversaries=["transfer", "informed"],
            draws=3,
            methods=["lira_moderated"],
            headline="lira_moderated",
        )
    )
    assert study.pool_of("informed", variant) == {"obc-w4": 3, "full": 1}
    assert study.pool_of("transfer", variant) == {"full": 1}
    assert study.draws_to_make(variant) == 3
    assert study.shards_to_query(variant) == study.pool.shards
    adaptive = Study.from_config(attacking(adversaries=["transfer", "adaptive"], draws=3))
    assert adaptive.draws_to_make(variant) == 1
    assert (
        Study.from_config(attacking(adversaries=["transfer"], draws=3)).draws_to_make(variant) == 0
    )


def test_attacks_run_under_the_adversaries_that_their_fragments_name():
    methods = ["lira", "lira_moderated"]
    four = list(ADVERSARIES)
    study = Study.from_config(
        attacking(adversaries=four, methods=methods, headline="lira_moderated")
    )
    variant = Variant("obc", 4.0)
    assert study.attacks_under(variant, "adaptive") == ("lira", "lira_moderated")
    assert study.attacks_under(variant, "both") == ("lira_moderated",)
    assert study.attacks_under(Variant(), "both") == ("lira", "lira_moderated")
    with pytest.raises(ValueError, match=r"run under all of attacks.adversaries; allowed: lira_m"):
        Study.from_config(attacking(adversaries=four, methods=methods, headline="lira_online"))


def test_a_recipe_is_the_studys_then_the_data_sets_then_the_networks():
    whole = {
        "training": {"epochs": 1, "flip": True, "batch_size": 8},
        "datasets": {
            "digits": {"source": "digits", "training": {"epochs": 2, "flip": False}},
            "other": {"source": "npz"},
            "people": {"source": "locations"},
        },
    }
    plain = Named("resnet6", "nets:build")
    short = Named("short", "nets:build", training={"epochs": 3})
    for dataset, network, epochs, augmentation in (
        ("other", plain, 1, {"flip": True}),
        ("other", short, 3, {"flip": True}),
        ("digits", plain, 2, {"flip": False}),
        ("digits", short, 3, {"flip": False}),
        ("people", short, 3, {}),
    ):
        expected = {"epochs": epochs, "batch_size": 8, "augmentation": augmentation}
        assert training_of(whole, dataset, network) == (SGD, expected)
    assert whole["training"]["epochs"] == 1


def test_who_trains_is_told_by_the_recipe():
    """Privacy by its key; a procedure of your own stands in place of all that is before it."""
    dp = {"epsilon": 1, "delta": 1e-5, "clip": 1}
    whole = {
        "training": {"epochs": 1, "flip": True},
        "datasets": {
            "digits": {"source": "digits", "training": {"procedure": "mine:train"}},
            "other": {"source": "digits", "training": {"dp": dp}},
        },
    }
    plain = Named("a", "nets:build")
    own = {"procedure": "mine:fit", "settings": {"epochs": 3}}
    other = Named("b", "nets:build", training=own)
    assert training_of(whole, "digits", plain) == ("mine:train", {})
    assert training_of(whole, "digits", other) == ("mine:fit", {"epochs": 3})
    assert training_of(whole, "other", other) == ("mine:fit", {"epochs": 3})
    expected = {"epochs": 1, "dp": dp, "augmentation": {"flip": True}}
    assert training_of(whole, "other", plain) == (DP_SGD, expected)


def test_a_data_sets_own_queries_stand_in_place_of_the_studys():
    whole = {"queries": ["identity"], "datasets": {"a": {}, "b": {"queries": ["flip"]}}}
    assert queries_of(whole, "a") == ["identity"]
    assert queries_of(whole, "b") == ["flip"]


def test_decoupling_a_width_that_is_not_studied_is_refused():
    with pytest.raises(ValueError, match=r"compression.decoupled.0.bits: 2 is not in"):
        Study.from_config(config(decoupled=[{"bits": 2, "head_bits": 8}]))


def test_decoupling_without_a_method_is_refused():
    with pytest.raises(ValueError, match="compression.decoupled: needs a method"):
        Study.from_config(config(methods=[], decoupled=[{"bits": 4, "head_bits": 8}]))


OWN = {"name": "full", "factory": "mine:compress"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"datasets": {"logs": {"source": "digits"}}},
            "datasets: the name 'logs' is that of a folder",
        ),
        (
            {
                "datasets": {"a": {"source": "digits"}, "a-b": {"source": "digits"}},
                "networks": [
                    {"name": "b-c", "architecture": "resnet6"},
                    {"name": "c", "architecture": "resnet6"},
                ],
            },
            "networks: figures of 'a-b, c' and of 'a, b-c' would have one name",
        ),
        (config(methods=[OWN]), "compression.methods.0: the name 'full' is full precision's"),
        (
            config(methods=["brecq"], brecq={"batch": 33}),
            "compression.brecq.batch: 33 is more than compression.calibration_samples, 32",
        ),
    ],
)
def test_what_would_fail_after_training_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Study.from_config(config() | changes)


def test_the_largest_minibatch_passes():
    Study.from_config(config(methods=["brecq"], brecq={"batch": 32}))
