_base_ = "./softmax_ocrnet_hr48_cityscapes.py"
custom_imports = dict(imports=["gmmseg.heads"], allow_failed_imports=False)
fcn, ocr = _base_.model.decode_head
model = dict(
    # The official preset: --cfg-options model.decode_head.1.mixture.preset=official
    decode_head=[fcn, dict(ocr, type="GMMSegHead", architecture="OCRHead", mixture=dict(preset="paper"))],
)
del fcn, ocr
