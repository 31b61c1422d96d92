# The memory of its mixtures takes 6.1 GB while training; mixture.memory_dtype="float16" halves that.
_base_ = "./softmax_ocrnet_hr48_ade20k.py"
custom_imports = dict(imports=["gmmseg.heads"], allow_failed_imports=False)
fcn, ocr = _base_.model.decode_head
model = dict(
    # The official preset: --cfg-options model.decode_head.1.mixture.preset=official
    decode_head=[fcn, dict(ocr, type="GMMSegHead", architecture="OCRHead", mixture=dict(preset="paper"))],
)
del fcn, ocr
