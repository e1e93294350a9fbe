"""The four cell types: order, names, looks in a stained smear, role, ranges, references. Data only."""

from dataclasses import dataclass, field

CELL_TYPES: tuple[str, ...] = ("eosinophil", "lymphocyte", "monocyte", "neutrophil")
"""The labels, in the one order that models, tables and pages share."""

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
class Reference:
    """One source: its title, its address (None where no public address was checked), what it supports."""

    title: str
    url: str | None
    supports: str


@dataclass(frozen=True)
class CellType:
    """One card.

    Ranges are (low, high): ``size_um`` is the diameter in a smear in µm, ``share_percent`` the share of all
    leukocytes of an adult in %, ``absolute_per_litre`` the 95 % limits in adults in 10^9/L. ``colour`` is a
    hex code from the Okabe-Ito palette; colour alone is no label, so show the name beside it. ``sources``
    gives the keys into ``REFERENCES`` for each field that states a fact.
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
    colour: str
    sources: dict[str, tuple[str, ...]] = field(hash=False)

    @property
    def references(self) -> tuple[str, ...]:
        """Keys of all references of this card, each once, in the order of first use."""
        return tuple(dict.fromkeys(key for keys in self.sources.values() for key in keys))


REFERENCES: dict[str, Reference] = {
    "medlineplus_differential": Reference(
        "MedlinePlus Medical Encyclopedia: Blood differential test",
        "https://medlineplus.gov/ency/article/003657.htm",
        "Share of each type in adult blood; tuberculosis and chronic inflammation raise monocytes.",
    ),
    "orfanakis": Reference(
        "Orfanakis et al.: Normal Blood Leukocyte Concentration Values",
        "https://scilit.net/publications/64d41e0f081475f9e86fa03bfc4450f6",
        "95 % limits of the absolute counts: 291 adults, 200 cells counted in each.",
    ),
    "statpearls_histology": Reference(
        "StatPearls: Histology, White Blood Cell",
        "https://www.ncbi.nlm.nih.gov/books/NBK563148/",
        "Size of the neutrophil, and that it leaves the blood for tissue.",
    ),
    "who_manual": Reference(
        "World Health Organization: Manual of basic techniques for a health laboratory, 2nd edition, 2003",
        None,
        "Size and granules of small and large lymphocytes; colour of the granules of the monocyte.",
    ),
    "ash_neutrophil": Reference(
        "ASH Image Bank 60395: Segmented neutrophil",
        "https://imagebank.hematology.org/image/60395/segmented-neutrophil?type=upload",
        "Nucleus, cytoplasm and granules of the neutrophil.",
    ),
    "ash_lymphocyte": Reference(
        "ASH Image Bank 60510: Lymphocyte",
        "https://imagebank.hematology.org/image/60510/lymphocyte?type=upload",
        "Nucleus and cytoplasm of the resting lymphocyte.",
    ),
    "ash_monocyte": Reference(
        "ASH Image Bank 60935: Monocyte",
        "https://imagebank.hematology.org/image/60935/monocyte?type=atlas",
        "Size, nucleus, cytoplasm and granules of the monocyte.",
    ),
    "ash_eosinophil": Reference(
        "ASH Image Bank 60933: Eosinophil",
        "https://imagebank.hematology.org/image/60933/eosinophil?type=atlas",
        "Size, nucleus, cytoplasm and granules of the eosinophil, and what raises its count.",
    ),
    "lichtman_monocyte": Reference(
        "Lichtman's Atlas of Hematology: Monocytes and macrophages",
        "https://accessmedicine.mhmedical.com/content.aspx?bookid=1630&sectionid=116917213",
        "The colour of the cytoplasm tells a monocyte from a band neutrophil.",
    ),
    "sysmex_neutrophil": Reference(
        "Sysmex Academy: Segmented neutrophil",
        "https://www.sysmex-mea.com/academy/library/white-papers/flow-cytometry/detail-view/"
        "segmented-neutrophil-21285.html",
        "What neutrophils do.",
    ),
    "sysmex_monocyte": Reference(
        "Sysmex Academy: Monocyte",
        "https://www.sysmex-mea.com/academy/library/white-papers/flow-cytometry/detail-view/monocyte-21238.html",
        "Monocytes phagocytose, and become macrophages in tissue.",
    ),
    "biolegend_monocytes": Reference(
        "BioLegend: Monocytes",
        "https://punchout.biolegend.com/nl-nl/monocytes",
        "Monocytes can become macrophages or dendritic cells.",
    ),
    "hardy": Reference(
        "Hardy Diagnostics, teaching material on blood cells",
        None,
        "What lymphocytes do, and how long they live.",
    ),
    "labce_lymphocytes": Reference(
        "LabCE, Normal Peripheral Blood Cells: What is the function of lymphocytes?",
        "https://www.labce.com/spg538093_what_is_the_function_of_lymphocytes.aspx",
        "What B and T lymphocytes do, how long T lymphocytes live, and that the two look alike.",
    ),
    "elsevier_eosinophil": Reference(
        "Elsevier, anatomy resources: Eosinophil",
        None,
        "What eosinophils do, and how long they stay in blood.",
    ),
    "merck_eosinophils": Reference(
        "Merck Manual, Consumer Version: Eosinophilic disorders",
        "https://www.merckmanuals.com/home/blood-disorders/white-blood-cell-disorders/eosinophilic-disorders",
        "What eosinophils do; stress and corticosteroids lower their count.",
    ),
    "bionumbers_neutrophil": Reference(
        "BioNumbers 117065: Circulating half life of neutrophils",
        "https://bionumbers.hms.harvard.edu/bionumber.aspx?id=117065",
        "Half-life of neutrophils in blood by classic labelling.",
    ),
    "pillay_2010": Reference(
        "Pillay et al. 2010: In vivo labeling with 2H2O reveals a human neutrophil lifespan of 5.4 days",
        "https://pubmed.ncbi.nlm.nih.gov/20410504/",
        "Neutrophils belong to innate immunity; their lifespan in blood by labelling with heavy water.",
    ),
    "craig_2016": Reference(
        "Craig et al. 2016: An upper bound for the half-removal time of neutrophils from circulation",
        "https://pmc.ncbi.nlm.nih.gov/articles/PMC5064720",
        "The two estimates for neutrophils are in dispute.",
    ),
    "aberdeen_monocytes": Reference(
        "University of Aberdeen: A short review of histology, Monocytes",
        "https://abdn.ac.uk/medical/elf/courses/view/126314/a-short-review-of-histology/1/page176",
        "How long monocytes stay in blood before they enter tissue.",
    ),
    "mcmaster": Reference(
        "McMaster Textbook of Internal Medicine, B31.1269.3.7.27.11",
        None,
        "What raises and lowers the neutrophil count.",
    ),
    "msd_neutrophilia": Reference(
        "MSD Manual, Consumer Version: Neutrophilic leukocytosis",
        "https://www.msdmanuals.com/home/blood-disorders/white-blood-cell-disorders/neutrophilic-leukocytosis",
        "Infection, inflammation, corticosteroids and myeloid leukaemias raise the neutrophil count.",
    ),
    "aafp_duffy": Reference(
        "American Academy of Family Physicians, Choosing Wisely: Duffy-null phenotype",
        "https://www.aafp.org/pubs/afp/collections/choosing-wisely/526.html",
        "A lower neutrophil count is a normal variant in Duffy-null people.",
    ),
    "merck_lymphocytosis": Reference(
        "Merck Manual, Consumer Version: Lymphocytic leukocytosis",
        "https://www.merckmanuals.com/en-ca/home/blood-disorders/white-blood-cell-disorders/lymphocytic-leukocytosis",
        "Viral infection, lymphoma and lymphocytic leukaemia raise the lymphocyte count.",
    ),
    "medscape_pertussis": Reference(
        "Medscape: White blood count testing in the workup of pertussis",
        "https://www.medscape.com/answers/967268-63415/"
        "what-is-the-role-of-white-blood-count-wbc-testing-in-the-workup-of-pertussis-whooping-cough",
        "Whooping cough raises the lymphocyte count, rarely so in adults.",
    ),
    "msd_lymphocytopenia": Reference(
        "MSD Manual, Professional Version: Causes of lymphocytopenia",
        "https://www.msdmanuals.com/uk/professional/multimedia/table/causes-of-lymphocytopenia",
        "HIV, inherited immune deficiency and glucocorticoids lower the lymphocyte count.",
    ),
    "williams_monocytes": Reference(
        "Williams Hematology, chapter 70: Monocytosis and monocytopenia",
        "https://accessmedicine.mhmedical.com/content.aspx?bookid=1581&sectionid=101239065",
        "A raised monocyte count is part of the definition of chronic myelomonocytic leukaemia.",
    ),
    "merck_monocytopenia": Reference(
        "Merck Manual, Professional Version: Monocytopenia",
        "https://www.merckmanuals.com/en-ca/professional/hematology-and-oncology/leukopenias/monocytopenia",
        "Hairy cell leukaemia and chemotherapy lower the monocyte count.",
    ),
    "doccheck_monocytopenia": Reference(
        "DocCheck Flexikon (in German): Monozytopenie",
        "https://flexikon.doccheck.com/de/Monozytopenie",
        "Aplastic anaemia and hairy cell leukaemia lower the monocyte count.",
    ),
}
"""Every source that a card names, by key."""

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
"""The four cards, in the order of ``CELL_TYPES``."""
