"""The four cell types: order, names, looks in a stained smear, role, ranges. Data only.

A type is what has a card in `CELLS`: whatever depends on the types follows from the cards. The sources of each fact are
in `leukoscope.biology.references`.
"""

from dataclasses import dataclass, field

RANGE_NOTE = (
    "These are values for adults from published sources; every laboratory uses its own ranges, "
    "which take precedence over these."
)
"""To be shown wherever a share or a count is shown."""

NOT_A_MEDICAL_DEVICE = (
    "Leukoscope is for teaching and research; it is not a medical device. "
    "Do not use it for diagnosis or to decide on treatment."
)
"""To be shown on every page that shows a prediction."""


@dataclass(frozen=True)
class CellType:
    """One card.

    Ranges are (low, high): `size_um` is the diameter in a smear in µm, `share_percent` the share of all
    leukocytes of an adult in %, `absolute_per_litre` the 95 % limits in adults in 10^9/L. `fitting` names
    attributes of `leukoscope.biology.attributes`, and of each the values that fit the type; one that is not named
    fits whatever it is. `colour` is a hex code from the Okabe-Ito palette; colour alone is no label, so show the
    name beside it. `sources` gives the keys into `leukoscope.biology.references.REFERENCES` for each field that
    states a fact.
    """

    name: str
    plural: str
    summary: str
    role: str
    size_um: tuple[float, float]
    nucleus: str
    cytoplasm: str
    granules: str
    share_percent: tuple[float, float]
    absolute_per_litre: tuple[float, float]
    lifespan: str
    raised_in: tuple[str, ...]
    lowered_in: tuple[str, ...]
    fitting: dict[str, tuple[str, ...]] = field(hash=False)
    colour: str
    sources: dict[str, tuple[str, ...]] = field(hash=False)

    @property
    def references(self) -> tuple[str, ...]:
        """Keys of all references of this card, each once, in the order of first use."""
        return tuple(dict.fromkeys(key for keys in self.sources.values() for key in keys))


CELLS: dict[str, CellType] = {
    "eosinophil": CellType(
        name="eosinophil",
        plural="eosinophils",
        summary="Fights parasitic worms and takes part in allergic reactions.",
        role=(
            "Eosinophils help to defend the body against parasitic worms (helminths). "
            "They also take part in allergy, where they add to the inflammation. "
            "Blood only carries them: they soon move on into tissue."
        ),
        size_um=(10, 17),
        nucleus="Usually two lobes, with condensed chromatin.",
        cytoplasm="Abundant, and filled with granules.",
        granules="Many, coarse, red-orange.",
        share_percent=(1, 4),
        absolute_per_litre=(0.0, 0.70),
        lifespan="About 10 hours in blood, then in tissue.",
        raised_in=("parasitic infection", "allergy", "drug hypersensitivity", "some neoplasms of the blood"),
        lowered_in=("bodily stress", "treatment with corticosteroids"),
        fitting={
            "nucleus_shape": ("segmented-bilobed", "segmented-multilobed", "unsegmented-band"),
            "nuclear_cytoplasmic_ratio": ("low",),
            "granularity": ("yes",),
            "granule_type": ("round", "coarse"),
            "granule_colour": ("red",),
        },
        colour="#D55E00",
        sources={
            "summary": ("elsevier_eosinophil", "merck_eosinophils"),
            "role": ("elsevier_eosinophil", "merck_eosinophils"),
            "size_um": ("ash_eosinophil",),
            "nucleus": ("ash_eosinophil",),
            "cytoplasm": ("ash_eosinophil",),
            "granules": ("ash_eosinophil",),
            "share_percent": ("medlineplus_differential",),
            "absolute_per_litre": ("orfanakis",),
            "lifespan": ("elsevier_eosinophil",),
            "raised_in": ("ash_eosinophil",),
            "lowered_in": ("merck_eosinophils",),
        },
    ),
    "lymphocyte": CellType(
        name="lymphocyte",
        plural="lymphocytes",
        summary="Makes antibodies, attacks infected cells and steers the immune response.",
        role=(
            "B lymphocytes give rise to the cells that make antibodies. "
            "T lymphocytes carry cell-mediated immunity and regulate the immune response. "
            "In a stained smear the two look alike."
        ),
        size_um=(7, 10),
        nucleus="Round and condensed, just larger than a red cell.",
        cytoplasm="A scant, pale blue rim in the small lymphocyte, the form whose size is given.",
        granules="None in small lymphocytes; large ones, of 10 to 15 µm, can hold several dark red granules.",
        share_percent=(20, 40),
        absolute_per_litre=(1.5, 4.0),
        lifespan="From days to years; many T lymphocytes are among the long-lived.",
        raised_in=(
            "viral infection",
            "whooping cough (pertussis), rarely so in adults",
            "lymphoid neoplasms such as lymphocytic leukaemia and lymphoma",
        ),
        lowered_in=("HIV infection", "inherited immune deficiency", "treatment with corticosteroids"),
        fitting={"nucleus_shape": ("unsegmented-round", "unsegmented-indented", "irregular")},
        colour="#0072B2",
        sources={
            "summary": ("hardy", "labce_lymphocytes"),
            "role": ("hardy", "labce_lymphocytes"),
            "size_um": ("who_manual",),
            "nucleus": ("ash_lymphocyte",),
            "cytoplasm": ("ash_lymphocyte", "who_manual"),
            "granules": ("who_manual",),
            "share_percent": ("medlineplus_differential",),
            "absolute_per_litre": ("orfanakis",),
            "lifespan": ("hardy", "labce_lymphocytes"),
            "raised_in": ("merck_lymphocytosis", "medscape_pertussis"),
            "lowered_in": ("msd_lymphocytopenia",),
        },
    ),
    "monocyte": CellType(
        name="monocyte",
        plural="monocytes",
        summary="Takes up microbes and dead cells, and becomes a macrophage or a dendritic cell in tissue.",
        role=(
            "Monocytes take up and digest microbes and dead or damaged cells (phagocytosis). "
            "After a short time in blood they enter tissue and become macrophages or dendritic cells."
        ),
        size_um=(12, 20),
        nucleus="Indented or kidney-shaped, with finer chromatin than that of a neutrophil or a lymphocyte.",
        cytoplasm=(
            "Abundant and grey-blue, at times with vacuoles. "
            "The colour tells it from a band neutrophil, whose cytoplasm is pink."
        ),
        granules="Fine, azurophilic (reddish).",
        share_percent=(2, 8),
        absolute_per_litre=(0.20, 0.95),
        lifespan="1 to 3 days in blood, then in tissue.",
        raised_in=("tuberculosis", "chronic inflammatory disease", "chronic myelomonocytic leukaemia (CMML)"),
        lowered_in=(
            "hairy cell leukaemia",
            "bone marrow failure, as in aplastic anaemia or after chemotherapy",
        ),
        fitting={
            "nucleus_shape": ("unsegmented-indented", "unsegmented-round", "irregular", "unsegmented-band"),
            "granule_type": ("nil", "small"),
            "granule_colour": ("nil", "pink", "red"),
        },
        colour="#009E73",
        sources={
            "summary": ("sysmex_monocyte", "biolegend_monocytes"),
            "role": ("sysmex_monocyte", "biolegend_monocytes"),
            "size_um": ("ash_monocyte",),
            "nucleus": ("ash_monocyte",),
            "cytoplasm": ("ash_monocyte", "lichtman_monocyte"),
            "granules": ("ash_monocyte", "who_manual"),
            "share_percent": ("medlineplus_differential",),
            "absolute_per_litre": ("orfanakis",),
            "lifespan": ("aberdeen_monocytes",),
            "raised_in": ("medlineplus_differential", "williams_monocytes"),
            "lowered_in": ("merck_monocytopenia", "doccheck_monocytopenia"),
        },
    ),
    "neutrophil": CellType(
        name="neutrophil",
        plural="neutrophils",
        summary="Takes up and destroys bacteria and fungi.",
        role=(
            "Neutrophils take up and destroy bacteria and fungi (phagocytosis). "
            "They belong to innate immunity, the defence that is not specific to one invader. "
            "They leave the blood to do this work in tissue."
        ),
        size_um=(12, 15),
        nucleus="2 to 5 lobes joined by thin filaments, with condensed chromatin.",
        cytoplasm="Pale pink.",
        granules="Many, fine.",
        share_percent=(40, 60),
        absolute_per_litre=(1.83, 7.25),
        lifespan=(
            "Disputed: classic labelling gives a half-life in blood of 6 to 8 hours, "
            "labelling with heavy water a mean lifespan in blood of 5.4 days."
        ),
        raised_in=(
            "bacterial infection",
            "inflammation",
            "treatment with corticosteroids",
            "myeloproliferative neoplasms",
        ),
        lowered_in=(
            "bone marrow failure",
            "some drugs",
            "viral infection",
            "lack of vitamin B12 or folate",
            "Duffy-null people, in whom a lower count is normal",
        ),
        fitting={
            "nucleus_shape": ("segmented-multilobed", "segmented-bilobed", "unsegmented-band"),
            "nuclear_cytoplasmic_ratio": ("low",),
            "cytoplasm_colour": ("light blue",),
            "granularity": ("yes",),
            "granule_type": ("small",),
            "granule_colour": ("pink", "purple"),
        },
        colour="#CC79A7",
        sources={
            "summary": ("sysmex_neutrophil",),
            "role": ("sysmex_neutrophil", "statpearls_histology", "pillay_2010"),
            "size_um": ("statpearls_histology",),
            "nucleus": ("ash_neutrophil",),
            "cytoplasm": ("ash_neutrophil",),
            "granules": ("ash_neutrophil", "sysmex_neutrophil"),
            "share_percent": ("medlineplus_differential",),
            "absolute_per_litre": ("orfanakis",),
            "lifespan": ("bionumbers_neutrophil", "pillay_2010", "craig_2016"),
            "raised_in": ("mcmaster", "msd_neutrophilia"),
            "lowered_in": ("mcmaster", "aafp_duffy"),
        },
    ),
}
"""The cards. Their order is the one that models, tables and pages share."""

CELL_TYPES: tuple[str, ...] = tuple(CELLS)
"""The labels, in the order of the cards."""

HOW_MANY = {4: "four", 5: "five", 6: "six"}.get(len(CELL_TYPES), str(len(CELL_TYPES)))
"""How many types there are, for sentences."""


def with_article(name: str) -> str:
    """The name of a type with its article: "an eosinophil", "a monocyte"."""
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


OTHERS = ", ".join(with_article(name) for name in ("basophil", "blast", "young cell") if name not in CELLS)
"""Examples of what is none of the types, for sentences."""
