"""Every path of a study, once, and which of them belong together."""


pathvars:
    results=f"results/{config['study']}",
    logs="<results>/logs",
    benchmarks="<results>/benchmarks",


VARIANT = r"[a-z][a-z0-9_]*-w[0-9.]+(a[0-9.]+)?(-head[0-9.]+)?"
DRAW = "(/draw-[1-9][0-9]*)?"


wildcard_constraints:
    # The names themselves, since a figure's file name joins two that may have hyphens.
    dataset="|".join(STUDY.datasets),
    network="|".join(STUDY.networks),
    variant=f"full|{VARIANT}",
    # With further draws: compressions of a model by the same recipe, on other samples.
    stored=f"full|{VARIANT}{DRAW}",
    compressed=f"{VARIANT}{DRAW}",
    shard=SHARD,
    adversary="|".join(ADVERSARIES),


DATASET = "<results>/{dataset}/dataset.safetensors"
MEMBERS = "<results>/{dataset}/members-{shard}.parquet"
MEMBERSHIP = "<results>/{dataset}/membership.parquet"
TRIED = "<results>/{dataset}/{network}/network.json"
TRAINED = "<results>/{dataset}/{network}/full/shard-{shard}.safetensors"
CHECKPOINTS = "<results>/{dataset}/{network}/{stored}/shard-{shard}.safetensors"
LOGITS = "<results>/{dataset}/{network}/{stored}/logits-{shard}.parquet"
SCORES = "<results>/{dataset}/{network}/{variant}/scores-{adversary}.parquet"
LEAKAGE = "<results>/{dataset}/{network}/{variant}/leakage-{adversary}.parquet"
VALUES = "<results>/{dataset}/{network}/{variant}/values-{adversary}.parquet"
SWEEP = "<results>/{dataset}/{network}/full/shadow-sweep.parquet"
COMPARISONS = "<results>/{dataset}/{network}/comparisons.parquet"
CALIBRATION = "<results>/{dataset}/{network}/calibration.parquet"
EPSILON = "<results>/{dataset}/{network}/epsilon.parquet"
DISPARITY = "<results>/{dataset}/{network}/disparity.parquet"
EXPOSURE = "<results>/{dataset}/{network}/exposure.parquet"
EXPOSURE_SUMMARY = "<results>/{dataset}/{network}/exposure-summary.parquet"
THRESHOLDS = "<results>/{dataset}/{network}/thresholds.parquet"
SUMMARY = "<results>/tables/summary.parquet"
METHODS = "<results>/tables/methods.parquet"
SCALE = "<results>/tables/scale.parquet"


def figure(name, format):
    """One figure of each network."""
    return f"<results>/figures/{name}-{{dataset}}-{{network}}.{format}"


def roc(format):
    return f"<results>/figures/roc-{{dataset}}-{{network}}-{{adversary}}.{format}"


def reported(shown, format):
    """One figure as the report lists it."""
    kind, _, adversary = shown["name"].partition("-")
    pattern = roc(format) if adversary else figure(kind, format)
    return expand(pattern, adversary=adversary, **shown)[0]


def of_each_network(pattern, **more):
    return expand(pattern, dataset=STUDY.datasets, network=list(STUDY.networks), **more)


def of_each_cell(pattern):
    return [path for cell in CELLS for path in expand(pattern, **cell)]


def of_each_variant(pattern, cells=VARIANT_CELLS):
    return [
        path for cell in cells for path in expand(pattern, allow_missing=True, **cell)
    ]


def pool_logits(variants):
    """Every model of a network's pool, at each of some variants."""
    return [
        path
        for variant in variants
        for path in expand(
            LOGITS, stored=variant, shard=STUDY.pool.shards, allow_missing=True
        )
    ]


def shards_of_cells(cells):
    """What the attacks of some cells look at: shards by variant, and by variant/draw-n."""
    found = {}
    for cell in cells:
        variant, adversary = Variant.recorded(cell["variant"]), cell["adversary"]
        found.setdefault(cell["variant"], STUDY.shards_to_query(variant))
        for name, draws in STUDY.pool_of(adversary, variant).items():
            for draw in range(draws):
                found[f"{name}/draw-{draw}" if draw else name] = STUDY.pool.shards
    return found


def logits_of_cells(cells):
    """Their answers, in that order."""
    return [
        path
        for stored, shards in shards_of_cells(cells).items()
        for path in expand(LOGITS, stored=stored, shard=shards, allow_missing=True)
    ]


def logits_of_targets(variants):
    """The targets of a network, at each of some variants."""
    return [
        path
        for variant in variants
        for path in expand(
            LOGITS,
            stored=variant,
            shard=STUDY.pool.target_shards,
            allow_missing=True,
        )
    ]


def checkpoints_of(cell):
    """The shards that hold a cell's targets, with their accuracy and storage."""
    return expand(
        CHECKPOINTS, stored=cell["variant"], shard=STUDY.pool.target_shards, **cell
    )


def scores_of_variants(wildcards):
    """Every variant's scores under one adversary; at full precision there is only one."""
    return [
        path
        for variant in STUDY.variants
        for path in expand(
            SCORES,
            dataset=wildcards.dataset,
            network=wildcards.network,
            variant=str(variant),
            adversary=(
                wildcards.adversary if variant.compressed else STUDY.adversaries[0]
            ),
        )
    ]


# A study without compressions has nothing to compare, and no calibration samples.
ALL_COMPARISONS = of_each_network(COMPARISONS) if COMPRESSED_CELLS else []
# One method alone has none to be compared with.
ALL_METHODS = [METHODS] if len(STUDY.methods) > 1 else []
# Networks that are alike but for their size.
ALL_SCALES = [SCALE] if FAMILIES else []
CALIBRATIONS = of_each_network(CALIBRATION) if COMPRESSED_CELLS else []

# A threshold takes two pairs of shadow models.
ALL_THRESHOLDS = of_each_network(THRESHOLDS) if STUDY.pool.shadow_models >= 4 else []
