_base_ = "mmseg::_base_/models/cgnet.py"
# Without mmsegmentation's class weights: with them its cross-entropy raises IndexError at pixels labelled 255.
model = dict(decode_head=dict(loss_decode=dict(class_weight=None)))
