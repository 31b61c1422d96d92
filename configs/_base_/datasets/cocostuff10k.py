# COCO-Stuff 10k as in section 4.1, which is mmsegmentation's: crops of 512x512, tests at a short side of 512.
_base_ = "mmseg::_base_/datasets/coco-stuff10k.py"
# For each of 4 processes.
train_dataloader = dict(batch_size=4)
auto_scale_lr = dict(enable=False, base_batch_size=16)
