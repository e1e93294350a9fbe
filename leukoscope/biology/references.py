"""The sources that the cells' cards name. Data only."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """One source: its title, its address (None where no public address was checked), what it supports."""

    title: str
    url: str | None
    supports: str


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
