# What all trainings share. Options for any of them:
#   images chosen so that all classes come equally often, as in the official code:
#       --cfg-options train_dataloader.sampler.type=ClassUniformSampler
#   curves for TensorBoard, beside the log:
#       --cfg-options visualizer.vis_backends.0.type=TensorboardVisBackend
_base_ = "mmseg::_base_/default_runtime.py"
