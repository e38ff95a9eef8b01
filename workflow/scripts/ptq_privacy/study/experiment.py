"""One config, checked: what there is to train, to compress, to attack and to compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ptq_privacy.study import fragments, input_kinds, references
from ptq_privacy.study.adversaries import ADVERSARIES, DEFAULT
from ptq_privacy.study.pool import Pool
from ptq_privacy.study.recipes import recipes
from ptq_privacy.study.variants import Variant

SGD = "ptq_privacy.training.sgd:train"
DP_SGD = "ptq_privacy.training.dp_sgd:train"
"""The built-in trainings."""

FOLDERS = ("benchmarks", "figures", "logs", "tables")
"""Of a study, beside those of its data sets."""


@dataclass(frozen=True)
class Named:
    """A network or a compression method of a study: a fragment's, or your own by import path.

    name: in paths and tables.
    function: `module:function`.
    settings: its function's keywords, defaults filled.
    training: of a network, keys that differ from the study's recipe.
    fragment: the fragment's name; None for your own.
    """

    name: str
    function: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    fragment: str | None = None

    @property
    def own(self) -> bool:
        return references.is_own(self.function)


@dataclass(frozen=True)
class Study:
    """What a config asks for. `methods` are its compressions and `attacks` its attacks, by name."""

    pool: Pool
    datasets: tuple[str, ...]
    networks: Mapping[str, Named]
    methods: Mapping[str, Named]
    variants: tuple[Variant, ...]
    adversaries: tuple[str, ...]
    attacks: Mapping[str, Named]
    draws: int = 1

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Study:
        """Read a config that the schema has already passed.

        Raises:
            ValueError: names the key whose value cannot work together with the others.
        """
        methods = _methods(config["compression"])
        networks = _networks(config["networks"])
        _check_names(config["datasets"], networks)
        own = [name for name, method in methods.items() if method.own]
        return cls(
            pool=Pool(**config["pool"]),
            datasets=tuple(config["datasets"]),
            networks=networks,
            methods=methods,
            variants=(Variant(), *recipes(config["compression"], list(methods), own)),
            adversaries=tuple(config["attacks"]["adversaries"]),
            attacks=_attacks(config["attacks"]),
            draws=config["attacks"]["draws"],
        )

    def own_functions(self, config: Mapping[str, Any]) -> list[str]:
        """Every function of yours that makes, trains or compresses a network, `module:function`."""
        named = [*self.networks.values(), *self.methods.values()]
        functions = [entry.function for entry in named]
        for dataset in self.datasets:
            functions += [training_of(config, dataset, n)[0] for n in self.networks.values()]
        return [function for function in dict.fromkeys(functions) if references.is_own(function)]

    @property
    def scores(self) -> tuple[str, ...]:
        """The scores that the study's attacks give, in their order."""
        return self.scores_of(self.attacks)

    def scores_of(self, attacks: Iterable[str]) -> tuple[str, ...]:
        """The scores that some attacks give, in their order."""
        known = [fragments.get("attacks", name).more["scores"] for name in attacks]
        return tuple(score for scores in known for score in scores)

    def needed(self, attacks: Iterable[str]) -> tuple[str, ...]:
        """These attacks, and all others where one of these chooses among them."""
        choose = any(fragments.get("attacks", name).more.get("chooses") for name in attacks)
        return tuple(self.attacks) if choose else tuple(attacks)

    @property
    def built_in_variants(self) -> tuple[Variant, ...]:
        """The variants that are made by methods with fragments, not by your own."""
        known = [variant for variant in self.variants if variant.method is not None]
        return tuple(v for v in known if not self.methods[str(v.method)].own)

    @property
    def method_titles(self) -> dict[str, str]:
        """What figures call the study's compressions."""
        known = fragments.of_kind("compressions")
        return {
            name: known[method.fragment].title if method.fragment else name
            for name, method in self.methods.items()
        }

    @property
    def score_titles(self) -> dict[str, str]:
        """What figures call the scores of the study's attacks."""
        found: dict[str, str] = {}
        for name in self.attacks:
            found |= fragments.get("attacks", name).more["scores"]
        return found

    def adversaries_of(self, variant: Variant) -> tuple[str, ...]:
        """The adversaries told apart at a variant: at full precision they are all one."""
        return self.adversaries if variant.compressed else self.adversaries[:1]

    def attacks_under(self, variant: Variant, adversary: str) -> tuple[str, ...]:
        """The attacks that run against a variant; at full precision all do."""
        return tuple(a for a in self.attacks if not variant.compressed or runs(a, adversary))

    def draws_of(self, adversary: str, variant: Variant) -> int:
        """How many compressions of each shadow model an adversary has at a variant."""
        return self.draws if ADVERSARIES[adversary].draws and variant.compressed else 1

    def pool_of(self, adversary: str, variant: Variant) -> dict[str, int]:
        """At which variants an adversary of a variant has the pool, and how many draws of each."""
        return {
            name: self.draws_of(adversary, Variant.recorded(name))
            for name in ADVERSARIES[adversary].of_pool(str(variant))
        }

    def draws_to_make(self, variant: Variant) -> int:
        """Compressions of each shadow model by a variant's recipe: 0 if no adversary has any."""
        pools = [self.pool_of(adversary, variant) for adversary in self.adversaries]
        return max(pool.get(str(variant), 0) for pool in pools)

    def shards_to_query(self, variant: Variant) -> list[str]:
        """The shards whose answers the attacks on a variant need, of its first draw.

        Shadow models are needed at full precision by some adversary or other, and at the target's
        own variant by all but the transfer one; of further draws (`draws_to_make`), all of them.
        """
        if not variant.compressed or self.draws_to_make(variant):
            return self.pool.shards
        return self.pool.target_shards


def runs(attack: str, adversary: str) -> bool:
    """Whether an attack is one of an adversary's, by its fragment."""
    return adversary in fragments.get("attacks", attack).more.get("adversaries", DEFAULT)


def training_of(
    config: Mapping[str, Any], dataset: str, network: Named
) -> tuple[str, dict[str, Any]]:
    """How a network is trained on a data set: by which function, and with what.

    The study's `training`, over it the data set's own keys, over these the network's; a procedure
    of your own stands in place of all that is before it.

    Returns:
        `module:function`, and of a built-in training its recipe, in which `augmentation` holds what
        concerns samples of its kind alone; of your own its settings.
    """
    recipe: dict[str, Any] = {}
    for level in levels_of(config, dataset, network.training).values():
        recipe = dict(level) if "procedure" in level else {**recipe, **level}
    if "procedure" in recipe:
        return recipe["procedure"], recipe.get("settings", {})
    kinds = input_kinds.augmentation()
    own = {key: recipe.pop(key) for key in kinds if key in recipe}
    kind = kind_of(config, dataset)
    recipe["augmentation"] = {key: own[key] for key in own if kinds[key] == kind}
    return DP_SGD if "dp" in recipe else SGD, recipe


def levels_of(
    config: Mapping[str, Any], dataset: str, network: Mapping[str, Any], place: str = "network"
) -> dict[str, Mapping[str, Any]]:
    """The trainings that lie over each other, by their keys' places, the last one uppermost.

    Args:
        network: the network's own training; place: of the network in the config.
    """
    return {
        "training": config["training"],
        f"datasets.{dataset}.training": config["datasets"][dataset].get("training", {}),
        f"{place}.training": network,
    }


def kind_of(config: Mapping[str, Any], dataset: str) -> str:
    """Of which kind a data set's samples are, as its source tells."""
    return str(fragments.get("sources", config["datasets"][dataset]["source"]).more["kind"])


def queries_of(config: Mapping[str, Any], dataset: str) -> list[str]:
    """The views of a data set's samples that the attacks ask for."""
    return config["datasets"][dataset].get("queries", config["queries"])


def _check_names(datasets: Iterable[str], networks: Iterable[str]) -> None:
    """Names that would put two things at one path."""
    figures: dict[str, str] = {}
    for dataset in datasets:
        if dataset in FOLDERS:
            raise ValueError(f"datasets: the name {dataset!r} is that of a folder of the study's")
        for network in networks:
            pair = f"{dataset}, {network}"
            other = figures.setdefault(f"{dataset}-{network}", pair)
            if other != pair:
                raise ValueError(
                    f"networks: figures of {pair!r} and of {other!r} would have one name; "
                    "rename a data set or a network"
                )


def _networks(entries: list[Any]) -> dict[str, Named]:
    """Each entry is a fragment's name, or a name with an architecture or a factory of your own."""
    found: dict[str, Named] = {}
    for index, entry in enumerate(entries):
        known: Mapping[str, Any] = entry
        if isinstance(entry, str):
            known = {"name": entry, "architecture": entry}
        name = known["name"]
        if name in found:
            raise ValueError(f"networks.{index}: the name {name!r} is taken twice")
        settings, training = known.get("settings", {}), known.get("training", {})
        if "factory" in known:
            found[name] = Named(name, known["factory"], settings, training)
        else:
            fragment = fragments.get("networks", known["architecture"])
            settings = {**fragment.defaults, **settings}
            found[name] = Named(name, fragment.function, settings, training, fragment.name)
    return found


def _methods(compression: Mapping[str, Any]) -> dict[str, Named]:
    """Each entry is a fragment's name, or the name and factory of your own."""
    found: dict[str, Named] = {}
    for index, entry in enumerate(compression["methods"]):
        if isinstance(entry, str):
            fragment = fragments.get("compressions", entry)
            settings = {**fragment.defaults, **compression.get(entry, {})}
            method = Named(entry, fragment.function, settings, fragment=entry)
            samples = compression["calibration_samples"]
            if settings.get("batch", 0) > samples:
                raise ValueError(
                    f"compression.{entry}.batch: {settings['batch']} is more than "
                    f"compression.calibration_samples, {samples}"
                )
        else:
            method = Named(entry["name"], entry["factory"], entry.get("settings", {}))
        if method.name == "full":
            raise ValueError(f"compression.methods.{index}: the name 'full' is full precision's")
        if method.name in found or (method.own and method.name in fragments.names("compressions")):
            raise ValueError(
                f"compression.methods.{index}: the name {method.name!r} is taken twice"
            )
        found[method.name] = method
    return found


def _attacks(attacks: Mapping[str, Any]) -> dict[str, Named]:
    found = {}
    for name in attacks["methods"]:
        fragment = fragments.get("attacks", name)
        settings = {**fragment.defaults, **attacks.get(name, {})}
        found[name] = Named(name, fragment.function, settings, fragment=name)
    choosing = [a for a in found if fragments.get("attacks", a).more.get("chooses")]
    if choosing and len(choosing) == len(found):
        raise ValueError(f"attacks.methods: {choosing[0]} needs other attacks to choose from")
    everywhere = [a for a in found if all(runs(a, each) for each in attacks["adversaries"])]
    scores = [s for name in everywhere for s in fragments.get("attacks", name).more["scores"]]
    if attacks["headline"] not in scores:
        raise ValueError(
            f"attacks.headline: {attacks['headline']!r} is none of the scores of attacks.methods "
            "that run under all of attacks.adversaries; "
            f"allowed: {', '.join(scores)}"
        )
    return found
