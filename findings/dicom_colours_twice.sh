#!/usr/bin/env bash
# pydicom hands out RGB and still says YBR_FULL: code that believes it converts twice, and nuclei turn olive.
#
# Most would guess: pixel_array is what is stored, as PhotometricInterpretation says; or it is converted, and says RGB.
# What happens: pixel_array is RGB already, while the data set keeps saying YBR_FULL. The step that older guides teach,
# convert_color_space(pixels, ds.PhotometricInterpretation, "RGB"), then runs on RGB: a purple nucleus (90, 40, 140)
# comes out as (107, 112, 0). SimpleITK converts as well, and agrees with the first.
# Why it matters: photos of microscopes come as DICOM with YBR_FULL or its 422. A pipeline that was written for an older
# pydicom goes on without an error, and feeds olive nuclei to a network that tells cells by their purple.
#
# seen with pydicom 3.0.2, SimpleITK 2.5.7, numpy 2.4.6 on 27 November 2026
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/python" -m pip install -qq --no-compile pydicom==3.0.2 simpleitk==2.5.7 numpy==2.4.6
cd "$room"
venv/bin/python - <<'PYTHON'
import sys

import numpy as np
import pydicom
import SimpleITK
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.processing import convert_color_space
from pydicom.uid import ExplicitVRLittleEndian, VLMicroscopicImageStorage, generate_uid

print("pydicom", pydicom.__version__, "SimpleITK", SimpleITK.__version__)
photo = np.full((16, 16, 3), (90, 40, 140), np.uint8)
made = Dataset()
made.file_meta = FileMetaDataset()
made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = VLMicroscopicImageStorage
made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid()
made.StudyInstanceUID, made.SeriesInstanceUID, made.Modality = generate_uid(), generate_uid(), "GM"
made.Rows, made.Columns, made.SamplesPerPixel, made.PlanarConfiguration = 16, 16, 3, 0
made.PhotometricInterpretation = "YBR_FULL"
made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
made.PixelData = convert_color_space(photo, "RGB", "YBR_FULL").tobytes()
made.save_as("photo.dcm", enforce_file_format=True)

read = pydicom.dcmread("photo.dcm")
once = read.pixel_array
said = read.PhotometricInterpretation
twice = convert_color_space(once, said, "RGB")
other = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage("photo.dcm"))[0]
print("pixel_array", once[0, 0].tolist(), "said to be", said, "; SimpleITK", other[0, 0].tolist())
print("converted as it says", twice[0, 0].tolist())
near = [np.abs(pixels.astype(int) - photo).max() for pixels in (once, other, twice)]
sys.exit(not (near[0] <= 2 and near[1] <= 2 and near[2] > 50 and said == "YBR_FULL"))
PYTHON
