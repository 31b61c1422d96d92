# What all trainings share. Options of the train command, with any config:
#   images chosen so that all classes come equally often, as in the official code:
#       --cfg-options train_dataloader.sampler.type=ClassUniformSampler
#   or, in a config of your own:
#       train_dataloader = dict(sampler=dict(_delete_=True, type="ClassUniformSampler"))
#   curves for TensorBoard:
#       visualizer = dict(vis_backends=[dict(type="TensorboardVisBackend")])
_base_ = "mmseg::_base_/default_runtime.py"
