# mmsegmentation's CGNet as it is (crops of 680x680, whole images in tests), but for its class weights.
_base_ = "mmseg::cgnet/cgnet_fcn_4xb4-60k_cityscapes-680x680.py"
# Without them, as its cross-entropy raises IndexError at pixels labelled 255.
model = dict(decode_head=dict(loss_decode=dict(class_weight=None)))
# For each of 4 processes: that config's name says 4, the config itself 8.
train_dataloader = dict(batch_size=4)
auto_scale_lr = dict(enable=False, base_batch_size=16)
