"""A whole slide of a smear goes in; its white cells come out, each once, with where they lie and what was counted.

    from leukoscope import Classifier
    from leukoscope.slides import scan_slide, write_outputs

    scan = scan_slide("slide.svs", Classifier.from_pretrained(), out="answers/slide.svs")
    print(scan.differential.tally.table())
    write_outputs(scan, Path("answers/slide.svs"))

Needs `pip install 'leukoscope[slides]'`. With more than one worker a script must ask for them below
`if __name__ == "__main__":`, as with everything in `multiprocessing`.
"""

from leukoscope.pictures.slide import Box, Slide, is_slide
from leukoscope.slides.outputs import write_outputs
from leukoscope.slides.overview import Overview, look
from leukoscope.slides.scan import CELLS, Progress, SlideScan, scan_slide
from leukoscope.slides.tiles import Found, Plan, plan

__all__ = [
    "CELLS",
    "Box",
    "Found",
    "Overview",
    "Plan",
    "Progress",
    "Slide",
    "SlideScan",
    "is_slide",
    "look",
    "plan",
    "scan_slide",
    "write_outputs",
]
