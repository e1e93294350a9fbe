"""DICOM files of one picture, as microscopes and cameras write them, by pydicom."""

from __future__ import annotations

import io

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid

MICROSCOPIC = "1.2.840.10008.5.1.4.1.1.77.1.2"  # VL Microscopic Image Storage


def dicom(values: np.ndarray, coding: str = ExplicitVRLittleEndian, coded: bytes | None = None, **attributes) -> bytes:
    """A file.

    Args:
        values: (H, W, S) of 8 or 16 bits.
        coding: transfer syntax.
        coded: the picture, if it is coded; else the values are written.
        attributes: of the file, by DICOM's names; others are as the values need them.
    """
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = coding, MICROSCOPIC
    meta.MediaStorageSOPInstanceUID = generate_uid()
    made = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    made.SOPClassUID, made.SOPInstanceUID, made.Modality = MICROSCOPIC, meta.MediaStorageSOPInstanceUID, "GM"
    made.Rows, made.Columns, made.SamplesPerPixel = values.shape
    bits = 8 * values.itemsize
    made.PhotometricInterpretation = "RGB" if values.shape[2] == 3 else "MONOCHROME2"
    made.PlanarConfiguration, made.PixelRepresentation = 0, 0
    made.BitsAllocated, made.BitsStored, made.HighBit = bits, bits, bits - 1
    if apart := attributes.get("PlanarConfiguration"):
        values = np.moveaxis(values, -1, 0)
    made.PixelData = encapsulate([coded]) if coded else values.tobytes()
    made["PixelData"].VR = "OB" if coded or bits == 8 else "OW"
    made["PixelData"].is_undefined_length = coded is not None
    if coding == RLELossless and not coded:
        made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        made.compress(RLELossless, generate_instance_uid=False)
        apart = 1
    for name, value in attributes.items():
        setattr(made, name, value)
    made.PlanarConfiguration = apart or 0
    buffer = io.BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
