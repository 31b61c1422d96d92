"""The embedded default: drawn streets, a softmax network and its GMMSeg twin, and all that `eval` makes of them."""
